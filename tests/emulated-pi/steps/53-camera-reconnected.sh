# shellcheck shell=bash
# The camera disconnects by itself for a moment, as at a loose plug: vivid registers its device anew as soon as
# everybody has closed the old one.

configure
expect_pictures
pid=$(property MainPID)
since=$(mark)
v4l2-ctl -d /dev/video0 --set-ctrl disconnect=1
wait_log 60 "$since" '\[CAMERA_REINIT\]'
wait_log 60 "$since" 'camera opened: /dev/v4l/by-path/platform-vivid'
expect_pictures
expect_same_process "$pid"
