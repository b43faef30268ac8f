#!/usr/bin/env bash
# Installs one R package of /run/dbmirror/r/packages.tsv (see build-r-packages.sh): install-r-package.sh NAME
# Leaves /r/keys/NAME where that goes well, else /r/reasons/NAME, and in both cases /r/logs/NAME.
set -euo pipefail

# shellcheck source=../../python/scripts/secrets.sh
source /run/dbmirror/scripts/secrets.sh

library=/usr/local/lib/R/site-library
IFS=$'\t' read -r name version kind hash location subdirectory remote commit needed \
    < <(awk -F '\t' -v name="$1" '$1 == name' /run/dbmirror/r/packages.tsv)
folder=$(mktemp --directory)
log=/r/logs/$name

# Equal sources give equal packages: no clock. The make that called this shares nothing with the ones that compile.
export LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=315532800
unset MAKEFLAGS MFLAGS MAKELEVEL

key=$({
    cat /r/keys/.system
    printf '%s\n' "$name" "$version" "$kind" "$hash" "$location" "$subdirectory"
    for other in ${needed//,/ }; do
        [[ $other == - ]] || cat "/r/keys/$other"
    done
} | sha256sum)
kept=/root/.cache/dbmirror-r/${key%% *}.tar

# The source, downloaded if it has an address, and as it was when the lock was made.
fetch() {
    local options=(--fail --location --silent --show-error --globoff --retry 3 --proto '=http,https' --max-redirs 10)
    archive=/run/dbmirror/r-sources/$location
    if [[ $kind == source || $kind == binary ]]; then
        archive=$folder/${name}_$version.tar.gz
        if [[ -n ${NETRC:-} ]]; then
            options+=(--netrc-file "$NETRC")
        fi
        if [[ $kind == binary ]]; then
            # One address may have both: R alone is given what is built for it.
            options+=(--user-agent "$(</run/dbmirror/r/user-agent)")
        fi
        curl "${options[@]}" --output "$archive" --url "$location" || return 1
    fi
    if [[ $hash != - ]]; then
        echo "${hash#*:}  $archive" | "${hash%%:*}sum" --check --quiet - || return 1
    fi
}

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
    if [[ $hash != - && -e $kept ]]; then
        echo "It was built before."
        tar --extract --file "$kept" --directory "$library"
        return
    fi
    fetch || return 1
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
    if [[ $hash != - ]]; then
        tar --create --file "$kept.$$" --directory "$library" "$name" && mv "$kept.$$" "$kept"
    fi
}

mkdir -p /root/.cache/dbmirror-r
echo "dbmirror: building $name $version"
if install >"$log" 2>&1 </dev/null; then
    echo "$key" >"/r/keys/$name"
    rm -rf "$folder"
    exit
fi
# The compiler's own error says more than what make and R say of it.
{ grep --max-count=1 --extended-regexp 'error: |^ERROR|curl: |No such file|FAILED' "$log" || tail -n 1 "$log"; } |
    tr -cd '[:print:]\n' | head -c 300 | head -n 1 >"/r/reasons/$name"
rm -rf "${library:?}/$name"
exit 1
