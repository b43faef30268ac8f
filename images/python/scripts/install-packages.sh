#!/usr/bin/env bash
# Installs one layer's packages into /databricks/python3: from the indexes, from the cluster, from source.
set -euo pipefail

# shellcheck source=uv.sh
source "${BASH_SOURCE%/*}/uv.sh"

cd /run/dbmirror
options=(--python /databricks/python3/bin/python)
if [[ -e requirements.txt ]]; then
    install_wheels requirements.txt "${options[@]}" --require-hashes
fi
if [[ -e captured.txt ]]; then
    # Without the index, which need not learn the names of private packages.
    install_wheels captured.txt "${options[@]}" --require-hashes --no-index --find-links wheels
fi
if [[ -e build.txt ]]; then
    built=$(mktemp)
    sed -nE 's/^.* # ([^ ]+) ([^ ]+)$/\1==\2/p' build.txt >"$built"
    install_wheels "$built" "${options[@]}" --no-index --find-links built
    rm -f "$built"
fi
