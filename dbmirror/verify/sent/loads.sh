# Loads R packages, each in an R process of its own, several at a time: loads.sh NONCE SECONDS NAME... POSIX shell;
# begins with answer.sh. Runs inside the image under test, which is read-only. For each question one record: RS name US exit-code US output, the
# end of the output if it is long; `.version` is R itself, `.failed` what the build left out. For a package the output has
# a line "NONCE version VERSION", and "NONCE error MESSAGE" where it does not load. Output goes through a file of bounded
# size in memory, for a process that a package leaves behind may hold a pipe open.
# R reads the quotes in `code`, and the inner shell expands its own variables.
# shellcheck disable=SC2089,SC2090,SC2016
nonce=$1
seconds=$2
shift 2
export nonce seconds
# Packages may want to write where their user's files are.
[ -w "$HOME" ] || HOME=/tmp
export HOME

answer .version R --version
answer .failed sh -c '[ ! -e /usr/share/dbmirror/r-failed.tsv ] || cat /usr/share/dbmirror/r-failed.tsv'
command -v R >/dev/null 2>&1 || exit 0

# What has no namespace (R's own `translations`) holds data and cannot be loaded.
# The site's start-up files are read, as in a notebook, for they say where libraries are; nobody's own are.
code='
arguments <- commandArgs(trailingOnly = TRUE)
version <- suppressWarnings(utils::packageDescription(arguments[2], fields = "Version"))
cat("\n", arguments[1], " version ", version, "\n", sep = "")
folder <- system.file(package = arguments[2])
data <- nzchar(folder) && !file.exists(file.path(folder, "NAMESPACE"))
message <- if (!data) tryCatch({ loadNamespace(arguments[2]); NULL }, error = conditionMessage)
if (!is.null(message)) cat("\n", arguments[1], " error ", gsub("[[:space:]]+", " ", message), "\n", sep = "")
'
export code
cd / || exit 1
printf '%s\n' "$@" | xargs -n 1 -P "$(nproc)" sh -c '
  output=/dev/shm/$1.$$
  ulimit -f 16384
  printf %s "$code" | timeout -k 5 "$seconds" R --no-echo --no-save --no-restore --no-init-file \
    --args "$nonce" "$1" >"$output" 2>&1
  code=$?
  printf "\036%s\037%s\037%s" "$1" "$code" "$(tail -c 3000 "$output")"
  rm -f "$output"
' sh
