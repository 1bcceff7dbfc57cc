# shellcheck shell=bash
# Rust: finds one that is new enough, on PATH or beside it, or installs one from rustup or from Debian. To be sourced;
# after `setup_rust` or `find_rust` the right cargo is on PATH.

# shellcheck source=scripts/lib/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

# The oldest Rust that builds this package.
RUST_MINIMUM=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$FACETAP_TOP/Cargo.toml")

RUSTUP_SERVER=https://static.rust-lang.org/rustup

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
