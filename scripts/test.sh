#!/usr/bin/env bash
# Installs what is missing and checks everything: formatting, scripts, lints, all tests, unit file, example.
#
#   scripts/test.sh               what every change has to pass; as root or with sudo, without questions
#   scripts/test.sh --fast        format, lints and unit tests: for the loop while one works on something
#   scripts/test.sh --full        also the licences, the releases for both architectures, their limits, their packages on
#                                 Debian 12 and 13, a build on Debian 13, and the emulated Raspberry Pi
#   scripts/test.sh --only STEP   one step and those that it needs; may be given several times
#   scripts/test.sh --help        this, and the steps
#
# Ends at the first check that fails, names it and returns 1. Tests that need sample clips look for them in
# ../shared or in $FACETAP_SHARED, and are named as skipped where those are absent. How long each form takes is told in
# CONTRIBUTING.md.

set -euo pipefail
# shellcheck source=scripts/lib/deny.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/deny.sh"
# shellcheck source=scripts/lib/steps.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/steps.sh"

# The steps in their order: name, forms, the steps that it needs, what it does.
declare_step set-up 'fast usual full' '' 'installs what is missing'
declare_step format 'fast usual full' 'set-up' 'rustfmt has nothing to change'
declare_step scripts 'usual full' 'set-up' 'shellcheck has nothing to say'
declare_step lints 'fast usual full' 'set-up' 'clippy has nothing to say'
declare_step fuzz-targets 'usual full' 'set-up' 'the fuzz targets fit the crate; scripts/fuzz.sh runs them'
declare_step unit-tests 'fast' 'set-up' 'the tests inside src'
declare_step tests 'usual full' 'set-up' 'all tests, those inside src among them'
declare_step unit 'usual full' 'set-up' 'systemd takes the unit file and its drop-ins, and finds them tight'
declare_step example 'usual full' 'set-up' 'the program takes the example configuration'
declare_step licences 'full' 'set-up' 'cargo deny: licences, bans, sources, known faults of the crates'
declare_step release-amd64 'full' 'set-up' 'the self-contained release and its package'
declare_step release-arm64 'full' 'set-up' 'the same for boards'
declare_step limits 'full' 'release-amd64' 'size and memory of the release'
declare_step release-tests 'full' 'release-amd64' 'the short tests of what must not be lost, and of pictures and streams, with the release'
declare_step packages 'full' 'release-amd64 release-arm64' 'installation, upgrade and removal on Debian 12 and 13'
declare_step emulated-pi 'full' 'release-arm64' 'the package on an emulated Raspberry Pi, through faults and a reboot'
declare_step debian-13 'full' 'set-up' 'a build and the demonstration on a Debian 13 that has nothing yet'

form=usual
only=()
while [[ $# -gt 0 ]]; do
    case $1 in
        --fast | --full) form=${1#--} ;;
        --only)
            [[ -n ${2:-} ]] || wrong_usage "--only needs the name of a step"
            only+=("$2")
            shift
            ;;
        -h | --help)
            usage
            printf '\nSteps, and the forms that have them:\n'
            list_steps
            exit 0
            ;;
        *) unknown_argument "$1" ;;
    esac
    shift
