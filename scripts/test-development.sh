#!/usr/bin/env bash
# Builds from the checkout on a Debian 13 that has nothing yet, and runs the demonstration there.
#
#   scripts/test-development.sh
#
# In a system root of its own, as root or with sudo; nothing stays mounted. The crates have to be fetched already
# (cargo fetch --locked). About five minutes on two cores.

set -euo pipefail
# shellcheck source=scripts/lib/cache.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/cache.sh"
# shellcheck source=tests/package/roots.sh
source "$FACETAP_TOP/tests/package/roots.sh"

case ${1:-} in
    '') ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        unknown_argument "$1"
        ;;
esac
install_packages mount util-linux
running_root trixie
work=$(realpath -m "${CARGO_TARGET_DIR:-$FACETAP_TOP/target}")/debian13
isolated env CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" \
    bash "$FACETAP_TOP/tests/package/development.sh" trixie "$CACHED" "$work"
