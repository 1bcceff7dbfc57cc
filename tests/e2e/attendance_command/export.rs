//! `facetap attendance export`: what spreadsheet programs and others get.

use std::io::Read as _;
use std::process::Stdio;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{command, complaint, fill, run, said, scene};
use crate::harness::Scene;

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

/// Greatest memory of an export in KiB while it still has much to write, and the lines of its output.
fn export_watched(scene: &Scene, format: &str, watched_bytes: usize) -> (u64, usize) {
    let mut child = command(scene, &["export", "--format", format])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdout.take().unwrap();
    let mut output = vec![0; watched_bytes];
    pipe.read_exact(&mut output).unwrap();
    // The pipe holds less than what is left: the process still lives, and waits for us.
    let peak = peak_kib(child.id());
    pipe.read_to_end(&mut output).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    (peak, output.iter().filter(|b| **b == b'\n').count())
}

#[test]
fn a_hundred_thousand_rows_need_no_more_memory_than_a_few() {
    let (scene, db) = scene();
    fill_many(&db, 5_000);
    let few = ["csv", "json"].map(|format| export_watched(&scene, format, 512 << 10).0);
    fill_many(&db, 95_000);
    for (format, few) in ["csv", "json"].into_iter().zip(few) {
        let (many, lines) = export_watched(&scene, format, 11 << 20);
        assert!(
            many < few + (6 << 10),
            "{format}: {few} KiB for few rows, {many} KiB for many"
        );
        assert_eq!(lines, 100_000 + if format == "csv" { 1 } else { 2 });
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
