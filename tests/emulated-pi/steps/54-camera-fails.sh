# shellcheck shell=bash
# The camera's stream breaks down for good, as after an error on the USB: it is opened anew.

configure
expect_pictures
pid=$(property MainPID)
since=$(mark)
v4l2-ctl -d /dev/video0 --set-ctrl inject_fatal_streaming_error=1
wait_log 60 "$since" '\[CAMERA_REINIT\]'
wait_log 60 "$since" 'camera opened: '
expect_pictures
expect_same_process "$pid"
