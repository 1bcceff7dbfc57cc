//! A panic leaves its trace. In a process of its own, because the hook is the process's.

use std::path::Path;
use std::time::{Duration, Instant};

use facetap::config::{Config, Log};
use facetap::watch::crash;
use facetap::watch::logging::Logging;

/// Reached only when something is broken: the names of the functions come a moment later.
const PATIENCE: Duration = Duration::from_secs(120);

fn once(file: &Path, has: impl Fn(&str) -> bool) -> String {
    let start = Instant::now();
    loop {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if has(&text) {
            return text;
        }
        assert!(start.elapsed() < PATIENCE, "still missing in {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_panic_is_written_to_crash_log_and_log_before_anything_else_happens() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("facetap.log");
    let settings = Log {
        file: log.clone(),
        ..Config::default().log
    };
    let logging = Logging::start(&log, &settings).unwrap();
    let crash_file = crash::file_beside(logging.file());
    crash::trap(&crash_file).unwrap();
    crash::recent::note("the line before");

    let doomed = std::thread::Builder::new()
        .name("doomed".to_owned())
        .spawn(|| {
            let taps: Vec<u8> = Vec::new();
            let missing = taps.len();
            taps[missing]
        })
        .unwrap();
    assert!(doomed.join().is_err());

    // The report is there already.
    let report = std::fs::read_to_string(&crash_file).unwrap();
    for part in [
        "what: [UNCAUGHT_EXCEPTION] panic at tests/panic_trap.rs:",
        "index out of bounds",
        "thread: doomed (",
        "backtrace:\n  #0 0x",
        "  the line before\n",
        "VmRSS:",
        "==== end ",
    ] {
        assert!(report.contains(part), "{part} in {report}");
    }
    let text = once(&log, |t| t.contains("[UNCAUGHT_EXCEPTION]"));
    let first = text.lines().find(|l| l.contains("[UNCAUGHT_EXCEPTION]"));
    let first = first.unwrap();
    assert!(first.contains(" - crash - CRITICAL - [UNCAUGHT_EXCEPTION] type: panic, thread: doomed, at tests/panic_trap.rs:"));
    assert!(first.contains("index out of bounds"));

    // The functions by their names follow in both.
    for file in [&crash_file, &log] {
        once(file, |t| t.contains("panic_trap::"));
    }
    let last = crash::last(&crash_file).unwrap();
    assert_eq!(last.thread.split(' ').next(), Some("doomed"));
    assert!(
        last.frames[0].contains("index"),
        "the machinery of panics is left out: {:?}",
        last.frames
    );
    assert_eq!(crash::review(&crash_file), None, "told twice");

    a_panic_inside_the_logger_is_not_lost(&crash_file);
}

/// The logger calls what it is to write, and holds its lock meanwhile.
fn a_panic_inside_the_logger_is_not_lost(crash_file: &Path) {
    struct Bad;
    impl std::fmt::Display for Bad {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("in the middle of a line");
        }
    }
    let doomed = std::thread::spawn(|| log::error!(target: "facetap", "{Bad}"));
    assert!(doomed.join().is_err());
    let report = std::fs::read_to_string(crash_file).unwrap();
    assert!(report.contains("in the middle of a line"));
    // The logger goes on.
    log::error!(target: "facetap", "after it");
    once(&crash_file.with_file_name("facetap.log"), |t| {
        t.contains("after it")
    });
}
