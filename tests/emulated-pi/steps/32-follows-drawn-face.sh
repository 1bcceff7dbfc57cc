# shellcheck shell=bash
# The service follows the face that it draws itself, and the servos receive goals that move.

before=$(frames_received)
configure '{"camera": {"source": "simulated", "fps": 30}}'
servos_ready
moved() {
    tail -n "+$((before + 1))" "$FRAMES" | grep -o '"1": [0-9]*' | sort -u | head -n 20 | wc -l | grep -qx 20
}
wait_for 60 "the pan servo receives twenty different goals" moved
look_at_frames "$before" '
assert not bad, f"{len(bad)} bad frames, the first: {bad[0]}"
pan, tilt = goals(1), goals(3)
# 50 degrees to either side of the middle.
assert all(2048 - 569 <= g <= 2048 + 569 for g in pan + tilt), "a goal outside the limits"
print(f"pan {min(pan)} to {max(pan)}, tilt {min(tilt)} to {max(tilt)}")'
note "$(tail -n 1 /run/facetap-scenario/output)"
