#!/usr/bin/env bash
# Programs that Ponder uses and pip does not bring: which are missing, and what installs them.
#
#   scripts/system_packages.sh             say what is missing and what it is for
#   scripts/system_packages.sh --install   install it, as root where apt-get is; else say the same
set -uo pipefail

missing=() reasons=()
need() { # package, what it is for, names of its program
    local package=$1 reason=$2 name
    shift 2
    for name in "$@"; do command -v "$name" >/dev/null 2>&1 && return; done
    missing+=("$package")
    reasons+=("$package ($reason)")
}
look() {
    missing=() reasons=()
    need bubblewrap "runs a model's programs where they can do no harm; without it rows with tests are refused" bwrap
    need util-linux "lets boxes that root starts give up root" setpriv
    need g++ "compiles the fast forward of small models; without it torch does the same, slower" "${CXX%% *}" g++ clang++ c++
    need chromium "shows the report pages to the tests" chromium chromium-browser google-chrome
}

CXX=${CXX:-c++}
look
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "${1:-}" = --install ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    look
    [ ${#missing[@]} -eq 0 ] && exit 0
fi
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo "
echo "not installed, and worth having:"
printf '  %s\n' "${reasons[@]}"
echo "on Debian or Ubuntu: ${sudo}apt-get install ${missing[*]}"
