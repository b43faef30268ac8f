#!/usr/bin/env bash
# Puts what build-r-packages.sh built (/run/dbmirror/built) into the image, with the libraries that it loads.
set -euo pipefail

built=/run/dbmirror/built
library=/usr/local/lib/R/site-library

missing=$(mktemp)
comm -23 "$built/apt.txt" <(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' |
    sed -n 's/^installed //p' | sort --unique) >"$missing"
if [[ -s $missing ]]; then
    bash /run/dbmirror/scripts/install-apt.sh "$missing"
fi
rm -f "$missing"

mkdir -p "$library"
find "$built/library" -mindepth 1 -maxdepth 1 -exec cp --archive --target-directory="$library" {} +

# Verification reads it: these packages have no longer the fate that the lock gave them.
if [[ -s $built/failed.tsv ]]; then
    mkdir -p /usr/share/dbmirror
    cat "$built/failed.tsv" >>/usr/share/dbmirror/r-failed.tsv
fi
