# shellcheck shell=bash
# The system that releases are built against, as a folder: Debian 12's libraries and headers of one architecture, only
# unpacked, whatever this machine runs itself. A release so built needs no newer glibc than Debian 12's (2.36) and
# runs on Debian 13 as well. To be sourced.
#
# The compiler is this machine's clang, which compiles for every architecture: no cross gcc is needed.

# shellcheck source=scripts/lib/cache.sh
source "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

SYSROOT_SUITE=bookworm
# What the static OpenCV and the binary link. libudev is not among them: serialport is built without it.
SYSROOT_PACKAGES=libc6-dev,libstdc++-12-dev,libpcsclite-dev,libjpeg-dev,libpng-dev,zlib1g-dev,libprotobuf-dev

# clang compiles, lld links, llvm strips, and libclang reads OpenCV's headers for the bindings.
# shellcheck disable=SC2034  # for the scripts that source this
TOOLCHAIN_PACKAGES=(clang lld llvm libclang-dev pkg-config ca-certificates)

make_sysroot() { # ARCHITECTURE OUT
    debian_root "$SYSROOT_SUITE" "$1" extract "$SYSROOT_PACKAGES" "$2"
    # Absolute links would lead out of it.
    local link target
    find "$2/usr/lib" -type l -lname '/*' -print | while read -r link; do
        target=$(readlink "$link")
        ln -sfn "$(realpath -m --relative-to="$(dirname "$link")" "$2$target")" "$link"
    done
}

# Leaves the path in SYSROOT, and the names of the architecture: Debian's triplet in TRIPLET, Rust's in RUST_TARGET.
use_sysroot() { # ARCHITECTURE
    case $1 in
        amd64) TRIPLET=x86_64-linux-gnu RUST_TARGET=x86_64-unknown-linux-gnu ;;
        arm64) TRIPLET=aarch64-linux-gnu RUST_TARGET=aarch64-unknown-linux-gnu ;;
        *) die "unknown architecture \"$1\"; it is amd64 or arm64" ;;
    esac
    export TRIPLET RUST_TARGET
    cached "sysroot-$1" "$SYSROOT_SUITE" "$SYSROOT_PACKAGES" "$(declare -f make_sysroot)" -- make_sysroot "$1"
    export SYSROOT=$CACHED
}
