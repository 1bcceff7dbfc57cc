#!/usr/bin/env bash
# Installs what is missing, builds, and shows FaceTap at work without any hardware: a simulated camera,
# simulated servos and a simulated card reader, in a closed loop for 20 seconds.
#
#   scripts/demo.sh [OPTION...]      options go to `facetap run`, for example --duration 60 or --trace trace.jsonl
#
# As root or with sudo, without questions. Nothing is installed but packages and Rust, and the ledger of an
# installed FaceTap is left alone.

set -euo pipefail
# shellcheck source=scripts/lib/rust.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/rust.sh"

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    usage
    exit 0
fi

CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-$FACETAP_TOP/target}")
export CARGO_TARGET_DIR
# The development build: without the release's optimisation over all crates it is there in a fraction of the time, what
# works hard is the distribution's OpenCV in both, and `cargo build` and scripts/test.sh find it compiled.
"$FACETAP_TOP/scripts/setup.sh" demo --ahead 'build --locked'
find_rust
say "building; the first time takes minutes"
(cd "$FACETAP_TOP" && cargo build --locked)
binary=$CARGO_TARGET_DIR/debug/facetap

# A folder of its own, and no configuration but the defaults unless one is named: on a board in use, simulated taps
# must reach neither its ledger nor its server.
folder=$CARGO_TARGET_DIR/demo
rm -rf "$folder"
mkdir -p "$folder"
export STATE_DIRECTORY=$folder LOGS_DIRECTORY=$folder RUNTIME_DIRECTORY=$folder
echo '{}' >"$folder/config.json"
export FACETAP_CONFIG=${FACETAP_CONFIG:-$folder/config.json}

options=(--demo --no-display)
if [[ " $* " != *" --duration"* ]]; then
    options+=(--duration 20)
fi
say "running: facetap run ${options[*]} $*"
"$binary" run "${options[@]}" "$@"

cat <<END

Log and ledger of this run: $folder
What to try next:
  scripts/demo.sh --duration 60 --trace trace.jsonl    every frame and every tap as a line of JSON
  $binary check             opens the devices of this machine once
  $binary config default    a configuration to start from (config/facetap.json is an example)
  scripts/test.sh           all tests
END
