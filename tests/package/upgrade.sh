#!/usr/bin/env bash
# An upgrade from an older version of the package with an older ledger, on a system whose administrator has edited the
# configuration; and a purge where the data lie behind a mount or a link.
#
#   upgrade.sh SUITE BASE DEB OLD-DEB        started by scripts/test-package.sh

# shellcheck source=tests/package/chroot.sh
source "$(dirname "${BASH_SOURCE[0]}")/chroot.sh"
suite=$1 base=$2 deb=$3 old=$4
enter_root "$base"
cp "$deb" "$top/new.deb"
cp "$old" "$top/old.deb"

# What version 0.1.0 knew of a tap.
OLD_COLUMNS="id, uid, card, reader, local_time, utc_offset_s, utc_time, boottime_ms, boot_id, clock_synchronised,
    idempotency_key"
old_taps() {
    ledger "SELECT $OLD_COLUMNS FROM tap WHERE id <= 5 ORDER BY id"
}

check "$suite: the older version installs" apt install /old.deb
verdict
python3 - "$top/var/lib/facetap/attendance.db" "$(dirname "$0")/ledger-1.sql" <<'END'
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1])
db.execute("PRAGMA journal_mode = WAL")
with open(sys.argv[2], encoding="utf-8") as script:
    db.executescript(script.read())
db.close()
END
inside chown facetap:facetap /var/lib/facetap/attendance.db
edited='{"language": "ja", "cards": {"readers": "simulated", "repeat_seconds": 3600}}'
echo "$edited" >"$top/etc/facetap/config.json"
before=$(old_taps)

check "$suite: it is upgraded without a question" apt install /new.deb
# shellcheck disable=SC2016  # dpkg's own variables
check "$suite: the new version is there" \
    is "$(inside dpkg-query -W -f '${Status} ${Version}' facetap)" "install ok installed $(dpkg-deb -f "$deb" Version)"
check "$suite: the administrator's configuration is kept" is "$(cat "$top/etc/facetap/config.json")" "$edited"
check "$suite: the new default lies beside it" test -s "$top/etc/facetap/config.json.dpkg-dist"
check "$suite: it is still enabled" inside test -e /etc/systemd/system/multi-user.target.wants/facetap.service
check "$suite: the new program takes the older ledger" \
    as_service facetap run --no-camera --no-servo --no-display --duration 8
check "$suite: every older tap is there as it was" is "$(old_taps)" "$before"
check "$suite: what was waiting still waits" \
    is "$(ledger "SELECT group_concat(id) FROM tap WHERE id <= 5 AND state = 'pending'")" "4,5"
check "$suite: new taps follow" test "$(ledger 'SELECT count(*) FROM tap WHERE id > 5')" -gt 0
check "$suite: the ledger is whole" is "$(ledger 'PRAGMA integrity_check')" ok
check "$suite: the ledger is the user's" has_mode /var/lib/facetap/attendance.db "644 facetap facetap"

# As on a board with a data partition: the state is a mount, the log a link, and in the state lies another mount.
inside mkdir -p /srv/data /srv/log
cp -a "$top/var/lib/facetap/." "$top/srv/data"
inside rm -r /var/log/facetap
inside ln -s /srv/log /var/log/facetap
echo kept >"$top/srv/log/old.log"
mount --bind "$top/srv/data" "$top/var/lib/facetap"
mkdir "$top/var/lib/facetap/stick"
mount -t tmpfs stick "$top/var/lib/facetap/stick"
echo kept >"$top/var/lib/facetap/stick/file"
check "$suite: it can be purged with the state on a mount" apt purge facetap
check "$suite: the ledger is gone" absent /srv/data/attendance.db /var/lib/facetap/attendance.db
check "$suite: what is mounted in the state is untouched" is "$(cat "$top/var/lib/facetap/stick/file")" kept
check "$suite: the link of the log is gone" absent /var/log/facetap
check "$suite: what it led to is untouched" is "$(cat "$top/srv/log/old.log")" kept
check "$suite: the configuration is gone" absent /etc/facetap
verdict
