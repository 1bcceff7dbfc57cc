# shellcheck shell=bash
# What every script uses: the checkout's folder, a home, messages, help, root. To be sourced.

set -euo pipefail

# Some runners close standard input, and nothing below may wait for an answer.
exec </dev/null

# shellcheck disable=SC2034  # for the scripts that source this
FACETAP_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# A container may come without HOME, which cargo and rustup need.
if [[ -z ${HOME:-} ]]; then
    HOME=$(getent passwd "$EUID" | cut -d : -f 6)
    export HOME
fi

say() {
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*"
}

die() {
    say "$*" >&2
    exit 1
}

# The script's own head, from its second line to the first empty one.
usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
}

# Ends a script that was called wrongly.
wrong_usage() { # WHAT...
    say "$*; see scripts/$(basename "$0") --help" >&2
    exit 2
}

unknown_argument() { # ARGUMENT
    wrong_usage "unknown argument \"$1\""
}

# Runs a command as root; sudo may ask for a password only where somebody can type it.
as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    elif ! command -v sudo >/dev/null; then
        die "root is needed to install packages: run this as root, or install sudo"
    elif [[ -t 2 ]] || sudo -n true 2>/dev/null; then
        sudo "$@"
    else
        die "root is needed to install packages: run this as root, or allow sudo without a password"
    fi
}

# Whether version $1 is at least version $2.
at_least() {
    [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]
}
