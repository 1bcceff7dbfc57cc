# shellcheck shell=bash
# pcscd is killed: the service connects to the next one, and the next tap counts.

configure
server_on
wait_for 60 "the card reader is found" reader_ready
pid=$(property MainPID)
since=$(mark)
systemctl kill --signal=KILL pcscd.service
wait_log 60 "$since" '\[READER_RECONNECT\]'
wait_log 60 "$since" 'card reader( is back)?: Virtual PCD 00 00'
expect_tap_delivered 012E44A7A5185C02
expect_same_process "$pid"
