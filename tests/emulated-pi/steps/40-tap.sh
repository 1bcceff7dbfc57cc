# shellcheck shell=bash
# A card on the reader of pcscd is in the ledger and at the attendance server, once, also when it is tapped twice.

configure
server_on
wait_for 60 "the card reader is found" reader_ready
since=$(mark)
expect_tap_delivered 012E44A7A5185C01
logged "$since" 'card reader Virtual PCD 00 00: 012E44A7A5185C01 counted' || fail "the log does not name the tap"
tap 012E44A7A5185C01
wait_log 30 "$since" '012E44A7A5185C01 repeated'
expect_stored_once 012E44A7A5185C01
[[ $(ledger_taps | grep -c 012E44A7A5185C01) == 1 ]] || fail "the ledger has $(ledger_taps)"
