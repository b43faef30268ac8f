# Precedes system.sh and programs.sh. answer NAME COMMAND...: one record, RS name US exit-code US output, the output cut to
# 4000 characters. It goes through a file of bounded size, for a process that COMMAND leaves behind may hold a pipe open.
# The image is read-only: what has to write does so in memory.
answers=/dev/shm/answers.$$
TMPDIR=/dev/shm
export TMPDIR
limit=
command -v timeout >/dev/null 2>&1 && limit='timeout -k 5 30'

answer() {
  name=$1
  shift
  (
    ulimit -f 16384
    "$@"
  ) >"$answers" 2>&1 </dev/null
  code=$?
  printf '\036%s\037%s\037%s' "$name" "$code" "$(head -c 4000 "$answers")"
  rm -f "$answers"
}
