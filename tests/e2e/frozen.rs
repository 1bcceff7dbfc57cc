//! Formats that other people's scripts read. What stands here is not edited: a new field may be added behind the others,
//! everything else is a promise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use facetap::base::card_status::{HeldTap, Queues, Troubled};
use facetap::watch::health::exit::LastExit;
use facetap::watch::health::state::{self, Counters, Devices, LoopState, Memory, Phase, State};
use regex::Regex;

/// `health.json` as of version 0.2.0.
const HEALTH: &str = r#"{
  "version": "0.2.0",
  "pid": 77,
  "pid_started": 4711,
  "state": "ready",
  "started": "2026-11-21T09:00:00+09:00",
  "updated": "2026-11-21T09:00:10+09:00",
  "boot_id": "b",
  "uptime_s": 10.5,
  "every_s": 1,
  "config": "/etc/facetap/config.json",
  "data_dir": "/var/lib/facetap",
  "log_file": "/var/log/facetap/facetap.log",
  "crash_file": "/var/log/facetap/crash.log",
  "loops": {
    "camera": {
      "alive": true,
      "silent_s": 0.1,
      "limit_s": 15.0,
      "restarts": 1
    }
  },
  "counters": {
    "frames": 1,
    "frames_with_face": 2,
    "frames_dropped": 3,
    "faults": 4,
    "camera_reinits": 5,
    "servo_reconnects": 6,
    "reader_reconnects": 7,
    "taps": 8,
    "taps_failed": 9,
    "delivered": 10
  },
  "queues": {
    "taps_waiting": 11,
    "taps_unrecorded": 12,
    "taps_under_way": 4,
    "log_lines": 13
  },
  "troubled": {
    "rejected": 1,
    "held_up": 1,
    "held": [
      {
        "tap": 14,
        "card": "04A1B2C3D4E5F6",
        "attempts": 3,
        "answer": "403 Forbidden"
      }
    ]
  },
  "devices": {
    "camera": true,
    "servo": false,
    "readers": 1,
    "server": "up",
    "faces": null
  },
  "memory": {
    "rss_mb": 30.5,
    "limit_mb": 400.0
  },
  "reloads": 1,
  "last_reload": "ok",
  "ended": null,
  "last_exit": {
    "reason": "SIGTERM",
    "at": "2026-11-21T08:59:00+09:00",
    "boot_id": "b",
    "memory": false,
    "clean": true,
    "started": "2026-11-20T09:00:00+09:00",
    "crash": null
  },
  "updated_boot_s": 4721.5
}"#;

fn health() -> State {
    State {
        version: "0.2.0".to_owned(),
        pid: 77,
        pid_started: 4711,
        state: Phase::Ready,
        started: "2026-11-21T09:00:00+09:00".to_owned(),
        updated: "2026-11-21T09:00:10+09:00".to_owned(),
        boot_id: "b".to_owned(),
        uptime_s: 10.5,
        every_s: 1,
        config: Some(PathBuf::from("/etc/facetap/config.json")),
        data_dir: PathBuf::from("/var/lib/facetap"),
        log_file: PathBuf::from("/var/log/facetap/facetap.log"),
        crash_file: PathBuf::from("/var/log/facetap/crash.log"),
        loops: BTreeMap::from([(
            "camera".to_owned(),
            LoopState {
                alive: true,
                silent_s: 0.1,
                limit_s: 15.0,
                restarts: 1,
            },
        )]),
        counters: Counters {
            frames: 1,
            frames_with_face: 2,
            frames_dropped: 3,
            faults: 4,
            camera_reinits: 5,
            servo_reconnects: 6,
            reader_reconnects: 7,
            taps: 8,
            taps_failed: 9,
            delivered: 10,
        },
        queues: Queues {
            taps_waiting: 11,
            taps_unrecorded: 12,
            taps_under_way: 4,
            log_lines: 13,
        },
        troubled: Troubled {
            rejected: 1,
            held_up: 1,
            held: vec![HeldTap {
                tap: 14,
                card: "04A1B2C3D4E5F6".to_owned(),
                attempts: 3,
                answer: "403 Forbidden".to_owned(),
            }],
            alarms: BTreeMap::new(),
        },
        devices: Devices {
            camera: Some(true),
            servo: Some(false),
            readers: Some(1),
            server: "up".to_owned(),
            faces: None,
        },
        memory: Memory {
            rss_mb: 30.5,
            limit_mb: 400.0,
        },
        reloads: 1,
        last_reload: Some("ok".to_owned()),
        ended: None,
        last_exit: Some(LastExit {
            reason: "SIGTERM".to_owned(),
            at: "2026-11-21T08:59:00+09:00".to_owned(),
            boot_id: "b".to_owned(),
            memory: false,
            clean: true,
            started: "2026-11-20T09:00:00+09:00".to_owned(),
            crash: None,
        }),
        updated_boot_s: Some(4721.5),
    }
}

