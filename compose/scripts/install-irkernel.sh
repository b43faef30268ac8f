#!/usr/bin/env bash
# Gives the mirror's R what its kernel needs, IRkernel, in a library of the lab's own: install-irkernel.sh LIBRARY
# R packages are unpacked, not installed, and are only those that the mirror does not have; shared libraries that they
# load are installed. `lab up` asked the image's own apt for both, or found why there is no R kernel.
set -euo pipefail

library=$1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin
group=debian-irkernel
# shellcheck source=fetched.sh
source "${BASH_SOURCE%/*}/fetched.sh"
# shellcheck source=left-out.sh
source "${BASH_SOURCE%/*}/left-out.sh"
require_fetched $group

if [[ -s $lists/left-out.txt ]]; then
    left_out "$(cat $lists/left-out.txt)"
fi
if [[ ! -s $lists/$group.txt ]]; then
    # The mirror has no R, or its R has IRkernel.
    if [[ ! -s $lists/left-out.txt ]] && command -v Rscript >/dev/null; then
        mkdir -p "$library"
    fi
    exit 0
fi
(cd "$files/$group" && sha256sum --check --quiet "$lists/$group.txt")
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
for archive in "$files/$group"/r-*.deb; do
    [[ -e $archive ]] || continue
    dpkg-deb --extract "$archive" "$unpacked"
done
mkdir -p "$library"
if [[ -d $unpacked/usr/lib/R/site-library ]]; then
    cp --archive "$unpacked/usr/lib/R/site-library/." "$library"
fi
bash "${BASH_SOURCE%/*}/install-debs.sh" $group '[^r].*|r[^-].*'
