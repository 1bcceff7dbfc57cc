//! `facetap attendance` on ledgers as the service leaves them.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use facetap::ledger::{FILE, Ledger};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{Scene, facetap, wait_until};

/// Nobody's user number on every Debian.
const NOBODY: u32 = 65_534;

/// A scene with a ledger of the service's own making and a configuration.
fn scene() -> (Scene, Connection) {
    let scene = Scene::new();
    let data = scene.path("data");
    drop(Ledger::open(&data).unwrap());
    let db = Connection::open(data.join(FILE)).unwrap();
    save(&scene);
    (scene, db)
}

fn save(scene: &Scene) {
    std::fs::write(scene.path("config.json"), scene.config.to_string()).unwrap();
}

/// Five taps of the 21st of November 2026 in Japan, one of each kind, and two that were not counted.
fn fill(db: &Connection) {
    db.execute_batch(
        "INSERT INTO tap (uid, card, reader, local_time, utc_offset_s, utc_time, boottime_ms, boot_id, \
         clock_synchronised, idempotency_key, state, attempts, answer, name, clock, faces, \
         nearest_face_ms, review, last_attempt_utc, settled_utc) VALUES
         ('04A1B2C3', 'mifare-ultralight', 'Reader 1', '2026-11-21T09:00:05.123456', 32400, \
          '2026-11-21T00:00:05.123456Z', 1, 'b', 1, 'k1', 'delivered', 1, '200 success', '山田 太郎', \
          'synchronised', 1, 3400, NULL, '2026-11-21T00:00:06.000000Z', '2026-11-21T00:00:06.100000Z'),
         ('01020304', 'felica', 'Reader 1', '2026-11-21T09:10:00', 32400, '2026-11-21T00:10:00.000000Z', \
          2, 'b', 1, 'k2', 'rejected', 2, '400 =bad', '=SUM(A1)', 'corrected', 0, NULL, 'no-face', \
          '2026-11-21T00:11:00.000000Z', '2026-11-21T00:11:01.000000Z'),
         ('012E44A7A5185C01', 'felica', 'R', '1970-01-01T09:00:10', 32400, '1970-01-01T00:00:10.000000Z', \
          3, 'b', 0, 'k3', 'pending', 0, NULL, NULL, 'uncertain', NULL, NULL, NULL, NULL, NULL),
         ('04A1B2C4', 'felica', 'R', '2026-11-21T02:30:00', 0, '2026-11-21T02:30:00.000000Z', \
          4, 'b', 1, 'k4', 'rejected', 1, '200 duplicate', '𠮷野', 'synchronised', 2, 500, \
          'unexpected-duplicate', '2026-11-21T02:30:01.000000Z', '2026-11-21T02:30:02.000000Z'),
         ('012E44A7A5185C01', 'felica', 'R', '2026-11-22T09:00:00', 32400, '2026-11-22T00:00:00.000000Z', \
          5, 'b', 0, 'k5', 'pending', 0, NULL, NULL, 'held', NULL, NULL, NULL, NULL, NULL);
         INSERT INTO uncounted (outcome, after_tap, uid, name, reader, local_time, utc_offset_s, utc_time, \
         why) VALUES
         ('repeat', 1, '04A1B2C3', '山田 太郎', 'Reader 1', '2026-11-21T09:00:20', 32400, \
          '2026-11-21T00:00:20.000000Z', NULL),
         ('refused', 1, '08010203', NULL, 'Reader 1', '2026-11-21T09:01:00', 32400, \
          '2026-11-21T00:01:00.000000Z', 'a phone');",
    )
    .unwrap();
}

fn command(scene: &Scene, args: &[&str]) -> Command {
    let mut command = facetap();
    command
        .arg("attendance")
        .args(args)
        .arg("--config")
        .arg(scene.path("config.json"))
        .env("TZ", "JST-9")
        .current_dir(scene.dir.path());
    command
}

fn run(scene: &Scene, args: &[&str]) -> Output {
    command(scene, args).output().unwrap()
}

