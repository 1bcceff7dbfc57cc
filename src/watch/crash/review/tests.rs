use super::*;

fn report(number: u32) -> String {
    format!(
        "==== crash 2026-11-21T03:00:0{number}Z 77.1
what: SIGABRT (6), the program gave itself up (abort) (code -6)
local time: 2026-11-21T12:00:0{number}+09:00
boot id: 0123
thread: ledger (78)
backtrace:
  #0 0x0000000000001234 +0x1234 /nowhere/libx.so
  #1 0x0000000000000000 ?
modules:
  1000-2000 abcd /nowhere/libx.so
==== end 2026-11-21T03:00:0{number}Z 77.1
"
    )
}

#[test]
fn a_crash_is_told_once_and_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("crash.log");
    assert_eq!(review(&file), None);
    assert_eq!(last(&file), None);
    std::fs::write(&file, report(1) + &report(2)).unwrap();

    let newest = review(&file).expect("a new crash");
    assert_eq!(newest.at, "2026-11-21T12:00:02+09:00");
    assert_eq!(newest.thread, "ledger (78)");
    assert_eq!(
        newest.frames,
        [
            "#0 0x0000000000001234 +0x1234 /nowhere/libx.so",
            "#1 0x0000000000000000 ?"
        ]
    );
    assert_eq!(review(&file), None, "told a second time");
    assert_eq!(last(&file), Some(newest));
}

#[test]
fn only_the_newest_of_many_are_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("crash.log");
    let all: String = (0..9).map(report).collect();
    std::fs::write(&file, all).unwrap();
    let told = name_all(&file, |_| true);
    assert_eq!(told.len(), AT_ONCE);
    assert_eq!(told[0].at, "2026-11-21T12:00:04+09:00");
}

#[test]
fn the_file_put_aside_is_known_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("crash.log");
    std::fs::write(super::file::before(&file), report(3)).unwrap();
    assert!(last(&file).is_some_and(|c| c.at.ends_with("03+09:00")));
    std::fs::write(&file, "").unwrap();
    assert!(last(&file).is_some_and(|c| c.at.ends_with("03+09:00")));
}

#[test]
fn garbage_is_no_crash() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("crash.log");
    std::fs::write(&file, [0xff_u8, 0, b'\n', 0xfe].repeat(10_000)).unwrap();
    assert_eq!(review(&file), None);
    assert_eq!(last(&file), None);
    // A folder of that name cannot be read at all.
    assert_eq!(review(dir.path()), None);
}

#[test]
fn the_place_is_the_innermost_function_of_this_program() {
    let lines = |all: &[&str]| all.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
    let signal = lines(&[
        "#0 cv::Mat::release() ",
        "#1 <facetap::follow::camera::Grab as facetap::follow::camera::Source>::next (src/camera/mod.rs:7)",
        "#2 facetap::follow::vision::run",
    ]);
    assert_eq!(machinery(&signal), 0);
    assert_eq!(
        place(&signal).as_deref(),
        Some(
            "<facetap::follow::camera::Grab as facetap::follow::camera::Source>::next (src/camera/mod.rs:7)"
        )
    );
    let panic = lines(&[
        "#0 facetap::watch::crash::panics::hook",
        "#3 std::panicking::panic_with_hook",
        "#5 core::panicking::panic_fmt",
        "#6 facetap::attend::ledger::run (src/ledger/mod.rs:9)",
    ]);
    assert_eq!(machinery(&panic), 3);
    let of_a_library = lines(&[
        "#0 cv::run",
        "#1 facetap::watch::crash::stacks::begin",
        "thread x:",
        "#0 facetap::x",
    ]);
    assert_eq!(place(&of_a_library).as_deref(), Some("cv::run"));
    assert_eq!(place(&[]), None);
}
