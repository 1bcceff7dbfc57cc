# shellcheck shell=bash
# Limit: 300
# `facetap setup --answers` leads from no configuration at all to a service that runs: a camera that looks where the servos
# stand, one axis mounted the other way round as far as anybody knows, a test tap, the server.

servos_on
[[ -e /dev/ttyACM0 ]] || plug_servos
server_on
systemctl stop facetap
camera_answers() { (exec 3<>/dev/tcp/127.0.0.1/8077) 2>/dev/null; }
camera_on() { # FRAMES
    systemd-run -q --collect --unit=turning-camera -p Nice=-10 \
        python3 "$SCENARIO/turning_camera.py" 8077 "$1" --fps 5
    wait_for 60 "the camera answers" camera_answers
}
camera_on "$FRAMES"
file=/etc/facetap/config.json
mv "$file" /run/facetap-scenario/before.json
cat >/run/facetap-scenario/answers.json <<'END'
{
    "language": "en",
    "time": true,
    "camera": "http://127.0.0.1:8077/",
    "servos": {"port": "auto", "roll": true},
    "directions": true,
    "cards": 60,
    "server": "http://127.0.0.1:5000",
    "write": true,
    "service": true
}
END
# The camera turns with the mount.
TZ=Asia/Tokyo facetap setup --answers /run/facetap-scenario/answers.json >/run/facetap-scenario/said 2>&1 &
setup=$!
asks_for_a_card() { grep -q 'Hold a card to the reader now' /run/facetap-scenario/said; }
wait_for 200 "it asks for a card" asks_for_a_card
tap 012E44A7A5185C36
wait "$setup" || fail "it has ended with $?: $(tail -n 3 /run/facetap-scenario/said | paste -sd ' ')"
facetap config check "$file" >/dev/null || fail "the configuration is not valid"
is_up || fail "the service does not run"
[[ $(ledger_taps | grep -c 012E44A7A5185C36) == 0 ]] || fail "the test tap was recorded"
note "$(grep -c 'turns as it should' /run/facetap-scenario/said) axes seen to turn as they should"

# One that does not: what it looks at stays where it is.
systemctl stop facetap turning-camera
: >/run/facetap-scenario/nobody.jsonl
camera_on /run/facetap-scenario/nobody.jsonl
printf '{"servos": {"roll": false}, "directions": true, "cards": 0, "write": true}' >/run/facetap-scenario/answers.json
status=0
TZ=Asia/Tokyo facetap setup --answers /run/facetap-scenario/answers.json >/run/facetap-scenario/said 2>&1 || status=$?
[[ $status == 1 ]] || fail "with a camera that does not turn it has ended with $status"
grep -q 'the camera does not see the movement' /run/facetap-scenario/said || fail "it does not say what the camera sees"
grep -q 'is written and valid' /run/facetap-scenario/said || fail "it has not gone on"

systemctl stop turning-camera
facetap setup --undo >/dev/null
mv /run/facetap-scenario/before.json "$file"
rm -f "$file".before-setup
systemctl start facetap
