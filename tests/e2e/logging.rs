//! The log of a running service on disks that are full, slow or no disks at all.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

use crate::harness::{Scene, wait_until};
use crate::mounts::{self, isolated};

/// A service that writes many lines, into the log at `log`.
fn talkative(log: &Path) -> Scene {
    Scene::new()
        .set("monitor.interval", json!(0.1))
        .set("log.file", json!(log))
        .set("log.level", json!("DEBUG"))
}

fn whole_lines(text: &str) {
    for line in text.lines() {
        let parts: Vec<&str> = line.splitn(4, " - ").collect();
        assert!(
            parts.len() == 4 && parts[0].len() == "2026-11-21 09:00:00".len(),
            "not a line of its own: {line:?}"
        );
        let second = ["DEBUG", "INFO", "WARNING", "ERROR"]
            .iter()
            .any(|level| parts[3].contains(&format!(" - {level} - ")));
        assert!(!second, "two lines in one: {line:?}");
    }
}

#[test]
fn a_full_disk_ends_nothing_and_the_log_goes_on_when_it_is_free_again() {
    isolated(|| {
        let folder = tempfile::tempdir().unwrap();
        mounts::tmpfs(folder.path(), "256k");
        let log = folder.path().join("facetap.log");
        let scene = talkative(&log);
        let running = scene.run(&[]);
        let read = || std::fs::read_to_string(&log).unwrap_or_default();
        wait_until(
            "the first lines",
            || read().contains("[RESOURCE_MONITOR]"),
            read,
        );

        let filler = folder.path().join("filler");
        let fill = || {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.create(true).append(true).open(&filler).unwrap();
            while file.write_all(&[0; 64]).is_ok() {}
        };
        // The page that the log has begun takes some more lines; then nothing goes any more.
        let full = || {
            let before = read().len();
            fill();
            std::thread::sleep(std::time::Duration::from_millis(500));
            read().len() == before
        };
        wait_until("a full disk", full, read);

        std::fs::remove_file(&filler).unwrap();
        let told = || {
            let log = read();
            log.split_once("log lines lost")
                .is_some_and(|(_, after)| after.contains("[RESOURCE_MONITOR]"))
        };
        wait_until("lines after it", told, read);
        let (status, _) = running.stop();
        assert_eq!(status.code(), Some(0));
        whole_lines(&read());
        assert!(read().contains("[STATISTICS]"));
    });
}

