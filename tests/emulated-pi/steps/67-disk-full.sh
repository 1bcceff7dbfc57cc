# shellcheck shell=bash
# The disk of ledger and log is full: the service goes on, crashes, is back with a trace all the same, and when there is
# room again it writes its log and counts taps.
# Limit: 700

SMALL=/run/facetap-scenario/small
# A crash may take so long here, as in 63-crashes.
LIMIT=20000

# The log cannot be written now, so that only health.json tells; the one of the process that runs now.
has_frames() {
    python3 -c '
import json, sys
state = json.load(open("/run/facetap/health.json"))
sys.exit(state["pid"] != int(sys.argv[1]) or state["counters"]["frames"] < 3)' "$(property MainPID)"
}

# Takes what room there is, and tells whether that is all of it: the service may have given back some meanwhile.
fills_disk() {
    dd if=/dev/zero of="$SMALL/filler" bs=4k oflag=append conv=notrunc 2>/dev/null || true
    (($(stat -f -c %a "$SMALL") == 0))
}

configure
server_on
faults_on
systemctl stop facetap
mkdir -p "$SMALL"
mount -t tmpfs -o size=24m small "$SMALL"
for kind in lib log; do
    cp -a "/var/$kind/facetap" "$SMALL/$kind"
    mount --bind "$SMALL/$kind" "/var/$kind/facetap"
done
since=$(mark)
systemctl start facetap
wait_log 60 "$since" '\[SERVER_START\]'
expect_pictures
expect_tap_delivered 012E44A7A5185C15

forget_crashes
pid=$(property MainPID)
wait_for 60 "the disk is full" fills_disk
planted=$(now)
plant segv
wait_for 90 "ready again with a full disk" is_another_than "$pid"
took=$(ready_after "$planted")
((took <= LIMIT)) || fail "ready again only after $took ms"
wait_for 60 "pictures are processed with a full disk" has_frames

rm "$SMALL/filler"
since=$(mark)
wait_log 60 "$since" '\[RESOURCE_MONITOR\]'
expect_pictures
expect_tap_delivered 012E44A7A5185C16
pid=$(property MainPID)
forget_crashes
plant segv
wait_for 90 "ready again" is_another_than "$pid"
reported '^what: SIGSEGV' || fail "no report in crash.log after there was room again"
expect_pictures

# Back to the real disk, with what was counted meanwhile.
systemctl stop facetap
for kind in lib log; do
    umount "/var/$kind/facetap"
    cp -a "$SMALL/$kind/." "/var/$kind/facetap/"
done
umount "$SMALL"
faults_off
wait_for 60 "the service is ready" is_up
note "with a full disk ready again after $took ms"
