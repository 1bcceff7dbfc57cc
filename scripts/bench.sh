#!/usr/bin/env bash
# Measures a release as its users meet it.
#
#   scripts/bench.sh [release] [--clip FILE.avi] [--models DIR]    size of the file, time from the start to the first
#                                        picture worked on, peak memory with both loops at work, processor time a picture
#   scripts/bench.sh ledger [--folder DIR]     from a card's answer until its tap is durable (2000 taps each with an empty
#                                        ledger, with a million taps in it that wait for delivery, and while taps are
#                                        delivered), the start with the million, taps a second that reach a server on
#                                        this machine; about four minutes
#   scripts/bench.sh peers [--clip FILE.avi] [--models DIR] [--seconds N] [--rounds N]    beside the old tracker's loop
#                                        (MediaPipe) and that of a robot of today (YuNet, ten looks a second), which see
#                                        the same clip at its own rate: processor time a picture of the process and its
#                                        children and its share of the peers', peak memory, recall and precision at an
#                                        overlap of 0.4, age at result and command (p50, p99). Every clip of the shared
#                                        folder and a still room with nobody in it, 20 s and three times each, in turn;
#                                        medians. Some 19 minutes, on a machine that does nothing else
#   scripts/bench.sh monitor [--seconds N]     processor time of the resource monitor's thread at an interval of 1 s, in
#                                        per cent of a core: sampling, leak detectors, memory log, writing of the lines
#   scripts/bench.sh cards [--seconds N]       beside the loop of the old card client (written anew with pyscard), both at
#                                        once on the virtual readers of a real PC/SC daemon: processor time a minute at
#                                        rest, and the taps that each sees of 30 cards which take each other's place
#                                        within 0.3 s, and of one a second after the daemon came back. Needs pcscd,
#                                        vsmartcard-vpcd, python3-pyscard (installed if missing), the right to run pcscd
#                                        (root), and no other pcscd; some three minutes
#
# All of them: [--binary FILE] [--limits]
#
# FILE: $FACETAP_BINARY or target/dist/ARCH/facetap of this machine's architecture if nothing is said (scripts/cross-build.sh makes it).
# Clip and models are those of $FACETAP_SHARED or ../shared; without a clip it is a drawn face, without models Haar.
# Servos and reader are the simulated ones, which work in the same process; beside the peers the servos are in a process
# of their own, which is not counted, and there is no reader. A clip of somebody's own needs its truth beside it
# (FILE.gt.csv: frame,x,y,w,h,ignore). A peer that cannot be installed is said to be MISSING. DIR of the ledgers, some
# 500 MB: the target folder if nothing is said.
#
# --limits: status 1 if something is not as promised: a file above 22 MB, memory above 32 MB, a ledger that is late, a
# monitor above 0.5 %, a tap that only the old card client took or more than a third of its processor time; beside the peers what the head of tests/tools/bench_peers.py says. Start and processor time alone
# have no limit here, because they are the machine's as well; compare two builds in one run of this script each.

set -euo pipefail
# shellcheck source=scripts/lib/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/packages.sh"
# shellcheck source=scripts/lib/peers.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/peers.sh"

SIZE_LIMIT_MB=22
MEMORY_LIMIT_MB=32
STARTS=7
SECONDS_AT_WORK=20
MONITOR_LIMIT_PERCENT=0.5

shared=${FACETAP_SHARED:-$FACETAP_TOP/../shared}
target=${CARGO_TARGET_DIR:-$FACETAP_TOP/target}
tools=$FACETAP_TOP/tests/tools
binary=${FACETAP_BINARY:-$target/dist/$(dpkg --print-architecture)/facetap}
clip=''
models=$shared/models
folder=$target
seconds=''
rounds=3
limits=no
scratch='' pid=''

finish() {
    [[ -z $pid ]] || kill "$pid" 2>/dev/null || true
    [[ -z $scratch ]] || rm -rf "$scratch"
}
trap finish EXIT

bench_release() {
    local source=${clip:=$shared/data/videos/carphone.avi}
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

bench_peers() {
    local clips=("$clip") peers=() options=() room_python=''
    install_packages python3 python3-venv
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/facetap-bench.XXXXXX")
    [[ $limits == no ]] || options=(--limits)
    if [[ -d $models ]]; then
        options+=(--models "$models")
    else
        say "SKIPPED: no models at $models: the release uses Haar, and there is no peer with YuNet"
    fi
    use_peer mediapipe mediapipe
    [[ -z $PEER_PYTHON ]] || peers+=(--peer "mediapipe=$PEER_PYTHON")
    room_python=$PEER_PYTHON
    use_peer yunet cv2
    [[ -z $PEER_PYTHON || ! -d $models ]] || peers+=(--peer "yunet=$PEER_PYTHON")
    room_python=${PEER_PYTHON:-$room_python}
    if [[ -z $clip ]]; then
        clips=("$shared"/data/videos/*.avi)
        if [[ ! -e ${clips[0]} ]]; then
            clips=()
            say "SKIPPED: no clips in $shared/data/videos: nothing is known about faces"
        fi
        if [[ -n $room_python ]]; then
            "$room_python" "$tools/empty_scene.py" "$scratch/empty-room.avi"
            clips+=("$scratch/empty-room.avi")
        else
            say "SKIPPED: the room with nobody in it, which a peer's OpenCV draws"
        fi
        if [[ ${#clips[@]} -eq 0 ]]; then
            say "SKIPPED: there is nothing to measure with; --clip names a clip"
            return
        fi
    fi
    python3 "$tools/bench_peers.py" --binary "$binary" --folder "$scratch/runs" --seconds "${seconds:-20}" \
        --rounds "$rounds" "${peers[@]}" "${options[@]}" "${clips[@]}"
}

# Nanoseconds that the thread of /proc/.../comm has been on a processor, from the scheduler itself: ticks are too coarse
# for so little.
thread_cost() { # COMM
    cut -d' ' -f1 "${1%/comm}/schedstat"
}

bench_monitor() {
    local thread='' before after percent lines seconds=${seconds:-60}
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

bench_cards() {
    local options=() turn
    [[ $limits == no ]] || options=(--limits)
    install_packages pcscd python3-pyscard vsmartcard-vpcd
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/facetap-bench.XXXXXX")
    # There is one daemon on a machine; the tests take turns by the same lock.
    exec {turn}>"${TMPDIR:-/tmp}/facetap-test-pcscd.lock"
    flock "$turn"
    python3 "$tools/bench_cards.py" --binary "$binary" --folder "$scratch/run" --seconds "${seconds:-60}" \
        "${options[@]}" {turn}>&-
}

subject=release
case ${1:-} in
    release | ledger | peers | monitor | cards) subject=$1 && shift ;;
esac
while [[ $# -gt 0 ]]; do
    case $subject$1 in
        "$subject--limits") limits=yes && shift && continue ;;
        "$subject-h" | "$subject--help")
            usage
            exit 0
            ;;
        "$subject--binary" | release--clip | release--models | ledger--folder | monitor--seconds | cards--seconds) ;;
        peers--clip | peers--models | peers--seconds | peers--rounds) ;;
        *) unknown_argument "$1" ;;
    esac
    [[ -n ${2:-} ]] || wrong_usage "$1 needs a value"
    declare "${1#--}=$2"
    shift 2
done
[[ -x $binary ]] || die "$binary is not there; scripts/cross-build.sh --arch $(dpkg --print-architecture) makes it"
"bench_$subject"
