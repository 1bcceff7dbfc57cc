# shellcheck shell=bash
# Pictures of a V4L2 camera of the kernel are processed, with the camera's rate and the detector that are the default.

since=$(mark)
configure '{"camera": {"fps": 30}, "detector": {"kind": "auto", "min_face": 40}}'
wait_log 60 "$since" 'camera opened: /dev/v4l/by-path/platform-vivid[^ ]*: 640x480'
wait_log 60 "$since" 'detector: '
expect_pictures
logged "$since" 'camera: error' && fail "reading the camera fails: $(log_since "$since" | grep -m 1 'camera: error')"
note "$(log_since "$since" | sed -n 's/.*\(detector: .*\)/\1/p' | tail -n 1)"
note "$(log_since "$since" | sed -n 's/.*\(CPU_RAM: [0-9.]* MB\).*/\1/p' | tail -n 1)"
