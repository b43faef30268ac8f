# Looks for secrets in the files of the image that it runs in, as root. POSIX shell with find and grep; writes nothing.
# Argument 1: seconds that each of the two searches may take. Prints `KIND TAB PATH` a find, never the secret itself,
# and `stopped TAB REASON` where the time or the tools did not suffice. Known test data is left out: folders of tests,
# AWS' own example key, headers of keys without a key behind them.
seconds=$1
# The tools are the system's own, whatever a package brought under their names.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
for tool in find grep xargs timeout; do
  command -v "$tool" >/dev/null 2>&1 || { printf 'stopped\tthe image has no %s\n' "$tool"; exit 0; }
done

told() {
  printf '%s\t%s\n' "$1" "$2"
}

by_name() {
  case ${1##*/} in
    .netrc | _netrc) grep -qE 'password[[:space:]]+[^[:space:]]' "$1" && told 'netrc password' "$1" ;;
    .databrickscfg)
      grep -qE '^[[:space:]]*(token|password|([a-z_]*_)?client_secret)[[:space:]]*=[[:space:]]*[^[:space:]]' "$1" &&
        told 'Databricks credential' "$1" ;;
    .pypirc) grep -qE '^[[:space:]]*password[[:space:]]*[=:][[:space:]]*[^[:space:]]' "$1" && told 'index password' "$1" ;;
    .git-credentials) grep -qE '://[^/]+:[^/]+@' "$1" && told 'git credential' "$1" ;;
    config.json) grep -qE '"auth"[[:space:]]*:[[:space:]]*"[^"]+"' "$1" && told 'registry credential' "$1" ;;
    credentials) grep -qE 'aws_secret_access_key[[:space:]]*=[[:space:]]*[^[:space:]]' "$1" && told 'AWS credential' "$1" ;;
    accessTokens.json | msal_token_cache.json) told 'Azure token cache' "$1" ;;
    *) grep -qE '://[^]/[:space:]"@]+:[^]/[:space:]"@]+@' "$1" && told 'credentials in a URL' "$1" ;;
  esac
}

by_content() {
  grep -qE '\bdapi[0-9a-f]{32}\b' "$1" && told 'Databricks token' "$1"
  grep -oE '\bAKIA[0-9A-Z]{16}\b' "$1" | grep -qv EXAMPLE && told 'AWS access key' "$1"
  grep -qE '\bgh[pousr]_[A-Za-z0-9]{36}\b' "$1" && told 'GitHub token' "$1"
  grep -A3 -E -e '-----BEGIN ([A-Z]+ )*PRIVATE KEY-----' "$1" | grep -qE '^[A-Za-z0-9+/=]{40,}$' && told 'private key' "$1"
}

each() {
  while IFS= read -r line; do
    case $line in
      /*) "$1" "$line" ;;
      *) told stopped "the search took more than $seconds s" ;;
    esac
  done
}

{
  timeout "$seconds" find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run/secrets \) -prune -o -type f \
    \( -name .netrc -o -name _netrc -o -name .databrickscfg -o -name pip.conf -o -name pip.ini -o -name uv.toml \
    -o -name .condarc -o -name .pypirc -o -name .git-credentials -o -path '*/.docker/config.json' \
    -o -path '*/.aws/credentials' -o -path '*/.azure/*.json' -o -path '/etc/apt/sources.list*' \
    -o -path '/etc/apt/auth.conf*' \) -print
  [ $? = 124 ] && echo stopped
} | each by_name

{
  timeout "$seconds" find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /usr/share/doc \
    -o -path /var/lib/dpkg -o -name tests -o -name test -o -name testing -o -name __pycache__ \) -prune -o -type f \
    -size -1024k ! -name '*.so' ! -name '*.so.*' ! -name '*.pyc' ! -name '*.jar' ! -name '*.a' ! -name '*.o' -print0 |
    LC_ALL=C timeout "$seconds" xargs -0 -r -n 2000 -P 2 grep -lIsE \
      -e 'dapi[0-9a-f]{32}' -e 'AKIA[0-9A-Z]{16}' -e 'gh[pousr]_[A-Za-z0-9]{36}' -e 'BEGIN ([A-Z]+ )*PRIVATE KEY-----'
  [ $? = 124 ] && echo stopped
} | each by_content
