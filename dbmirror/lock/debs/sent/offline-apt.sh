#!/usr/bin/env bash
# apt without a network, in a container of an image; its archives are a folder that dbmirror fills:
#   offline-apt.sh sources            takes over the image's sources, and prints what apt reads of them
#   offline-apt.sh update             reads that, and checks the signatures with the image's own keys
#   offline-apt.sh install PACKAGE…   prints the files of those that are missing, and of what they need
#   offline-apt.sh irkernel           the same of IRkernel, for the image's own R, or "left-out: SENTENCE"
#   offline-apt.sh policy PACKAGE…    prints which version of each it would install
#   offline-apt.sh step STEP BELOW PREFERENCES PACKAGE…      the files that a step of a build installs
#   offline-apt.sh keep STEP BELOW PACKAGE[:ARCH]=VERSION…   takes a step as one that installs these
# BELOW is the step that has run before, PREFERENCES a file of those that were given (apt_preferences(5)); - for none.
set -euo pipefail
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin

place=/tmp/dbmirror-apt
given=$place/given
export APT_CONFIG=$place/apt.conf
install=(apt-get --print-uris --yes --no-install-recommends --no-upgrade install)

take_over_sources() {
    local file target
    mkdir -p "$place/sources.list.d"
    touch "$place/sources.list"
    # The image's settings, but no program that they have apt run: much of the file system is read-only here.
    APT_CONFIG='' apt-config dump |
        { grep --invert-match --ignore-case -E '^(APT::Update::(Pre|Post)-|DPkg::(Pre|Post)-)' || true; } >"$place/settings"
    cat "$place/settings" - >"$APT_CONFIG" <<EOF
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "$place/sources.list";
Dir::Etc::sourceparts "$place/sources.list.d";
Acquire::By-Hash "no";
Acquire::ForceHash "sha256";
Acquire::Languages "none";
APT::Get::Remove "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
EOF
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/* "$given"/*.sources; do
        if [[ -f $file ]]; then
            target=${file#/etc/apt/}
            sed -E "s#(https?)://#copy:$place/archive/\\1/#g" "$file" >"$place/${target/#$given\//sources.list.d/given-}"
        fi
    done
    apt-get update --print-uris
}

# What a step installs is not there when the next one is chosen: dpkg's records say that it is.
status_of() {
    if [[ $1 == - ]]; then echo /var/lib/dpkg/status; else echo "$place/status-$1"; fi
}

choose_for_step() {
    local step=$1 options
    options=(-o "Dir::State::status=$(status_of "$2")" -o APT::Get::Remove=true)
    if [[ $3 != - ]]; then
        options+=(-o "Dir::Etc::preferences=$given/$3" -o APT::Get::allow-downgrades=true)
    fi
    apt-get "${options[@]}" --print-uris --yes --no-install-recommends install -- "${@:4}" >"$place/chosen"
    cat "$place/chosen"
    mapfile -t chosen < <(sed -nE "s/^'[^']+' ([^_ ]+)_([^_ ]+)_([^_. ]+)\.deb .*/\1:\3=\2/p" "$place/chosen" |
        sed -e 's/:all=/=/' -e 's/%3a/:/g')
    take_as_installed "$step" "$2" ${chosen[@]+"${chosen[@]}"}
}

take_as_installed() {
    local step=$1 below
    below=$(status_of "$2")
    : >"$place/records"
    if (($# > 2)); then
        apt-cache -o "Dir::State::status=$below" show -- "${@:3}" >"$place/records"
    fi
    awk 'BEGIN { RS = ""; FS = "\n"; ORS = "\n\n" }
        FILENAME == ARGV[1] {
            if (!($1 in chosen)) { chosen[$1]; sub(/\n/, "\nStatus: install ok installed\n"); print }
            next
        }
        !($1 in chosen)' "$place/records" "$below" >"$place/status-$step"
}

# Which of IRkernel's packages are missing is left to apt, and so is whether those at hand are new enough: in a copy of
# dpkg's records the packages that R finds in its libraries stand as installed, whoever put them there. R packages of
# Debian, Ubuntu and CRAN's apt repositories are built for r-api-4.0, which every R 4 there provides.
write_status_with_r_packages() {
    local description name version
    dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' >"$place/installed"
    # Their DESCRIPTION files say it; R itself is not started. Of two packages of a name R takes the one of the first
    # library.
    find /usr/local/lib/R/site-library /usr/lib/R/site-library /usr/lib/R/library /usr/local/lib/R/library \
        -mindepth 2 -maxdepth 2 -name DESCRIPTION -type f 2>/dev/null >"$place/descriptions" || true
    while IFS= read -r description; do
        name=$(sed -nE 's/^Package:[[:blank:]]*([A-Za-z0-9.]+)[[:blank:]]*$/\1/p' "$description" | head --lines=1)
        version=$(sed -nE 's/^Version:[[:blank:]]*([0-9]+([.-][0-9]+)*)[[:blank:]]*$/\1/p' "$description" |
            head --lines=1)
        name=r-cran-${name,,}
        if [[ -n $version && $name != r-cran- ]] &&
            ! grep --quiet --line-regexp --fixed-strings "$name" "$place/installed"; then
            echo "$name" >>"$place/installed"
            printf '\nPackage: %s\nStatus: install ok installed\nArchitecture: all\nVersion: %s-0\nMaintainer: R\nDescription: R\n' \
                "$name" "$version" >>"$place/found"
        fi
    done <"$place/descriptions"
    touch "$place/found"
    cat /var/lib/dpkg/status "$place/found" >"$place/status"
}

plan_irkernel() {
    local reason replaced
    command -v Rscript >/dev/null || return 0
    write_status_with_r_packages
    # An IRkernel of the mirror's own stays at its version, too.
    if ! apt-get -o "Dir::State::status=$place/status" --simulate --no-upgrade --no-install-recommends \
        install r-cran-irkernel >"$place/plan" 2>"$place/errors"; then
        reason=$(sed -nE -e 's/^ *(\S+ : Depends: .*)/\1/p' -e 's/^E: (.*)/\1/p' "$place/plan" "$place/errors" |
            head --lines=1)
        echo "left-out: There is no R kernel: the apt sources of this image have no IRkernel for its R (${reason%.})."
        return 0
    fi
    # `Inst NAME [VERSION THERE] (NEW VERSION …)`: the brackets are those of a package that is there already.
    replaced=$(sed -nE -e 's/^Inst (\S+) \[.*/\1/p' -e 's/^Remv (\S+) .*/\1/p' "$place/plan" | sort --unique |
        paste --serial --delimiters=" ")
    if [[ -n $replaced ]]; then
        echo "left-out: There is no R kernel: IRkernel needs $replaced in another version than the mirror has it."
    elif grep --quiet --extended-regexp '^Inst r-(base|recommended|mathlib)' "$place/plan"; then
        echo "left-out: There is no R kernel: the R of this image is of no Debian package, so that apt would install another."
    else
        "${install[@]}" -o "Dir::State::status=$place/status" r-cran-irkernel
    fi
}

case $1 in
sources) take_over_sources ;;
update) apt-get update --quiet=2 ;;
install) "${install[@]}" -- "${@:2}" ;;
irkernel) plan_irkernel ;;
policy) apt-cache policy -- "${@:2}" ;;
step) choose_for_step "${@:2}" ;;
keep) take_as_installed "${@:2}" ;;
esac
