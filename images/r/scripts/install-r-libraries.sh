#!/usr/bin/env bash
# Installs those Debian packages of the list that are not there yet: install-r-libraries.sh LIST
set -euo pipefail

# A name that ends in - would have apt remove the package, and one with a slash would be a file.
missing=$(mktemp)
comm -23 <(grep --extended-regexp --line-regexp '[a-z0-9][a-z0-9+.-]*[a-z0-9]' "$1" | sort --unique) \
    <(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort --unique) >"$missing"
if [[ -s $missing ]]; then
    bash /run/dbmirror/scripts/install-apt.sh "$missing"
fi
rm -f "$missing"
