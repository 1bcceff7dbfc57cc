#!/bin/bash
# Runs the steps of this boot in the order of their names and reports on the serial console:
#   [scenario] RUN|PASS|FAIL|SKIP first/NAME ...
# A step is a file for bash that ends with status 0 if it saw what its header says. It runs with lib.sh, in its own
# process, and is killed after the guest seconds of its line "# Limit: N" (120 if there is none).

set -u
home=/usr/lib/facetap-scenario
state=/var/lib/facetap-scenario
mkdir -p "$state" /run/facetap-scenario

report() {
    printf '[scenario] %s\n' "$*"
}

# Guest time in hundredths of a second: the monotonic clock, for a board that is never suspended.
hundredths() {
    local up
    read -r up _ </proc/uptime
    printf '%d' "$((10#${up/./}))"
}

run_step() { # FOLDER FILE
    local name=$1/${2##*/} limit begin took status words=/run/facetap-scenario/words output=/run/facetap-scenario/output
    name=${name%.sh}
    limit=$(sed -n 's/^# Limit: \([0-9]*\).*/\1/p' "$2")
    report "RUN $name"
    : >"$words"
    begin=$(hundredths)
    # The error trap of lib.sh names the command that failed.
    # shellcheck disable=SC2016  # expanded in there
    WORDS=$words STATE=$state SCENARIO=$home timeout --kill-after=5 "${limit:-120}" \
        bash -c 'source "$SCENARIO/lib.sh" && source "$0"' "$2" </dev/null >"$output" 2>&1
    status=$?
    took=$(($(hundredths) - begin))
    printf -v took '%d.%d s' $((took / 100)) $((took / 10 % 10))
    case $status in
        0) report "PASS $name ($took) $(paste -sd ';' "$words" | sed 's/;/; /g')" ;;
        77) report "SKIP $name: $(tail -n 1 "$words")" ;;
        *)
            [[ $status -ne 124 && $status -ne 137 ]] || echo "not done after ${limit:-120} s" >>"$words"
            report "FAIL $name: $(tail -n 1 "$words") ($took)"
            evidence "$output"
            ;;
    esac
}

# What helps to find the cause of a failure.
evidence() { # OUTPUT
    {
        tail -n 15 "$1"
        echo "--- the service"
        systemctl --no-pager --lines=0 status facetap
        journalctl --no-pager -q -o short-monotonic -u facetap | grep -v 'RESOURCE_MONITOR' | tail -n 25
        echo "--- the kernel and the others"
        journalctl --no-pager -q -o short-monotonic -n 10 -k
        journalctl --no-pager -q -o short-monotonic -n 10 -u pcscd -u sts-servos -u attendance-server
    } 2>&1 | cut -c 1-220 | while IFS= read -r line; do report "    | $line"; done
}

boot=1 folder=first
if [[ -e $state/rebooted ]]; then
    boot=2 folder=second
fi
report "boot $boot: $(tr -d '\0' </proc/device-tree/model), Linux $(uname -r)," \
    "$(($(hundredths) / 100)) s after the kernel's start"
for step in "$home/$folder"/*.sh; do
    [[ ! -e $step ]] || run_step "$folder" "$step"
done
touch "$state/rebooted"
sync
report "END $boot"
if [[ $boot == 1 && -n $(ls "$home/second") ]]; then
    systemctl --no-block reboot
else
    systemctl --no-block poweroff
fi
