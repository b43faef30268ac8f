# shellcheck shell=bash
# Sourced: require_fetched, for builds that were not given the files that they are made from.

lists=/run/dbmirror/lists
files=/run/dbmirror/files

# require_fetched GROUP: ends the build with a sentence, unless the group's list is there, and its files if it has any.
require_fetched() {
    if [[ ! -e $lists/$1.txt ]] || { [[ -s $lists/$1.txt ]] && [[ ! -d $files/$1 ]]; }; then
        cat "$lists/missing.txt" >&2
        exit 1
    fi
}
