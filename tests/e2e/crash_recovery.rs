//! Whatever way the service crashes or hangs, it leaves a trace and is back, in short; `scripts/crash-test.sh` is the
//! full form.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tools")
        .join(name)
}

/// Runs one of the tests. Returns its status and what it said, which belongs to the test's report.
fn run(test: &str, options: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(tool("synchronised.sh"))
        .args(["python3".as_ref(), tool(test).as_os_str()])
        .arg("--binary")
        .arg(crate::program::facetap())
        .args(options)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    println!("{said}");
    (output.status.code(), said)
}

/// Every kind of crash, a panic of every loop, two hangs, SIGSTOP, the limit of memory. The promise of five seconds is
/// for a machine with time to spare (the full form); here it is four times as much.
#[test]
fn the_service_is_back_with_a_trace_after_every_kind_of_failure() {
    let (status, said) = run("crash_test.py", &["--short", "--slack", "4"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("GREEN"), "{said}");
}

/// A test that cannot fail proves nothing.
#[test]
fn a_service_that_is_not_started_again_is_noticed() {
    let (status, said) = run(
        "crash_test.py",
        &["--only", "SIGKILL", "--trials", "1", "--no-restart"],
    );
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("was not started again"), "{said}");
}

/// Without a service manager the process begins anew in place.
#[test]
fn a_planned_restart_in_place_loses_nothing_and_leaves_nothing_behind() {
    let (status, said) = run("restart_test.py", &["--restarts", "8", "--slack", "4"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("GREEN"), "{said}");
}

#[test]
fn the_judge_finds_every_planted_fault() {
    let output = Command::new("python3")
        .arg(tool("crash_judge.py"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("35 planted faults"), "{said}");
}
