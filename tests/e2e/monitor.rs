//! The monitor of the built binary: its lines, the memory log, and the test of its warnings.

use serde_json::json;

use crate::harness::{Scene, facetap, wait_until};

#[test]
fn a_memory_log_that_cannot_be_written_is_told_once_and_goes_on_by_itself() {
    let scene = Scene::new()
        .set("memory_monitor.enabled", json!(true))
        .set("memory_monitor.interval", json!(1));
    let memory = scene.path("memory_usage.log");
    std::fs::create_dir(&memory).unwrap();
    let running = scene.run(&[]);
    running.wait_for_log("memory_usage.log cannot be written");
    std::fs::remove_dir(&memory).unwrap();
    let lines = || std::fs::read_to_string(&memory).unwrap_or_default();
    wait_until("a line of memory", || lines().contains("RSS: "), lines);
    assert_eq!(running.stop().0.code(), Some(0));
    assert_eq!(scene.log().matches("cannot be written").count(), 1);
}

#[test]
fn the_line_holds_what_was_asked_for_and_the_memory_log_its_old_format() {
    let scene = Scene::new()
        .set("monitor.interval", json!(0.2))
        .set("memory_monitor.enabled", json!(true))
        .set("memory_monitor.interval", json!(1));
    let running = scene.run(&[]);
    let memory = scene.path("memory_usage.log");
    let lines = || std::fs::read_to_string(&memory).unwrap_or_default();
    wait_until(
        "two lines of memory",
        || lines().lines().count() >= 2,
        lines,
    );
    assert_eq!(running.stop().0.code(), Some(0));
    let log = scene.log();
    let line = log
        .lines()
        .find(|l| l.contains("[RESOURCE_MONITOR]"))
        .unwrap();
    for part in [
        "CPU_RAM: ",
        " MB (VMS: ",
        "VRAM: ",
        "Handles: ",
        "Threads: ",
        "Anonymous: ",
        "Sockets: ",
        "Load: ",
        "Log disk free: ",
        "Taps waiting: 0, Taps unrecorded: 0, Taps under way: 0, Log lines waiting: ",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!log.contains("RESOURCE_MONITOR_ERROR"), "{log}");
    let old = lines();
    let first = old.lines().next().unwrap();
    assert!(
        first.contains("] 経過: 00:00:00 | RSS: ")
            && first.contains("MB (初期比: +0.00MB) | VMS: "),
        "{first}"
    );
    assert!(
        first.ends_with("MB空き)") && first.contains(" | ピーク: "),
        "{first}"
    );
}

#[test]
fn the_memory_test_shows_both_warnings_and_its_status_tells() {
    let run = |megabytes: &str| {
        let output = facetap()
            .args([
                "memory-test",
                "--seconds",
                "1.5",
                "--interval",
                "0.3",
                "--megabytes",
                megabytes,
            ])
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (status, shown) = run("70");
    assert_eq!(status, Some(0), "{shown}");
    assert!(shown.contains("WARNING - memory has grown by"), "{shown}");
    assert!(shown.contains("⚠️ [警告] メモリが初期値から"), "{shown}");
    let (status, shown) = run("5");
    assert_eq!(status, Some(1), "{shown}");
    assert!(!shown.contains("[警告]"), "{shown}");
}
