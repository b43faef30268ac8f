# shellcheck shell=bash
# Sourced: install_wheels, which names the package that fails.

# shellcheck source=index-secrets.sh
source "${BASH_SOURCE%/*}/index-secrets.sh"

# No Python but the image's, and no byte code: compiling takes three times as long as installing.
export UV_PYTHON_DOWNLOADS=never
export UV_NO_PROGRESS=1

# The cache is this step's own: what one build could write there, no other may read. On the file system of the packages,
# whose files are links to it and not written twice.
UV_CACHE_DIR=$(mktemp --directory --tmpdir=/var/tmp uv-XXXXXX)
export UV_CACHE_DIR
export UV_LINK_MODE=hardlink
trap 'rm -rf "$UV_CACHE_DIR"' EXIT

# install_wheels REQUIREMENTS OPTION...: installs what the file lists, without dependencies and without building.
#
# With several indexes uv looks for a version in the first that knows the name; unsafe-best-match looks in all of
# them. It is called unsafe because another index could offer its own file under a private package's name: here the
# hash in the requirements decides which file is meant, so that no other can be installed.
install_wheels() {
    local requirements=$1 log name version exact
    shift
    log=$(mktemp)
    if /uv/bin/uv pip install --no-deps --no-build --index-strategy unsafe-best-match "$@" \
        --requirement "$requirements" 2> >(tee "$log" >&2); then
        rm -f "$log"
        return 0
    fi
    wait
    while read -r name version; do
        # uv says NAME==VERSION, NAME @ URL, or the URL of a file, whose name may have _ for -.
        exact=${version//./\\.}
        exact=${exact//+/\\+}
        if grep --quiet --ignore-case --extended-regexp \
            -e "(^|[^a-z0-9._-])$name( @ |==${exact}\.?([^0-9a-z.+!]|$))" \
            -e "/(${name//-/_}|$name)-${exact}[^0-9a-z]" "$log"; then
            echo "dbmirror: failed $name $version (install)" >&2
        fi
    done < <(sed -nE -e 's/^([a-z0-9-]+)==([^ ]+).*/\1 \2/p' -e 's/^[a-z0-9-]+ @ .* # ([^ ]+ [^ ]+)$/\1/p' \
        "$requirements")
    return 1
}