/// What a command printed; it has to succeed.
fn said(scene: &Scene, args: &[&str]) -> String {
    let output = run(scene, args);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

fn complaint(output: &Output, status: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{said}");
    said
}

/// Numbers in the first column of a list.
fn numbers(list: &str) -> Vec<&str> {
    list.lines()
        .skip(1)
        .map(|l| l.split(' ').next().unwrap())
        .collect()
}

#[test]
fn the_list_shows_who_when_and_what_became_of_it() {
    let (scene, db) = scene();
    fill(&db);
    let list = said(&scene, &["list"]);
    assert_eq!(numbers(&list), ["1", "2", "3", "4", "5"]);
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[1].contains("2026-11-21 09:00:05  ") && lines[1].contains("山田 太郎"));
    assert!(lines[2].contains("09:10:00~") && lines[2].contains("rejected: 400 =bad"));
    assert!(lines[3].contains("1970-01-01 09:00:10?"), "{list}");
    assert!(lines[4].contains("2026-11-21 02:30:00+00:00  "), "{list}");
    assert!(lines[5].contains("09:00:00…"), "{list}");

    let all = said(&scene, &["list", "--all"]);
    assert_eq!(numbers(&all), ["1", "-", "-", "2", "3", "4", "5"]);
    assert!(all.contains("refused: a phone"), "{all}");
    for (option, want) in [
        ("--pending", &["3", "5"][..]),
        ("--rejected", &["2", "4"]),
        ("--review", &["2", "4"]),
        ("--limit=2", &["4", "5"]),
        ("--since=2026-11-22", &["5"]),
        ("--until=2026-11-21T09:05", &["1", "3"]),
    ] {
        assert_eq!(numbers(&said(&scene, &["list", option])), want, "{option}");
    }
    // A tap of 1970 may belong to any day.
    let day = run(
        &scene,
        &["list", "--since=2026-11-21", "--until=2026-11-21"],
    );
    assert_eq!(
        numbers(&String::from_utf8_lossy(&day.stdout)),
        ["1", "2", "4"]
    );
    assert!(complaint(&day, 0).contains("the time of 2 taps"), "{day:?}");
}

#[test]
fn the_roster_names_cards_after_the_fact_and_the_rest_is_listed() {
    let (mut scene, db) = scene();
    fill(&db);
    let roster = scene.path("roster.csv");
    // CP932, as a Japanese spreadsheet program saves it.
    std::fs::write(
        &roster,
        b"\x83J\x81[\x83h,\x8e\x81\x96\xbc\r\n04A1B2C3,\x8eR\x93c\r\n",
    )
    .unwrap();
    scene = scene.set("attendance", json!({"roster": roster}));
    save(&scene);
    let list = said(&scene, &["list"]);
    assert!(
        list.contains("山田 太郎"),
        "the name at the tap stays: {list}"
    );
    assert_eq!(list.matches("(unknown)").count(), 2, "{list}");
    let unknown = said(&scene, &["list", "--unknown"]);
    let line = unknown.lines().nth(1).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(
        words,
        [
            "012E44A7A5185C01",
            "2",
            "1970-01-01",
            "09:00:10",
            "2026-11-22",
            "09:00:00"
        ]
    );
    let status: Value = serde_json::from_str(&said(&scene, &["status", "--json"])).unwrap();
    assert_eq!(status["unknown_cards"], 1);

    std::fs::write(&roster, "012e44a7a5185c01;Suzuki\n").unwrap();
    assert!(said(&scene, &["list"]).contains("Suzuki"));
    let none = run(&scene, &["list", "--unknown"]);
    assert!(none.stdout.is_empty() && complaint(&none, 0).contains("no unknown cards"));

    std::fs::remove_file(&roster).unwrap();
    let without = run(&scene, &["list"]);
    assert!(complaint(&without, 0).contains("roster.csv"));
    assert_eq!(numbers(&String::from_utf8_lossy(&without.stdout)).len(), 5);
}

