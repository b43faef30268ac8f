#!/usr/bin/env bash
# Names the Debian packages whose libraries the built R packages load: name-r-libraries.sh FOLDER >LIST
# Runs where they could be linked, and where no package has run: the list is what the image is given. The files are read,
# not loaded, for the loader would run their code.
set -euo pipefail

libraries=$(mktemp)
ldconfig -p | sed -nE 's/^\t(\S+) \(libc6,x86-64.*\) => (\S+)$/\1 \2/p' >"$libraries"

{ find "$1" -type f \( -name '*.so' -o -name '*.so.*' \) -exec objdump --private-headers {} + || true; } 2>/dev/null |
    sed -nE 's/^ +NEEDED +([A-Za-z0-9._+-]+)$/\1/p' | sort --unique | while read -r name; do
    path=$(awk -v name="$name" '$1 == name { print $2; exit }' "$libraries")
    [[ -n $path ]] || continue
    # Wherever the merged /usr lets dpkg and the loader see it.
    real=$(realpath "$path")
    dpkg-query --search "$real" "${real#/usr}" "$path" 2>/dev/null || true
done | sed -nE 's/^([a-z0-9.+-]+)(:[a-z0-9]+)?: .*/\1/p' | sort --unique
rm -f "$libraries"
