//! `facetap attendance` on ledgers as the service leaves them.

mod beside;
mod export;
mod roster;

use std::process::{Command, Output};

use facetap::attend::ledger::{FILE, Ledger};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{Scene, facetap};

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
        list.contains("山田") && !list.contains("山田 太郎"),
        "a correction counts for earlier taps: {list}"
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
fn mistakes_are_told_with_what_to_do() {
    let (scene, _db) = scene();
    for args in [
        &["list", "--since", "yesterday"][..],
        &["list", "--pending", "--rejected"],
        &["list", "--limit", "0"],
        &["list", "--since=2026-11-22", "--until=2026-11-21"],
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
