#!/usr/bin/env bash
# Makes /uv, an environment with uv of the version that the requirements name: install-build-tools.sh PYTHON
set -euo pipefail

# shellcheck source=secrets.sh
source "${BASH_SOURCE%/*}/secrets.sh"

python=$1
if [[ $python == /databricks/* ]]; then
    virtualenv --quiet --no-download --python="$python" /uv
else
    "$python" -m venv /uv
fi
/uv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
    --only-binary :all: --requirement /run/dbmirror/requirements.txt
