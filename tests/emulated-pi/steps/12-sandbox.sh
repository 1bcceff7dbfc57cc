# shellcheck shell=bash
# The service runs as its own user in its sandbox, as the kernel sees it.

wait_for 60 "the service is ready" is_up
pid=$(property MainPID)

expect_status() { # FIELD VALUE
    local value
    value=$(sed -n "s/^$1:[[:space:]]*\([^[:space:]]*\).*/\1/p" "/proc/$pid/status")
    [[ $value == "$2" ]] || fail "$1 of the service is $value, not $2"
}

expect_status Uid "$(id -u facetap)"
expect_status Gid "$(id -g facetap)"
expect_status NoNewPrivs 1
expect_status Seccomp 2
for capabilities in CapInh CapPrm CapEff CapBnd CapAmb; do
    expect_status "$capabilities" 0000000000000000
done

# What it sees of the disk: only its own folders can be written.
writable=$(awk -F ' - ' '{ split($1, mount, " "); split($2, device, " ") }
    mount[6] ~ /(^|,)rw(,|$)/ && device[1] == "ext4" { print mount[5] }' "/proc/$pid/mountinfo" | sort | paste -sd ' ')
[[ $writable == "/tmp /var/lib/facetap /var/log/facetap /var/tmp" ]] || fail "writable for the service: $writable"
[[ $(stat -c '%U %a' /var/lib/facetap) == "facetap 700" ]] || fail "/var/lib/facetap: $(stat -c '%U %a' /var/lib/facetap)"

exposure=$(systemd-analyze security facetap --no-pager | sed -n 's/.*Overall exposure level[^:]*: \([0-9.]*\).*/\1/p')
awk -v exposure="$exposure" 'BEGIN { exit !(exposure > 0 && exposure <= 1.7) }' ||
    fail "the exposure is $exposure, above 1.7"
note "exposure $exposure"
