#!/usr/bin/env bash
# The package on a fresh system: installed, removed, installed again, purged.
#
#   install.sh SUITE BASE DEB        started by scripts/test-package.sh

# shellcheck source=tests/package/chroot.sh
source "$(dirname "${BASH_SOURCE[0]}")/chroot.sh"
suite=$1 base=$2 deb=$3
enter_root "$base"
cp "$deb" "$top/facetap.deb"

UNIT=/usr/lib/systemd/system/facetap.service
LINK=/etc/systemd/system/multi-user.target.wants/facetap.service

demonstration() {
    as_service facetap run --demo --no-display --duration 2 --log-file /var/log/facetap/demo.log || return
    grep -F '[SERVER_START]' "$top/var/log/facetap/demo.log"
}

# systemd takes an unknown key for a warning; here any word about the unit is a fault.
unit_is_sound() { # DROP-IN...
    local said folder=/etc/systemd/system/facetap.service.d
    rm -rf "$top$folder"
    if [[ $# -gt 0 ]]; then
        inside mkdir -p "$folder"
        inside cp "$@" "$folder"
    fi
    said=$(inside systemd-analyze verify --man=no --recursive-errors=no "$UNIT" 2>&1)
    rm -rf "$top$folder"
    is "$(grep facetap <<<"$said")" ""
}

# The command by which the drop-in for a read-only root refuses a ledger in memory, as systemd reads it.
ledger_lies_on_a_disk() {
    local command
    command=$(sed -n '/^ExecStartPre=+.bin.sh/,/esac/p' "$top/usr/share/facetap/dropins/read-only-root.conf" |
        sed 's/^ExecStartPre=+//; s/\\$//; s/\$\$/$/g; s/%%/%/g' | tr -d '\n')
    inside sh -c "$command"
}

refuses_a_ledger_in_memory() {
    local said
    said=$(ledger_lies_on_a_disk 2>&1) && return 1
    [[ $said == *"would be lost"* ]] || is "$said" "a word about the loss"
}

is_enabled() {
    # The link is absolute: it leads somewhere only inside.
    is "$(inside realpath --canonicalize-existing "$LINK")" "$UNIT"
}

udev_rules_are_sound() {
    inside udevadm verify /usr/lib/udev/rules.d/60-facetap.rules
}

# Of a function of the program, with its line, and of the C library, which has its own names only.
traces_have_names() {
    local names
    ! inside facetap crash-now segv --crash-file /tmp/crash.log >/dev/null 2>&1 || return
    names=$(inside facetap symbolise --report /tmp/crash.log) || return
    rm "$top/tmp/crash.log"
    [[ $names == *"facetap::watch::fault::crash::write_to_nowhere ("*"src/watch/fault/crash.rs:"* ]]
}

completions_are_sound() {
    inside bash -n /usr/share/bash-completion/completions/facetap
    [[ -s $top/usr/share/zsh/vendor-completions/_facetap && -s $top/usr/share/fish/vendor_completions.d/facetap.fish ]]
}

# The manual pages that the help of the binary leads to expect.
pages_are_there() {
    local command
    for command in '' $(inside facetap --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]\+\).*/-\1/p' | grep -v help); do
        gzip --test "$top/usr/share/man/man1/facetap$command.1.gz" || return
    done
}

check "$suite: it installs" apt install /facetap.deb
verdict
check "$suite: every file is as packed" is "$(inside dpkg --verify facetap 2>&1)" ""
check "$suite: the user has no shell and no password" \
    is "$(inside getent passwd facetap | cut -d : -f 2,6,7)" "x:/var/lib/facetap:/usr/sbin/nologin"
check "$suite: the groups of its devices exist" inside getent group video dialout gpio i2c
check "$suite: the state is closed" has_mode /var/lib/facetap "700 facetap facetap"
check "$suite: the logs may be read" has_mode /var/log/facetap "755 facetap facetap"
check "$suite: the configuration is the administrator's" has_mode /etc/facetap/config.json "644 root root"
# shellcheck disable=SC2016  # dpkg's own variables, here and below
check "$suite: the configuration is a conffile" \
    is "$(inside dpkg-query -W -f '${Conffiles}' facetap | awk 'NF { print $1 }')" /etc/facetap/config.json
check "$suite: the service is enabled" is_enabled
check "$suite: the unit is sound" unit_is_sound
for drop_in in "$top"/usr/share/facetap/dropins/*.conf; do
    check "$suite: the drop-in ${drop_in##*/} is sound" unit_is_sound "${drop_in#"$top"}"
done
check "$suite: $(inside systemd-analyze security --offline=true --no-pager "$UNIT" | tail -n 1 | tr -cd '[:print:]')" \
    inside systemd-analyze security --offline=true --threshold=17 --no-pager "$UNIT"
if inside udevadm verify --help >/dev/null 2>&1; then
    check "$suite: the udev rules are sound" udev_rules_are_sound
fi
check "$suite: the drop-in refuses a ledger in memory" refuses_a_ledger_in_memory
if [[ $(stat -f -c %T "$base") != @(overlayfs|tmpfs) ]]; then
    mount --bind "$base/srv" "$top/var/lib/facetap"
    check "$suite: the drop-in takes a ledger on a disk" ledger_lies_on_a_disk
    umount "$top/var/lib/facetap"
fi
check "$suite: the trace of a crash has names" traces_have_names
check "$suite: completions for bash, zsh and fish" completions_are_sound
check "$suite: a manual page for every command" pages_are_there
check "$suite: the configuration is valid for the service's user" \
    as_service facetap config check /etc/facetap/config.json
check "$suite: the demonstration runs as the service's user" demonstration

# A run with simulated cards, as the administrator might try it, leaves taps.
cat >"$top/etc/facetap/config.json" <<'END'
{"cards": {"readers": "simulated", "repeat_seconds": 90}}
END
check "$suite: taps are recorded" \
    as_service facetap run --no-camera --no-servo --no-display --duration 8
taps=$(ledger 'SELECT count(*) FROM tap') || taps=0
check "$suite: there are taps in the ledger" test "$taps" -gt 0

check "$suite: it can be removed" apt remove facetap
check "$suite: the program and its unit are gone" absent /usr/bin/facetap "$UNIT" /usr/lib/modprobe.d/facetap.conf
# deb-systemd-helper keeps the link until the purge, so that a later installation knows whether it was enabled.
check "$suite: nothing is left to start" inside test ! -e "$LINK"
check "$suite: the ledger is kept" is "$(ledger 'SELECT count(*) FROM tap')" "$taps"
check "$suite: the log is kept" test -s "$top/var/log/facetap/demo.log"
check "$suite: the configuration is kept" grep -q simulated "$top/etc/facetap/config.json"

check "$suite: it installs again" apt install /facetap.deb
check "$suite: it is enabled again" is_enabled
check "$suite: the configuration is still the administrator's" grep -q simulated "$top/etc/facetap/config.json"
check "$suite: it finds the ledger" as_service facetap run --no-camera --no-servo --no-display --duration 1
check "$suite: no tap is lost" test "$(ledger 'SELECT count(*) FROM tap')" -ge "$taps"

# What a link leads to is not the package's to delete.
inside mkdir /srv/elsewhere
echo kept >"$top/srv/elsewhere/file"
inside ln -s /srv/elsewhere /var/lib/facetap/link
inside ln -s /srv/elsewhere/file /var/log/facetap/link.log
echo token >"$top/etc/facetap/token"
check "$suite: it can be purged" apt purge facetap
check "$suite: state, logs and configuration are gone" absent /var/lib/facetap /var/log/facetap /etc/facetap "$LINK"
check "$suite: what links led to is there" is "$(cat "$top/srv/elsewhere/file")" kept
check "$suite: the user stays, as is Debian's custom" inside getent passwd facetap
check "$suite: nothing of it is known any more" is "$(inside find /etc /usr /var -name '*facetap*' ! -name '.pwd.lock')" ""
verdict
