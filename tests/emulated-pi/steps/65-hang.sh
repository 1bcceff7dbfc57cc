# shellcheck shell=bash
# A loop that hangs is named in the log, and the service started again with a trace that shows where it hung.
# Limit: 900

# Promised are 40 s on a board.
LIMIT=80000

configure
server_on
faults_on
took_all=()
for loop in vision ledger; do
    expect_pictures
    forget_crashes
    since=$(mark)
    pid=$(property MainPID)
    planted=$(now)
    plant "hang $loop"
    wait_for 150 "ready again" is_another_than "$pid"
    took=$(ready_after "$planted")
    ((took <= LIMIT)) || fail "hang of the loop $loop: ready again only after $took ms"
    took_all+=("$loop $took ms")
    wait_log 30 "$since" "hung, no sign of life: .*$loop"
    wait_log 30 "$since" "the run before ended at.*$loop"
    reported '^what: SIGABRT' || fail "no report in crash.log"
    # Named with its signal: the traces of the panics before may still be read, and told of, when the loop hangs.
    wait_log 300 "$since" '\[CRASH\].*SIGABRT'
    reported 'planted::point' || fail "the trace does not show where the loop $loop hung"
done
expect_pictures
expect_tap_delivered 012E44A7A5185C13
faults_off
note "ready again after: $(printf '%s; ' "${took_all[@]}")"
