//! The clock: who vouches for it, and whether it survives a power cut.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use jiff::Timestamp;

use crate::attend::ledger::stamp::Sync;
use crate::attend::zone::{is_universal, lost};
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;
use crate::tools::doctor::root::Root;
use crate::{finding, say};

/// 2025-01-01: a clock that claims less has not been set at all.
const EARLIEST: i64 = 1_735_689_600;

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// What the clock says.
    pub now: Option<Timestamp>,
    /// The time zone that the board is set to; none if its files do not name it.
    pub zone: Option<String>,
    /// Why that zone cannot be found, on the board or in the environment of the service.
    pub no_zone: Option<String>,
    /// Whether timesyncd or the kernel vouches for the clock.
    pub synchronised: bool,
    /// Whether a time daemon runs.
    pub daemon: bool,
    /// What the clock chip says, in seconds since 1970; none without one.
    pub chip: Option<i64>,
}

impl Facts {
    /// Looks.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let root = &machine.root;
        let live = root.is_live().then(Sync::now);
        let by_file = root.exists("/run/systemd/timesync/synchronized");
        let folders = ["/run/systemd/timesync", "/run/chrony", "/run/ntpd.pid"];
        let wall = machine.clock.wall();
        Self {
            zone: zone(root),
            no_zone: lost(environment(machine).as_deref(), &root.path("/")),
            now: Some(wall.timestamp()),
            synchronised: live.map_or(by_file, |s| s.vouches()),
            daemon: folders.iter().any(|f| root.exists(f)),
            chip: root
                .names("/sys/class/rtc")
                .iter()
                .find_map(|rtc| root.number(format!("/sys/class/rtc/{rtc}/since_epoch"))),
        }
    }
}

/// `TZ` in the environment of the service: that which runs, or else as its unit is given it.
fn environment(machine: &Machine) -> Option<OsString> {
    let root = &machine.root;
    let running = machine.pid().filter(|_| root.is_live());
    let environment = running.and_then(|pid| std::fs::read(format!("/proc/{pid}/environ")).ok());
    match environment {
        Some(variables) => (variables.split(|byte| *byte == 0))
            .find_map(|variable| variable.strip_prefix(b"TZ="))
            .map(|zone| OsStr::from_bytes(zone).to_owned()),
        None if root.is_live() => std::env::var_os("TZ"),
        None => None,
    }
}

