#!/usr/bin/env bash
# Measures the ledger on this machine's disk: from a card's answer until its tap is durable (2000 taps each with an empty
# ledger, with a million taps in it that wait for delivery, and while taps are delivered), the start with the million,
# and how many taps a second reach a server on this machine.
#
#   scripts/bench-ledger.sh [--binary FILE] [--folder FOLDER] [--limits]
#
# FILE: as for scripts/bench.sh. FOLDER: where the ledgers are made, some 500 MB; below the target folder if nothing is
# said. --limits: status 1 if something is not as promised. About four minutes.

set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

target=${CARGO_TARGET_DIR:-$FACETAP_TOP/target}
binary=$target/dist/$(dpkg --print-architecture)/facetap
folder=$target
limits=()
while [[ $# -gt 0 ]]; do
    case $1 in
        --binary) binary=$2 && shift 2 ;;
        --folder) folder=$2 && shift 2 ;;
        --limits) limits=(--limits) && shift ;;
        -h | --help)
            sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *)
            say "unknown argument \"$1\"; see scripts/bench-ledger.sh --help" >&2
            exit 2
            ;;
    esac
done
[[ -x $binary ]] || die "$binary is not there; scripts/cross-build.sh --arch $(dpkg --print-architecture) makes it"
install_packages python3

mkdir -p "$folder"
scratch=$(mktemp -d "$folder/bench-ledger.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
"$FACETAP_TOP/tests/tools/synchronised.sh" python3 "$FACETAP_TOP/tests/tools/bench_ledger.py" \
    --binary "$binary" --folder "$scratch/bench" "${limits[@]}"
