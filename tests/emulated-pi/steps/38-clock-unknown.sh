# shellcheck shell=bash
# A board without a clock chip: a tap before the first synchronisation waits, is given its true time afterwards, and is
# delivered with it.

configure
server_on
wait_for 60 "the card reader is found" reader_ready
[[ ! -e /run/systemd/timesync/synchronized ]] || fail "the clock has been synchronised already"
since=$(mark)
tap 012E44A7A5185C0A
wait_log 30 "$since" '012E44A7A5185C0A counted'
[[ $(ledger_column 012E44A7A5185C0A clock) == held ]] || fail "the tap does not wait for the clock"
sleep 5
[[ $(stored 012E44A7A5185C0A) == 0 ]] || fail "the tap was sent with a time that nobody vouches for"
synchronise '2026-11-21 09:00:00 UTC'
wait_log 30 "$since" 'the clock is right'
wait_for 60 "the tap is at the server" is_stored 012E44A7A5185C0A
[[ $(ledger_column 012E44A7A5185C0A clock) == corrected ]] || fail "the tap is not marked as corrected"
expect_time_at_server 012E44A7A5185C0A "$(wall_at "$(ledger_column 012E44A7A5185C0A boottime_ms)")"
note "$(ledger_column 012E44A7A5185C0A local_time)"
