# shellcheck shell=bash
# `facetap devices` names the camera, the servos' port and the reader, by names that the configuration takes, while the
# service uses all of them.

configure
servos_ready
wait_for 60 "the card reader is found" reader_ready
runuser -u facetap -- facetap devices >/run/facetap-scenario/devices
for device in /dev/v4l/by-path/platform-vivid /dev/serial/by-id/usb-Linux 'Virtual PCD 00 00'; do
    grep -qF "$device" /run/facetap-scenario/devices ||
        fail "no $device in: $(paste -sd '|' /run/facetap-scenario/devices)"
done
