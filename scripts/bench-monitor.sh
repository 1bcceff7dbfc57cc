#!/usr/bin/env bash
# Measures what the resource monitor costs: the processor time of its thread at an interval of one second, in per cent
# of a core, over so many seconds. Sampling, the leak detectors, the memory log and writing the lines are all in it.
#
#   scripts/bench-monitor.sh [--binary FILE] [--seconds N] [--limits]
#
# FILE: target/dist/ARCH/facetap of this machine's architecture if nothing is said (scripts/cross-build.sh makes it).
# A build for development may be given too; it costs a few times as much.
#
# --limits: status 1 above 0.5 %.

set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

LIMIT_PERCENT=0.5

binary=${CARGO_TARGET_DIR:-$FACETAP_TOP/target}/dist/$(dpkg --print-architecture)/facetap
seconds=60
limits=no
while [[ $# -gt 0 ]]; do
    case $1 in
        --binary) binary=$2 && shift 2 ;;
        --seconds) seconds=$2 && shift 2 ;;
        --limits) limits=yes && shift ;;
        -h | --help)
            sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *)
            say "unknown argument \"$1\"; see scripts/bench-monitor.sh --help" >&2
            exit 2
            ;;
    esac
done
[[ -x $binary ]] || die "$binary is not there; scripts/cross-build.sh --arch $(dpkg --print-architecture) makes it"

folder=$(mktemp -d "${TMPDIR:-/tmp}/facetap-bench.XXXXXX")
pid=
finish() {
    [[ -z $pid ]] || kill "$pid" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT
cat >"$folder/config.json" <<JSON
{
    "data_dir": "$folder", "log": {"file": "$folder/facetap.log"},
    "camera": {"enabled": false}, "servo": {"enabled": false}, "cards": {"enabled": false},
    "monitor": {"interval": 1}, "memory_monitor": {"enabled": true, "interval": 1}
}
JSON
"$binary" run --no-display --config "$folder/config.json" 2>/dev/null &
pid=$!

# The thread of this name; it is there a moment after the start.
task=
for _ in {1..100}; do
    task=$(grep -lx monitor /proc/"$pid"/task/*/comm 2>/dev/null | head -n 1) || true
    [[ -z $task ]] || break
    sleep 0.1
done
[[ -n $task ]] || die "there is no thread \"monitor\"; see $folder/facetap.log"
# Nanoseconds on a processor, from the scheduler itself: ticks are too coarse for so little.
cost() {
    cut -d' ' -f1 "${task%/comm}/schedstat"
}
sleep 2
before=$(cost)
sleep "$seconds"
after=$(cost)
percent=$(awk -v ns=$((after - before)) -v s="$seconds" 'BEGIN { printf "%.3f", ns / s / 1e7 }')
lines=$(grep -c 'RESOURCE_MONITOR\|リソース監視' "$folder/facetap.log")
say "the monitor at an interval of 1 s costs $percent % of a core ($lines lines)"
if [[ $limits == yes ]] && awk -v p="$percent" -v l="$LIMIT_PERCENT" 'BEGIN { exit !(p > l) }'; then
    die "above the limit of $LIMIT_PERCENT %"
fi
