#!/usr/bin/env bash
# Makes /opt/lab, an environment that sees nothing of another, from the mirror's Python, and fills it: create-lab.sh PYTHON
set -euo pipefail

# shellcheck source=index-uv.sh
source "${BASH_SOURCE%/*}/index-uv.sh"

# An environment's interpreter is a link; a new one must start from where it leads.
/uv/bin/uv venv --quiet --no-project --python "$(readlink -f "$(command -v "$1")")" /opt/lab
install_wheels /run/dbmirror/requirements.txt --require-hashes --python /opt/lab/bin/python
# The only kernels are the mirror's and the driver's: code that runs in JupyterLab's own environment proves nothing.
rm -rf /opt/lab/share/jupyter/kernels/python3
