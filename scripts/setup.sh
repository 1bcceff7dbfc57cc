#!/usr/bin/env bash
# Installs what FaceTap needs on Debian 12, Debian 13 or Raspberry Pi OS: packages, and Rust if it is missing.
#
#   scripts/setup.sh [build|demo|test]      for which purpose; build if nothing is said
#
# As root or with sudo, without questions. Run again, it finds everything there and changes nothing. A script that
# sources it gets its functions; after a set-up, `find_rust` puts the right cargo on PATH.

set -euo pipefail

# Some runners close standard input, and nothing below may wait for an answer.
exec </dev/null

FACETAP_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The oldest Rust that builds this package.
RUST_MINIMUM=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$FACETAP_TOP/Cargo.toml")

# A container may come without HOME, which cargo and rustup need.
if [[ -z ${HOME:-} ]]; then
    HOME=$(getent passwd "$EUID" | cut -d : -f 6)
    export HOME
fi

RUSTUP_SERVER=https://static.rust-lang.org/rustup

# clang: the opencv crate generates its bindings from OpenCV's headers at build time.
BUILD_PACKAGES=(build-essential pkg-config clang libclang-dev libopencv-dev libpcsclite-dev ca-certificates)
# opencv-data: the face cascades, the detector that needs no download.
DEMO_PACKAGES=("${BUILD_PACKAGES[@]}" opencv-data)
# pcscd and vsmartcard-vpcd: the real card service, with a reader that a test can lay cards on.
# systemd and shellcheck check the unit file and these scripts. e2fsprogs makes small disks that a test fills up.
TEST_PACKAGES=("${DEMO_PACKAGES[@]}" pcscd vsmartcard-vpcd python3 systemd shellcheck e2fsprogs)

say() {
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*"
}

