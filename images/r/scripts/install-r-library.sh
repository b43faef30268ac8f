#!/usr/bin/env bash
# Puts what build-r-packages.sh built (/run/dbmirror/built) into the image.
set -euo pipefail

built=/run/dbmirror/built
library=/usr/local/lib/R/site-library

mkdir -p "$library"
find "$built/library" -mindepth 1 -maxdepth 1 -exec cp --archive --target-directory="$library" {} +

# Verification reads it: these packages have no longer the fate that the lock gave them.
if [[ -s $built/failed.tsv ]]; then
    mkdir -p /usr/share/dbmirror
    cat "$built/failed.tsv" >>/usr/share/dbmirror/r-failed.tsv
fi
