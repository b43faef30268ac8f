#!/usr/bin/env bash
# Installs one layer's packages into /databricks/python3: wheels that were fetched, from the cluster, built from source.
set -euo pipefail

# shellcheck source=uv.sh
source "${BASH_SOURCE%/*}/uv.sh"

cd /run/dbmirror
options=(--python /databricks/python3/bin/python)
if [[ -e requirements.txt ]]; then
    install_wheels requirements.txt files "${options[@]}" --require-hashes
fi
if [[ -e captured.txt ]]; then
    install_wheels captured.txt wheels "${options[@]}" --require-hashes
fi
if [[ -e packages.tsv ]]; then
    built=$(mktemp)
    sed -E 's/^([^\t]+)\t([^\t]+)\t.*/\1==\2/' packages.tsv >"$built"
    install_wheels "$built" built "${options[@]}"
    rm -f "$built"
fi
