# shellcheck shell=bash
# The board's own watchdog, as the kernel and systemd tell of it. It is only looked at: once it is armed, the emulated one
# does not stop.

WATCHDOG=/sys/class/watchdog/watchdog0

[[ -e $WATCHDOG ]] || modprobe bcm2835_wdt || true
[[ -e $WATCHDOG/state ]] || skip "the kernel has no driver for the watchdog, or does not tell its state"
asked=$(systemctl show --value -p RuntimeWatchdogUSec)
state=$(cat "$WATCHDOG/state")
if [[ $asked == 0 || $asked == infinity ]]; then
    [[ $state == inactive ]] || fail "nobody asked for the watchdog, but it is $state"
    # Its looks have about a second each, which is made for boards; an emulated one takes longer while it is busy.
    facetap doctor --no-file --limit 30 >/run/facetap-scenario/doctor 2>&1 || true
    grep -q 'the hardware watchdog (.*) does not run' /run/facetap-scenario/doctor || {
        cat /run/facetap-scenario/doctor
        fail "the doctor does not say that the watchdog does not run"
    }
else
    [[ $state == active ]] || fail "$asked is asked for, but the watchdog is $state"
fi
note "$(cat "$WATCHDOG/identity"): $state, asked for: $asked"
