# shellcheck shell=bash
# The board's own watchdog: with RuntimeWatchdogSec= systemd feeds it, so that a kernel that hangs is restarted. Nothing
# is let run out here.

WATCHDOG=/sys/class/watchdog/watchdog0
SETTING=/run/systemd/system.conf.d/watchdog.conf

is_active() {
    [[ $(cat "$WATCHDOG/state") == active ]]
}

[[ -e $WATCHDOG ]] || modprobe bcm2835_wdt || true
[[ -e $WATCHDOG/state ]] || skip "the kernel has no driver for the watchdog, or does not tell its state"
identity=$(cat "$WATCHDOG/identity")
asked=$(systemctl show --value -p RuntimeWatchdogUSec)
if [[ $asked == 0 || $asked == infinity ]]; then
    # Raspberry Pi OS has this setting in its image.
    mkdir -p "${SETTING%/*}"
    printf '[Manager]\nRuntimeWatchdogSec=1min\n' >"$SETTING"
    systemctl daemon-reload
fi
wait_for 60 "the watchdog \"$identity\" is fed" is_active
note "$identity: $(systemctl show --value -p RuntimeWatchdogUSec) asked for, $(cat "$WATCHDOG/timeout") s set"
if [[ -e $SETTING ]]; then
    rm "$SETTING"
    systemctl daemon-reload
fi
