#!/usr/bin/env bash
# Makes /uv, an environment with uv of the version that the requirements name, from its wheel in the folder:
# install-build-tools.sh PYTHON [REQUIREMENTS FOLDER]
set -euo pipefail

requirements=${2:-/run/dbmirror/requirements.txt}
folder=${3:-/run/dbmirror/files}
read -r pin hash <<<"$(grep --invert-match '^#' "$requirements")"
wheels=("$folder/${pin/==/-}"-*.whl)
echo "${hash#--hash=sha256:}  ${wheels[0]}" | sha256sum --check --quiet -

python=$1
if [[ $python == /databricks/* ]]; then
    virtualenv --quiet --no-download --no-seed --python="$python" /uv
else
    "$python" -I -m venv --without-pip /uv
fi
# All of it is one program.
/uv/bin/python -I -m zipfile --extract "${wheels[0]}" /uv/wheel
install --mode=755 /uv/wheel/*.data/scripts/uv /uv/bin/uv
rm -r /uv/wheel
