#!/usr/bin/env bash
# Builds the Debian package facetap_VERSION_ARCH.deb from the release binary.
#
#   scripts/package.sh [--arch amd64|arm64] [--binary FILE] [--version V] [--output DIR]
#
#   --arch       for which machines; this one's if nothing is said
#   --binary     a self-contained binary that exists; else scripts/cross-build.sh makes it
#   --version    the package's version; else that of Cargo.toml
#   --output     where the package goes; else target/package
#
# The face detector's models go in if scripts/fetch-models.sh has put them into data/ or /usr/share/facetap/models, or
# if $FACETAP_MODELS names a folder of them. On Debian 12 or 13, as root or with sudo, without questions. The same
# input gives the same package, byte for byte; its date is $SOURCE_DATE_EPOCH, else that of the last commit.

set -euo pipefail
# shellcheck source=scripts/lib/sysroot.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/sysroot.sh"

# What the package may need: Debian 12's C library and C++ library, which Debian 13 has, too.
GLIBC_NEWEST=2.36
GLIBCXX_NEWEST=3.4.30

arch=$(dpkg --print-architecture) binary='' version='' output=''
while [[ $# -gt 0 ]]; do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --arch | --binary | --version | --output)
            [[ -n ${2:-} ]] || die "$1 needs a value; see scripts/package.sh --help"
            declare "${1#--}=$2"
            shift 2
            ;;
        *)
            unknown_argument "$1"
            ;;
    esac
done
case $arch in
    amd64) emulator=qemu-x86_64-static machine='X86-64' ;;
    arm64) emulator=qemu-aarch64-static machine='AArch64' ;;
    *) die "there is no package for $arch; --arch is amd64 or arm64" ;;
esac
target=$(realpath -m "${CARGO_TARGET_DIR:-$FACETAP_TOP/target}")
output=$(realpath -m "${output:-$target/package}")
version=${version:-$(sed -n 's/^version *= *"\(.*\)".*/\1/p' "$FACETAP_TOP/Cargo.toml" | head -n 1)}
[[ $version =~ ^[0-9][0-9A-Za-z.+~]*$ ]] || die "\"$version\" is not a version of a package; give one such as 1.2.3"
[[ -z $binary || -f $binary ]] || die "there is no file $binary; leave out --binary to have it built"
binary=${binary:+$(realpath "$binary")}
stage=$target/package/$arch

# The packages that the binary needs, found by what it says of itself, so that they cannot drift. dh_shlibdeps would
# want the libraries of the other architecture installed here.
libraries() { # BINARY
    local needed name newest packages=() all
    all=$(readelf --wide --dynamic --version-info "$1")
    needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p' <<<"$all")
    [[ -n $needed ]] || die "$1 names no shared library; it should be linked to the C library dynamically"
    for name in $needed; do
        case $name in
            libc.so.6 | libm.so.6 | ld-linux-*.so.*) packages+=("libc6 (>= $GLIBC_NEWEST)") ;;
            libstdc++.so.6) packages+=("libstdc++6 (>= 12)") ;;
            libgcc_s.so.1) packages+=("libgcc-s1") ;;
            libpcsclite.so.1) packages+=("libpcsclite1") ;;
            libudev.so.1) packages+=("libudev1") ;;
            *) die "$1 needs $name, which Debian 12 and 13 do not have alike; package what scripts/cross-build.sh makes" ;;
        esac
    done
    for name in "GLIBC $GLIBC_NEWEST" "GLIBCXX $GLIBCXX_NEWEST"; do
        newest=$(grep -o "Name: ${name% *}_[0-9.]*" <<<"$all" | cut -d _ -f 2 | sort -V | tail -n 1)
        at_least "${name#* }" "${newest:-0}" ||
            die "$1 needs ${name% *} $newest, but Debian 12 has ${name#* }; build it with scripts/cross-build.sh"
    done
    printf '%s\n' "${packages[@]}" | sort -u | paste -s -d , | sed 's/,/, /g'
}

# Runs the binary, through the emulator and with the libraries of its architecture where this machine has another one.
run_binary() {
    if [[ $arch == "$(dpkg --print-architecture)" ]]; then
        install_packages libpcsclite1 libstdc++6
        "$binary" "$@"
    else
        install_packages qemu-user-static
        use_sysroot "$arch"
        "$emulator" -L "$SYSROOT" "$binary" "$@"
    fi
}

