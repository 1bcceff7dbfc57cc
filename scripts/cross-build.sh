#!/usr/bin/env bash
# Builds the self-contained release, for a board or for a PC: one file that needs only glibc from 2.36 on, libstdc++
# and libpcsclite, so the same file runs on Debian 12, Debian 13 and the Raspberry Pi OS of both.
#
#   scripts/cross-build.sh [--arch arm64|amd64]      arm64 if nothing is said
#   scripts/cross-build.sh --cross [OPTION...]       a development build in the `cross` tool's container instead, with
#                                                    cross.toml; OPTIONs go to `cross build`
#
# The result: target/dist/ARCH/facetap, stripped, and beside it facetap.debug with the line numbers for crash traces.
# As root or with sudo, without questions. From nothing a quarter of an hour on two cores, most of it OpenCV, which is
# kept in ~/.cache/facetap for the next time.

set -euo pipefail
# shellcheck source=scripts/lib/opencv.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/opencv.sh"

# In the order in which a linker resolves: users before what they use.
OPENCV_STATIC_LIBRARIES=(opencv_objdetect opencv_calib3d opencv_features2d opencv_flann opencv_dnn opencv_videoio
    opencv_imgcodecs opencv_imgproc opencv_core protobuf jpeg png z)

# Rust's standard library for the target of the given compiler, or nothing.
has_target() {
    [[ -d $(rustc --print target-libdir --target "$RUST_TARGET") ]]
}

# Debian's compiler and its standard library for another architecture, which is only unpacked: no foreign packages on
# this machine. Both have to be of one build, so the library comes from this machine's own release of Debian.
make_rust_std() { # ARCHITECTURE PACKAGE=VERSION OUT
    # shellcheck source=/dev/null
    debian_root "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$1" extract "$2" "$3"
}

# Leaves PATH set for a Rust that compiles for the target, and in RUST_SYSROOT the flag that names its library.
setup_target() { # ARCHITECTURE
    local suffix version
    RUST_SYSROOT=
    # shellcheck disable=SC2119  # no cargo commands beside "build" are wanted
    setup_rust
    has_target && return
    if command -v rustup >/dev/null &&
        curl -sSf --connect-timeout 5 --max-time 10 -o /dev/null "$RUSTUP_SERVER/release-stable.toml" 2>/dev/null &&
        rustup target add "$RUST_TARGET" && has_target; then
        return
    fi
    if ! is_installed rustc-web && ! is_installed rustc; then
        # shellcheck disable=SC2119  # no cargo commands beside "build" are wanted
        rust_from_debian || die "no Rust for $RUST_TARGET: let this machine reach ${RUSTUP_SERVER%/*}"
    fi
    PATH=/usr/bin:$PATH
    hash -r
    rust_is_ready || die "the Rust of this Debian is older than $RUST_MINIMUM and cannot compile for $RUST_TARGET"
    suffix=
    ! is_installed rustc-web || suffix=-web
    version=$(dpkg-query -W -f '${Version}' "rustc$suffix")
    cached "rust-std-$1" "libstd-rust$suffix-dev=$version" -- make_rust_std "$1" "libstd-rust$suffix-dev=$version"
    RUST_SYSROOT="--sysroot=$CACHED/usr"
}

# Leaves in LINKER the lld that links. Thousands of addresses are to be moved at the start; packed, their list takes some
# ten kilobytes in place of more than a megabyte. From version 15 on lld writes with it the mark that glibc (from 2.36
# on) asks for.
use_linker() {
    local version
    version=$(ld.lld --version) || die "ld.lld does not run"
    LINKER=lld
    [[ $version =~ LLD\ ([0-9]+) ]] || die "ld.lld does not tell its version: $version"
    if ((BASH_REMATCH[1] < 15)); then
        install_packages lld-16
        LINKER=lld-16
    fi
}

