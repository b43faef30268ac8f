#!/usr/bin/env bash
# Builds one layer's R packages, several at a time, each as soon as what it needs is there: build-r-packages.sh LAYER
# Packages run their own code here: without network, without secrets, with no cache that another build reads.
#
# /run/dbmirror/r/packages.tsv has a line for each package, with tabs between and "-" for what it has not:
#   NAME VERSION KIND SHA256 FILE SUBDIRECTORY REMOTE COMMIT NEEDED,NEEDED      (FILE below /run/dbmirror)
# Leaves in /r/LAYER
#   library     the packages that were built, and nothing else
#   failed.tsv  NAME VERSION REASON of those that were not; empty, unless KEEP_GOING is set
set -euo pipefail

layer=$1
built=/r/$layer
library=/usr/local/lib/R/site-library
packages=/run/dbmirror/r/packages.tsv
scripts=${BASH_SOURCE%/*}
mkdir -p "$library" "$built/library" /r/done /r/logs /r/reasons

# make knows how to build what waits for nothing, and how to go on with the rest when one fails.
awk -F '\t' '
    NR == FNR { listed[$1]; next }
    {
        line = "install-" $1 ":"
        count = split($9, needed, ",")
        for (i = 1; i <= count; i++) if (needed[i] in listed) line = line " install-" needed[i]
        print line
        print "all: install-" $1
    }' "$packages" "$packages" >"$built/order.mk"
make --file="$scripts/packages.mk" --include-dir="$built" --silent --keep-going --jobs="$(nproc)" all || true

: >"$built/failed.tsv"
reports=()
while IFS=$'\t' read -r name version _ _ _ _ _ _ needed; do
    if [[ -e /r/done/$name ]]; then
        cp --archive --link "$library/$name" "$built/library/"
        continue
    fi
    if [[ -e /r/reasons/$name ]]; then
        reason=$(<"/r/reasons/$name")
        reports+=("$name $version")
    else
        missing=()
        for other in ${needed//,/ }; do
            [[ $other == - || -e /r/done/$other ]] || missing+=("$other")
        done
        reason="it needs ${missing[*]:-a package that needs it}, which could not be built"
        echo "dbmirror: not tried $name $version: $reason" >&2
    fi
    printf '%s\t%s\t%s\n' "$name" "$version" "$reason" >>"$built/failed.tsv"
done <"$packages"

for report in ${reports[@]+"${reports[@]}"}; do
    tail -n 12 "/r/logs/${report% *}" >&2
    echo "dbmirror: failed $report (R)" >&2
done
if [[ -s $built/failed.tsv && -z ${KEEP_GOING:-} ]]; then
    exit 1
fi
rm -f "$built/order.mk"
