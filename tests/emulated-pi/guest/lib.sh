# shellcheck shell=bash
# What the steps have in common. Sourced by guest/run.sh before each step.
#
# Limits are in seconds of the guest, and generous wherever nobody has promised a time: emulation is slow, and the
# machine below may be busy.

set -Eeuo pipefail
trap 'echo "$BASH_COMMAND failed in line $LINENO of ${BASH_SOURCE[0]##*/}" >>"$WORDS"' ERR

LOG=/var/log/facetap/facetap.log
LEDGER=/var/lib/facetap/attendance.db
# What the simulated servos and the attendance server received, one JSON object a line.
FRAMES=/run/facetap-scenario/frames.jsonl
ROWS=$STATE/rows.jsonl

# Ends the step: it has failed, and why.
fail() {
    trap - ERR
    printf '%s\n' "$*" >>"$WORDS"
    exit 1
}

# Ends the step: it cannot be done on this image, and why.
skip() {
    trap - ERR
    printf '%s\n' "$*" >>"$WORDS"
    exit 77
}

# Words for the report of a step that passes.
note() {
    printf '%s\n' "$*" >>"$WORDS"
}

# Milliseconds of CLOCK_MONOTONIC, the guest's.
now() {
    local up
    read -r up _ </proc/uptime
    printf '%d' "$((10#${up/./}0))"
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local limit=$1 what=$2 end
    shift 2
    end=$(($(now) + limit * 1000))
    until "$@"; do
        (($(now) < end)) || fail "$what: not within $limit s"
        # Looking costs the emulated board more than waiting.
        sleep 0.3
    done
}

# A place in the service's log, to look from there on.
mark() {
    stat -c %s "$LOG" 2>/dev/null || printf 0
}

# The lines of the log since a mark.
log_since() {
    [[ ! -e $LOG ]] || tail -c "+$(($1 + 1))" "$LOG"
}

# logged MARK PATTERN: whether a line since then matches (extended regular expression).
logged() {
    # Reads to the end: a reader that goes early fails the one who writes.
    log_since "$1" | grep -E -- "$2" >/dev/null
}

# wait_log SECONDS MARK PATTERN
wait_log() {
    wait_for "$1" "the log says \"$3\"" logged "$2" "$3"
}

# A property of the service, as systemd shows it.
property() {
    systemctl show --value -p "$1" "${2:-facetap}"
}

is_up() {
    [[ $(property ActiveState) == active ]]
}

# Since its start the process has not ended: neither crashed nor been restarted.
expect_same_process() { # PID
    [[ $(property MainPID) == "$1" ]] || fail "the process $1 has ended; now it is $(property MainPID)"
}

# The service is ready again, as another process.
is_another_than() { # PID
    local shown
    # Asked at once: between two questions the one that runs may end.
    shown=$(systemctl show -p ActiveState -p MainPID facetap)
    grep -qx 'ActiveState=active' <<<"$shown" && ! grep -qx "MainPID=$1" <<<"$shown"
}

CRASHES=/var/log/facetap/crash.log
FAULT_SETTING=/run/systemd/system/facetap.service.d/faults.conf

# The service runs so that faults can be planted in it.
faults_on() {
    if [[ ! -e $FAULT_SETTING ]]; then
        local since
        mkdir -p "${FAULT_SETTING%/*}"
        printf '[Service]\nEnvironment=FACETAP_FAULTS=/run/facetap/faults\n' >"$FAULT_SETTING"
        systemctl daemon-reload
        since=$(mark)
        systemctl restart facetap
        wait_log 60 "$since" '\[SERVER_START\]'
    fi
}

# The service runs as it is meant to.
faults_off() {
    rm -f "$FAULT_SETTING"
    systemctl daemon-reload
    systemctl restart facetap
}

# Plants a fault, all at once: the service takes the file as soon as it is there.
plant() { # LINE
    printf '%s\n' "$1" >/run/facetap/faults.new
    mv /run/facetap/faults.new /run/facetap/faults
}

# Empties the crash file, so that what is in it is new.
forget_crashes() {
    rm -f "$CRASHES.1"
    : >"$CRASHES"
}

# The crash file has a line that matches; it is put aside at a start once it is large.
reported() { # PATTERN
    grep -qE -- "$1" "$CRASHES" "$CRASHES.1" 2>/dev/null
}

# Milliseconds from a moment until systemd heard that the service is ready.
ready_after() { # MILLISECONDS-SINCE-BOOT
    printf '%d' "$(($(property ActiveEnterTimestampMonotonic) / 1000 - $1))"
}

# Writes the configuration, which is the scenario's with the given JSON over it, and restarts the service for it. A
# service that runs with it already is left alone.
configure() { # [JSON]
    local file=/etc/facetap/config.json over=${1:-"{}"} given=/run/facetap-scenario/configured since
    if is_up && [[ -e $given && $over == "$(cat "$given")" ]]; then
        return
    fi
    python3 -c '
import json, sys
def over(base, more):
    for key, value in more.items():
        base[key] = over(base[key], value) if isinstance(base.get(key), dict) and isinstance(value, dict) else value
    return base
print(json.dumps(over(json.load(open(sys.argv[1])), json.loads(sys.argv[2])), indent=2))
' "$SCENARIO/config.json" "$over" >"$file"
    since=$(mark)
    # Returns when the service has said that it is ready.
    systemctl restart facetap
    wait_log 30 "$since" '\[SERVER_START\]'
    printf '%s\n' "$over" >"$given"
}

# frames_processed: how many pictures the service has processed since its start, by the last line of its monitor.
frames_processed() {
    sed -n 's/.*\[RESOURCE_MONITOR\].* Frames: \([0-9]*\),.*/\1/p' "$LOG" | tail -n 1
}

