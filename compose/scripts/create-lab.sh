#!/usr/bin/env bash
# Makes /opt/lab, an environment that sees nothing of the mirrored one, from the same Python, and fills it.
set -euo pipefail

# shellcheck source=../../images/python/scripts/uv.sh
source "${BASH_SOURCE%/*}/uv.sh"

# The environment's own interpreter is a link; a new one must start from where it leads.
/uv/bin/uv venv --quiet --no-project --python "$(readlink -f /databricks/python3/bin/python)" /opt/lab
install_wheels /run/dbmirror/requirements.txt --require-hashes --python /opt/lab/bin/python
# The only kernels are the mirror's and the driver's: code that runs in JupyterLab's own environment proves nothing.
rm -rf /opt/lab/share/jupyter/kernels/python3
