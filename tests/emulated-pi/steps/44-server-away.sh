# shellcheck shell=bash
# The server goes and comes back: taps of the time between wait in the ledger, and are delivered once and in order.

configure
server_on
wait_for 60 "the card reader is found" reader_ready
expect_tap_delivered 012E44A7A5185C10
server_off
since=$(mark)
tap 012E44A7A5185C11
wait_log 30 "$since" '012E44A7A5185C11 counted'
tap 012E44A7A5185C12
wait_log 30 "$since" '012E44A7A5185C12 counted'
wait_log 30 "$since" 'they stay in the ledger'
server_on
for card in 012E44A7A5185C11 012E44A7A5185C12; do
    wait_for 60 "the tap of $card is at the server" is_stored "$card"
    expect_stored_once "$card"
done