# Puts the models into the given folder, if they were fetched.
add_models() {
    local folder
    for folder in "${FACETAP_MODELS:-}" "$FACETAP_TOP/data" /usr/share/facetap/models; do
        if [[ -n $folder ]] && compgen -G "$folder/face_detection_yunet_*.onnx" >/dev/null; then
            # Checks them.
            FACETAP_MODELS=$folder "$FACETAP_TOP/scripts/fetch-models.sh" "$1" >/dev/null ||
                die "the models in $folder are not the right ones; scripts/fetch-models.sh fetches them"
            return
        fi
    done
    [[ -z ${FACETAP_MODELS:-} ]] || die "\$FACETAP_MODELS is $FACETAP_MODELS, but no model is in it"
    say "**** WITHOUT THE YUNET MODELS: the package uses the weaker Haar detector of opencv-data. ****"
    say "**** scripts/fetch-models.sh $FACETAP_TOP/data fetches them.  ****"
    return 1
}

# Puts the symbols where crash traces get the names of functions from: they are found by the binary's build id.
add_symbols() { # STAGE
    local id debug=${binary%/*}/facetap.debug
    build_id() { readelf --notes "$1" 2>/dev/null | sed -n 's/^ *Build ID: //p'; }
    id=$(build_id "$binary")
    if [[ -n $id && -f $debug && $(build_id "$debug") == "$id" ]]; then
        install -D -m 644 "$debug" "$1/symbols/.build-id/${id:0:2}/${id:2}.debug"
    else
        say "**** WITHOUT SYMBOLS: there is no $debug of this very binary; traces of crashes have addresses only. ****"
    fi
}

install_packages debhelper dpkg-dev binutils
if [[ -z $binary ]]; then
    "$FACETAP_TOP/scripts/cross-build.sh" --arch "$arch"
    binary=$target/dist/$arch/facetap
fi
[[ $(readelf --file-header "$binary" 2>/dev/null) == *Machine:*"$machine"* ]] ||
    die "$binary is no program for $arch; name another one with --binary, or the right --arch"
FACETAP_LIBRARIES=$(libraries "$binary")

if [[ -z ${SOURCE_DATE_EPOCH:-} ]]; then
    SOURCE_DATE_EPOCH=$(git -C "$FACETAP_TOP" -c safe.directory='*' log -1 --format=%ct 2>/dev/null) ||
        SOURCE_DATE_EPOCH=$(stat -c %Y "$FACETAP_TOP/CHANGELOG.md")
fi

# The folder in which debhelper works: everything under its last name, nothing of this machine's settings.
rm -rf "$stage"
mkdir -p "$stage" "$output"
umask 022
cp -r "$FACETAP_TOP/scripts/debian" "$stage/debian"
for part in service sysusers tmpfiles udev; do
    cp "$FACETAP_TOP/systemd/facetap.$part" "$stage/debian/facetap.$part"
done
cp "$binary" "$stage/facetap"
add_symbols "$stage"
cp "$FACETAP_TOP/systemd"/facetap{-pcsc.rules,.modules,.modprobe} "$FACETAP_TOP/config/facetap.schema.json" "$stage"
mkdir "$stage/dropins" "$stage/documents"
cp "$FACETAP_TOP/systemd"/*.conf "$stage/dropins"
cp "$FACETAP_TOP"/{README.md,CHANGELOG.md} "$FACETAP_TOP/docs"/*.md "$stage/documents"
run_binary generate man "$stage/man"
run_binary generate completions "$stage/completions"
if add_models "$stage/models"; then
    FACETAP_DEPENDS='' FACETAP_SUGGESTS=opencv-data
else
    FACETAP_DEPENDS=opencv-data FACETAP_SUGGESTS=''
fi
# dpkg wants a changelog of its own form; what changed is told once, in CHANGELOG.md.
cat >"$stage/debian/changelog" <<END
facetap ($version) unstable; urgency=medium

  * What has changed is told in CHANGELOG.md, beside this file.

 -- $(sed -n 's/^Maintainer: //p' "$stage/debian/control")  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
END

say "building facetap $version for $arch, dated $(date -u -I -d "@$SOURCE_DATE_EPOCH")"
log=$stage.log
(
    cd "$stage"
    export SOURCE_DATE_EPOCH FACETAP_LIBRARIES FACETAP_DEPENDS FACETAP_SUGGESTS FACETAP_OUTPUT=$output
    # No file needs another owner than root, so no root is needed.
    export DEB_RULES_REQUIRES_ROOT=no LC_ALL=C.UTF-8 TZ=UTC
    dpkg-architecture --host-arch "$arch" --force --command debian/rules binary
) >"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    die "debhelper could not build the package; the lines above, all of them in $log, say why"
}
package=facetap_${version}_$arch.deb
say "built $output/$package ($(stat -c %s "$output/$package") bytes); install it with: apt install $output/$package"
