# Starts the programs that the rules ask about and that are to run as root. POSIX shell; begins with answer.sh. What
# packages bring with them may run here: virtualenv comes last, so that nothing is asked after it.
[ -w /tmp ] && TMPDIR=/tmp

answer java $limit java -version
answer virtualenv:root $limit virtualenv --version
