#!/usr/bin/env bash
# Installs the Debian packages that the files name, one a line: NAME or NAME=VERSION. They and all that they need come
# from /run/dbmirror/files, each by the hash that /run/dbmirror/files.tsv has for it; where there is no such folder, all of
# them are in the image already. Their own scripts run here: there is neither a secret nor a network.
set -euo pipefail
# What the packages' own scripts call is the distribution's: no environment of the image comes first.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset PYTHONPATH PYTHONHOME LD_PRELOAD LD_LIBRARY_PATH

listed=/run/dbmirror/files.tsv
files=/run/dbmirror/files
# The image's own sources stay out of it, and so does the wait for the disk after each file: the layer is written whole
# or not at all.
options=(-o APT::Sandbox::User=root -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=/dev/null
    -o Dpkg::Options::=--force-unsafe-io)
mapfile -t packages < <(grep --no-filename --invert-match -e '^#' -e '^$' "$@")
if [[ -e $listed ]]; then
    awk -F '\t' -v folder="$files" '{ print $2 "  " folder "/" $1 }' "$listed" | sha256sum --check --quiet -
    while IFS=$'\t' read -r name _; do
        options+=(--with-source "$files/$name")
    done <"$listed"
fi

# Slim bases have no manual pages, and Java's packages fail where not even their folder is there.
mkdir -p /usr/share/man/man1

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
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
