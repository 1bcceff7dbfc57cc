# shellcheck shell=bash
# Servos that are plugged in while the service runs are found and driven: the sandbox lets it open a serial port that
# did not exist when it started. What they receive are valid frames.

configure
pid=$(property MainPID)
[[ ! -e /dev/ttyACM0 ]] || fail "/dev/ttyACM0 is there already"
logged 0 '(waiting for the servo port|no USB serial port)' || fail "the log does not say that it waits for the servos"
since=$(mark)
plug_servos
wait_log 60 "$since" '\[SERVO_RECONNECT\] servos are there on /dev/serial/by-id/usb-[^ ]*: pan \(id 1\)'
servos_ready
look_at_frames 0 '
asked = {f.get("id") for f in frames}
assert not bad, f"{len(bad)} bad frames, the first: {bad[0]}"
assert {1, 2, 3} <= asked, f"only {asked} were spoken to"
print(len(frames), "frames")'
expect_same_process "$pid"
note "$(tail -n 1 /run/facetap-scenario/output)"
