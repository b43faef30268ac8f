#!/usr/bin/env bash
# Gives the mirror's R what its kernel needs, IRkernel, in a library of the lab's own: install-irkernel.sh LIBRARY
# It comes from the image's own apt sources: R packages are built there for r-api-4.0, which every R 4 of Debian, Ubuntu
# and CRAN's apt repositories provides. They are unpacked, not installed, and only those that the mirror does not have;
# of shared libraries those that are missing are installed. Where apt would have to replace anything of the mirror, there
# is no R kernel, and a sentence in left-out.txt instead.
set -euo pipefail

library=$1
# No environment of the mirror comes first.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin
command -v Rscript >/dev/null || exit 0

# shellcheck source=../../images/python/scripts/secrets.sh
source "${BASH_SOURCE%/*}/secrets.sh"
# shellcheck source=left-out.sh
source "${BASH_SOURCE%/*}/left-out.sh"

work=$(mktemp -d)
trap 'apt-get clean; rm -rf "$work" /var/lib/apt/lists/*' EXIT

# Read by every apt of this script and of those that it calls.
export APT_CONFIG=$work/apt.conf
cat >"$APT_CONFIG" <<'EOF'
Acquire::Retries "3";
Acquire::Languages "none";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
APT::Get::Remove "false";
EOF
if [[ -s $secrets/ca-bundle ]]; then
    echo "Acquire::https::CAInfo \"$secrets/ca-bundle\";" >>"$APT_CONFIG"
fi

apt-get update 2> >(tee "$work/update.log" >&2)

# Which of IRkernel's packages are missing is left to apt, and so is whether those at hand are new enough: in a copy of
# dpkg's records the packages that R finds in its libraries stand as installed, whoever put them there.
dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' >"$work/installed"
# Their DESCRIPTION files say it: R itself is not started, for the mirror's packages could run with it, and there are
# secrets here. Of two packages of a name R takes the one of the first library.
find /usr/local/lib/R/site-library /usr/lib/R/site-library /usr/lib/R/library /usr/local/lib/R/library \
    -mindepth 2 -maxdepth 2 -name DESCRIPTION -type f 2>/dev/null >"$work/descriptions" || true
while IFS= read -r description; do
    name=$(sed -nE 's/^Package:[[:blank:]]*([A-Za-z0-9.]+)[[:blank:]]*$/\1/p' "$description" | head --lines=1)
    version=$(sed -nE 's/^Version:[[:blank:]]*([0-9]+([.-][0-9]+)*)[[:blank:]]*$/\1/p' "$description" | head --lines=1)
    name=r-cran-${name,,}
    if [[ -n $version && $name != r-cran- ]] && ! grep --quiet --line-regexp --fixed-strings "$name" "$work/installed"; then
        echo "$name" >>"$work/installed"
        printf '\nPackage: %s\nStatus: install ok installed\nArchitecture: all\nVersion: %s-0\nMaintainer: R\nDescription: R\n' \
            "$name" "$version" >>"$work/found"
    fi
done <"$work/descriptions"
touch "$work/found"
cat /var/lib/dpkg/status "$work/found" >"$work/status"

# An IRkernel of the mirror's own stays at its version, too.
if ! apt-get -o "Dir::State::status=$work/status" --simulate --no-upgrade install r-cran-irkernel \
    >"$work/plan" 2>"$work/errors"; then
    cat "$work/plan" "$work/errors" >&2
    if grep --quiet '^[EW]: ' "$work/update.log"; then
        # A source that could not be read may have it: a later build can find what this one did not.
        echo "dbmirror: failed r-cran-irkernel any (apt)" >&2
        exit 1
    fi
    reason=$(sed -nE -e 's/^ *(\S+ : Depends: .*)/\1/p' -e 's/^E: (.*)/\1/p' "$work/plan" "$work/errors" | head --lines=1)
    left_out "There is no R kernel: the apt sources of this image have no IRkernel for its R (${reason%.})."
    exit 0
fi
# `Inst NAME [VERSION THERE] (NEW VERSION …)`: the brackets are those of a package that is there already.
replaced=$(sed -nE -e 's/^Inst (\S+) \[.*/\1/p' -e 's/^Remv (\S+) .*/\1/p' "$work/plan" | sort --unique |
    paste --serial --delimiters=" ")
if [[ -n $replaced ]]; then
    left_out "There is no R kernel: IRkernel needs $replaced in another version than the mirror has it."
    exit 0
fi
if grep --quiet --extended-regexp '^Inst r-(base|recommended|mathlib)' "$work/plan"; then
    left_out "There is no R kernel: the R of this image is of no Debian package, so that apt would install another."
    exit 0
fi

mapfile -t packages < <(sed -nE 's/^Inst (\S+) \((\S+) .*/\1=\2/p' "$work/plan")
mkdir -p "$library" "$work/archives" "$work/unpacked"
for package in "${packages[@]}"; do
    case $package in
    r-*) (cd "$work/archives" && apt-get download "$package") ;;
    *) echo "$package" >>"$work/libraries" ;;
    esac
done
for archive in "$work/archives"/*.deb; do
    [[ -e $archive ]] || continue
    dpkg-deb --extract "$archive" "$work/unpacked"
done
if [[ -d $work/unpacked/usr/lib/R/site-library ]]; then
    cp --archive "$work/unpacked/usr/lib/R/site-library/." "$library"
fi
if [[ -s $work/libraries ]]; then
    bash "${BASH_SOURCE%/*}/install-apt.sh" "$work/libraries"
fi
