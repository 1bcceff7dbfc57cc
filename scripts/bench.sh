#!/usr/bin/env bash
# Measures a release as its users meet it.
#
#   scripts/bench.sh [release] [--clip FILE.avi] [--models DIR]    size of the file, time from the start to the first
#                                        picture worked on, peak memory with both loops at work, processor time a picture
#   scripts/bench.sh ledger [--folder DIR]     from a card's answer until its tap is durable (2000 taps each with an empty
#                                        ledger, with a million taps in it that wait for delivery, and while taps are
#                                        delivered), the start with the million, taps a second that reach a server on
#                                        this machine; about four minutes
#   scripts/bench.sh monitor [--seconds N]     processor time of the resource monitor's thread at an interval of 1 s, in
#                                        per cent of a core: sampling, leak detectors, memory log, writing of the lines
#
# All of them: [--binary FILE] [--limits]
#
# FILE: target/dist/ARCH/facetap of this machine's architecture if nothing is said (scripts/cross-build.sh makes it).
# Clip and models are those of $FACETAP_SHARED or ../shared; without a clip it is a drawn face, without models Haar.
# Servos and reader are the simulated ones, which work in the same process. DIR of the ledgers, some 500 MB: the target
# folder if nothing is said.
#
# --limits: status 1 if something is not as promised: a file above 22 MB, memory above 32 MB, a ledger that is late, a
# monitor above 0.5 %. Start and processor time have no limit here, because they are the machine's as well; compare two
# builds in one run of this script each.

set -euo pipefail
# shellcheck source=scripts/lib/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/packages.sh"

SIZE_LIMIT_MB=22
MEMORY_LIMIT_MB=32
STARTS=7
SECONDS_AT_WORK=20
MONITOR_LIMIT_PERCENT=0.5

shared=${FACETAP_SHARED:-$FACETAP_TOP/../shared}
target=${CARGO_TARGET_DIR:-$FACETAP_TOP/target}
tools=$FACETAP_TOP/tests/tools
binary=$target/dist/$(dpkg --print-architecture)/facetap
clip=$shared/data/videos/carphone.avi
models=$shared/models
folder=$target
seconds=60
limits=no
scratch='' pid=''

finish() {
    [[ -z $pid ]] || kill "$pid" 2>/dev/null || true
    [[ -z $scratch ]] || rm -rf "$scratch"
}
trap finish EXIT

bench_release() {
    local source=$clip
    install_packages python3
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/facetap-bench.XXXXXX")
    export STATE_DIRECTORY=$scratch LOGS_DIRECTORY=$scratch RUNTIME_DIRECTORY=$scratch
    if [[ ! -e $clip ]]; then
        source=simulated
        say "SKIPPED: no clip at $clip; a drawn face is looked at"
    fi
    if [[ ! -d $models ]]; then
        models=
        say "SKIPPED: no models at $models; with Haar the memory is another"
    fi
    cat >"$scratch/config.json" <<END
{
    "camera": {"source": "$source"},
    "detector": {"model_dir": ${models:+\"}${models:-null}${models:+\"}},
    "servo": {"port": "simulated"},
    "cards": {"readers": "simulated", "repeat_seconds": 10}
}
END
    python3 "$tools/bench_release.py" "$binary" "$scratch" "$STARTS" "$SECONDS_AT_WORK" "$limits" "$SIZE_LIMIT_MB" \
        "$MEMORY_LIMIT_MB"
}

bench_ledger() {
    local options=()
    [[ $limits == no ]] || options=(--limits)
    install_packages python3
    mkdir -p "$folder"
    scratch=$(mktemp -d "$folder/bench-ledger.XXXXXX")
    "$tools/synchronised.sh" python3 "$tools/bench_ledger.py" --binary "$binary" --folder "$scratch/bench" \
        "${options[@]}"
}

# Nanoseconds that the thread of /proc/.../comm has been on a processor, from the scheduler itself: ticks are too coarse
# for so little.
thread_cost() { # COMM
    cut -d' ' -f1 "${1%/comm}/schedstat"
}

bench_monitor() {
    local thread='' before after percent lines
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/facetap-bench.XXXXXX")
    cat >"$scratch/config.json" <<END
{
    "data_dir": "$scratch", "log": {"file": "$scratch/facetap.log"},
    "camera": {"enabled": false}, "servo": {"enabled": false}, "cards": {"enabled": false},
    "monitor": {"interval": 1}, "memory_monitor": {"enabled": true, "interval": 1}
}
END
    "$binary" run --no-display --config "$scratch/config.json" 2>/dev/null &
    pid=$!
    # The thread of this name; it is there a moment after the start.
    for _ in {1..100}; do
        thread=$(grep -lx monitor /proc/"$pid"/task/*/comm 2>/dev/null | head -n 1) || true
        [[ -z $thread ]] || break
        sleep 0.1
    done
    if [[ -z $thread ]]; then
        tail -n 20 "$scratch/facetap.log" >&2 || true
        die "there is no thread \"monitor\"; the end of the program's log is above"
    fi
    sleep 2
    before=$(thread_cost "$thread")
    sleep "$seconds"
    after=$(thread_cost "$thread")
    percent=$(awk -v ns=$((after - before)) -v s="$seconds" 'BEGIN { printf "%.3f", ns / s / 1e7 }')
    lines=$(grep -c 'RESOURCE_MONITOR\|リソース監視' "$scratch/facetap.log")
    say "the monitor at an interval of 1 s costs $percent % of a core ($lines lines)"
    if [[ $limits == yes ]] && awk -v p="$percent" -v l="$MONITOR_LIMIT_PERCENT" 'BEGIN { exit !(p > l) }'; then
        die "above the limit of $MONITOR_LIMIT_PERCENT %"
    fi
}

subject=release
case ${1:-} in
    release | ledger | monitor) subject=$1 && shift ;;
esac
while [[ $# -gt 0 ]]; do
    case $subject$1 in
        "$subject--limits") limits=yes && shift && continue ;;
        "$subject-h" | "$subject--help")
            usage
            exit 0
            ;;
        "$subject--binary" | release--clip | release--models | ledger--folder | monitor--seconds) ;;
        *) unknown_argument "$1" ;;
    esac
    [[ -n ${2:-} ]] || wrong_usage "$1 needs a value"
    declare "${1#--}=$2"
    shift 2
done
[[ -x $binary ]] || die "$binary is not there; scripts/cross-build.sh --arch $(dpkg --print-architecture) makes it"
"bench_$subject"
