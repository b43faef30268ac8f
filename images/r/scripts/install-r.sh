#!/usr/bin/env bash
# Installs what /run/dbmirror/apt.txt lists, with R of one version and no other: install-r.sh X.Y.Z
set -euo pipefail

version=$1
folder=/run/dbmirror

# It stays in the image, for whatever an init script installs later.
install --mode=644 "$folder/r.preferences" /etc/apt/preferences.d/dbmirror-r

APT_CONFIG=$(mktemp)
export APT_CONFIG
echo 'APT::Get::allow-downgrades "true";' >"$APT_CONFIG"
bash "$folder/scripts/install-apt.sh" "$folder/apt.txt"
rm -f "$APT_CONFIG"

found=$(R --version | sed -nE '1s/^R version ([0-9.]+).*/\1/p')
if [[ $found != "$version" ]]; then
    echo "dbmirror: failed r-base-core $version (apt)" >&2
    echo "The locked Debian packages have R $found, the cluster runs R $version: name an apt repository that has it." >&2
    exit 1
fi
