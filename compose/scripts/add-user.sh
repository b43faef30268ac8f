#!/usr/bin/env bash
# Makes the user lab: add-user.sh UID
# The containers that share the control socket run as one and the same uid: OpenSSH lets no other use it. The base may
# have a user of that uid already; then lab is a second name for it.
set -euo pipefail

id=$1
if ! [[ $id =~ ^[0-9]+$ ]] || ((id == 0)); then
    echo "dbmirror: the lab's user id must be a number above 0, not '$id'" >&2
    exit 1
fi
groupadd --non-unique --gid "$id" lab
# No entry in lastlog: its place in that file grows with the uid, which may be as high as they go.
useradd --no-log-init --non-unique --uid "$id" --gid "$id" --home-dir /home/lab --no-create-home --shell /bin/bash lab
# Whoever is asked for the name of that uid is given the first line that has it.
for list in /etc/passwd /etc/group; do
    { grep '^lab:' "$list"; grep --invert-match '^lab:' "$list"; } >"$list.new"
    cat "$list.new" >"$list"
    rm "$list.new"
done
folders=(/home/lab /home/lab/notebooks /run/dbmirror/tunnel /run/dbmirror/engines)
mkdir -p "${folders[@]}"
chown "$id:$id" "${folders[@]}"
