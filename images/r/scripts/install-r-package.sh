#!/usr/bin/env bash
# Installs one R package of /run/dbmirror/r/packages.tsv (see build-r-packages.sh): install-r-package.sh NAME
# Leaves /r/done/NAME where that goes well, else /r/reasons/NAME, and in both cases /r/logs/NAME.
set -euo pipefail

library=/usr/local/lib/R/site-library
IFS=$'\t' read -r name version kind sha256 file subdirectory remote commit _ \
    < <(awk -F '\t' -v name="$1" '$1 == name' /run/dbmirror/r/packages.tsv)
archive=/run/dbmirror/$file
folder=$(mktemp --directory)
log=/r/logs/$name

# Equal sources give equal packages: no clock. The make that called this shares nothing with the ones that compile.
export LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=315532800
unset MAKEFLAGS MFLAGS MAKELEVEL

# A commit: its package says where it is from, as the installers of such packages write it.
unpack() {
    local source=$folder/source top
    mkdir "$source"
    tar --extract --file "$archive" --directory "$source" --no-same-owner || return 1
    mapfile -t top < <(ls -A "$source")
    if ((${#top[@]} == 1)) && [[ -d $source/${top[0]} ]]; then
        source=$source/${top[0]}
    fi
    if [[ $subdirectory != - ]]; then
        source=$source/$subdirectory
    fi
    {
        printf '%s\n' "RemoteType: git" "RemoteUrl: $remote" "RemoteSha: $commit"
        cat "$source/DESCRIPTION" || return 1
    } >"$folder/DESCRIPTION"
    mv "$folder/DESCRIPTION" "$source/DESCRIPTION"
    archive=$source
}

install() {
    # As it was when the lock was made.
    echo "$sha256  $archive" | sha256sum --check --quiet - || return 1
    if [[ $kind == git ]]; then
        unpack || return 1
    fi
    R CMD INSTALL --use-vanilla --pkglock --strip --built-timestamp='1980-01-01 00:00:00 UTC' --library="$library" \
        "$archive" || return 1
    local found
    found=$(sed -nE 's/^Version: *(\S+).*/\1/p' "$library/$name/DESCRIPTION") || return 1
    if [[ $found != "$version" ]]; then
        echo "ERROR: the source is of version $found, not $version"
        return 1
    fi
}

echo "dbmirror: building $name $version"
if install >"$log" 2>&1 </dev/null; then
    touch "/r/done/$name"
    rm -rf "$folder"
    exit
fi
# The compiler's own error says more than what make and R say of it.
{ grep --max-count=1 --extended-regexp 'error: |^ERROR|No such file|FAILED' "$log" || tail -n 1 "$log"; } |
    tr -cd '[:print:]\n' | head -c 300 | head -n 1 >"/r/reasons/$name"
rm -rf "${library:?}/$name"
exit 1
