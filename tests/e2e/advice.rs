//! The doctor's advice is carried out as it stands, and looked at again until nothing is left of it; and what makes such
//! advice necessary is refused, or said aloud, in the first place.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::cards;
use crate::harness::{Scene, facetap};

/// `nobody`, wherever there are users at all; here the service's user.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: other users' files cannot be made without root");
    }
    root
}

/// A tree for `--root` with a unit whose user is `service`, the number of `nobody`.
fn board() -> tempfile::TempDir {
    let board = tempfile::tempdir().unwrap();
    for (path, text) in [
        (
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\nservice:x:65534:65534::/:/bin/false\n",
        ),
        ("etc/group", "root:x:0:\nservice:x:65534:\n"),
        (
            "usr/lib/systemd/system/facetap.service",
            "[Service]\nUser=service\nExecStart=/usr/bin/facetap run\n",
        ),
        ("etc/facetap/config.json", r#"{"cards": {"enabled": true}}"#),
        ("var/log/facetap/facetap.log", ""),
        ("var/log/facetap/crash.log", ""),
        ("var/log/facetap/memory_usage.log", ""),
        ("var/lib/facetap/attendance.lock", ""),
        ("var/lib/facetap/attendance.reserve", ""),
        ("var/lib/facetap/last-exit.json", "{}"),
        ("var/lib/facetap/camera_delay.json", "{}"),
    ] {
        let path = board.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    drop(facetap::attend::ledger::Ledger::open(&board.path().join("var/lib/facetap")).unwrap());
    board
}

/// What the doctor says, by its key, with its advice.
fn advice(root: &Path) -> Vec<(String, String)> {
    let diagnosis = facetap()
        .args(["doctor", "--no-file", "--root"])
        .arg(root)
        .output()
        .unwrap();
    let said = String::from_utf8(diagnosis.stdout).unwrap();
    let mut found = Vec::new();
    for line in said.lines() {
        let line = line.trim();
        let command = line
            .split_once("sudo chown ")
            .map(|(_, rest)| format!("chown {rest}"));
        if let Some(command) = command {
            found.push((said.clone(), command));
        }
    }
    found
}

#[test]
fn what_the_doctor_says_of_rights_is_carried_out_until_nothing_is_left() {
    if !is_root() {
        return;
    }
    let board = board();
    let mut rounds = 0;
    loop {
        let found = advice(board.path());
        if found.is_empty() {
            break;
        }
        rounds += 1;
        assert!(rounds < 6, "it goes round in circles: {}", found[0].0);
        for (said, command) in found {
            // The board's paths and user are those of the tree.
            let command = command
                .replace("sudo ", "")
                .replace("service:", "65534:65534")
                .replace(" /var/", &format!(" {}/var/", board.path().display()));
            let done = Command::new("sh").arg("-c").arg(&command).output().unwrap();
            assert!(
                done.status.success(),
                "{command}\n{}\n{said}",
                String::from_utf8_lossy(&done.stderr)
            );
        }
    }
    assert!(rounds > 0, "nothing was wrong");
    // Every file that the service opens is its own now.
    for folder in ["var/lib/facetap", "var/log/facetap"] {
        for entry in std::fs::read_dir(board.path().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(path.metadata().unwrap().uid(), NOBODY, "{}", path.display());
        }
    }
}

/// A program that anybody may start, in a folder that anybody may look into.
fn for_anybody(scene: &Scene) -> std::path::PathBuf {
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(scene.path("."), open.clone()).unwrap();
    let program = scene.path("facetap");
    std::fs::copy(facetap().get_program(), &program).unwrap();
    std::fs::set_permissions(&program, open).unwrap();
    program
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

fn written(scene: &Scene) -> std::path::PathBuf {
    let file = scene.path("config.json");
    std::fs::write(&file, scene.config.to_string()).unwrap();
    file
}

#[test]
fn check_as_root_makes_nothing_and_run_as_root_says_whose_folder_it_is() {
    if !is_root() {
        return;
    }
    let (scene, _) = cards::scene();
    let data = scene.path("data");
    let names = || -> Vec<_> {
        let entries = std::fs::read_dir(&data).into_iter().flatten();
        entries.map(|e| e.unwrap().file_name()).collect()
    };
    let file = written(&scene);
    let check = |there: bool| {
        let out = facetap()
            .args(["check", "--config"])
            .arg(&file)
            .current_dir(scene.path("."))
            .env("STATE_DIRECTORY", &data)
            .output()
            .unwrap();
        assert_eq!(data.exists(), there, "{}", said(&out));
        assert_eq!(names().len(), 0, "{:?}", names());
        said(&out)
    };
    assert!(check(false).contains("none yet"));
    std::fs::create_dir(&data).unwrap();
    chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    assert!(check(true).contains("none yet"));

    let running = scene.run(&[]);
    running.wait_for_log("[SERVER_START]");
    assert!(
        scene.log().contains("this runs as root in "),
        "{}",
        scene.log()
    );
    running.stop();
}

#[test]
fn a_second_service_is_refused_before_it_writes_into_the_log_of_the_first() {
    let (scene, cards) = cards::scene();
    let _ = cards;
    let first = scene.run(&[]);
    first.wait_for_log("[SERVER_START]");
    let before = scene.log();
    for options in [&[][..], &["--no-cards"]] {
        let (status, _) = scene.run(options).end();
        assert_eq!(status.code(), Some(1));
        let errors = std::fs::read_to_string(scene.path("stderr")).unwrap();
        assert!(errors.contains("another FaceTap (process "), "{errors}");
        assert!(errors.contains(&first.pid().to_string()), "{errors}");
    }
    let greetings = |log: &str| log.matches("crash trap active").count();
    assert_eq!(
        greetings(&scene.log()),
        greetings(&before),
        "{}",
        scene.log()
    );
    first.stop();
}

#[test]
fn a_broken_configuration_does_not_silence_status() {
    let scene = Scene::new();
    let running = scene.run(&[]);
    running.wait_for_log("[SERVER_START]");
    for text in ["{", r#"{"camara": 1}"#, ""] {
        std::fs::write(scene.path("config.json"), text).unwrap();
        let out = facetap()
            .args(["status", "--json", "--config"])
            .arg(scene.path("config.json"))
            .env("RUNTIME_DIRECTORY", scene.path("run"))
            .output()
            .unwrap();
        let state: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        assert_eq!(
            state["pid"],
            json!(running.pid().as_raw()),
            "{}",
            said(&out)
        );
        assert!(
            !out.stderr.is_empty(),
            "what is wrong with it is told as well"
        );
    }
    running.stop();
}

#[test]
fn what_may_not_be_read_is_not_called_absent() {
    if !is_root() {
        return;
    }
    let (scene, _) = cards::scene();
    let data = scene.path("data");
    drop(
        facetap::attend::ledger::Ledger::open(&{
            std::fs::create_dir(&data).unwrap();
            data.clone()
        })
        .unwrap(),
    );
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
    let scene = scene
        .set("data_dir", json!(data))
        .set("attendance", json!({"roster": data.join("roster.csv")}));
    let (program, file) = (for_anybody(&scene), written(&scene));
    let out = Command::new(&program)
        .args(["doctor", "--no-file", "--config"])
        .arg(&file)
        .current_dir("/")
        .env("LANG", "C.UTF-8")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let said = said(&out);
    assert!(said.contains("may not read the ledger"), "{said}");
    for absent in ["there is no ledger", "is missing", "does not exist"] {
        let about_data = |line: &&str| line.contains(absent) && line.contains("data");
        assert_eq!(said.lines().find(about_data), None, "{said}");
    }
}

#[test]
fn check_names_who_holds_the_devices_and_the_group_that_is_missing() {
    if !is_root() {
        return;
    }
    let scene = Scene::new();
    let running = scene.run(&[]);
    running.wait_for_log("[SERVER_START]");
    let port = scene.path("port");
    std::fs::write(&port, "").unwrap();
    std::fs::set_permissions(&port, std::fs::Permissions::from_mode(0o660)).unwrap();
    let scene = scene
        .set("servo.enabled", json!(true))
        .set("servo.port", json!(port));
    let program = for_anybody(&scene);
    let file = scene.path("check.json");
    std::fs::write(&file, scene.config.to_string()).unwrap();
    let check = |user: u32| {
        let out = Command::new(&program)
            .args(["check", "--config"])
            .arg(&file)
            .current_dir("/")
            .env("LANG", "C.UTF-8")
            .env("STATE_DIRECTORY", scene.path("data"))
            .env("RUNTIME_DIRECTORY", scene.path("run"))
            .uid(user)
            .gid(user)
            .output()
            .unwrap();
        said(&out)
    };
    let (ours, theirs) = (check(0), check(NOBODY));
    let holds = format!("the running service (process {})", running.pid());
    assert!(ours.contains(&holds), "{ours}");
    assert!(!ours.contains("not in the group"), "{ours}");
    assert!(theirs.contains("not in the group root"), "{theirs}");
    running.stop();
}
