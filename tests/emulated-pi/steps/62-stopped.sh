# shellcheck shell=bash
# systemctl stop ends the service within two seconds, by itself, with the servos released.
# Limit: 240

LIMIT=2000

# Whether the last that was written to the torque of each servo since so many lines is 0.
all_released() { # LINES
    local id
    for id in 1 2 3; do
        tail -n "+$(($1 + 1))" "$FRAMES" | grep -F "\"id\": $id, \"instruction\": \"write\", \"register\": 40," |
            tail -n 1 | grep -qF '"data": [0]' || return 1
    done
}

configure
servos_ready
expect_pictures
# The fastest of three counts, as after SIGKILL.
tries=() took=$((LIMIT + 1))
while ((took > LIMIT && ${#tries[@]} < 3)); do
    if ! is_up; then
        systemctl start facetap
        servos_ready
    fi
    before=$(frames_received)
    since=$(mark)
    asked=$(now)
    systemctl stop facetap
    took=$(($(property InactiveEnterTimestampMonotonic) / 1000 - asked))
    tries+=("$took")
    [[ $(property Result) == success && $(property ExecMainStatus) == 0 ]] ||
        fail "it ended with $(property Result), status $(property ExecMainStatus)"
    logged "$since" '\[STATISTICS\]' || fail "no [STATISTICS] in the log"
    # On a busy machine the stand-in reads what it was sent when the service has gone.
    wait_for 30 "every servo was released" all_released "$before"
done
((took <= LIMIT)) || fail "stopped only after ${tries[*]} ms"
note "stopped after ${tries[*]} ms; $(log_since "$since" | sed -n 's/.*\(peak memory: .*\)/\1/p')"
unplug_servos
systemctl start facetap
