# shellcheck shell=bash
# systemctl stop ends the service within two seconds, by itself, with the servos released.

configure
servos_ready
expect_pictures
before=$(frames_received)
since=$(mark)
asked=$(now)
systemctl stop facetap
took=$(($(property InactiveEnterTimestampMonotonic) / 1000 - asked))
((took <= 2000)) || fail "stopped only after $took ms"
[[ $(property Result) == success && $(property ExecMainStatus) == 0 ]] ||
    fail "it ended with $(property Result), status $(property ExecMainStatus)"
logged "$since" '\[STATISTICS\]' || fail "no [STATISTICS] in the log"
look_at_frames "$before" '
torque = {f["id"]: f["data"] for f in frames if f.get("instruction") == "write" and f["register"] == 40}
assert torque == {1: [0], 2: [0], 3: [0]}, f"torque registers last written: {torque}"'
note "stopped after $took ms; $(log_since "$since" | sed -n 's/.*\(peak memory: .*\)/\1/p')"
unplug_servos
systemctl start facetap