#[test]
fn a_log_that_nobody_takes_holds_no_loop_up_and_no_stop() {
    let scene = Scene::new();
    let pipe = scene.path("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    // Open, but read by nobody: it takes 64 KiB, and then every write stands still, as on a disk that hangs.
    let mut reader = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(&pipe)
        .unwrap();
    let scene = scene
        .set("monitor.interval", json!(0.1))
        .set("log.file", json!(pipe));
    let running = scene.run(&[]);
    // Standard error of this run is a file and always takes the lines: 64 KiB are more than 300 lines, and those
    // that the thread could not write any more are not shown either.
    let shown = || std::fs::read_to_string(scene.path("stderr")).unwrap_or_default();
    wait_until("the service", || shown().contains("[SERVER_START]"), shown);
    let mut reloads = 0;
    let mut seen = 0;
    let still = || {
        let before = shown().len();
        for _ in 0..200 {
            running.signal(Signal::SIGHUP);
            reloads += 1;
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        seen += 1;
        shown().len() == before
    };
    wait_until("a log that stands still", still, shown);
    let health = || std::fs::read_to_string(scene.path("run/health.json")).unwrap_or_default();
    let told = || {
        let health: Value = serde_json::from_str(&health()).unwrap_or_default();
        health["queues"]["log_lines"].as_u64() > Some(0)
    };
    wait_until("the lines that wait are told", told, health);
    // Nobody waits for it: the stop is heard and done.
    let (status, took) = running.stop();
    assert_eq!(status.code(), Some(0), "after {reloads} reloads");
    assert!(took.as_secs() < 30, "{took:?}");
    let mut log = vec![0; 65_536];
    let n = reader.read(&mut log).unwrap();
    let log = String::from_utf8_lossy(&log[..n]).into_owned();
    assert!(log.contains("[SERVER_START]") && log.contains("reloading"));
}

#[test]
fn a_pipe_that_is_read_gets_every_line() {
    let scene = Scene::new();
    let pipe = scene.path("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let copy = scene.path("copy");
    let mut cat = std::process::Command::new("cat")
        .arg(&pipe)
        .stdout(std::fs::File::create(&copy).unwrap())
        .spawn()
        .unwrap();
    // cat waits in open until there is a writer; the service must not find the pipe without its reader.
    let opened = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let scene = scene
        .set("monitor.interval", json!(0.1))
        .set("log.file", json!(pipe));
    let (status, _) = scene.run(&["--duration", "1"]).end();
    drop(opened);
    assert_eq!(status.code(), Some(0));
    assert!(cat.wait().unwrap().success());
    let log = std::fs::read_to_string(copy).unwrap();
    assert!(
        log.contains("[SERVER_START]") && log.contains("[STATISTICS]"),
        "{log}"
    );
    whole_lines(&log);
    let beside: Vec<_> = std::fs::read_dir(scene.dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.starts_with("pipe"))
        .collect();
    assert_eq!(beside, ["pipe"], "what is no file is not rotated");
}

#[test]
fn standard_output_can_be_the_log() {
    let scene = Scene::new().set("monitor.interval", json!(0.1));
    let running = scene.run(&["--duration", "1", "--log-file", "/dev/stdout"]);
    let (status, printed) = running.end();
    assert_eq!(status.code(), Some(0));
    assert!(
        printed.contains("[SERVER_START]") && printed.contains("[STATISTICS]"),
        "{printed}"
    );
}

#[test]
fn a_log_in_a_folder_that_cannot_be_changed_keeps_to_its_limit() {
    isolated(|| {
        let folder = tempfile::tempdir().unwrap();
        mounts::tmpfs(folder.path(), "4m");
        let log = folder.path().join("facetap.log");
        // Nothing can be moved onto a folder that is not empty, even by root.
        std::fs::create_dir_all(folder.path().join("facetap.log.1/in the way")).unwrap();
        std::fs::write(
            &log,
            "2026-11-21 09:00:00 - test - INFO - an old line\n".repeat(213),
        )
        .unwrap();
        let scene = talkative(&log).set("log.max_mb", json!(0.01));
        let running = scene.run(&["--duration", "4"]);
        let mut largest = 0;
        let mut ended = false;
        let read = || std::fs::read_to_string(&log).unwrap_or_default();
        while !ended {
            largest = largest.max(std::fs::metadata(&log).unwrap().len());
            ended = read().contains("[STATISTICS]");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(running.end().0.code(), Some(0));
        assert!(largest > 5000 && largest <= 10_485, "{largest}");
        whole_lines(&read());
    });
}

#[test]
fn a_folder_of_the_log_that_is_missing_is_made_at_the_start_and_later() {
    let scene = Scene::new().set("monitor.interval", json!(0.1));
    let folder = scene.path("logs");
    let log = folder.join("facetap.log");
    let scene = scene.set("log.file", json!(log));
    let running = scene.run(&[]);
    let has = |text: &str| {
        let read = || std::fs::read_to_string(&log).unwrap_or_default();
        wait_until(text, || read().contains(text), read);
        let crash_file = folder.join("crash.log");
        wait_until("crash.log", || crash_file.exists(), read);
    };
    has("[SERVER_START]");
    // While it is removed a line may come.
    let removed = || std::fs::remove_dir_all(&folder).is_ok();
    wait_until("the folder to go", removed, String::new);
    has("[RESOURCE_MONITOR]");
    assert_eq!(running.stop().0.code(), Some(0));
}

#[test]
fn the_log_file_can_be_moved_away_deleted_and_emptied() {
    let scene = Scene::new().set("monitor.interval", json!(0.1));
    let log = scene.path("facetap.log");
    let running = scene.run(&[]);
    running.wait_for_log("[SERVER_START]");
    std::fs::rename(&log, scene.path("away")).unwrap();
    running.signal(Signal::SIGHUP);
    running.wait_for_log("[RESOURCE_MONITOR]");
    std::fs::remove_file(&log).unwrap();
    running.wait_for_log("[RESOURCE_MONITOR]");
    std::fs::write(&log, "").unwrap();
    running.wait_for_log("[RESOURCE_MONITOR]");
    assert!(!scene.log().contains('\0'));
    assert_eq!(running.stop().0.code(), Some(0));
    assert!(scene.log().contains("[STATISTICS]"));
}

#[test]
fn a_log_that_is_standard_error_has_every_line_once() {
    let scene = Scene::new().set("monitor.interval", json!(0.1));
    let log = scene.path("facetap.log");
    let config = scene.path("config.json");
    std::fs::write(&config, scene.config.to_string()).unwrap();
    let same = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log)
        .unwrap();
    let status = crate::harness::facetap()
        .args(["run", "--no-display", "--duration", "1", "--config"])
        .arg(&config)
        .stdout(std::process::Stdio::null())
        .stderr(same)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    let text = scene.log();
    for mark in ["[SERVER_START]", "[STATISTICS]"] {
        assert_eq!(text.matches(mark).count(), 1, "{mark}: {text}");
    }
}
