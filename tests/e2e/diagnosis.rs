//! `scripts/diagnose.sh`: what it collects, and what it hides.

use std::path::Path;

use serde_json::json;

use crate::harness::Scene;
use crate::watchman::script;

/// Card ids, names and passwords of the log.
const SECRETS: [&str; 10] = [
    "A1B2C3", "DEADBEEF", "B34D82", "3C7706", "2E44A7", "hunter2", "s3cr3t", "山田", "太郎", "Lee",
];

/// Runs `diagnose.sh` on a desk with a log that is full of secrets, with this search path and with a roster that can be
/// read or not; returns what it wrote.
fn diagnosis(path: Option<&Path>, readable: bool) -> String {
    let scene = Scene::new()
        .set("attendance", json!({"roster": "roster.csv"}))
        .set("server_url", json!("http://user:hunter2@10.0.0.1:5000"));
    let roster = scene.path("roster.csv");
    let people = "uid,name\n04A1B2C3D4E5F6,山田 太郎\nDEADBEEF,\"Ann (left) Lee\"\n";
    if readable {
        std::fs::write(&roster, people).unwrap();
    } else {
        std::fs::create_dir(&roster).unwrap();
    }
    let scene = scene.set("attendance.roster", json!(roster));
    std::fs::write(
        scene.path("config.json"),
        serde_json::to_string_pretty(&scene.config).unwrap(),
    )
    .unwrap();
    let log = "\
2026-11-21 09:00:00 - ledger - INFO - card reader ACR122U: 04A1B2C3D4E5F6 (山田 太郎) counted (tap 12)
2026-11-21 09:00:01 - ledger - INFO - カードリーダー ACR122U: 04A1B2C3D4E5F6（山田 太郎）を記録しました
2026-11-21 09:00:02 - ledger - INFO - card reader ACR122U: DEADBEEF (Ann (left) Lee) repeated, already counted
2026-11-21 09:00:03 - ledger - WARNING - 0114B34D82179A04 5A3C7706 012E44A7A5185C01
2026-11-21 09:00:04 - uplink - WARNING - http://user:hunter2@10.0.0.1:5000 refused: Authorization: Bearer s3cr3t
2026-11-21 09:00:05 - reader - INFO - 山田 太郎 was here
";
    std::fs::write(scene.path("facetap.log"), log).unwrap();
    let mut command = script("diagnose.sh");
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let done = command
        .arg("--folder")
        .arg(scene.path("out"))
        .arg("--log")
        .arg(scene.path("facetap.log"))
        .arg("--config")
        .arg(scene.path("config.json"))
        .current_dir(scene.dir.path())
        .status()
        .unwrap();
    assert_eq!(done.code(), Some(0));
    let written: Vec<_> = std::fs::read_dir(scene.path("out"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    let [file] = &written[..] else {
        panic!("one file, not {written:?}");
    };
    let name = file.file_name().unwrap().to_str().unwrap();
    let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
    assert_eq!(
        name.chars().map(digits).collect::<String>(),
        "diagnosis_00000000_000000.log"
    );
    std::fs::read_to_string(file).unwrap()
}

fn without(secrets: &[&str], text: &str) {
    for secret in secrets {
        let line = text.lines().find(|l| l.contains(secret));
        assert!(line.is_none(), "{secret} in {line:?}");
    }
}

fn with(kept: &[&str], text: &str) {
    for kept in kept {
        assert!(text.contains(kept), "{kept} in\n{text}");
    }
}

#[test]
fn a_diagnosis_has_everything_and_no_secrets() {
    let text = diagnosis(None, true);
    for section in [
        "System",
        "Memory",
        "Disk",
        "CPU",
        "Process",
        "Cameras",
        "Serial ports",
        "USB",
        "Log tails",
        "Kernel messages",
    ] {
        assert!(text.contains(&format!("\n==== {section}")), "{section}");
    }
    with(
        &[
            "[card 1] ([person 2]) counted (tap 12)",
            "[card 1]（[person 2]）を記録しました",
            "[card 2] ([person 1]) repeated",
            "[card 3] [card 4] [card 5]",
            "[secret]@10.0.0.1:5000",
            "- reader - INFO - [person 2] was here",
            "Filesystem",
        ],
        &text,
    );
    // A size looks like a card id, and is none.
    let memory = text.lines().find(|line| line.starts_with("MemTotal:"));
    assert!(memory.is_some_and(|line| !line.contains('[')), "{memory:?}");
    without(&SECRETS, &text);
}

#[test]
fn without_the_names_no_log_is_shown() {
    let text = diagnosis(None, false);
    with(
        &["(left out: ", "roster.csv cannot be read, so its names"],
        &text,
    );
    with(&["MemTotal:"], &text);
    without(&SECRETS, &text);
}

#[test]
fn a_diagnosis_is_made_without_most_tools() {
    let tools = tempfile::tempdir().unwrap();
    for name in [
        "bash", "sed", "awk", "mktemp", "date", "rm", "mkdir", "cat", "head", "tail", "tr",
        "dirname", "stat", "timeout", "env",
    ] {
        let found = ["/usr/bin", "/bin"]
            .iter()
            .map(|d| Path::new(d).join(name))
            .find(|p| p.exists());
        std::os::unix::fs::symlink(found.expect(name), tools.path().join(name)).unwrap();
    }
    let text = diagnosis(Some(tools.path()), true);
    with(
        &["(lsusb is not installed)", "(facetap is not on PATH)"],
        &text,
    );
    with(&["Log tails\n\n(left out: without facetap"], &text);
    without(&SECRETS, &text);
}

/// In a folder of somebody else, links lie in wait under every name that the file may get within two minutes.
#[test]
fn a_link_in_the_place_of_the_file_is_not_followed() {
    let scene = Scene::new();
    let (folder, victim) = (scene.path("out"), scene.path("victim"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(&victim, "untouched").unwrap();
    let now = jiff::Zoned::now();
    for seconds in 0..120 {
        let at = &now + jiff::Span::new().seconds(seconds);
        let name = format!("diagnosis_{}.log", at.strftime("%Y%m%d_%H%M%S"));
        std::os::unix::fs::symlink(&victim, folder.join(name)).unwrap();
    }
    let done = script("diagnose.sh")
        .arg("--folder")
        .arg(&folder)
        .current_dir(scene.dir.path())
        .stderr(std::process::Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot make"), "{said}");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
}
