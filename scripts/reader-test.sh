#!/usr/bin/env bash
# The long test of the card readers: what happens to the PC/SC daemon and the cards, and how soon taps count again.
#
#   scripts/reader-test.sh                     all of it, some ten minutes
#   scripts/reader-test.sh --short             one tenth of it
#   scripts/reader-test.sh --binary FILE       this program instead of the development build
#
# The daemon hangs for a minute, is gone for a minute, is killed twenty times; readers go and come a hundred times;
# cards are pulled in the middle of an APDU. Needs pcscd and vsmartcard-vpcd, the right to run pcscd (root), and no
# other pcscd. Every recovery may take 5 s; afterwards threads and descriptors of the program are what they were.
# Status 0 if all of that holds.

set -euo pipefail
# shellcheck source=scripts/lib/rust.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/rust.sh"

LIMIT_MS=5000
kills=20 changes=100 pulls=20 away=60
binary=${FACETAP_BINARY:-}
while [[ $# -gt 0 ]]; do
    case $1 in
        --short) kills=2 changes=10 pulls=2 away=6 ;;
        --binary)
            [[ -n ${2:-} ]] || die "--binary needs a value; see scripts/reader-test.sh --help"
            binary=$(realpath "$2")
            shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        *)
            unknown_argument "$1"
            ;;
    esac
    shift
done
cd "$FACETAP_TOP"
if [[ -z $binary ]]; then
    cargo build --locked
    binary=$(realpath "${CARGO_TARGET_DIR:-target}/debug/facetap")
fi
[[ -e /etc/reader.conf.d/vpcd ]] || die "vsmartcard-vpcd is missing: apt-get install pcscd vsmartcard-vpcd"

