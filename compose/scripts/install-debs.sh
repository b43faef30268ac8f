#!/usr/bin/env bash
# Installs Debian packages that were fetched, each by its hash: install-debs.sh GROUP [PATTERN]
# Their own scripts run here, and those of the mirror's packages may: there is neither a secret nor a network.
set -euo pipefail
# No environment of the mirror comes first.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset PYTHONPATH PYTHONHOME LD_PRELOAD LD_LIBRARY_PATH

# shellcheck source=fetched.sh
source "${BASH_SOURCE%/*}/fetched.sh"
require_fetched "$1"
# In the list a line has a file's SHA-256 and, after two spaces, its name.
mapfile -t packages < <(sed -nE "s#^[0-9a-f]{64}  (${2:-.*})\$#./\1#p" "$lists/$1.txt")
if ((${#packages[@]} == 0)); then
    exit 0
fi
cd "$files/$1"
sha256sum --check --quiet "$lists/$1.txt"

# Slim bases have no manual pages, and some packages fail where not even their folder is there.
mkdir -p /usr/share/man/man1
export DEBIAN_FRONTEND=noninteractive
apt-get -o APT::Sandbox::User=root -o Dpkg::Options::=--force-unsafe-io \
    install --yes --no-install-recommends --no-remove -- "${packages[@]}"
apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/ldconfig/aux-cache
