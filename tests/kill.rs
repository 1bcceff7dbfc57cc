//! No tap is lost and none counted twice, in short; `scripts/kill-test.sh` is the full form.

#[path = "common/program.rs"]
mod program;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tools")
        .join(name)
}

/// Runs a command to its end; panics with what it said if it fails.
fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{}:\n{said}", output.status);
    said
}

#[test]
fn no_tap_is_lost_while_the_service_is_killed_and_the_server_fails() {
    let said = succeed(
        Command::new(tool("synchronised.sh"))
            .args(["python3".as_ref(), tool("kill_test.py").as_os_str()])
            .arg("--binary")
            .arg(program::facetap())
            .args(["--taps", "300", "--kills", "25", "--pcscd", "0"]),
    );
    // The figures belong to the test's report.
    println!("{said}");
    assert!(said.contains("GREEN"), "{said}");
}

/// A judge that cannot say no proves nothing.
#[test]
fn the_judge_finds_every_planted_fault() {
    let said = succeed(Command::new("python3").arg(tool("kill_judge.py")));
    assert!(said.contains("planted faults"), "{said}");
}
