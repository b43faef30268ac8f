# Debian's bash reads this for commands over SSH too, so its noise goes before a command's own output, as the
# profiles of real images do. Whoever reads that output has to find the part that is theirs.
echo "Welcome to the sandbox driver! Load: 0.01 0.02 0.00"
echo '{"distributions": "noise that looks like an answer"}'
echo "warning: /etc/motd is out of date" >&2
