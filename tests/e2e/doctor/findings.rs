//! One thing at a time is spoilt on a healthy board of files.

use std::sync::Arc;
use std::time::Duration;

use facetap::attend::ledger::FILE;
use facetap::base::clock::{Clock, ManualClock};
use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::json;

use super::board::{Board, CAMERA, PID, PORT};
use super::{examine, examine_at, has_all_parts};

/// What is spoilt, which finding comes of it, and a word that it has to contain.
pub struct Case {
    pub key: &'static str,
    word: &'static str,
    spoil: fn(&Board),
}

const UNIT: &str = "usr/lib/systemd/system/facetap.service";
const DATA: &str = "var/lib/facetap";
const LOG: &str = "var/log/facetap/facetap.log";

fn case(key: &'static str, word: &'static str, spoil: fn(&Board)) -> Case {
    Case { key, word, spoil }
}

fn unit(board: &Board, from: &str, to: &str) {
    board.replace(UNIT, from, to);
}

fn log(board: &Board, line: &str) {
    board.append(
        LOG,
        &format!("2026-11-21 10:00:01 - x - WARNING - {line}\n"),
    );
}

fn throttled(board: &Board, flags: &str) {
    board.write("sys/devices/platform/soc/soc:firmware/get_throttled", flags);
}

fn tap(board: &Board, state: &str, answer: &str, review: Option<&str>) {
    let db = Connection::open(board.path(DATA).join(FILE)).unwrap();
    db.execute(
        "INSERT INTO tap (uid, card, reader, local_time, utc_offset_s, utc_time, boottime_ms, boot_id, \
         clock_synchronised, idempotency_key, state, attempts, answer, last_attempt_utc, review) VALUES \
         ('04A1B2C3', 'felica', 'R', '2026-01-01T09:00:00', 32400, '2026-01-01T00:00:00.000000Z', 1, 'b', 1, \
         'k', ?1, 1, ?2, '2026-01-01T00:00:01.000000Z', ?3)",
        (state, answer, review),
    )
    .unwrap();
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    vec![
        case("os-untested", "Arch", |b| b.write("etc/os-release", "ID=arch\nVERSION_ID=1\nPRETTY_NAME=Arch")),
        case("load-high", "9.5", |b| b.write("proc/loadavg", "1 5 9.5 1/2 3")),
        case("memory-low", "of 3956 MB", |b| b.replace("proc/meminfo", "3100000", "200000")),
        case("service-large", "586 MB", |b| b.replace(&format!("proc/{PID}/status"), "120000", "600000")),
        case("swap-on-card", "/var/swap", |b| b.append("proc/swaps", "/var/swap file 1 0 -2\n")),
        case("folder-missing", "/var/log/facetap", |b| b.remove("var/log/facetap")),
        case("disk-read-only", "/var/lib/facetap", |b| b.replace("proc/self/mounts", "rw,noatime", "ro")),
        case("disk-in-memory", "overlay", |b| b.append("proc/self/mounts", "overlay /var/lib overlay rw 0 0\n")),
        case("log-in-memory", "tmpfs", |b| b.append("proc/self/mounts", "log /var/log tmpfs rw 0 0\n")),
        case("folder-forbidden", "user facetap", |b| b.mode(DATA, 0o700)),
        case("files-forbidden", "attendance.lock", |b| b.locked("var/lib/facetap/attendance.lock")),
        case("files-forbidden", "attendance.reserve", |b| b.mode("var/lib/facetap/attendance.reserve", 0o600)),
        case("files-forbidden", "last-exit.json", |b| b.locked("var/lib/facetap/last-exit.json")),
        case("files-forbidden", "camera_delay.json", |b| b.locked("var/lib/facetap/camera_delay.json")),
        case("files-forbidden", "facetap.log", |b| b.mode(LOG, 0o400)),
        case("files-forbidden", "crash.log", |b| b.locked("var/log/facetap/crash.log")),
        case("reserve-missing", "room", |b| b.remove("var/lib/facetap/attendance.reserve")),
        case("card-worn", "10 tenths", |b| b.write("sys/block/mmcblk0/device/life_time", "0x01 0x0A")),
        case("log-debug", "DEBUG", |b| b.configure("/log/level", json!("DEBUG"))),
        case("hot", "83.2", |b| b.write("sys/class/thermal/thermal_zone0/temp", "83200")),
        case("undervoltage", "0x50005", |b| throttled(b, "50005\n")),
        case("undervoltage-before", "0x10000", |b| throttled(b, "10000\n")),
        case("throttled", "0x4", |b| throttled(b, "4\n")),
        case("kernel-unreadable", "kernel", |b| b.remove("var/log/kern.log")),
        case("disk-failing", "mmcblk0", |b| b.append("var/log/kern.log", "I/O error, dev mmcblk0, sector 8 op 0x1\n")),
        case("out-of-memory", "chromium", |b| b.append("var/log/kern.log", "Out of memory: Killed process 77 (chromium)\n")),
        case("over-memory-limit", "(facetap)", |b| b.append("var/log/kern.log", "Memory cgroup out of memory: Killed process 77 (facetap)\n")),
        case("usb-faults", "over-current", |b| b.append("var/log/kern.log", "usb 1-1: over-current change #2\n")),
        case("config-invalid", "camara", |b| b.configure("/camara", json!({}))),
        case("config-absent", "no configuration", |b| b.remove("etc/facetap/config.json")),
        case("secret-open", "/etc/facetap/token", |b| b.mode("etc/facetap/token", 0o644)),
        case("named-file-unusable", "auth_token_file", |b| b.remove("etc/facetap/token")),
        case("roster-unusable", "roster.csv", |b| b.write("etc/facetap/roster.csv", "rubbish\n".repeat(300_000))),
        case("roster-no-card", "tapped", |b| tap(b, "delivered", "200", None)),
        case("roster-disputed", "lines 2 and 3", |b| b.append("etc/facetap/roster.csv", "04A1B2C3D4E5F6,Somebody\n")),
        case("roster-lines", "1 lines", |b| b.append("etc/facetap/roster.csv", "4.01E+13,Somebody\n")),
        case("camera-absent", CAMERA, |b| b.remove(CAMERA)),
        case("camera-forbidden", "/dev/video0", |b| b.mode("dev/video0", 0o600)),
        case("camera-held", "cheese (99)", |b| b.process(99, "cheese", "/dev/video0")),
        case("camera-bare-name", "a number", |b| b.configure("/camera/source", json!(0))),
        case("rpicam-absent", "rpicam-vid", |b| b.configure("/camera/source", json!("rpicam"))),
        case("rpicam-sandbox", "char-media", |b| {
            b.configure("/camera/source", json!("rpicam"));
            b.write("usr/bin/rpicam-vid", "");
        }),
        case("port-absent", PORT, |b| b.remove(PORT)),
        case("port-forbidden", "/dev/ttyACM0", |b| b.mode("dev/ttyACM0", 0o600)),
        case("port-held", "minicom (77)", |b| b.process(77, "minicom", "/dev/ttyACM0")),
        case("port-console", "/dev/ttyACM0", |b| b.write("sys/class/tty/console/active", "tty0 ttyACM0\n")),
        case("port-bare-name", "/dev/ttyACM0", |b| b.configure("/servo/port", json!("/dev/ttyACM0"))),
        case("port-latency", "16 ms", |b| b.write("sys/bus/usb-serial/devices/ttyACM0/latency_timer", "16\n")),
        case("modem-manager", "ModemManager", |b| {
            b.remove("usr/lib/udev/rules.d/60-facetap.rules");
            b.process(66, "ModemManager", "/dev/null");
        }),
        case("brltty", "CH340", |b| {
            b.plug("1-3", "1a86", "7523", "ch341");
            b.write("usr/bin/brltty", "");
        }),
        case("reader-held-by-kernel", "pn533_usb", |b| b.plug("1-4", "072f", "2200", "pn533_usb")),
        case("reader-rc-s380", "RC-S380", |b| b.plug("1-4", "054c", "06c1", "port100")),
        case("pcscd-absent", "pcscd", |b| b.remove("usr/sbin/pcscd")),
        case("reader-driver-absent", "libccid", |b| b.remove("usr/lib/pcsc/drivers")),
        case("pcscd-stopped", "nothing would start it", |b| b.remove("run/pcscd/pcscd.comm")),
        case("polkit-rule-absent", "facetap", |b| b.remove("usr/share/polkit-1/rules.d/facetap-pcsc.rules")),
        case("clock-unsynchronised", "no time server", |b| b.remove("run/systemd/timesync/synchronized")),
        case("clock-chip-absent", "clock chip", |b| b.remove("sys/class/rtc")),
        case("clock-chip-unset", "clock chip", |b| b.write("sys/class/rtc/rtc0/since_epoch", "60\n")),
        case("clock-zone-lost", "/usr/share/zoneinfo/Asia/Tokyo, which is not there", |b| {
            b.remove("usr/share/zoneinfo/Asia/Tokyo");
        }),
        case("clock-zone-unset", "Etc/UTC", |b| {
            b.remove("etc/localtime");
            b.link("etc/localtime", "/usr/share/zoneinfo/Etc/UTC");
        }),
        case("server-none", "server_url", |b| b.configure("/server_url", json!(null))),
        case("ledger-absent", "attendance.db", |b| b.remove("var/lib/facetap/attendance.db")),
        case("ledger-forbidden", "attendance.db", |b| b.mode("var/lib/facetap/attendance.db", 0o600)),
        case("ledger-damaged", "attendance.db", |b| {
            tap(b, "delivered", "200", None);
            let file = b.path("var/lib/facetap/attendance.db");
            let mut bytes = std::fs::read(&file).unwrap();
            // Everything but the header and the list of tables.
            bytes[4096..].fill(0x5a);
            std::fs::write(file, bytes).unwrap();
        }),
        case("ledger-was-damaged", "damaged-1", |b| b.write("var/lib/facetap/attendance.db.damaged-1", "")),
        case("taps-denied", "401", |b| tap(b, "pending", "401 who are you", None)),
        case("taps-waiting", "1 taps", |b| tap(b, "pending", "500 later", None)),
        case("taps-rejected", "1 taps", |b| tap(b, "rejected", "400", None)),
        case("taps-to-review", "1 taps", |b| tap(b, "delivered", "200", Some("no-face"))),
        case("service-gone", "not there", |b| b.remove(&format!("proc/{PID}"))),
        case("health-absent", "health file", |b| {
            b.remove("run/facetap/health.json");
            b.write("var/lib/facetap/attendance.lock", PID.to_string());
        }),
        case("health-stale", "s old", |b| b.health("/updated", json!("2026-01-01T00:00:00Z"))),
        case("run-folder-missing", "/run/facetap", |b| {
            b.remove("run/facetap");
            b.write("var/lib/facetap/attendance.lock", PID.to_string());
        }),
        case("loop-ended", "camera", |b| b.health("/loops/camera/alive", json!(false))),
        case("loop-silent", "for 25 s (20 s", |b| b.health("/loops/camera/silent_s", json!(25))),
        case("loop-restarted", "camera", |b| b.health("/loops/camera/restarts", json!(2))),
        case("reconnects", "camera_reinits", |b| b.health("/counters/camera_reinits", json!(57))),
        case("exit-memory", "leak", |b| {
            b.health("/last_exit/memory", json!(true));
            b.health("/last_exit/reason", json!("a leak"));
        }),
        case("exit-unclean", "SIGTERM", |b| b.health("/last_exit/clean", json!(false))),
        case("exit-power", "power", |b| {
            // As the service itself would have left it.
            b.write("var/lib/facetap/last-exit.json", json!({
                "boot_id": "another", "pid": 1, "started": "", "alive": "2026-11-20T10:00:00+09:00",
            }).to_string());
            b.remove(&format!("proc/{PID}"));
        }),
        case("unit-absent", "facetap.service", |b| b.remove(UNIT)),
        case("unit-restart", "on-failure", |b| unit(b, "Restart=always", "Restart=on-failure")),
        case("unit-start-limit", "StartLimitIntervalSec", |b| unit(b, "StartLimitIntervalSec=0\n", "")),
        case("unit-watchdog-off", "WatchdogSec=0", |b| unit(b, "WatchdogSec=20\n", "")),
        case("memory-limit-inert", "MemoryMax=70%", |b| b.write("sys/fs/cgroup/cgroup.controllers", "cpu io pids")),
        case("unit-memory-unlimited", "MemoryMax", |b| unit(b, "MemoryMax=70%\n", "")),
        case("cores", "LimitCORE=0", |_| {}),
        case("unit-disabled", "boot", |b| b.remove("etc/systemd/system/multi-user.target.wants/facetap.service")),
        case("user-unknown", "facetap", |b| b.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n")),
        case("group-unknown", "gpio", |b| b.replace("etc/group", "gpio", "other")),
        case("watchdog-absent", "hardware watchdog", |b| b.remove("sys/class/watchdog")),
        case("watchdog-off", "Broadcom", |b| b.write("sys/class/watchdog/watchdog0/state", "inactive\n")),
        case("journal-volatile", "Storage=auto", |b| b.remove("var/log/journal")),
        case("log-silent", "facetap.log", |b| b.remove(LOG)),
        case("log-failures", "1 of the last", |b| b.append(LOG, "2026-11-21 10:00:01 - x - ERROR - bad\n")),
        case("log-alarm", "[MEMORY_LEAK_ALERT]", |b| log(b, "[MEMORY_LEAK_ALERT] RSS 2 MB/h")),
        case("clock-jumped", "-86400.0 s", |b| log(b, "the clock was set by -86400.0 s, and no time server vouches")),
        case("crashed", "SIGSEGV", |b| b.write("var/log/facetap/crash.log", "==== crash 1\nwhat: SIGSEGV (11)\nthread: x\n")),
    ]
}

#[test]
fn each_is_found_and_told_in_three_parts() {
    let mut failures = Vec::new();
    for Case { key, word, spoil } in cases() {
        let board = Board::new();
        spoil(&board);
        let findings = examine(&board);
        match findings.iter().find(|f| f.key == key) {
            Some(finding) => {
                has_all_parts(finding);
                if !finding.what.contains(word) {
                    failures.push(format!("{key}: no \"{word}\" in {}", finding.what));
                }
            }
            None => failures.push(format!("{key}: only {findings:#?}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_crash_file_that_was_put_aside_counts_and_what_is_no_report_does_not() {
    const REPORT: &str = "==== crash 1\nwhat: SIGSEGV (11)\nthread: x\n";
    let crashed = |make: fn(&Board)| {
        let board = Board::new();
        make(&board);
        let findings = examine_at(&board, None);
        findings.into_iter().find(|f| f.key == "crashed")
    };
    let aside = crashed(|b| {
        b.write("var/log/facetap/crash.log", "");
        b.write("var/log/facetap/crash.log.1", REPORT);
    });
    let aside = aside.expect("a finding");
    assert!(
        aside.what.contains("SIGSEGV") && aside.mend.contains("crash.log.1"),
        "{aside:?}"
    );
    // Nobody tells where it is: in the data folder, where the log's could not be written.
    let instead = crashed(|b| {
        b.remove("run/facetap/health.json");
        b.write("var/lib/facetap/crash.log", REPORT);
    });
    let instead = instead.expect("a finding");
    assert!(
        instead.mend.contains("lib/facetap/crash.log"),
        "{instead:?}"
    );
    // A folder in its place is no crash, and of a report that was cut off there is nothing to tell.
    assert!(crashed(|b| b.write("var/log/facetap/crash.log/file", "x")).is_none());
    let cut = crashed(|b| b.write("var/log/facetap/crash.log", "==== cra")).expect("a finding");
    assert!(!cut.what.ends_with([':', ' ']), "{cut:?}");
}

#[test]
fn a_clock_that_was_never_set_and_a_crash_of_long_ago_are_told() {
    let board = Board::new();
    board.write("var/log/facetap/crash.log", "[CRASH] signal: SIGSEGV\n");
    let at = |wall: Timestamp| {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Duration::from_secs(60), wall));
        let findings = examine_at(&board, Some(clock));
        findings.into_iter().map(|f| f.key).collect::<Vec<_>>()
    };
    assert!(at(Timestamp::UNIX_EPOCH).contains(&"clock-wrong"));
    let later = Timestamp::now().as_second() + 90 * 86_400;
    let keys = at(Timestamp::from_second(later).unwrap());
    assert!(
        keys.contains(&"crashed-long-ago") && !keys.contains(&"clock-wrong"),
        "{keys:?}"
    );
}

#[test]
fn only_disks_below_the_service_count_as_failing() {
    let said = |line: &str| {
        let board = Board::new();
        board.append("var/log/kern.log", &format!("{line}\n"));
        let findings = examine(&board);
        findings.iter().any(|f| f.key == "disk-failing")
    };
    for line in [
        "mmcblk0: error -110 sending status command, retrying",
        "Aborting journal on device mmcblk0p2-8.",
        "JBD2: Detected IO errors while flushing file data on mmcblk0p2-8",
        "mmc0: Timeout waiting for hardware interrupt.",
        "Buffer I/O error on dev mmcblk0p1, logical block 2",
    ] {
        assert!(said(line), "{line}");
    }
    for line in [
        "mmc1: Timeout waiting for hardware interrupt.",
        "mmc2: error -110 whilst initialising SD card",
        "I/O error, dev fd0, sector 0 op 0x0:(READ) flags 0x0",
        "Buffer I/O error on dev sr0, logical block 0, async page read",
        "device offline error, dev sda, sector 8 op 0x0:(READ)",
        "EXT4-fs (loop3): Remounting filesystem read-only",
        "EXT4-fs (sdb1): I/O error while writing superblock",
        "nvme nvme0: I/O 12 QID 4 timeout, aborting",
    ] {
        assert!(!said(line), "{line}");
    }
}

#[test]
fn what_a_demonstration_has_left_is_not_told_of_the_service() {
    let board = Board::new();
    board.health("/data_dir", json!("/tmp/facetap-demo-Xy7"));
    board.health("/updated", json!("2026-01-01T00:00:00Z"));
    board.health("/pid", json!(99));
    // The service itself runs, and has its own health file nowhere that could be seen.
    board.write("var/lib/facetap/attendance.lock", PID.to_string());
    let keys: Vec<_> = examine(&board).iter().map(|f| f.key).collect();
    assert!(
        !keys.contains(&"health-stale") && !keys.contains(&"service-gone"),
        "{keys:?}"
    );
    assert!(keys.contains(&"health-absent"), "{keys:?}");
}
