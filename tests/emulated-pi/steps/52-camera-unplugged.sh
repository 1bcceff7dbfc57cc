# shellcheck shell=bash
# The camera is unplugged while it is read, stays away, and comes back.

configure
expect_pictures
pid=$(property MainPID)
since=$(mark)
v4l2-ctl -d /dev/video0 --set-ctrl disconnect=1
wait_log 60 "$since" '\[CAMERA_REINIT\]'
# vivid's camera stays dead until its driver is loaded again, which it can be once nobody has it open.
wait_for 60 "the service lets go of the camera" modprobe -q -r vivid
wait_log 60 "$since" 'waiting for the camera: no camera found'

since=$(mark)
modprobe vivid
wait_log 60 "$since" 'camera opened: /dev/v4l/by-path/platform-vivid'
expect_pictures
expect_same_process "$pid"
