# shellcheck shell=bash
# A face in a clip is followed: the servos turn right while it is on the right and left while it is on the left, and
# what was commanded according to the trace is what they received.
# Limit: 300

clip=$SCENARIO/clips/pan_easy.avi
[[ -e $clip ]] || skip "no clip: neither ../shared nor FACETAP_SHARED has data/videos/pan_easy.avi"

# The unit's command with a trace; all else stays as the package has it.
trace=/var/log/facetap/trace.jsonl
dropin=/run/systemd/system/facetap.service.d
mkdir -p "$dropin"
printf '[Service]\nExecStart=\nExecStart=/usr/bin/facetap run --no-display --trace %s\n' "$trace" >"$dropin/trace.conf"
systemctl daemon-reload

servos_ready
before=$(frames_received)
since=$(mark)
configure "{\"camera\": {\"source\": \"$clip\"}}"
wait_log 60 "$since" 'camera opened: .*pan_easy'
enough_looks() {
    (($(wc -l <"$trace") >= 40))
}
wait_for 200 "forty pictures of the clip are processed" enough_looks
rm -r "$dropin"
systemctl daemon-reload
systemctl stop facetap

look_at_frames "$before" '
looks = [json.loads(line) for line in open(sys.argv[1])]
seen = [(f["x"] + f["w"] / 2 - 320, look["command"]["pan"], look["frame"])
        for look in looks if look["command"] for f in look["faces"] if f["followed"]]
assert len(seen) >= 20, f"a face was followed in {len(seen)} of {len(looks)} pictures"
received = set(goals(1))
assert not bad, f"{len(bad)} bad frames, the first: {bad[0]}"
# 4096 steps are a turn; half a step of rounding, and the trace is rounded too. A servo that was too late with an answer,
# which a simulated one on an emulated board may be, gets no goals until it has answered again.
strange = [pan for _, pan, _ in seen if not any(abs(2048 + pan * 4096 / 360 - g) <= 1 for g in received)]
assert len(strange) * 4 <= len(seen), f"commanded, but never received: {strange[:5]} degrees"
# Clearly to one side of the middle; from this look to the next one the mount has to turn to that side, unless it is
# at its end there already.
right = {"right": 0, "left": 0}
wrong = 0
for (offset, pan, _), (_, later, _) in zip(seen, seen[1:]):
    if abs(offset) < 60:
        continue
    side = 1 if offset > 0 else -1
    if side * (later - pan) > 0.2 or side * pan > 48:
        right["right" if side > 0 else "left"] += 1
    else:
        wrong += 1
agreeing = sum(right.values())
assert min(right.values()) >= 4 and agreeing >= 3 * wrong, f"agreeing {right}, wrong {wrong}"
ages = sorted(look["age_ms"] for look in looks)
print(f"{len(seen)} of {len(looks)} looks followed a face, {agreeing} turns agree and {wrong} do not,",
      f"age {ages[len(ages) // 2]:.0f} ms")' "$trace"
note "$(tail -n 1 /run/facetap-scenario/output)"
rm "$trace"
# They are talked to a hundred times a second, which slows an emulated board down.
unplug_servos
