#!/usr/bin/env bash
# Builds from the checkout on a Debian 13 that has nothing yet, and runs the demonstration there.
#
#   scripts/test-development.sh
#
# In a system root of its own, as root or with sudo; nothing stays mounted. The crates have to be fetched already
# (cargo fetch --locked). About ten minutes on two cores.

set -euo pipefail
# shellcheck source=scripts/cache.sh
source "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
# shellcheck source=tests/package/roots.sh
source "$FACETAP_TOP/tests/package/roots.sh"

case ${1:-} in
    '') ;;
    -h | --help)
        sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *)
        say "unknown argument \"$1\"; see scripts/test-development.sh --help" >&2
        exit 2
        ;;
esac
install_packages mount util-linux
running_root trixie
work=$(realpath -m "${CARGO_TARGET_DIR:-$FACETAP_TOP/target}")/debian13
isolated env CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" \
    bash "$FACETAP_TOP/tests/package/development.sh" trixie "$CACHED" "$work"
