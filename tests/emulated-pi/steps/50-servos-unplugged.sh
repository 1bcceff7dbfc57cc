# shellcheck shell=bash
# The servos' USB cable is pulled and plugged in again: the loss is told once, the card loop goes on meanwhile, and
# the servos are driven again.

configure
server_on
servos_ready
pid=$(property MainPID)
since=$(mark)
unplug_servos
wait_log 30 "$since" 'the servo bus is lost'
expect_tap_delivered 04A1B2C3D4E5F6
lost=$(log_since "$since" | grep -c 'the servo bus is lost')
[[ $lost == 1 ]] || fail "one loss was told $lost times"

since=$(mark)
plug_servos
wait_log 60 "$since" '\[SERVO_RECONNECT\] servos are back'
servos_ready
expect_same_process "$pid"
unplug_servos
