# shellcheck shell=bash
# Sourced: install_wheels, which names the package that fails. Whatever calls it has no network and no secrets: the code
# of packages runs here.

# No Python but the image's, and no byte code: compiling takes three times as long as installing, and the files would be
# in every push.
export UV_PYTHON_DOWNLOADS=never
export UV_NO_PROGRESS=1
export UV_NO_CONFIG=1
export UV_OFFLINE=1

# The cache is this step's own: what one build could write there, no other may read. On the file system of the packages,
# whose files are links to it and not written twice; without the cache they are all that is left.
UV_CACHE_DIR=$(mktemp --directory --tmpdir=/var/tmp uv-XXXXXX)
export UV_CACHE_DIR
export UV_LINK_MODE=hardlink
trap 'rm -rf "$UV_CACHE_DIR"' EXIT

# install_wheels REQUIREMENTS FOLDER OPTION...: installs what the file lists from the wheels in FOLDER, without
# dependencies and without building.
install_wheels() {
    local requirements=$1 folder=$2 log name version exact started note
    shift 2
    log=$(mktemp)
    started=$(mktemp)
    mkdir -p /databricks
    if /uv/bin/uv pip install --no-deps --no-build --no-index --find-links "$folder" "$@" \
        --requirement "$requirements" 2> >(tee "$log" >&2); then
        # uv notes when it saw a wheel that lies in a folder: no part of the package, and never the same twice.
        find /usr/local/lib /databricks /opt -path '*.dist-info/uv_cache.json' -newer "$started" | while read -r note; do
            sed -i '\#/uv_cache\.json,#d' "${note%/*}/RECORD"
            rm -f "$note"
        done
        rm -f "$log" "$started"
        return 0
    fi
    wait
    while read -r name version; do
        # uv says NAME==VERSION, or the path of a file, whose name may have _ for -.
        exact=${version//./\\.}
        exact=${exact//+/\\+}
        if grep --quiet --ignore-case --extended-regexp \
            -e "(^|[^a-z0-9._-])$name==${exact}\.?([^0-9a-z.+!]|$)" \
            -e "/(${name//-/_}|$name)-${exact}[^0-9a-z]" "$log"; then
            echo "dbmirror: failed $name $version (install)" >&2
        fi
    done < <(sed -nE 's/^([a-z0-9-]+)==([^ ]+).*/\1 \2/p' "$requirements")
    return 1
}
