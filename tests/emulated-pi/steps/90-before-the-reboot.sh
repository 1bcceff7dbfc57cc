# shellcheck shell=bash
# For the second boot: a tap that is delivered, and one that waits in the ledger because the server is away.

configure
server_on
wait_for 60 "the card reader is found" reader_ready
expect_tap_delivered 012E44A7A5185C04
server_off
since=$(mark)
tap 012E44A7A5185C05
wait_log 30 "$since" '012E44A7A5185C05 counted'
# The service is not stopped first: what it called counted has to be on the disk.
ledger_taps >"$STATE/ledger.before"
note "$(wc -l <"$STATE/ledger.before") taps in the ledger"
