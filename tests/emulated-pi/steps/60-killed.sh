# shellcheck shell=bash
# The service is killed with SIGKILL and ready again within five seconds, both loops with it.

configure
server_on
servos_ready
pid=$(property MainPID)
since=$(mark)
killed=$(now)
kill -KILL "$pid"
is_another() {
    is_up && [[ $(property MainPID) != "$pid" ]]
}
wait_for 60 "the service is ready again" is_another
# By systemd's clock, which looks while this script sleeps.
took=$(($(property ActiveEnterTimestampMonotonic) / 1000 - killed))
((took <= 5000)) || fail "ready again only after $took ms"
wait_log 10 "$since" '\[SERVER_START\]'
note "ready again after $took ms"
expect_pictures
servos_ready
wait_for 60 "the card reader is found" logged "$since" 'card reader: Virtual PCD 00 00'
expect_tap_delivered 012E44A7A5185C03
