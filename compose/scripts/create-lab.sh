#!/usr/bin/env bash
# Makes /opt/lab, an environment that sees nothing of another, from the mirror's Python, and fills it; then what the
# mirror's kernels get on top of their path, each list into a folder of its own: create-lab.sh PYTHON
# Nothing of it goes into /databricks/python3, and the kernels look there last: it hides nothing of the mirror.
set -euo pipefail

# shellcheck source=fetched.sh
source "${BASH_SOURCE%/*}/fetched.sh"
require_fetched installer
require_fetched lab
# shellcheck source=../../images/python/scripts/uv.sh
source "${BASH_SOURCE%/*}/uv.sh"

bash "${BASH_SOURCE%/*}/install-build-tools.sh" "$1" $lists/installer.txt $files/installer
# An environment's interpreter is a link; a new one must start from where it leads.
/uv/bin/uv venv --quiet --no-project --python "$(readlink -f "$(command -v "$1")")" /opt/lab
install_wheels $lists/lab.txt $files/lab --require-hashes --python /opt/lab/bin/python
# The only kernels are the mirror's and the driver's: code that runs in JupyterLab's own environment proves nothing.
rm -rf /opt/lab/share/jupyter/kernels/python3

for name in spark parallel; do
    # There is a Spark client for some runtimes only.
    if [[ -e $lists/$name.txt ]]; then
        install_wheels "$lists/$name.txt" "$files/$name" --require-hashes --python "$1" --target "/opt/lab/lib/$name"
    fi
done
