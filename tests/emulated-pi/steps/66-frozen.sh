# shellcheck shell=bash
# The whole process is stopped (SIGSTOP), so that it cannot notice anything itself: systemd's watchdog ends it with a
# trace, and starts it again.
# Limit: 500

# Promised are 40 s on a board.
LIMIT=80000

configure
server_on
watchdog=$(property WatchdogUSec)
[[ $watchdog != 0 && $watchdog != infinity ]] || fail "the unit has no watchdog"
expect_pictures
forget_crashes
since=$(mark)
pid=$(property MainPID)
stopped=$(now)
kill -STOP "$pid"
wait_for 150 "ready again" is_another_than "$pid"
took=$(ready_after "$stopped")
((took <= LIMIT)) || fail "ready again only after $took ms"
journalctl --no-pager -q -u facetap | grep 'Watchdog timeout' >/dev/null || fail "the journal does not tell of the watchdog"
reported '^what: SIGABRT' || fail "no report in crash.log"
wait_log 30 "$since" 'the run before ended at'
expect_pictures
expect_tap_delivered 012E44A7A5185C14
note "watchdog $watchdog; ready again after $took ms"
