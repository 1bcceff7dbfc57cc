# shellcheck shell=bash
# The camera is unplugged while it is read, stays away, and is plugged in again.

configure
expect_pictures
pid=$(property MainPID)
since=$(mark)
# What the kernel does when a USB cable is pulled: the driver loses its device, however it is used.
echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind
wait_log 60 "$since" '\[CAMERA_REINIT\]'
wait_log 60 "$since" 'waiting for the camera: no camera found'

since=$(mark)
echo vivid.0 >/sys/bus/platform/drivers/vivid/bind
wait_log 60 "$since" 'camera opened: /dev/v4l/by-path/platform-vivid'
expect_pictures
expect_same_process "$pid"
