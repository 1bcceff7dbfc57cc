#!/usr/bin/env bash
# The development build, linked to the distribution's OpenCV, and the demonstration, on a Debian that has nothing yet:
# both by the commands that the README gives.
#
#   development.sh SUITE BASE WORK        started by scripts/test-development.sh
#
# WORK: a folder on the disk for what is built.

# shellcheck source=tests/package/chroot.sh
source "$(dirname "${BASH_SOURCE[0]}")/chroot.sh"
suite=$1 base=$2 work=$3
enter_root "$base"
cp --dereference /etc/resolv.conf "$top/etc/resolv.conf"
# The checkout cannot be written to from there. The crates are those that were fetched already.
registry=${CARGO_HOME:-$HOME/.cargo}/registry
mkdir -p "$top"/src/facetap "$top"/src/target "$top"/src/cargo/registry "$work" "$registry"
mount --bind "$(dirname "${BASH_SOURCE[0]}")/../.." "$top/src/facetap"
mount -o remount,bind,ro "$top/src/facetap"
mount --bind "$work" "$top/src/target"
mount --bind "$registry" "$top/src/cargo/registry"

in_checkout() {
    inside env --chdir=/src/facetap CARGO_TARGET_DIR=/src/target CARGO_HOME=/src/cargo CARGO_NET_OFFLINE=true CI=true "$@"
}

demonstration() {
    in_checkout scripts/demo.sh --duration 10 &&
        grep -F '[SERVER_START]' "$work/demo/facetap.log" &&
        # Haar finds the drawn face in nearly every picture.
        grep -E 'frames: [1-9][0-9]*' "$work/demo/facetap.log"
}

# The first command of a newcomer comes first; what it has built, the others find.
check "$suite: scripts/demo.sh" demonstration
check "$suite: scripts/setup.sh finds what a build needs" in_checkout scripts/setup.sh build
check "$suite: the development build" in_checkout bash -c 'source scripts/setup.sh; find_rust; cargo build --locked'
check "$suite: its binary starts" in_checkout /src/target/debug/facetap --version
verdict
