# shellcheck shell=bash
# After the reboot the service is there by itself, and the ledger as it was: no tap lost, none changed, and the tap
# that was not delivered still waits.
# Limit: 180

wait_for 150 "the service is ready" is_up
[[ -s $STATE/ledger.before ]] || fail "the step before the reboot left no ledger to compare with"
ledger_taps >"$STATE/ledger.after"
diff "$STATE/ledger.before" "$STATE/ledger.after" || fail "the ledger has changed: $(tail -n 3 /run/facetap-scenario/output | paste -sd ' ')"
grep -q '012E44A7A5185C05.*"pending"' "$STATE/ledger.after" || fail "the tap before the reboot does not wait"
note "$(wc -l <"$STATE/ledger.after") taps, as before"
