# shellcheck shell=bash
# The service as the package installed it comes up by itself, with nothing but the camera and the card reader
# plugged in, and stays up without servos, server and GPIO.
# Limit: 180

wait_for 150 "the service is ready" is_up
wait_log 30 0 '\[SERVER_START\]'
[[ $(systemctl is-enabled facetap) == enabled ]] || fail "the package did not enable the service"
pid=$(property MainPID)
ready=$(property ActiveEnterTimestampMonotonic)
asked=$(property InactiveExitTimestampMonotonic)
note "ready $(((ready - asked) / 1000)) ms after its start, $((ready / 1000000)) s after the kernel's"

wait_log 60 0 'camera opened: /dev/v4l/by-path/platform-vivid'
wait_for 60 "the card reader is found" reader_ready
# The board says that it is a Raspberry Pi, but has no pins.
wait_log 30 0 'no buzzer and no LEDs: this board has no GPIO'
sleep 3
expect_same_process "$pid"
[[ $(property NRestarts) == 0 ]] || fail "the service was restarted $(property NRestarts) times"
