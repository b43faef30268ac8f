#!/usr/bin/env bash
# Fetches a build's Debian packages by address and hash: fetch-debs.sh LIST FOLDER MIRROR
# Each line of LIST has a file's name, its SHA-256 and its address, with tabs between. The base may have no program but
# apt that fetches anything. `dbmirror build` fetches the files itself and hands them over, so that this is for a plain
# `docker build` alone.
set -euo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

# shellcheck source=secrets.sh
source "${BASH_SOURCE%/*}/secrets.sh"

listed=$1 folder=$2 mirror=$3
mkdir -p "$folder"
options=(-o Acquire::Retries=3 -o APT::Sandbox::User=root)
if [[ -s $secrets/ca-bundle ]]; then
    options+=(-o "Acquire::https::CAInfo=$secrets/ca-bundle")
fi
if ! awk -F '\t' -v folder="$folder" '{ print $3; print folder "/" $1; print "SHA256:" $2 }' "$listed" |
    xargs --delimiter='\n' --max-args=24 --max-procs=8 /usr/lib/apt/apt-helper "${options[@]}" download-file >/dev/null; then
    echo "dbmirror: not all Debian packages of the lock could be fetched. An archive drops old versions: where it says" \
        "404, choose new ones with 'dbmirror lock $mirror'." >&2
    exit 1
fi
awk -F '\t' -v folder="$folder" '{ print $2 "  " folder "/" $1 }' "$listed" | sha256sum --check --quiet -
