#!/usr/bin/env bash
# Makes /uv, an environment with uv of the version that the requirements name: install-uv.sh PYTHON
set -euo pipefail

# shellcheck source=index-secrets.sh
source "${BASH_SOURCE%/*}/index-secrets.sh"

python=$1
if [[ $python == /databricks/* ]]; then
    virtualenv --quiet --no-download --python="$python" /uv
else
    "$python" -m venv /uv
fi
/uv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
    --only-binary :all: --requirement /run/dbmirror/requirements.txt
