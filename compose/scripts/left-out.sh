# shellcheck shell=bash
# Sourced: left_out, for what the lab lacks.

# left_out SENTENCE: says it in the build's output, and keeps it for those who use the lab.
left_out() {
    echo "dbmirror: $1" >&2
    mkdir -p /opt/lab/share/dbmirror
    echo "$1" >>/opt/lab/share/dbmirror/left-out.txt
}
