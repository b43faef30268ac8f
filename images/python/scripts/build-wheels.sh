#!/usr/bin/env bash
# Builds a wheel from each source in /run/dbmirror/build.txt into /wheels, several at a time. A line of that file is a
# requirement with a hash, and "# NAME VERSION" at its end; called with such a line, this script builds it alone.
set -euo pipefail

# shellcheck source=secrets.sh
source "${BASH_SOURCE%/*}/secrets.sh"
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1

if (($# == 0)); then
    mkdir -p /wheels
    grep -v '^#' /run/dbmirror/build.txt | xargs --delimiter='\n' --max-procs="$(nproc)" --max-args=1 bash "$0"
    exit
fi

requirement=${1%% # *}
read -r name version <<<"${1##* # }"
folder=$(mktemp --directory)
constraints=/run/dbmirror/build-constraints/$name.txt
if [[ ! -e $constraints ]]; then
    constraints=/run/dbmirror/build-constraints/default.txt
fi

# Equal sources give equal wheels: zip entries of 1980, the same locale. A source tree without its history cannot tell
# its version to setuptools-scm, hatch-vcs or pbr.
export SOURCE_DATE_EPOCH=315532800 LC_ALL=C.UTF-8
export "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_$(tr 'a-z-' 'A-Z_' <<<"$name")=$version" "PBR_VERSION=$version"

# The cache is this build's own, for uv would take a wheel that it built on another distribution for one of this. What a
# build requires has no hash, so it comes from the first index that has it (unsafe-first-match), and not from whichever
# has the highest version.
options=(--cache-dir "$folder/cache" --python /uv/bin/python --build-constraints "$constraints"
    --index-strategy unsafe-first-match)

# A vendored archive: its files lie in one folder, or in none.
build_archive() {
    local archive=$1 subdirectory=$2 sha256=$3 source=$folder/source top
    echo "$sha256  $archive" | sha256sum --check --quiet - || return 1
    mkdir "$source"
    tar --extract --file "$archive" --directory "$source" --no-same-owner || return 1
    mapfile -t top < <(ls -A "$source")
    if ((${#top[@]} == 1)) && [[ -d $source/${top[0]} ]]; then
        source=$source/${top[0]}
    fi
    /uv/bin/uv build "${options[@]}" --wheel --no-create-gitignore --out-dir /wheels "$source/$subdirectory"
}

# A source distribution. uv has no command that builds a wheel from an index: it installs into a folder that is thrown
# away, and the wheel is in its cache.
build_distribution() {
    echo "$requirement" >"$folder/requirement.txt"
    /uv/bin/uv pip install "${options[@]}" --target "$folder/target" --no-deps --require-hashes --no-binary "$name" \
        --requirement "$folder/requirement.txt" || return 1
    find "$folder"/cache/sdists-* -name '*.whl' -exec cp {} /wheels \;
}

build() {
    local vendored='^[^ ]+ @ file://([^# ]+)(#subdirectory=([^ ]+))? --hash=sha256:([0-9a-f]+)$'
    if [[ $requirement =~ $vendored ]]; then
        build_archive "${BASH_REMATCH[1]}" "${BASH_REMATCH[3]}" "${BASH_REMATCH[4]}"
    else
        build_distribution
    fi
}

echo "dbmirror: building $name $version"
if ! build >"$folder/log" 2>&1; then
    cat "$folder/log"
    echo "dbmirror: failed $name $version (build)"
    exit 1
fi
echo "dbmirror: built $name $version"
rm -rf "$folder"
