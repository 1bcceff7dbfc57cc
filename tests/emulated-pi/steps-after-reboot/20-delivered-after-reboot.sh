# shellcheck shell=bash
# When the server is back, the tap from before the reboot is delivered, once, and none of the others again.

[[ $(stored 012E44A7A5185C05) == 0 ]] || fail "the tap is at the server already"
server_on
wait_for 60 "the tap from before the reboot is at the server" is_stored 012E44A7A5185C05
expect_tap_delivered 012E44A7A5185C06
expect_stored_once 012E44A7A5185C05
twice=$(grep -o '"key": "[^"]*"' "$ROWS" | sort | uniq -d)
[[ -z $twice ]] || fail "sent more than once: $twice"
names=$(grep -o '"terminal_id": "[^"]*"' "$ROWS" | sort -u | wc -l)
[[ $names == 1 ]] || fail "the board has called itself by $names names"
taps=$(ledger_taps)
grep -q '"pending"' <<<"$taps" && fail "not everything is delivered: $taps"
note "$(wc -l <<<"$taps") taps in the ledger, $(wc -l <"$ROWS") at the server"