#[test]
fn status_tells_everything_in_numbers() {
    let (scene, db) = scene();
    fill(&db);
    let status: Value = serde_json::from_str(&said(&scene, &["status", "--json"])).unwrap();
    for (key, want) in [
        ("pending", json!(2)),
        ("held", json!(1)),
        ("delivered", json!(1)),
        ("rejected", json!(2)),
        ("review", json!(2)),
        ("repeats", json!(1)),
        ("refused", json!(1)),
        ("unknown_cards", Value::Null),
        ("service_running", json!(false)),
        ("last_delivery", json!("2026-11-21T00:00:06.100000Z")),
        ("next_number", json!(6)),
    ] {
        assert_eq!(status[key], want, "{key}");
    }
    assert_eq!(status["oldest_pending"]["number"], 3);
    assert_eq!(status["last_answer"]["answer"], "200 duplicate");
    let text = said(&scene, &["status"]);
    assert!(
        text.contains("not running") && text.contains("2 (1 held"),
        "{text}"
    );

    let scene = scene.set("language", json!("ja"));
    save(&scene);
    let text = said(&scene, &["status"]);
    assert!(text.contains("未送信") && text.contains("停止中"), "{text}");
}

#[test]
fn a_csv_opens_in_a_japanese_spreadsheet_program() {
    let (scene, db) = scene();
    fill(&db);
    let text = said(&scene, &["export", "--format", "csv"]);
    assert!(text.starts_with("\u{feff}number,time,utc,offset,card,type,name,"));
    assert_eq!(text.matches('\n').count(), 6);
    assert_eq!(text.matches("\r\n").count(), 6);
    let first = text.lines().nth(1).unwrap();
    assert_eq!(
        first,
        "1,2026-11-21 09:00:05,2026-11-21T00:00:05.123456Z,UTC+09:00,04A1B2C3,mifare-ultralight,山田 太郎,yes,\
         Reader 1,counted,synchronised,1,3.4,delivered,1,200 success,,,04:A1:B2:C3"
    );
    let second = text.lines().nth(2).unwrap();
    assert!(
        second.contains(",'=SUM(A1),") && second.ends_with(",01:02:03:04"),
        "{second}"
    );

    let file = scene.path("november.csv");
    std::fs::write(&file, "older").unwrap();
    let args = [
        "export",
        "--format=csv",
        "--encoding=cp932",
        "--all",
        "--output",
        "november.csv",
    ];
    let output = run(&scene, &args);
    assert!(complaint(&output, 0).contains("〓: 1"), "{output:?}");
    let bytes = std::fs::read(&file).unwrap();
    assert!(bytes.starts_with(b"number,"), "no mark");
    let holds = |part: &[u8]| bytes.windows(part.len()).any(|w| w == part);
    assert!(holds(b",\x8eR\x93c \x91\xbe\x98Y,"), "山田 太郎");
    assert!(holds(b",\x81\xac\x96\xec,"), "〓野");
    assert_eq!(bytes.iter().filter(|b| **b == b'\n').count(), 8);
    let left: Vec<_> = std::fs::read_dir(scene.dir.path())
        .unwrap()
        .filter(|e| {
            e.as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .contains("export")
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn json_has_the_same_facts() {
    let (scene, db) = scene();
    assert_eq!(said(&scene, &["export", "--format", "json"]), "[]\n");
    fill(&db);
    let text = said(&scene, &["export", "--format", "json", "--all"]);
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(
        rows[0],
        json!({"number": 1, "time": "2026-11-21T09:00:05.123456", "utc": "2026-11-21T00:00:05.123456Z",
            "offset": "+09:00", "card": "04A1B2C3", "type": "mifare-ultralight", "name": "山田 太郎",
            "known": true, "reader": "Reader 1", "outcome": "counted", "clock": "synchronised", "faces": 1,
            "nearest_face_s": 3.4, "state": "delivered", "attempts": 1, "answer": "200 success",
            "review": null, "note": null})
    );
    let outcomes: Vec<_> = rows
        .iter()
        .map(|r| r["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(
        outcomes,
        [
            "counted", "repeat", "refused", "counted", "counted", "counted", "counted"
        ]
    );
    assert_eq!(rows[2]["note"], "a phone");
    assert_eq!(rows[3]["name"], "=SUM(A1)", "a program runs no formulas");
}

/// Many taps, as fast as SQLite makes them.
fn fill_many(db: &Connection, count: usize) {
    db.execute_batch(&format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count}) \
         INSERT INTO tap (uid, card, reader, local_time, utc_offset_s, utc_time, boottime_ms, boot_id, \
         clock_synchronised, idempotency_key, clock, name) \
         SELECT printf('04%06X', n), 'felica', 'Reader', '2026-11-21T09:00:00', 32400, \
         '2026-11-21T00:00:00.000000Z', n, 'b', 1, n, 'synchronised', '山田 太郎' FROM n;"
    ))
    .unwrap();
}

/// Greatest resident memory of a process so far, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_hundred_thousand_rows_need_no_memory() {
    let (scene, db) = scene();
    fill_many(&db, 100_000);
    for format in ["csv", "json"] {
        let mut child = command(&scene, &["export", "--format", format])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdout.take().unwrap();
        let mut begin = vec![0; 1 << 20];
        pipe.read_exact(&mut begin).unwrap();
        // The pipe holds less than what is left: the process still lives, and waits for us.
        let before = peak_kib(child.id());
        let mut middle = vec![0; 10 << 20];
        pipe.read_exact(&mut middle).unwrap();
        let grown = peak_kib(child.id()) - before;
        assert!(
            grown < 3 << 10,
            "{format}: {grown} KiB for 10 MiB of output"
        );
        let mut end = Vec::new();
        pipe.read_to_end(&mut end).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let rows = [begin, middle, end]
            .iter()
            .flatten()
            .filter(|b| **b == b'\n')
            .count();
        assert_eq!(rows, 100_000 + if format == "csv" { 1 } else { 2 });
    }
}

