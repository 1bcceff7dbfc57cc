//! The file for the maintainers, and the command around it.

use std::path::{Path, PathBuf};
use std::process::Output;

use facetap::attend::ledger::FILE;
use rusqlite::Connection;
use serde_json::json;

use super::board::Board;
use crate::harness::facetap;

fn doctor(board: &Board, options: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = facetap()
        .args(["doctor", "--limit", "60", "--root"])
        .arg(board.root())
        .args(options)
        .current_dir(board.path("tmp"))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn board() -> Board {
    let board = Board::new();
    board.write("tmp/x", "");
    board
}

fn diagnoses(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().flatten();
    let name = |p: &PathBuf| p.file_name().unwrap().to_string_lossy().into_owned();
    files
        .map(|f| f.path())
        .filter(|p| name(p).starts_with("diagnosis_") && name(p).ends_with(".log"))
        .collect()
}

#[test]
fn the_status_tells_and_the_file_holds_everything() {
    let board = board();
    let (status, table, errors) = doctor(&board, &[]);
    assert_eq!(status, Some(0), "{table}{errors}");
    assert!(
        table.contains("nothing is wrong") && !table.contains('\x1b'),
        "{table}"
    );
    let files = diagnoses(&board.path("tmp"));
    assert_eq!(files.len(), 1, "{files:?}");
    let text = std::fs::read_to_string(&files[0]).unwrap();
    for part in [
        "Raspberry Pi 5 Model B",
        "===== configuration file =====",
        "\"server_url\": \"http://192.168.1.31:5000\"",
        "[SERVER_START]",
        "===== service process =====",
        "process 4242",
        " ms\n",
        "[Service] WatchdogSec=20",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }

    board.write("sys/class/thermal/thermal_zone0/temp", "90000\n");
    let (status, table, _) = doctor(&board, &["--no-file", "--verbose"]);
    assert_eq!(status, Some(1), "{table}");
    for part in ["[hot]", "power                    ", "all of it: "] {
        assert!(table.contains(part), "{part}:\n{table}");
    }
    assert_eq!(diagnoses(&board.path("tmp")).len(), 1);
}

#[test]
fn both_languages_are_spoken() {
    let board = board();
    board.write("sys/class/thermal/thermal_zone0/temp", "90000\n");
    board.configure("/language", json!("ja"));
    let (_, table, _) = doctor(&board, &["--no-file"]);
    for part in [
        "警告 温度・電源: 基板の温度は 90.0 °C です [hot]",
        "理由: ",
        "対処: ",
    ] {
        assert!(table.contains(part), "{part}:\n{table}");
    }
}

#[test]
fn no_card_name_or_secret_is_in_the_file() {
    let board = board();
    let (cards, names) = (
        [
            "04A1B2C3D4E5F6",
            "012E44A7A5185C01",
            "DEADBEEF",
            "11223344",
            "A0B1C2D3",
        ],
        ["山田 太郎", "Erika Mustermann", "O'Brien \"Ann\""],
    );
    board.append(
        "etc/facetap/roster.csv",
        "012E44A7A5185C01,Erika Mustermann\n",
    );
    let db = Connection::open(board.path("var/lib/facetap").join(FILE)).unwrap();
    db.execute(
        "INSERT INTO tap (uid, card, reader, local_time, utc_offset_s, utc_time, boottime_ms, boot_id, \
         clock_synchronised, idempotency_key, name, answer, last_attempt_utc) VALUES ('DEADBEEF', 'felica', 'R', \
         '2026-01-01T09:00:00', 32400, '2026-01-01T00:00:00.000000Z', 1, 'b', 1, 'k', ?1, ?2, \
         '2026-01-01T00:00:01.000000Z')",
        [names[2], "401 O'Brien \"Ann\" may not"],
    )
    .unwrap();
    drop(db);
    board.configure(
        "/mqtt",
        json!({"url": "mqtt://broker-user:hunter2@h:1883", "topic": "Erika Mustermann"}),
    );
    board.configure("/terminal_id", json!("AA:BB:CC:DD:EE:F1"));
    for (n, secret) in cards.iter().chain(&names).enumerate() {
        let small = secret.to_lowercase();
        board.append(
            "var/log/facetap/facetap.log",
            &format!("2026-11-21 10:00:0{n} - x - ERROR - {secret} refused, {small} again, s3cr3t-T0ken.of-the_server\n"),
        );
        board.write(
            &format!(
                "var/log/facetap/{}",
                ["crash.log", "memory_usage.log"][n % 2]
            ),
            format!("[CRASH] at 0x00007f1234567890 with {secret}\n"),
        );
        board.append(
            "var/log/kern.log",
            &format!("I/O error, dev mmcblk0: {secret}\n"),
        );
    }
    let (_, table, _) = doctor(&board, &[]);
    let file = std::fs::read_to_string(&diagnoses(&board.path("tmp"))[0]).unwrap();
    for text in [&table, &file] {
        let small = text.to_lowercase();
        for secret in cards.iter().chain(&names).chain(&[
            "s3cr3t-T0ken.of-the_server",
            "hunter2",
            "broker-user",
            "DD:EE:F1",
        ]) {
            assert!(!small.contains(&secret.to_lowercase()), "{secret}:\n{text}");
        }
    }
    for part in [
        "0x00007f1234567890",
        "AA:BB:CC:xx:xx:xx",
        "2026-11-21 10:00:03",
        "[card ",
        "[person ",
    ] {
        assert!(file.contains(part), "{part}:\n{file}");
    }
}

#[test]
fn logs_are_left_out_while_the_names_are_not_known() {
    let board = board();
    // No ledger, so nobody knows what names it had.
    board.write("var/lib/facetap/attendance.db", "rubbish ".repeat(1000));
    board.append("var/log/facetap/facetap.log", "Erika Mustermann was here\n");
    let (status, table, _) = doctor(&board, &[]);
    assert_eq!(status, Some(1), "{table}");
    assert!(table.contains("the logs are left out"), "{table}");
    let file = std::fs::read_to_string(&diagnoses(&board.path("tmp"))[0]).unwrap();
    assert!(
        !file.contains("Erika") && file.contains("left out"),
        "{file}"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_told_and_wrong_usage_is_status_2() {
    let board = board();
    let (_, table, _) = doctor(&board, &["--output", "/proc"]);
    assert!(table.contains("/proc cannot be written"), "{table}");
    let file = table.lines().find_map(|l| l.split(": /tmp/").nth(1));
    let file = Path::new("/tmp").join(file.expect("a file in /tmp"));
    assert!(file.is_file());
    std::fs::remove_file(file).unwrap();
    for options in [
        ["--root", "/no/such/folder"],
        ["--config", "/no/such/file"],
        ["--limit", "-1"],
    ] {
        let output = facetap().arg("doctor").args(options).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}");
    }
}
