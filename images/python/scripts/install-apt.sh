#!/usr/bin/env bash
# Installs the Debian packages that the files name, one a line: NAME or NAME=VERSION.
set -euo pipefail
# What the packages' own scripts call is the distribution's: no environment of the image comes first.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset PYTHONPATH PYTHONHOME LD_PRELOAD LD_LIBRARY_PATH

# shellcheck source=secrets.sh
source "${BASH_SOURCE%/*}/secrets.sh"

# No translations of descriptions, and no wait for the disk after each file: the layer is written whole or not at all.
options=(-o Acquire::Retries=3 -o Acquire::Languages=none -o Dpkg::Options::=--force-unsafe-io)
if [[ -s $secrets/ca-bundle ]]; then
    options+=(-o "Acquire::https::CAInfo=$secrets/ca-bundle")
fi
mapfile -t packages < <(grep --no-filename --invert-match -e '^#' -e '^$' "$@")

# Slim bases have no manual pages, and Java's packages fail where not even their folder is there.
mkdir -p /usr/share/man/man1

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
apt-get "${options[@]}" update
if ! apt-get "${options[@]}" install --yes --no-install-recommends -- "${packages[@]}" 2> >(tee "$log" >&2); then
    wait
    for package in "${packages[@]}"; do
        name=${package%%=*}
        if grep --quiet --fixed-strings -e "'$name'" -e "package $name" -e "Package $name" "$log"; then
            version=${package#"$name"}
            version=${version#=}
            echo "dbmirror: failed $name ${version:-any} (apt)" >&2
        fi
    done
    exit 1
fi
apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/ldconfig/aux-cache "$log"
