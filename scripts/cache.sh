#!/usr/bin/env bash
# What takes minutes to make and is kept (lib/cache.sh): system roots of Debian, the static OpenCV, the image of the
# emulated Pi, cargo-deny, the peers of the bench.
#
#   scripts/cache.sh            lists what is kept
#   scripts/cache.sh --prune    deletes what has not been used for 30 days
#   scripts/cache.sh --fill     makes what scripts/test.sh --full needs and is not kept yet

set -euo pipefail
# shellcheck source=scripts/lib/cache.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/cache.sh"

# What waits for the network or keeps one processor busy comes first, OpenCV, which can use them all, last.
fill() {
    local architecture suite
    # shellcheck source=scripts/lib/opencv.sh
    source "$FACETAP_TOP/scripts/lib/opencv.sh"
    # shellcheck source=scripts/lib/deny.sh
    source "$FACETAP_TOP/scripts/lib/deny.sh"
    # shellcheck source=tests/package/roots.sh
    source "$FACETAP_TOP/tests/package/roots.sh"
    # shellcheck source=tests/emulated-pi/image.sh
    source "$FACETAP_TOP/tests/emulated-pi/image.sh"
    # scripts/test.sh ends this when a check has failed.
    # shellcheck disable=SC2034  # for apt_get
    APT_SHIELD=(setsid --wait)
    use_cargo_deny
    for suite in bookworm trixie; do
        running_root "$suite"
        for architecture in amd64 arm64; do
            library_root "$suite" "$architecture"
        done
    done
    # Programs of the other architecture in a chroot: for root alone.
    [[ $EUID -ne 0 ]] || prepare_board
    for architecture in amd64 arm64; do
        use_sysroot "$architecture"
        use_opencv "$architecture"
    done
}

case ${1:-} in
    -h | --help) usage ;;
    '') [[ ! -d $FACETAP_CACHE ]] || du -sh --time "$FACETAP_CACHE"/* ;;
    --prune)
        [[ ! -d $FACETAP_CACHE ]] ||
            find "$FACETAP_CACHE" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf --one-file-system {} +
        ;;
    --fill) fill ;;
    *) unknown_argument "$1" ;;
esac
