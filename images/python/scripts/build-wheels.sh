#!/usr/bin/env bash
# Builds a wheel from each source in /run/dbmirror/builds/packages.tsv into /wheels, several at a time. Called with a line
# of that file, it builds that one alone. The columns, with tabs between:
#   NAME VERSION ARCHIVE SHA256 SUBDIRECTORY      (ARCHIVE below /run/dbmirror; - where there is no subdirectory)
# builds/requirements/NAME.txt has all that the build may import, which lies in files/. Packages run their own code here:
# without network, without secrets, with no cache that another build reads.
set -euo pipefail

export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_NO_CONFIG=1 UV_OFFLINE=1

builds=/run/dbmirror/builds
if (($# == 0)); then
    mkdir -p /wheels
    xargs --arg-file=$builds/packages.tsv --delimiter='\n' --max-procs="$(nproc)" --max-args=1 bash "$0"
    exit
fi

IFS=$'\t' read -r name version archive sha256 subdirectory <<<"$1"
archive=/run/dbmirror/$archive
folder=$(mktemp --directory --tmpdir=/var/tmp build-XXXXXX)

# Equal sources give equal wheels: zip entries of 1980, the same locale. A source tree without its history cannot tell
# its version to setuptools-scm, hatch-vcs or pbr.
export SOURCE_DATE_EPOCH=315532800 LC_ALL=C.UTF-8
export "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_$(tr 'a-z-' 'A-Z_' <<<"$name")=$version" "PBR_VERSION=$version"
export UV_CACHE_DIR=$folder/cache UV_LINK_MODE=hardlink

build() {
    local source=$folder/source top
    echo "$sha256  $archive" | sha256sum --check --quiet - || return 1
    mkdir "$source"
    # An archive's files lie in one folder, or in none.
    case $archive in
    *.zip) /uv/bin/python -I -m zipfile --extract "$archive" "$source" || return 1 ;;
    *) tar --extract --file "$archive" --directory "$source" --no-same-owner || return 1 ;;
    esac
    mapfile -t top < <(ls -A "$source")
    if ((${#top[@]} == 1)) && [[ -d $source/${top[0]} ]]; then
        source=$source/${top[0]}
    fi
    if [[ $subdirectory != - ]]; then
        source=$source/$subdirectory
    fi
    # Without isolation, in which uv would ask an index for what the package's own code names at this moment. A
    # requirement that is locked as a source is built here, with what lies in files/.
    /uv/bin/uv venv --quiet --no-project --python /uv/bin/python "$folder/environment" || return 1
    /uv/bin/uv pip install --quiet --python "$folder/environment" --no-deps --require-hashes --no-index \
        --find-links /run/dbmirror/files --requirement "$builds/requirements/$name.txt" || return 1
    PATH=$folder/environment/bin:$PATH /uv/bin/uv build --python "$folder/environment/bin/python" --no-build-isolation \
        --wheel --no-create-gitignore --out-dir /wheels "$source"
}

say() {
    flock /wheels echo "dbmirror: $*"
}

say "building $name $version"
if ! build >"$folder/log" 2>&1; then
    # No line of another package may stand among these: what failed is read off them.
    exec 9</wheels
    flock 9
    echo "dbmirror: log of $name $version"
    cat "$folder/log"
    missing=$(sed -nE "s/^ModuleNotFoundError: No module named '([A-Za-z0-9_.]+)'.*/\1/p" "$folder/log" | tail -n 1)
    if [[ -n $missing ]]; then
        echo "dbmirror: the build of $name imports $missing, which is not among its locked build requirements" >&2
    fi
    echo "dbmirror: failed $name $version (build)"
    exit 1
fi
say "built $name $version"
rm -rf "$folder"