work=$(mktemp -d)
log=$work/facetap.log
daemon='' program='' card=''
at_exit() {
    for process in $card $program $daemon; do
        kill -KILL "$process" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# There is one daemon on a machine; the other tests take turns by the same lock.
exec {turn}>"${TMPDIR:-/tmp}/facetap-test-pcscd.lock"
flock "$turn"

now_ms() {
    local up
    read -r up _ </proc/uptime
    printf '%d' "$((10#${up/./} * 10))"
}

# Debian 13's daemon asks polkit, which may not be there.
options=()
if pcscd --help 2>&1 | grep -q -- --disable-polkit; then
    options+=(--disable-polkit)
fi
mkdir "$work/no-readers" "$work/readers"
cp /etc/reader.conf.d/vpcd "$work/readers/"

# The lock must not live on in what is started here.
daemon_on() { # [FOLDER]
    pcscd --foreground "${options[@]}" --config "${1:-$work/readers}" >/dev/null 2>&1 {turn}>&- &
    daemon=$!
}

daemon_off() {
    kill -KILL "$daemon"
    wait "$daemon" 2>/dev/null || true
    daemon=''
}

# The log's lines that match, as a number.
lines() {
    grep -cE -- "$1" "$log" || true
}

# Waits until the log has more than N lines that match.
wait_lines() { # N PATTERN
    local end
    end=$(($(now_ms) + 60000))
    until (($(lines "$2") > $1)); do
        kill -0 "$program" 2>/dev/null || die "the program has ended: $(tail -n 3 "$log")"
        (($(now_ms) < end)) || die "not within a minute in the log: $2"
        sleep 0.02
    done
}

taps=0
# A card nobody has tapped before is held until it has counted.
tap_counts() {
    taps=$((taps + 1))
    local uid
    printf -v uid '012E44A7%08X' "$taps"
    python3 tests/tools/virtual_card.py --hold 60 --patience 60 "$uid" >/dev/null 2>&1 {turn}>&- &
    card=$!
    wait_lines 0 "$uid counted"
    kill "$card"
    wait "$card" 2>/dev/null || true
    card=''
    # The daemon looks every 0.4 s whether there is a card.
    sleep 0.5
}

# Threads and descriptors of the program, once they do not change any more.
in_use() {
    local before='' seen='' same=0
    while ((same < 5)); do
        seen="$(find "/proc/$program/task" -mindepth 1 -maxdepth 1 | wc -l) threads,"
        seen+=" $(find "/proc/$program/fd" -mindepth 1 -maxdepth 1 | wc -l) descriptors"
        if [[ $seen == "$before" ]]; then same=$((same + 1)); else same=0; fi
        before=$seen
        sleep 0.2
    done
    printf '%s' "$seen"
}

worst=0 times=()
# The time since the given moment is one recovery.
recovered() { # SINCE
    local took=$(($(now_ms) - $1))
    times+=("$took")
    ((took <= worst)) || worst=$took
}

# Prints the recoveries since the last call.
report() { # WHAT
    local sorted
    mapfile -t sorted < <(printf '%s\n' "${times[@]}" | sort -n)
    printf '%s: %d recoveries, fastest %d ms, median %d ms, slowest %d ms\n' "$1" "${#sorted[@]}" \
        "${sorted[0]}" "${sorted[$((${#sorted[@]} / 2))]}" "${sorted[-1]}"
    printf '  %s\n' "${times[*]}"
    times=()
}

printf '{"language": "en", "data_dir": "%s", "camera": {"enabled": false}, "servo": {"enabled": false}}\n' \
    "$work/data" >"$work/config.json"
daemon_on
"$binary" run --no-display --config "$work/config.json" --log-file "$log" >/dev/null 2>&1 {turn}>&- &
program=$!
until [[ -e $log ]]; do sleep 0.05; done
tap_counts
begin=$(in_use)
printf 'before: %s\n' "$begin"

hung=$(lines 'PC/SC daemon does not answer')
kill -STOP "$daemon"
stopped=$(now_ms)
wait_lines "$hung" 'PC/SC daemon does not answer'
printf 'the daemon hangs: noticed after %d ms\n' "$(($(now_ms) - stopped))"
sleep "$away"
printf '  meanwhile: %s\n' "$(in_use)"
again=$(lines 'READER_RECONNECT') since=$(now_ms)
kill -CONT "$daemon"
wait_lines "$again" 'READER_RECONNECT'
recovered "$since"
report "hung for $away s"
tap_counts

daemon_off
sleep "$away"
again=$(lines 'READER_RECONNECT') since=$(now_ms)
daemon_on
wait_lines "$again" 'READER_RECONNECT'
recovered "$since"
report "gone for $away s"
tap_counts

for ((n = 0; n < kills; n++)); do
    again=$(lines 'READER_RECONNECT')
    daemon_off
    since=$(now_ms)
    daemon_on
    wait_lines "$again" 'READER_RECONNECT'
    recovered "$since"
    tap_counts
done
report "killed $kills times"

for ((n = 0; n < changes; n++)); do
    none=$(lines 'waiting for a card reader')
    daemon_off
    daemon_on "$work/no-readers"
    wait_lines "$none" 'waiting for a card reader'
    daemon_off
    found=$(lines 'card reader( is back)?: Virtual PCD 00 00') since=$(now_ms)
    daemon_on
    wait_lines "$found" 'card reader( is back)?: Virtual PCD 00 00'
    recovered "$since"
done
report "readers gone and back $changes times"
tap_counts

for ((n = 0; n < pulls; n++)); do
    failed=$(lines 'tap again')
    # It never answers, and is gone in the middle.
    python3 tests/tools/virtual_card.py --silent --hold 1 --patience 60 DEAD1003 >/dev/null 2>&1 {turn}>&- || true
    wait_lines "$failed" 'tap again'
    since=$(now_ms)
    tap_counts
    recovered "$since"
done
report "pulled in the middle of an APDU $pulls times"

end=$(in_use)
printf 'after: %s; %d taps counted; slowest recovery %d ms, limit %d ms\n' "$end" "$taps" "$worst" "$LIMIT_MS"
[[ $end == "$begin" ]] || die "threads or descriptors are left behind: before $begin, after $end"
((worst <= LIMIT_MS)) || die "a recovery took $worst ms"
say "the card readers recover"
