#!/usr/bin/env bash
# Installs those of the Debian packages in the file that are not there yet: the mirror's own packages stay as they are.
set -euo pipefail
# No environment of the mirror comes first.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

missing=$(mktemp)
while read -r package; do
    if ! dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep --quiet '^installed$'; then
        echo "$package" >>"$missing"
    fi
done < <(grep --invert-match -e '^#' -e '^$' "$1")
if [[ -s $missing ]]; then
    bash "${BASH_SOURCE%/*}/install-apt.sh" "$missing"
fi
