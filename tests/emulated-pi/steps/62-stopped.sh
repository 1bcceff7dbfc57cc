# shellcheck shell=bash
# systemctl stop ends the service within two seconds, by itself, with the servos released.
# Limit: 240

LIMIT=2000

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
    look_at_frames "$before" '
torque = {f["id"]: f["data"] for f in frames if f.get("instruction") == "write" and f["register"] == 40}
assert torque == {1: [0], 2: [0], 3: [0]}, f"torque registers last written: {torque}"'
done
((took <= LIMIT)) || fail "stopped only after ${tries[*]} ms"
note "stopped after ${tries[*]} ms; $(log_since "$since" | sed -n 's/.*\(peak memory: .*\)/\1/p')"
unplug_servos
systemctl start facetap
