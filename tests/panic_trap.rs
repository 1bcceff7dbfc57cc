//! A panic leaves its trace. In a process of its own, because the hook is the process's.

use facetap::config::{Config, Log};
use facetap::crash;
use facetap::logging::Logging;

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

    let doomed = std::thread::Builder::new()
        .name("doomed".to_owned())
        .spawn(|| {
            let taps: Vec<u8> = Vec::new();
            let missing = taps.len();
            taps[missing]
        })
        .unwrap();
    assert!(doomed.join().is_err());

    for file in [&crash_file, &log] {
        let text = std::fs::read_to_string(file).unwrap();
        let first = text
            .lines()
            .find(|l| l.contains("[UNCAUGHT_EXCEPTION]"))
            .expect("a trace");
        for part in [
            "thread: doomed",
            "tests/panic_trap.rs:",
            "index out of bounds",
        ] {
            assert!(first.contains(part), "{part} in {first}");
        }
        assert!(text.contains("panic_trap::"), "no backtrace in {text}");
    }
    assert!(
        std::fs::read_to_string(log)
            .unwrap()
            .contains(" - crash - CRITICAL - ")
    );
}
