//! `facetap attendance` beside a running service, after one, and for other users.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Output;

use facetap::attend::ledger::FILE;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{command, complaint, fill, numbers, said, scene};
use crate::harness::Scene;

/// Nobody's user number on every Debian.
const NOBODY: u32 = 65_534;

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
    let scene = Scene::new().set("cards", json!({"readers": "simulated"}));
    let roster = scene.path("roster.csv");
    let scene = scene.set("attendance", json!({"roster": roster}));
    let running = scene.run(&[]);
    running.wait_for_log("taps are counted without names");
    running.wait_for_log("counted (tap 1)");
    let first = scene.trace()[0]["uid"].as_str().unwrap().to_owned();
    // The cards that the simulated reader shows in the next seconds, and a line that is none.
    let next = [
        "04A1B2C3D4E5F6",
        "DEAD1003",
        "0114B34D82179A04",
        "045E6F708192A5",
    ];
    let lines = next.map(|card| format!("{card},Ann\n")).concat();
    std::fs::write(&roster, format!("{first},Eve\n{lines}04A1,Bob\n")).unwrap();
    running.wait_for_log("line 6: \"04A1\" is no card number");
    running.wait_for_log(" (Ann) counted");
    assert_eq!(running.stop().0.code(), Some(0));
    let list = said(&scene, &["list"]);
    assert!(list.lines().nth(1).unwrap().contains("Eve"), "{list}");
    assert!(list.contains("Ann"), "{list}");
}

fn as_nobody(scene: &Scene, args: &[&str]) -> std::io::Result<Output> {
    command(scene, args).uid(NOBODY).gid(NOBODY).output()
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
    let as_nobody = |args: &[&str]| as_nobody(&scene, args);
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

#[test]
fn what_a_killed_service_left_behind_is_read() {
    let scene = Scene::new().set("cards", json!({"readers": "simulated"}));
    let data = scene.path("data");
    let running = scene.run(&[]);
    running.wait_for_log("counted (tap 1)");
    drop(running);
    let journal = std::fs::metadata(data.join("attendance.db-wal")).unwrap();
    assert!(journal.len() > 0, "the tap stands in the journal");
    for path in [scene.dir.path(), &data] {
        chmod(path, 0o755);
    }
    match as_nobody(&scene, &["list"]) {
        Err(_) => eprintln!(
            "SKIPPED: no other user can be tried (needs root, and a target folder all may read)"
        ),
        Ok(output) => {
            let why = complaint(&output, 0);
            assert_eq!(
                numbers(&String::from_utf8_lossy(&output.stdout))[0],
                "1",
                "{why}"
            );
        }
    }
    assert_eq!(numbers(&said(&scene, &["list"]))[0], "1");
    let status: Value = serde_json::from_str(&said(&scene, &["status", "--json"])).unwrap();
    assert_eq!(status["service_running"], false);
}
