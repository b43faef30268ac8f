#!/usr/bin/env bash
# Installs what /run/dbmirror/apt.txt lists, with R of one version and no other: install-r.sh X.Y.Z
set -euo pipefail

version=$1
folder=/run/dbmirror

# r-base and r-base-dev ask for r-base-core of their own version or a newer one: a pin on them alone lets R itself float.
# So all of R's own packages are pinned, above 1000 so that a newer R of the base is taken back, and the pin stays in the
# image, for whatever an init script installs later.
cat >/etc/apt/preferences.d/dbmirror-r <<EOF
Package: r-base r-base-core r-base-dev r-base-html r-doc-html r-doc-info r-doc-pdf r-mathlib r-recommended
Pin: version /^${version//./\\.}[-.+~]/
Pin-Priority: 1001
EOF

if [[ -e $folder/r-repository/sources ]]; then
    # apt reads no folder but its own; the repository is for this step alone.
    sources=/etc/apt/sources.list.d/dbmirror-r.sources
    trap 'rm -f "$sources"' EXIT
    cp "$folder/r-repository/sources" "$sources"
fi

APT_CONFIG=$(mktemp)
export APT_CONFIG
echo 'APT::Get::allow-downgrades "true";' >"$APT_CONFIG"
bash "$folder/scripts/install-apt.sh" "$folder/apt.txt"
rm -f "$APT_CONFIG"

found=$(R --version | sed -nE '1s/^R version ([0-9.]+).*/\1/p')
if [[ $found != "$version" ]]; then
    echo "dbmirror: failed r-base-core $version (apt)" >&2
    echo "The apt sources of this base have R $found, the cluster runs R $version: name an apt repository that has it." >&2
    exit 1
fi
