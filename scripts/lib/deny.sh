# shellcheck shell=bash
# cargo-deny, and what it checks (deny.toml): licences, banned crates, sources, known faults. To be sourced.

# shellcheck source=scripts/lib/cache.sh
source "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

CARGO_DENY_VERSION=0.20.2
ADVISORIES=https://github.com/rustsec/advisory-db

# Built as quickly as can be: it runs for a second.
make_cargo_deny() { # OUT
    local out=$1
    CARGO_TARGET_DIR=$out.target cargo install --quiet cargo-deny --version "=$CARGO_DENY_VERSION" --locked \
        --profile dev --config profile.dev.debug=false --root "$out" --no-track
    rm -rf "$out.target"
}

# Leaves the program's path in CARGO_DENY.
use_cargo_deny() {
    install_packages build-essential pkg-config curl git
    # shellcheck disable=SC2119  # no cargo commands beside "build" are wanted
    setup_rust
    cached cargo-deny "$CARGO_DENY_VERSION" "$(declare -f make_cargo_deny)" -- make_cargo_deny
    CARGO_DENY=$CACHED/bin/cargo-deny
}

check_crates() {
    local what=(licenses bans sources)
    use_cargo_deny
    # The rest needs no network; known faults need the list of today, and an old one proves nothing.
    if curl -sSf --connect-timeout 5 --max-time 20 -o /dev/null "$ADVISORIES" 2>/dev/null; then
        what+=(advisories)
    else
        say "SKIPPED: known faults of the crates: $ADVISORIES cannot be reached"
    fi
    (cd "$FACETAP_TOP" && "$CARGO_DENY" --all-features --locked check --hide-inclusion-graph "${what[@]}")
}
