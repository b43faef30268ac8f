#!/usr/bin/env bash
# Installs what the mirror's kernels get on top of their path, each list into a folder of its own: install-beside.sh PYTHON
# Nothing of it goes into /databricks/python3, and the kernels look there last: it hides nothing of the mirror.
set -euo pipefail

# shellcheck source=index-uv.sh
source "${BASH_SOURCE%/*}/index-uv.sh"

for name in spark parallel; do
    requirements=/run/dbmirror/requirements/$name.txt
    # There is a Spark client for some runtimes only.
    if [[ -f $requirements ]]; then
        install_wheels "$requirements" --require-hashes --python "$1" \
            --target "/opt/lab/lib/$name"
    fi
done