#[test]
fn health_json_is_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("health.json");
    state::write(&file, &health()).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), HEALTH);
    std::fs::write(&file, HEALTH).unwrap();
    assert_eq!(state::read(&file).unwrap(), health());
}

/// The lines of a report in `crash.log`, each part once and in this order; a line that repeats stands for all of its kind.
const REPORT: [&str; 21] = [
    r"^==== crash \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \d+-\d+\.1$",
    r"^what: SIGSEGV \(11\), .* \(code 1\), address 0x8$",
    r"^local time: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$",
    r"^program: facetap \d+\.\d+\.\d+ \w+, build id [0-9a-f]+$",
    r"^boot id: \S+$",
    r"^uptime: \d+\.\d{3} s$",
    r"^thread: \S+ \(\d+\)$",
    r"^registers:$",
    r"^  .*0x[0-9a-f]+",
    r"^backtrace:$",
    r"^  (#\d+ 0x[0-9a-f]{16} (\+0x[0-9a-f]+ /.*|\?)|\(.*\)|\.\.\. \d+ more \.\.\.)$",
    r"^modules:$",
    r"^  [0-9a-f]+-[0-9a-f]+ ([0-9a-f]+|-) \S",
    r"^last lines of the log:$",
    r"^  .",
    r"^memory:$",
    r"^  \w+:\s",
    r"^other threads:$",
    r"^  (thread .* \(\d+\):|#\d+ 0x[0-9a-f]{16} .*|\(.*\))$",
    r"^executable mappings:$",
    r"^  [0-9a-f]+-[0-9a-f]+ .x|^  [0-9a-f]+-[0-9a-f]+ ..x",
];

/// Where the report leaves what it may be: the line, and the part that should have come. None if it is as it was.
fn first_difference(report: &str) -> Option<(String, &'static str)> {
    let patterns: Vec<Regex> = REPORT.iter().map(|p| Regex::new(p).unwrap()).collect();
    let mut at = 0;
    for line in report.lines() {
        // The same kind of line again, or the next kind; indented kinds may be absent.
        let fits = |n: usize| patterns.get(n).is_some_and(|p| p.is_match(line));
        let optional = |n: usize| REPORT.get(n).is_some_and(|p| p.starts_with("^  "));
        if at > 0 && optional(at - 1) && fits(at - 1) {
            continue;
        }
        while !fits(at) && optional(at) {
            at += 1;
        }
        if !fits(at) {
            return Some((
                line.to_owned(),
                REPORT.get(at).copied().unwrap_or("the end"),
            ));
        }
        at += 1;
    }
    (at < REPORT.len()).then(|| (String::new(), REPORT[at]))
}

fn crash_report(folder: &Path) -> String {
    let file = folder.join("crash.log");
    let _ = Command::new(crate::program::facetap())
        .args(["crash-now", "segv", "--busy", "1", "--crash-file"])
        .arg(&file)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    std::fs::read_to_string(&file).unwrap()
}

#[test]
fn a_report_in_crash_log_has_the_parts_that_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let text = crash_report(folder.path());
    let (report, end) = text.split_once("\n==== end ").unwrap();
    let key = report.lines().next().unwrap();
    assert_eq!(end.trim(), key.trim_start_matches("==== crash "));
    assert_eq!(first_difference(report), None, "{report}");
    // The check sees a part that is missing, one that is new, and one that has changed.
    for changed in [
        report.replace("boot id: ", "boot: "),
        report.replace("registers:\n", ""),
        report.replace("memory:\n", "memory:\nsurprise\n"),
    ] {
        assert!(first_difference(&changed).is_some());
    }
}