done
if [[ ${#only[@]} -eq 0 ]]; then
    choose_form "$form"
fi
for name in "${only[@]}"; do
    choose_step "$name"
done

cd "$FACETAP_TOP"
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR=$target
binary=$target/debug/facetap
tests_log=$target/test.log
built=$target/package/test

# Whatever ends the script early ends it here.
filling=''
at_exit() {
    [[ -z $filling ]] || kill -- "-$filling" 2>/dev/null || true
    end_of_steps
}
trap at_exit EXIT

do_set_up() {
    scripts/setup.sh test --ahead 'build --locked --tests'
    find_rust fmt clippy
    # A lock file that does not fit is said before anything is built.
    cargo fetch --quiet --locked --target "$(rustc -vV | sed -n 's/^host: //p')"
    if [[ $form == full && ${#only[@]} -eq 0 ]]; then
        fill_cache
    fi
}

# The releases' OpenCV, system roots and the board's image take half an hour, and the steps before those that need them
# wait more than they work. Whatever is not ready when it is needed, or failed, is waited for or made by that step.
fill_cache() {
    mkdir -p "$target"
    say "makes what later steps need at idle times; see $target/fill.log"
    # A process group of its own, so that it can be ended whole.
    set -m
    nice -n 19 scripts/cache.sh --fill >"$target/fill.log" 2>&1 &
    filling=$!
    set +m
}

# From here on it is what is waited for. Only root can give it back its turn; without it still gets what is left.
hurry_fill() {
    [[ -z $filling ]] || renice --priority 0 --pgrp "$filling" >/dev/null 2>&1 || true
}

do_format() {
    cargo fmt --check
    cargo fmt --check --manifest-path fuzz/Cargo.toml
}

do_scripts() {
    find scripts tests .ci \( -name '*.sh' -o -path .ci/run \) -print0 | xargs -0 shellcheck --external-sources
}

do_lints() {
    cargo clippy --locked --all-targets -- -D warnings
}

do_fuzz_targets() {
    cargo check --locked --manifest-path fuzz/Cargo.toml --target-dir "$target"
}

# Runs tests. The whole output goes to a file; on the screen appear each suite and its result, and the SKIPPED lines that
# the test harness would swallow.
run_tests() { # CARGO-OPTION...
    mkdir -p "$target"
    : >"$tests_log"
    # Most tests wait more than they work, so twice as many at a time as there are processors.
    RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))} \
        cargo test --locked --no-fail-fast "$@" -- --show-output >"$tests_log" 2>&1 &
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

do_unit_tests() {
    run_tests --lib
}

do_tests() {
    run_tests
}

# The short tests of what must not be lost, with the program that people get: some faults show in no development build, and
# its OpenCV is another one, with its own ways with pictures that are not as they should be.
do_release_tests() {
    local program log=$target/release-test.log
    program=$target/dist/$(dpkg --print-architecture)/facetap
    if ! FACETAP_BINARY=$program cargo test --locked --no-fail-fast --test kill --test e2e -- --show-output \
        no_tap_is_lost disk:: damage:: attendance:: uplink:: pictures:: streams:: >"$log" 2>&1; then
        sed -n '/^failures:$/,/^test result: /p' "$log" | grep . || tail -n 60 "$log"
        printf 'The whole output is in %s\n' "$log"
        return 1
    fi
    sed -n -E '/^ +Running |^test result: |^SKIPPED: /p' "$log"
}

# The program as the tests have built it: alone it would be compiled again, with fewer features of the crates it uses.
build_program() {
    cargo build --locked --bins --tests
}

# The unit file as it is, except that the program need not be installed yet; alone and with each drop-in.
do_unit() {
    local folder=$target/unit-check drop_in said status
    build_program
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

do_example() {
    build_program
    "$binary" config check config/facetap.json
}

do_licences() {
    hurry_fill
    check_crates
}

# The folder of the face detector's models, if there is one here.
models() {
    local folder=${FACETAP_SHARED:-../shared}/models
    [[ ! -d $folder ]] || realpath "$folder"
}

release() { # ARCHITECTURE
    rm -f "$built"/facetap_*_"$1".deb
    scripts/cross-build.sh --arch "$1"
    # The models lie beside the clips; without them the package says that it is without.
    FACETAP_MODELS=$(models) scripts/package.sh --arch "$1" --binary "$target/dist/$1/facetap" --output "$built"
}

do_release_amd64() {
    release amd64
}

do_release_arm64() {
    release arm64
}

do_limits() {
    scripts/bench.sh release --limits
}

do_packages() {
    scripts/test-package.sh "$built"/facetap_*.deb
}

do_emulated_pi() {
    scripts/emulated-pi.sh --package "$built"/facetap_*_arm64.deb
}

do_debian_13() {
    scripts/test-development.sh
}

# The sum of what sed's expression $1 finds in the log of the tests. What a test has run of itself in another process is
# told there too, as a choice of one test.
total() {
    sed '/ [1-9][0-9]* filtered out;/d' "$tests_log" | sed -n "$1" | awk '{ n += $1 } END { print n + 0 }'
}

summary() {
    local skipped all='THE CHOSEN CHECKS'
    [[ $form == fast || ${#only[@]} -gt 0 ]] || all='ALL CHECKS'
    printf '\n%s PASSED in %s\n' "$all" "$(minutes $SECONDS)"
    printf '  %s\n' "${finished[@]}"
    is_chosen tests || is_chosen unit-tests || return 0
    printf '  %s tests passed, %s ignored\n' \
        "$(total 's/^test result: ok\. \([0-9]*\) passed.*/\1/p')" \
        "$(total 's/^test result: .* \([0-9]*\) ignored.*/\1/p')"
    skipped=$(sed -n 's/^SKIPPED: /    /p' "$tests_log" | sort -u)
    if [[ -n $skipped ]]; then
        printf '  of these, tests that had nothing to test with on this machine:\n%s\n' "$skipped"
    fi
}

run_steps
summary