/// The name of the board's time zone: that of the zone which `/etc/localtime` leads to, or that in `/etc/timezone` where
/// it is a copy. Without both it is UTC, as for the C library.
fn zone(root: &Root) -> Option<String> {
    if let Ok(to) = root.path("/etc/localtime").read_link() {
        let to = to.to_string_lossy();
        return to.split_once("zoneinfo/").map(|(_, name)| name.to_owned());
    }
    let absent = || (!root.exists("/etc/localtime")).then(|| "UTC".to_owned());
    root.text("/etc/timezone").or_else(absent)
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(now) = facts.now.filter(|n| n.as_second() < EARLIEST) {
        found.push(finding!(
            Problem, "clock-wrong",
            what: "the clock says {now:.0}",
                  "時計が {now:.0} を示しています",
            why: "it was never set; taps are kept with times that have to be corrected later",
                 "時計が設定されておらず、記録の時刻は後で補正が必要です",
            mend: "sudo timedatectl set-ntp true; timedatectl timesync-status",
        ));
    } else if !facts.synchronised {
        let mend = if facts.daemon {
            say!(
                "timedatectl timesync-status    # names the server; chronyc tracking with chrony (see dropins/chrony.conf)",
                "timedatectl timesync-status    # サーバーを表示（chrony の場合は chronyc tracking。dropins/chrony.conf 参照）"
            )
        } else {
            "sudo apt install systemd-timesyncd; sudo timedatectl set-ntp true".to_owned()
        };
        found.push(finding!(
            Warning, "clock-unsynchronised",
            what: if facts.daemon {
                say!(
                    "a time daemon runs, but has reached no time server since the start of the board",
                    "時刻同期デーモンは動作中ですが、起動後まだ時刻サーバーと同期していません"
                )
            } else {
                say!("no time daemon runs", "時刻同期デーモンが動いていません")
            },
            why: "taps go out marked as uncertain, and the clock drifts by minutes a month",
                 "記録は「不確か」な時刻で送信され、時計は月に数分ずれます",
            mend: mend,
        ));
    }
    match facts.chip {
        None => found.push(finding!(
            Note, "clock-chip-absent",
            what: "the board has no clock chip",
                  "時計チップ (RTC) がありません",
            why: "after a power cut the time is that of the last run until a time server answers; taps wait ten minutes for it",
                 "停電後は時刻サーバーと同期するまで時刻が不正確です（記録は 10 分間同期を待ちます）",
            mend: "nothing, where a time server is always there; else a DS3231 and dtoverlay=i2c-rtc,ds3231",
                  "時刻サーバーに常時接続できれば不要。できなければ DS3231 と dtoverlay=i2c-rtc,ds3231",
        )),
        Some(chip) if chip < EARLIEST => found.push(finding!(
            Note, "clock-chip-unset",
            what: "the clock chip was never set, or has no cell",
                  "時計チップが未設定か、電池がありません",
            why: "it does not keep the time over a power cut",
                 "停電時に時刻を保持できません",
            mend: "sudo hwclock --systohc    # on a Pi 5 also a cell at the connector BAT, and dtparam=rtc_bbat_vchg=3000000",
                  "sudo hwclock --systohc    # Pi 5 では BAT 端子の電池と dtparam=rtc_bbat_vchg=3000000 も必要",
        )),
        Some(_) => {}
    }
    if let Some(why) = &facts.no_zone {
        found.push(finding!(
            Problem, "clock-zone-lost",
            what: "the time zone cannot be found: {why}",
                  "タイムゾーンが見つかりません: {why}",
            why: "the server gets times that are hours off, and everybody reads them",
                 "サーバーと画面・記録の時刻が何時間もずれます",
            mend: "sudo apt install tzdata; sudo timedatectl set-timezone Asia/Tokyo; sudo systemctl restart facetap    # and correct TZ where it is set",
                  "sudo apt install tzdata; sudo timedatectl set-timezone Asia/Tokyo; sudo systemctl restart facetap    # TZ を設定している場合は修正",
        ));
    }
    if let Some(zone) = facts.zone.as_deref().filter(|z| is_universal(z)) {
        found.push(finding!(
            Note, "clock-zone-unset",
            what: "the time zone is {zone}",
                  "タイムゾーンが {zone} です",
            why: "log, list and spreadsheet show these times, and a day begins with them: at nine in the morning in Japan",
                 "ログ・一覧・表計算の時刻と日付の区切りがこれに従います（日本では午前 9 時に日付が変わります）",
            mend: "sudo timedatectl set-timezone Asia/Tokyo; sudo systemctl restart facetap    # timedatectl list-timezones names them all",
                  "sudo timedatectl set-timezone Asia/Tokyo; sudo systemctl restart facetap    # 一覧: timedatectl list-timezones",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_zone_is_that_of_the_board_however_it_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::below(dir.path());
        let etc = dir.path().join("etc");
        fs::create_dir(&etc).unwrap();
        assert_eq!(zone(&root).as_deref(), Some("UTC"));
        fs::write(etc.join("localtime"), "TZif").unwrap();
        assert_eq!(zone(&root), None);
        fs::write(etc.join("timezone"), "Asia/Tokyo\n").unwrap();
        assert_eq!(zone(&root).as_deref(), Some("Asia/Tokyo"));
        fs::remove_file(etc.join("localtime")).unwrap();
        symlink("../usr/share/zoneinfo/Etc/UTC", etc.join("localtime")).unwrap();
        assert_eq!(zone(&root).as_deref(), Some("Etc/UTC"));
    }
}
