#!/usr/bin/env bash
# Feeds what comes from outside with mutated bytes: the answers of cards, servers and servos, what cameras and clips send,
# the configuration, the ledger's file. Stops at the first finding, which lies in fuzz/artifacts then, and returns 1.
#
#   scripts/fuzz.sh [SECONDS [TARGET...]]
#
# So many seconds for each of the targets apdu, answer, avi, config, ledger, multipart, rpicam and servo; 60 if nothing
# is said. What was learnt stays in fuzz/corpus for the next run. Needs a nightly Rust and cargo-fuzz (rustup toolchain
# install nightly; cargo install cargo-fuzz); the first build takes some minutes.

set -euo pipefail
# shellcheck source=scripts/lib/rust.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/rust.sh"

case ${1:-} in
    -h | --help)
        usage
        exit 0
        ;;
esac
seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ ]] || die "\"$seconds\" is no number of seconds; see scripts/fuzz.sh --help"
[[ $# -eq 0 ]] || shift
targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then
    targets=(apdu answer avi config ledger multipart rpicam servo)
fi

find_rust
cargo +nightly --version >/dev/null 2>&1 || die "a nightly Rust is needed: rustup toolchain install nightly"
cargo fuzz --version >/dev/null 2>&1 || die "cargo-fuzz is needed: cargo install cargo-fuzz --locked"

cd "$FACETAP_TOP/fuzz"
# The limits of one input: five seconds is as long as one connection to the ledger waits for the other. Memory is limited by
# allocation: the thread with which libFuzzer watches the whole ends today's AddressSanitizer at once (pthread_detach).
limits=(-timeout=30 -rss_limit_mb=0 -malloc_limit_mb=2048)
for target in "${targets[@]}"; do
    mkdir -p "corpus/$target"
    cargo +nightly fuzz build "$target"
done
mkdir -p artifacts
for target in "${targets[@]}"; do
    status=0
    log=artifacts/$target.log
    cargo +nightly fuzz run "$target" "corpus/$target" "seeds/$target" -- "${limits[@]}" -max_total_time="$seconds" \
        >"$log" 2>&1 || status=$?
    if [[ $status -ne 0 ]]; then
        tail -n 60 "$log"
        die "$target: a finding; the input lies in fuzz/artifacts/$target, the whole output in fuzz/$log"
    fi
    printf '%-9s %s; %s\n' "$target" "$(grep -m 1 '^Done ' "$log")" \
        "$(grep -o 'cov: [0-9]* ft: [0-9]* corp: [0-9]*' "$log" | tail -n 1)"
done
