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
else
    [[ $state == active ]] || fail "$asked is asked for, but the watchdog is $state"
fi
facetap doctor --no-file >/run/facetap-scenario/doctor 2>&1 || true
grep -qi 'watchdog' /run/facetap-scenario/doctor || fail "the doctor does not speak of the watchdog"
note "$(cat "$WATCHDOG/identity"): $state, asked for: $asked"