# The variables by which cargo, cc, pkg-config and the opencv crate learn of the target.
export_target() {
    local upper=${RUST_TARGET//-/_} lower=${RUST_TARGET//-/_} clang="--target=$TRIPLET --sysroot=$SYSROOT"
    local crates=${CARGO_HOME:-$HOME/.cargo}
    upper=${upper^^}
    # For traces of crashes line numbers are enough; the types of all of OpenCV are many megabytes.
    clang+=" -gline-tables-only"
    # Messages and line numbers name source files; no folder of this machine in them.
    clang+=" -ffile-prefix-map=$SYSROOT= -ffile-prefix-map=$OPENCV=opencv -ffile-prefix-map=$crates=cargo"
    clang+=" -ffile-prefix-map=$CARGO_TARGET_DIR=target"
    export "CC_$lower=clang" "CXX_$lower=clang++" "AR_$lower=llvm-ar" "CFLAGS_$lower=$clang" "CXXFLAGS_$lower=$clang"
    export "CARGO_TARGET_${upper}_LINKER=clang"
    export "CARGO_TARGET_${upper}_RUSTFLAGS=$RUST_SYSROOT -Cforce-frame-pointers=yes -Clink-arg=--target=$TRIPLET \
--remap-path-prefix=$crates=cargo --remap-path-prefix=$CARGO_TARGET_DIR=target \
--remap-path-prefix=$FACETAP_TOP=facetap -Clink-arg=--sysroot=$SYSROOT -Clink-arg=-fuse-ld=$LINKER \
-Clink-arg=-Wl,--icf=safe,-z,pack-relative-relocs,--build-id=sha1"
    export PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_SYSROOT_DIR=$SYSROOT PKG_CONFIG_PATH=
    export PKG_CONFIG_LIBDIR=$SYSROOT/usr/lib/$TRIPLET/pkgconfig:$SYSROOT/usr/share/pkgconfig
    OPENCV_LINK_LIBS=$(printf 'static=%s,' "${OPENCV_STATIC_LIBRARIES[@]}")stdc++
    export OPENCV_LINK_LIBS OPENCV_LINK_PATHS=$OPENCV/lib,$SYSROOT/usr/lib/$TRIPLET
    export OPENCV_INCLUDE_PATHS=$OPENCV/include/opencv4
}

# A Pi 5's kernel has pages of 16 KiB, others of 64 KiB; they refuse a file that is laid out for smaller ones. What the
# file needs of libraries and of glibc is checked where it is packaged, by scripts/package.sh.
check_pages() { # FILE
    local page
    while read -r page; do
        ((page >= 0x10000)) || die "$1 is laid out for pages of $page bytes; kernels with 64 KiB pages refuse it"
    done < <(llvm-readelf --program-headers "$1" | awk '$1 == "LOAD" { print $NF }')
}

# Fails if the file tells where it was built: two machines would build two different files.
check_paths() { # FILE
    local folder
    for folder in "$FACETAP_TOP" "$FACETAP_CACHE" "${CARGO_HOME:-$HOME/.cargo}" "${TMPDIR:-/tmp}/facetap-opencv"; do
        ! grep -qaF "$folder" "$1" || die "$1 names $folder, a folder of the machine that built it"
    done
}

release() { # ARCHITECTURE
    local out
    use_sysroot "$1"
    use_opencv "$1"
    setup_target "$1"
    use_linker
    CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-$FACETAP_TOP/target}")
    export CARGO_TARGET_DIR
    export_target
    out=$CARGO_TARGET_DIR/dist/$1
    say "building for $1 with $(rustc --version)"
    (cd "$FACETAP_TOP" && cargo build --release --locked --target "$RUST_TARGET")
    mkdir -p "$out"
    # zlib, which every llvm and every addr2line can do. Where variables lie, nobody asks.
    llvm-objcopy --only-keep-debug --remove-section=.debug_loc --compress-debug-sections=zlib \
        "$CARGO_TARGET_DIR/$RUST_TARGET/release/facetap" "$out/facetap.debug"
    llvm-objcopy --strip-all --add-gnu-debuglink="$out/facetap.debug" \
        "$CARGO_TARGET_DIR/$RUST_TARGET/release/facetap" "$out/facetap"
    [[ $1 != arm64 ]] || check_pages "$out/facetap"
    check_paths "$out/facetap"
    check_paths "$out/facetap.debug"
    say "$out/facetap: $(stat -c %s "$out/facetap") bytes, its symbols $(stat -c %s "$out/facetap.debug")"
}

# The tool finds its file only as Cross.toml or by this variable.
with_cross() {
    command -v cross >/dev/null || die "the cross tool is not installed: cargo install cross, and Docker or Podman"
    cd "$FACETAP_TOP"
    CROSS_CONFIG=$FACETAP_TOP/cross.toml cross build --release --locked --target aarch64-unknown-linux-gnu "$@"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    architecture=arm64
    case ${1:-} in
        -h | --help)
            usage
            exit 0
            ;;
        --cross)
            shift
            with_cross "$@"
            exit
            ;;
        --arch) architecture=${2:-} ;;
        --arch=*) architecture=${1#--arch=} ;;
        '') ;;
        *)
            unknown_argument "$1"
            ;;
    esac
    release "$architecture"
fi