die() {
    say "$*" >&2
    exit 1
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

# apt-get that asks nothing and waits for another one (boards update themselves after the start). Its many lines
# are shown only if it fails.
apt_get() {
    local output status=0
    output=$(mktemp)
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
        apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@" \
        >"$output" 2>&1 || status=$?
    if [[ $status -ne 0 ]]; then
        tail -n 40 "$output" >&2
    fi
    rm -f "$output"
    return "$status"
}

# The package lists, once a run at most.
lists_are_fresh=no
refresh_lists() {
    if [[ $lists_are_fresh == no ]]; then
        say "refreshing the package lists"
        # One unreachable extra archive is no reason to stop: the installation tells whether something is missing.
        apt_get update || say "apt-get update failed; going on with the lists that are there"
        lists_are_fresh=yes
    fi
}

is_installed() {
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# Installs those of the given packages that are missing.
install_packages() {
    local missing=() package
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    if [[ ${#missing[@]} -gt 0 ]]; then
        refresh_lists
        say "installing ${missing[*]} and what they need; this can take minutes"
        forbid_services
        apt_get install --no-install-recommends "${missing[@]}" || die "apt-get could not install ${missing[*]}"
        allow_services
    fi
}

# In a container, without systemd, Debian's pcscd would be started at its installation and stay, in the way of the
# one that the tests start, stop and kill. A policy-rc.d that answers 101 is Debian's way to say "start nothing".
SERVICE_POLICY=/usr/sbin/policy-rc.d
service_policy_is_ours=no
forbid_services() {
    if [[ ! -d /run/systemd/system && ! -e $SERVICE_POLICY ]]; then
        service_policy_is_ours=yes
        trap allow_services EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$SERVICE_POLICY"
    fi
}

allow_services() {
    if [[ $service_policy_is_ours == yes ]]; then
        as_root rm -f "$SERVICE_POLICY"
        service_policy_is_ours=no
        trap - EXIT
    fi
}

# Whether version $1 is at least version $2.
at_least() {
    [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]
}

# Whether the Rust on PATH is new enough and has the given cargo commands.
rust_is_ready() {
    local tool version
    for tool in cargo rustc; do
        version=$("$tool" --version 2>/dev/null | cut -d ' ' -f 2)
        if [[ -z $version ]] || ! at_least "$version" "$RUST_MINIMUM"; then
            return 1
        fi
    done
    for tool in "$@"; do
        cargo "$tool" --version >/dev/null 2>&1 || return 1
    done
}

# Looks for a Rust that is there already, on PATH or beside it, and leaves PATH and RUSTUP_TOOLCHAIN set for it.
find_rust() {
    local given=$PATH folder
    hash -r
    for folder in '' "${CARGO_HOME:-$HOME/.cargo}/bin" /usr/bin; do
        PATH=${folder:+$folder:}$given
        rust_is_ready "$@" && return 0
        # rustup's default may be old while the right toolchain is there. It is asked for by name only then,
        # because rustup would download one that is missing.
        if command -v rustup >/dev/null && rustup toolchain list 2>/dev/null | grep -q "^$RUST_MINIMUM-"; then
            export RUSTUP_TOOLCHAIN=$RUST_MINIMUM
            rust_is_ready "$@" && return 0
            unset RUSTUP_TOOLCHAIN
        fi
    done
    PATH=$given
    return 1
}

# Rust from rustup, if its server answers. The user's default toolchain and shell start-up files stay as they are.
rust_from_rustup() {
    install_packages curl
    if ! curl -sSf --connect-timeout 5 --max-time 10 -o /dev/null "$RUSTUP_SERVER/release-stable.toml" 2>/dev/null; then
        say "rustup's server does not answer"
        return 1
    fi
    local wanted=(--profile minimal --component rustfmt --component clippy)
    local rustup=${CARGO_HOME:-$HOME/.cargo}/bin/rustup
    if command -v rustup >/dev/null; then
        rustup=rustup
    fi
    if command -v "$rustup" >/dev/null; then
        say "installing Rust $RUST_MINIMUM with the rustup that is there"
        timeout 900 "$rustup" toolchain install "$RUST_MINIMUM" "${wanted[@]}"
    else
        say "installing rustup and Rust $RUST_MINIMUM below ${CARGO_HOME:-$HOME/.cargo}"
        curl -sSf --connect-timeout 10 --max-time 60 "$RUSTUP_SERVER/rustup-init.sh" |
            RUSTUP_INIT_SKIP_PATH_CHECK=yes timeout 900 sh -s -- -y --no-modify-path \
                --default-toolchain "$RUST_MINIMUM" "${wanted[@]}"
    fi
}

# Rust from Debian: the -web packages, which are kept current for the browsers' sake, or the plain ones where those
# are new enough. The two cannot be installed side by side, so an old plain rustc is replaced.
rust_from_debian() {
    refresh_lists
    local suffix candidate packages offered=()
    for suffix in -web ''; do
        candidate=$(apt-cache policy "rustc$suffix" | sed -n 's/^ *Candidate: \([0-9].*\)/\1/p')
        offered+=("rustc$suffix ${candidate:-none}")
        if [[ -n $candidate ]] && at_least "$candidate" "$RUST_MINIMUM"; then
            packages=("rustc$suffix" "cargo$suffix")
            if [[ $# -gt 0 ]]; then
                packages+=("rustfmt$suffix" "rust$suffix-clippy")
            fi
            say "installing Rust $candidate from Debian: ${packages[*]}"
            # Not install_packages: one that is installed may have to become newer.
            apt_get install --no-install-recommends "${packages[@]}"
            return
        fi
    done
    say "Debian's archives that are set up here have only ${offered[*]}"
    return 1
}

# Makes sure of Rust; the arguments are the cargo commands that are needed beside `build`.
setup_rust() {
    find_rust "$@" && return
    say "no Rust from $RUST_MINIMUM on${*:+ with cargo $*}"
    local source sources=(rustup debian)
    # Debian's Rust that lacks only a tool gets it from there.
    if is_installed rustc-web; then
        sources=(debian rustup)
    fi
    for source in "${sources[@]}"; do
        if "rust_from_$source" "$@" && find_rust "$@"; then
            return
        fi
    done
    die "no Rust from $RUST_MINIMUM on could be installed: let this machine reach ${RUSTUP_SERVER%/*}," \
        "or add Debian's security archive, which carries rustc-web, to apt's sources"
}

# The whole set-up for one purpose: build, demo or test.
setup() {
    local packages commands=()
    case $1 in
        build) packages=("${BUILD_PACKAGES[@]}") ;;
        demo) packages=("${DEMO_PACKAGES[@]}") ;;
        test)
            packages=("${TEST_PACKAGES[@]}")
            commands=(fmt clippy)
            ;;
        *)
            say "unknown purpose \"$1\"; it is build, demo or test" >&2
            exit 2
            ;;
    esac
    if ! command -v apt-get >/dev/null; then
        die "this system has no apt-get: install what ${packages[*]} are called here and Rust $RUST_MINIMUM," \
            "then use cargo directly"
    fi
    install_packages "${packages[@]}"
    setup_rust "${commands[@]}"
    say "everything is there: $(cargo --version), OpenCV $(pkg-config --modversion opencv4)"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    case ${1:-build} in
        -h | --help) sed -n '2,/^$/s/^# \{0,1\}//p' "$0" ;;
        *) setup "${1:-build}" ;;
    esac
fi
