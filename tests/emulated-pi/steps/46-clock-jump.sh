# shellcheck shell=bash
# Somebody sets the clock a year ahead: taps go on with the right time, and say that it was told from before. When the
# time server has been heard again, all is as it was.

configure
server_on
wait_for 60 "the card reader is found" reader_ready
right=$(wall_at 0)
since=$(mark)
date -s '+1 year'
wait_log 30 "$since" 'the clock was set by \+3[0-9.]* s'
expect_tap_delivered 012E44A7A5185C13
boottime=$(ledger_column 012E44A7A5185C13 boottime_ms)
expect_time_at_server 012E44A7A5185C13 "$(awk "BEGIN { printf \"%.3f\", $right + $boottime / 1000 }")"
[[ $(ledger_column 012E44A7A5185C13 clock) == corrected ]] || fail "the tap does not say that its time was told"
# Back again, as the time server would.
date -s "@$(awk "BEGIN { printf \"%.3f\", $right + $(now) / 1000 }")"
synchronise
sleep 3
expect_tap_delivered 012E44A7A5185C14
[[ $(ledger_column 012E44A7A5185C14 clock) == synchronised ]] || fail "the clock is still not believed"
expect_time_at_server 012E44A7A5185C14 "$(wall_at "$(ledger_column 012E44A7A5185C14 boottime_ms)")"