more_frames_than() {
    (($(frames_processed) > $1))
}

# Pictures are being processed: at least three more than now.
expect_pictures() {
    # The count of the process that runs now, not of the one before.
    local since
    since=$(mark)
    wait_log 30 "$since" '\[RESOURCE_MONITOR\]'
    wait_for 60 "three more pictures are processed" more_frames_than "$(($(frames_processed) + 2))"
}

# The servos have power all the time and stand at the far end of the USB cable, which is what g_serial is.
servos_on() {
    # Real ones answer in two milliseconds, however busy the board is.
    [[ $(property ActiveState sts-servos) == active ]] ||
        systemd-run -q --collect --unit=sts-servos -p Nice=-15 \
            python3 "$SCENARIO/sts_servos.py" /dev/ttyGS0 --device --log "$FRAMES"
}

servos_off() {
    systemctl stop sts-servos 2>/dev/null || true
}

plug_servos() {
    servos_on
    modprobe g_serial
}

unplug_servos() {
    modprobe -r g_serial
}

# Servos plugged in, and the service on them.
servos_ready() {
    [[ -e /dev/ttyACM0 ]] || plug_servos
    servos_on
    wait_for 60 "the service drives the servos" drives_servos
}

# Two looks at what the servos receive, a second apart: frames arrive.
drives_servos() {
    local before
    before=$(frames_received)
    sleep 1
    (($(frames_received) > before + 5))
}

frames_received() {
    wc -l 2>/dev/null <"$FRAMES" || printf 0
}

# A Python program that looks at the frames received since the given number of lines.
look_at_frames() { # LINES PROGRAM [ARGUMENT...]
    local lines=$1 program=$2
    shift 2
    tail -n "+$((lines + 1))" "$FRAMES" | python3 -c "
import json, sys
frames = [json.loads(line) for line in sys.stdin if line.endswith('}\n')]
bad = [f for f in frames if 'bad' in f]
goals = lambda n: [f['goals'][str(n)] for f in frames if str(n) in f.get('goals', {})]
$program" "$@" || fail "the frames are not as expected: $(tail -n 1 /run/facetap-scenario/output)"
}

server_on() {
    [[ $(property ActiveState attendance-server) == active ]] ||
        systemd-run -q --collect --unit=attendance-server \
            python3 "$SCENARIO/attendance_server.py" --port 5000 --log "$ROWS"
}

server_off() {
    systemctl stop attendance-server 2>/dev/null || true
}

# How often the server has stored a tap of this card.
stored() { # UID
    grep -c "\"status\": \"success\".*\"$1\"" "$ROWS" 2>/dev/null || true
}

is_stored() {
    (($(stored "$1") > 0))
}

# What a time server would do: sets the clock, if a time is given, and leaves systemd-timesyncd's mark.
synchronise() { # [TIME]
    [[ $# == 0 ]] || date -s "$1"
    touch /run/systemd/timesync/synchronized
}

# Seconds since 1970 of a moment of this boot, by the clock as it is now: /proc/uptime counts as the ledger does.
wall_at() { # MILLISECONDS-SINCE-BOOT
    python3 -c '
import sys, time
print(f"{time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + int(sys.argv[1]) / 1000:.3f}")' "$1"
}

# A column of the newest tap of a card in the ledger.
ledger_column() { # UID COLUMN
    python3 -c '
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
print(db.execute(f"SELECT {sys.argv[3]} FROM tap WHERE uid = ? ORDER BY id DESC", (sys.argv[2],)).fetchone()[0])' \
        "$LEDGER" "$1" "$2"
}

# The time that the server has of a card's tap lies within a second of the given one.
expect_time_at_server() { # UID SECONDS-SINCE-1970
    local stamp
    stamp=$(sed -n "s/.*\"status\": \"success\".*\"$1\", \"timestamp\": \"\([^\"]*\)\".*/\1/p" "$ROWS" | tail -n 1)
    python3 -c '
import datetime, sys
difference = datetime.datetime.fromisoformat(sys.argv[1]).timestamp() - float(sys.argv[2])
assert abs(difference) <= 1, f"the server has {sys.argv[1]}, off by {difference} s"' "$stamp" "$2" ||
        fail "$(tail -n 1 /run/facetap-scenario/output)"
}

# Lays a card on the reader for as long as a slow board takes to read it.
tap() { # UID
    python3 "$SCENARIO/virtual_card.py" --hold 2 --patience 60 "$1"
}

reader_ready() {
    logged 0 'card reader: Virtual PCD 00 00'
}

# A tap that is in the ledger and reaches the server. That it does so once is seen at the end, over all of them.
expect_tap_delivered() { # UID
    # Without the step that shows how taps wait for the clock, they would do so here.
    [[ -e /run/systemd/timesync/synchronized ]] || synchronise '2026-11-21 09:00:00 UTC'
    tap "$1"
    wait_for 60 "the tap of $1 is at the server" is_stored "$1"
}

# The server has this tap, and will not get it again: another attempt would be made after retry_interval.
expect_stored_once() { # UID
    sleep 4
    [[ $(stored "$1") == 1 ]] || fail "the server has stored the tap of $1 $(stored "$1") times"
}

# The taps in the ledger as JSON, one a line, in their order; the ledger itself is left alone.
ledger_taps() {
    python3 - "$LEDGER" <<'PROGRAM'
import json, sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",), "the ledger is damaged"
for row in db.execute("SELECT id, uid, local_time, boot_id, idempotency_key, state FROM tap ORDER BY id"):
    print(json.dumps(row))
PROGRAM
}
