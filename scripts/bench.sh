#!/usr/bin/env bash
# Measures a release as its users meet it: the size of the file, the time from its start to the first picture it has
# worked on, the peak memory of the whole service with both loops at work, and the processor time a picture costs.
#
#   scripts/bench.sh [--binary FILE] [--clip FILE.avi] [--models DIR] [--limits]
#   scripts/bench.sh --ledger [--binary FILE] [--limits]       the ledger instead: scripts/bench-ledger.sh
#
# FILE: target/dist/ARCH/facetap of this machine's architecture if nothing is said (scripts/cross-build.sh makes it).
# Clip and models are those of $FACETAP_SHARED or ../shared; without a clip it is a drawn face, without models Haar.
# Servos and reader are the simulated ones, which work in the same process.
#
# --limits: status 1 if the file is above 22 MB or the memory above 32 MB, the limits of a release. Times have no
# limit here, because they are the machine's as well; compare two builds in one run of this script each.

set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

SIZE_LIMIT_MB=22
MEMORY_LIMIT_MB=32
STARTS=7
SECONDS_AT_WORK=20

shared=${FACETAP_SHARED:-$FACETAP_TOP/../shared}
binary=${CARGO_TARGET_DIR:-$FACETAP_TOP/target}/dist/$(dpkg --print-architecture)/facetap
clip=$shared/data/videos/carphone.avi
models=$shared/models
limits=no
ledger=no
while [[ $# -gt 0 ]]; do
    case $1 in
        --binary) binary=$2 && shift 2 ;;
        --clip) clip=$2 && shift 2 ;;
        --models) models=$2 && shift 2 ;;
        --limits) limits=yes && shift ;;
        --ledger) ledger=yes && shift ;;
        -h | --help)
            sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *)
            say "unknown argument \"$1\"; see scripts/bench.sh --help" >&2
            exit 2
            ;;
    esac
done
[[ -x $binary ]] || die "$binary is not there; scripts/cross-build.sh --arch $(dpkg --print-architecture) makes it"
if [[ $ledger == yes ]]; then
    options=(--binary "$binary")
    [[ $limits == no ]] || options+=(--limits)
    exec "$FACETAP_TOP/scripts/bench-ledger.sh" "${options[@]}"
fi
install_packages python3

folder=$(mktemp -d "${TMPDIR:-/tmp}/facetap-bench.XXXXXX")
trap 'rm -rf "$folder"' EXIT
export STATE_DIRECTORY=$folder LOGS_DIRECTORY=$folder RUNTIME_DIRECTORY=$folder
if [[ -e $clip ]]; then
    source=$clip
else
    source=simulated
    say "SKIPPED: no clip at $clip; a drawn face is looked at"
fi
if [[ ! -d $models ]]; then
    models=
    say "SKIPPED: no models at $models; with Haar the memory is another"
fi
cat >"$folder/config.json" <<END
{
    "camera": {"source": "$source"},
    "detector": {"model_dir": ${models:+\"}${models:-null}${models:+\"}},
    "servo": {"port": "simulated"},
    "cards": {"readers": "simulated", "repeat_seconds": 10}
}
END

python3 - "$binary" "$folder" "$STARTS" "$SECONDS_AT_WORK" "$limits" "$SIZE_LIMIT_MB" "$MEMORY_LIMIT_MB" <<'END'
import json, os, statistics, subprocess, sys, time

binary, folder, starts, at_work, limits, size_limit, memory_limit = sys.argv[1:]


def run(seconds):
    """One run: its peak of resident memory in MB, its processor time in s, its trace."""
    trace = os.path.join(folder, "trace")
    command = [binary, "run", "--no-display", "--config", os.path.join(folder, "config.json"),
               "--duration", str(seconds), "--trace", trace]
    with open(os.path.join(folder, "output"), "w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{binary} ended with wait status {status}:\n" + open(output.name).read())
    lines = [json.loads(line) for line in open(trace)]
    return usage.ru_maxrss * 1024 / 1e6, usage.ru_utime + usage.ru_stime, lines


def before_main():
    """What the loader takes: the time of a command that does nothing."""
    begin = time.monotonic()
    subprocess.run([binary, "--version"], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begin


loading = statistics.median(before_main() for _ in range(int(starts)))
firsts = []
for _ in range(int(starts)):
    first = next(line for line in run(3)[2] if "frame" in line)
    firsts.append(first["t"] + first["age_ms"] / 1000)
memory, cpu, lines = run(int(at_work))
frames = [line for line in lines if "frame" in line]
taps = [line for line in lines if "tap" in line]
commands = sum(line["command"] is not None for line in frames)
if not (frames and taps and commands):
    sys.exit(f"not both loops were at work: {len(frames)} pictures, {commands} commands, {len(taps)} taps")
size = os.path.getsize(binary) / 1e6
print(f"size of the file                     {size:8.1f} MB")
print(f"start to first picture worked on     {(loading + statistics.median(firsts)) * 1000:8.1f} ms "
      f"(median of {starts}; of it {loading * 1000:.1f} ms before main)")
print(f"peak memory of the whole service     {memory:8.1f} MB")
print(f"processor time a picture             {cpu / len(frames) * 1000:8.2f} ms "
      f"({len(frames)} pictures, {commands} servo commands, {len(taps)} taps in {at_work} s)")
if limits == "yes" and (size > float(size_limit) or memory > float(memory_limit)):
    sys.exit(f"above the limits: {size_limit} MB for the file, {memory_limit} MB of memory")
END
