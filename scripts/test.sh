#!/usr/bin/env bash
# Installs what is missing and checks everything: formatting, scripts, lints, all tests, unit file, example.
#
#   scripts/test.sh          under 20 minutes on two cores from nothing, as root or with sudo, without questions
#   scripts/test.sh --full   under 75 minutes: also the releases for both architectures, their limits, their packages
#                            on Debian 12 and 13, a build on Debian 13, and the emulated Raspberry Pi
#
# Ends at the first check that fails, names it and returns 1. Tests that need sample clips look for them in
# ../shared or in $FACETAP_SHARED, and are named as skipped where those are absent.

set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

full=no
for argument in "$@"; do
    case $argument in
        --full) full=yes ;;
        -h | --help)
            sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *)
            say "unknown argument \"$argument\"; see scripts/test.sh --help" >&2
            exit 2
            ;;
    esac
done

cd "$FACETAP_TOP"
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR=$target
binary=$target/debug/facetap
tests_log=$target/test.log
finished=()
current='' started=0

minutes() {
    printf '%d min %02d s' $(($1 / 60)) $(($1 % 60))
}

# Ends the check before and begins the named one.
step() {
    if [[ -n $current ]]; then
        finished+=("$(printf '%-14s %s' "$current" "$(minutes $((SECONDS - started)))")")
    fi
    current=$1 started=$SECONDS
    if [[ -n $current ]]; then
        printf '\n==> %s\n' "$current"
    fi
}

# Whatever ends the script early ends it here.
at_exit() {
    if [[ -n $current ]]; then
        printf '\nFAILED: %s, after %s. The lines above say why.\n' "$current" "$(minutes $SECONDS)" >&2
        exit 1
    fi
}
trap at_exit EXIT

# Runs every test. The whole output goes to a file; on the screen appear each suite and its result, and the SKIPPED
# lines that the test harness would swallow.
run_tests() {
    mkdir -p "$target"
    : >"$tests_log"
    # Most tests wait more than they work, so twice as many at a time as there are processors.
    RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))} \
        cargo test --locked --no-fail-fast -- --show-output >"$tests_log" 2>&1 &
    local cargo_test=$!
    tail -n +1 -f --pid="$cargo_test" "$tests_log" |
        sed -u -n -E '/^ +(Running|Doc-tests) |^test result: |^test .* FAILED$|^SKIPPED: /p'
    if ! wait "$cargo_test"; then
        # The reports of the failed tests; a build that failed has none, but its last lines say why.
        sed -n '/^failures:$/,/^test result: /p' "$tests_log" | grep . || tail -n 60 "$tests_log"
        printf 'The whole output is in %s\n' "$tests_log"
        return 1
    fi
}

# The short tests of what must not be lost, with the program that people get: some faults show in no development build.
test_release() {
    local program log=$target/release-test.log
    program=$target/dist/$(dpkg --print-architecture)/facetap
    if ! FACETAP_BINARY=$program cargo test --locked --no-fail-fast --test kill --test e2e -- --show-output \
        no_tap_is_lost disk:: damage:: attendance:: >"$log" 2>&1; then
        sed -n '/^failures:$/,/^test result: /p' "$log" | grep . || tail -n 60 "$log"
        printf 'The whole output is in %s\n' "$log"
        return 1
    fi
    sed -n -E '/^ +Running |^test result: |^SKIPPED: /p' "$log"
}

# The unit file as it is, except that the program need not be installed yet; alone and with each drop-in.
check_unit() {
    local folder=$target/unit-check drop_in said status
    rm -rf "$folder"
    mkdir -p "$folder/facetap.service.d"
    sed "s|^ExecStart=/usr/bin/facetap|ExecStart=$binary|" systemd/facetap.service \
        >"$folder/facetap.service"
    # systemd-analyze makes this folder where systemd does not run, which only root can do.
    [[ -d /run/systemd ]] || as_root mkdir -p /run/systemd
    for drop_in in '' systemd/*.conf; do
        rm -f "$folder/facetap.service.d"/*
        [[ -z $drop_in ]] || cp "$drop_in" "$folder/facetap.service.d/"
        # An unknown key is only a warning to systemd; here it is a fault. Other units' faults are not ours, and the
        # manual page need not be installed.
        status=0
        said=$(systemd-analyze verify --man=no --recursive-errors=no "$folder/facetap.service" 2>&1) || status=$?
        if [[ $status -ne 0 || $said == *facetap.service* ]]; then
            printf '%s: %s\n' "${drop_in:-systemd/facetap.service}" "$said"
            return 1
        fi
    done
    rm -r "$folder/facetap.service.d"
    # At most 1.7 of 10: the hardware is within reach, everything else is shut.
    systemd-analyze security --offline=true --threshold=17 --no-pager "$folder/facetap.service" | tail -n 1
    mkdir -p "$folder/etc"
    systemd-sysusers --root="$folder" "$PWD/systemd/facetap.sysusers"
}

# The folder of the face detector's models, if there is one here.
models() {
    local folder=${FACETAP_SHARED:-../shared}/models
    [[ ! -d $folder ]] || realpath "$folder"
}

# The sum of what sed's expression $1 finds in the log of the tests.
total() {
    sed -n "$1" "$tests_log" | awk '{ n += $1 } END { print n + 0 }'
}

summary() {
    local skipped
    printf '\nALL CHECKS PASSED in %s\n' "$(minutes $SECONDS)"
    printf '  %s\n' "${finished[@]}"
    printf '  %s tests passed, %s ignored\n' \
        "$(total 's/^test result: ok\. \([0-9]*\) passed.*/\1/p')" \
        "$(total 's/^test result: .* \([0-9]*\) ignored.*/\1/p')"
    skipped=$(sed -n 's/^SKIPPED: /    /p' "$tests_log" | sort -u)
    if [[ -n $skipped ]]; then
        printf '  of these, tests that had nothing to test with on this machine:\n%s\n' "$skipped"
    fi
}

step set-up
scripts/setup.sh test
find_rust fmt clippy

step format
cargo fmt --check
cargo fmt --check --manifest-path fuzz/Cargo.toml

step scripts
shellcheck --external-sources scripts/*.sh tests/package/*.sh tests/emulated-pi/*.sh tests/emulated-pi/*/*.sh tests/tools/*.sh .ci/run

step crates
cargo fetch --locked --target "$(rustc -vV | sed -n 's/^host: //p')"

step lints
cargo clippy --locked --all-targets -- -D warnings
# The fuzz targets are run by hand (scripts/fuzz.sh); that they fit the crate is seen here.
cargo check --locked --manifest-path fuzz/Cargo.toml --target-dir "$target"

step tests
run_tests

step unit
cargo build --locked
check_unit

step example
"$binary" config check config/facetap.json

if [[ $full == yes ]]; then
    built=$target/package/test
    rm -rf "$built"
    for architecture in amd64 arm64; do
        step "release $architecture"
        scripts/cross-build.sh --arch "$architecture"
        # The models lie beside the clips; without them the package says that it is without.
        FACETAP_MODELS=$(models) scripts/package.sh --arch "$architecture" \
            --binary "$target/dist/$architecture/facetap" --output "$built"
    done

    step limits
    scripts/bench.sh --limits

    step 'release tests'
    test_release

    step packages
    scripts/test-package.sh "$built"/facetap_*.deb

    step 'emulated Pi'
    scripts/emulated-pi.sh --package "$built"/facetap_*_arm64.deb

    step 'Debian 13'
    scripts/test-development.sh
fi

step ''
summary
