//! Time zones that cannot be found: an alarm, not times that are hours off without a word.

use std::path::Path;

use crate::cards::{self, those};
use crate::harness::{Running, Scene, facetap, wait_until};
use crate::mounts::{isolated, tmpfs};

const ALARM: &str = "THE TIME ZONE CANNOT BE FOUND";

fn run(scene: &Scene, zone: &str) -> Running {
    let _ = std::fs::remove_file(scene.path("facetap.log"));
    let cards = scene.path("cards");
    let env = [
        ("FACETAP_SIMULATED_CARDS", cards.to_str().unwrap()),
        ("TZ", zone),
    ];
    let running = scene.run_with(&[], &env);
    running.wait_for_log("[SERVER_START]");
    running
}

fn said(scene: &Scene, command: &[&str]) -> String {
    let mut program = facetap();
    program.args(command).arg("--config");
    program.arg(scene.path("config.json"));
    program.env("RUNTIME_DIRECTORY", scene.path("run"));
    String::from_utf8(program.output().unwrap().stdout).unwrap()
}

#[test]
fn a_zone_that_cannot_be_found_is_an_alarm_and_a_finding() {
    isolated(|| {
        let (scene, mut cards) = cards::scene();
        for zone in ["Asia/Tokio", ":Asia/Tokio", "UTC+9"] {
            let running = run(&scene, zone);
            running.wait_for_log(ALARM);
            assert!(
                scene.log().contains(&format!("TZ={zone}")),
                "{}",
                scene.log()
            );
            let status = || said(&scene, &["status"]);
            wait_until("the alarm", || status().contains("ALARM"), status);
            assert!(status().contains("time zone: TZ="), "{}", status());
            // In the environment of the service, not in ours.
            let doctor = said(&scene, &["doctor", "--no-file"]);
            assert!(
                doctor.contains("the time zone cannot be found: TZ="),
                "{doctor}"
            );
            assert_eq!(those(&cards.tap(&scene, 1), "counted").len(), 1);
            assert_eq!(running.stop().0.code(), Some(0));
            assert_eq!(scene.log().matches(ALARM).count(), 1);
        }
        // No tzdata.
        tmpfs(Path::new("/usr/share/zoneinfo"), "1m");
        let running = run(&scene, "Asia/Tokyo");
        running.wait_for_log("the package tzdata is missing");
        assert_eq!(running.stop().0.code(), Some(0));
        // This needs none.
        let running = run(&scene, "JST-9");
        let tap = cards.tap(&scene, 1);
        assert_eq!(those(&tap, "counted").len(), 1);
        assert!(!scene.log().contains(ALARM), "{}", scene.log());
        assert_eq!(running.stop().0.code(), Some(0));
        let db = rusqlite::Connection::open(scene.path("data/attendance.db")).unwrap();
        let offset = "SELECT utc_offset_s FROM tap ORDER BY id DESC LIMIT 1";
        let offset: i64 = db.query_row(offset, [], |row| row.get(0)).unwrap();
        assert_eq!(offset, 9 * 3600);
    });
}