#[test]
fn a_reader_who_goes_away_is_no_failure() {
    let (scene, db) = scene();
    fill_many(&db, 20_000);
    for args in [
        &["export", "--format=csv"][..],
        &["export", "--format=json"],
        &["list", "--limit=20000"],
    ] {
        let mut child = command(&scene, args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdout.take().unwrap();
        pipe.read_exact(&mut [0; 100]).unwrap();
        drop(pipe);
        assert_eq!(complaint(&child.wait_with_output().unwrap(), 0), "");
    }
}

#[test]
fn rejected_taps_are_sent_again_when_a_person_says_so() {
    let (scene, db) = scene();
    assert!(said(&scene, &["retry"]).contains("no tap is rejected"));
    fill(&db);
    let states = || -> Vec<(String, i64, Option<String>)> {
        db.prepare("SELECT state, attempts, review FROM tap ORDER BY id")
            .unwrap()
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    let before = states();
    let shown = said(&scene, &["retry"]);
    assert!(
        shown.contains("rejected: 2") && shown.contains("--all"),
        "{shown}"
    );
    assert_eq!(states(), before, "only looked at");

    let some = run(&scene, &["retry", "4", "1", "99", "4"]);
    let why = complaint(&some, 1);
    assert!(why.contains("tap 1 is not rejected but delivered"), "{why}");
    assert!(why.contains("no tap 99"), "{why}");
    assert!(String::from_utf8_lossy(&some.stdout).contains("sent again: 1"));
    assert_eq!(states()[3], ("pending".into(), 1, None));
    assert!(said(&scene, &["retry", "--all"]).contains("sent again: 1"));
    assert_eq!(states()[1], ("pending".into(), 2, Some("no-face".into())));
    assert_eq!(states()[0], before[0]);
    let signals: i64 = db
        .query_row("SELECT count FROM signal WHERE name = 'retries'", [], |r| {
            r.get(0)
        })
        .unwrap();
    assert_eq!(signals, 2);
}

#[test]
fn beside_a_running_service_everything_works() {
    let scene = Scene::new().set("cards", json!({"readers": "simulated"}));
    let running = scene.run(&[]);
    running.wait_for_log("counted (tap 1)");
    assert_eq!(
        numbers(&said(&scene, &["list", "--until=9999-01-01"]))[0],
        "1"
    );
    let status: Value = serde_json::from_str(&said(&scene, &["status", "--json"])).unwrap();
    assert_eq!(status["service_running"], true);
    assert!(said(&scene, &["export", "--format=csv"]).contains("counted"));
    let db = Connection::open(scene.path("data").join(FILE)).unwrap();
    db.execute("UPDATE tap SET state = 'rejected' WHERE id = 1", [])
        .unwrap();
    assert!(said(&scene, &["retry", "1"]).contains("sent again: 1"));
    assert_eq!(running.stop().0.code(), Some(0));
}

#[test]
fn the_service_names_who_taps_and_reads_a_changed_roster() {
    let scene = Scene::new().set(
        "cards",
        json!({"readers": "simulated", "repeat_seconds": 10}),
    );
    let roster = scene.path("roster.csv");
    let scene = scene.set("attendance", json!({"roster": roster}));
    let running = scene.run(&[]);
    running.wait_for_log("taps are counted without names");
    running.wait_for_log("counted (tap 1)");
    let uid = scene.trace()[0]["uid"].as_str().unwrap().to_owned();
    std::fs::write(&roster, format!("{uid},Ann\n04A1,Bob\n")).unwrap();
    running.wait_for_log("line 2: \"04A1\" is no card number");
    wait_until(
        "a name in the log",
        || scene.log().contains(&format!("{uid} (Ann)")),
        || scene.log(),
    );
    assert_eq!(running.stop().0.code(), Some(0));
    let first = said(&scene, &["list"]).lines().nth(1).unwrap().to_owned();
    assert!(first.contains("Ann"), "{first}");
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let (scene, _db) = scene();
    for args in [
        &["list", "--since", "yesterday"][..],
        &["list", "--pending", "--rejected"],
        &["list", "--limit", "0"],
        &["list", "--since=2026-11-22", "--until=2026-11-21"],
        &["export"],
        &["export", "--format", "xml"],
        &["export", "--format=csv", "--encoding=latin"],
        &["retry", "--all", "1"],
        &["retry", "0"],
        &[],
    ] {
        complaint(&run(&scene, args), 2);
    }
    let why = complaint(&run(&scene, &["list", "--since", "yesterday"]), 2);
    assert!(why.contains("7d"), "{why}");
    let why = complaint(
        &run(&scene, &["export", "--format=csv", "--output=none/x.csv"]),
        1,
    );
    assert!(why.contains("--output"), "{why}");

    let empty = Scene::new();
    save(&empty);
    for args in [
        &["list"][..],
        &["status"],
        &["export", "--format=csv"],
        &["retry", "--all"],
    ] {
        let why = complaint(&run(&empty, args), 1);
        assert!(
            why.contains("facetap run") && why.contains("--config"),
            "{why}"
        );
    }
    assert!(!empty.path("data").exists(), "looking makes nothing");
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn another_user_may_look_if_the_folder_may_be_read() {
    let (scene, db) = scene();
    fill(&db);
    let data = scene.path("data");
    for (path, mode) in [(scene.dir.path(), 0o755), (&data, 0o755)] {
        chmod(path, mode);
    }
    chmod(&data.join(FILE), 0o644);
    let as_nobody = |args: &[&str]| command(&scene, args).uid(NOBODY).gid(NOBODY).output();
    let first = as_nobody(&["list"]);
    if first.is_err() {
        eprintln!(
            "SKIPPED: no other user can be tried (needs root, and a target folder all may read)"
        );
        return;
    }
    // What stands in the journal only, while a writer is there.
    let seen = |output: Output| {
        let why = complaint(&output, 0);
        let list = String::from_utf8(output.stdout).unwrap();
        assert_eq!(numbers(&list).len(), 5, "{why}");
    };
    seen(first.unwrap());
    let why = complaint(&as_nobody(&["retry", "--all"]).unwrap(), 1);
    assert!(why.contains("sudo"), "{why}");
    // The writer has ended, and its journal with it.
    drop(db);
    assert!(!data.join("attendance.db-wal").exists());
    seen(as_nobody(&["list"]).unwrap());
    chmod(&data, 0o700);
    for args in [&["list"][..], &["retry", "--all"]] {
        let why = complaint(&as_nobody(args).unwrap(), 1);
        assert!(why.contains("sudo"), "{why}");
    }
}
