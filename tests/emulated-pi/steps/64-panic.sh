# shellcheck shell=bash
# A loop that panics leaves a trace and is begun again, in the same process, without the other loops noticing.
# Limit: 400

configure
server_on
faults_on
expect_pictures
pid=$(property MainPID)
forget_crashes
for loop in camera vision ledger; do
    since=$(mark)
    plant "panic $loop"
    wait_log 60 "$since" "the loop \"$loop\" panicked and is begun again"
    wait_log 30 "$since" "\[UNCAUGHT_EXCEPTION\].*thread: $loop"
    reported "^thread: $loop " || fail "no report of the loop $loop in crash.log"
    expect_pictures
done
expect_tap_delivered 012E44A7A5185C12
expect_same_process "$pid"
faults_off
