//! The stress run, short.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::harness::{facetap, wait_until};

/// `facetap soak` with these options, its folder in `tmp`.
fn soak(tmp: &tempfile::TempDir, options: &[&str]) -> Command {
    let mut command = facetap();
    command.arg("soak").args(options).env("TMPDIR", tmp.path());
    command
}

/// What the runs in `tmp` have left behind.
fn left(tmp: &tempfile::TempDir) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(tmp.path()).unwrap();
    entries.map(|e| e.unwrap().path()).collect()
}

/// The rows of the verdict that end with this word.
fn rows<'a>(output: &'a str, verdict: &str) -> Vec<&'a str> {
    output.lines().filter(|l| l.ends_with(verdict)).collect()
}

#[test]
fn a_healthy_service_passes_and_nothing_is_left_behind() {
    let tmp = tempfile::tempdir().unwrap();
    let output = soak(&tmp, &["--duration", "0.0025", "--interval", "0.01..0.1"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("PASSED") && rows(&text, "FAIL").is_empty(),
        "{text}"
    );
    // The two of the GPU may have nothing to measure.
    assert!(rows(&text, "pass").len() >= 13, "{text}");
    assert!(
        text.contains("taps: response") && text.contains("frames: response"),
        "{text}"
    );
    assert_eq!(left(&tmp), [] as [PathBuf; 0]);
}

#[test]
fn planted_faults_turn_red_what_is_documented() {
    for fault in ["leak", "fd-leak", "panic", "lose-tap"] {
        let tmp = tempfile::tempdir().unwrap();
        let options = [
            "--duration",
            "0.002",
            "--interval",
            "0.05",
            "--fault",
            fault,
        ];
        let output = soak(&tmp, &options).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{fault}: {text}");
        let told = format!("planted: {fault}; red as documented");
        assert!(text.contains(&told), "{fault}: {text}");
        // What happened can be looked into.
        let kept = left(&tmp);
        assert!(
            kept.len() == 1 && kept[0].join("facetap.log").exists(),
            "{kept:?}"
        );
        assert!(text.contains(kept[0].to_str().unwrap()), "{text}");
    }
}

/// A run of an hour, once its first hundred requests are over.
fn started(tmp: &tempfile::TempDir) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = soak(tmp, &["--duration", "1", "--interval", "0.001"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let first = lines.next().expect("a line");
    let want = "[STATISTICS] requests: 100, successes: 100, errors: 0, rate: 100.00 %";
    assert!(first.starts_with(want), "{first}");
    (child, lines)
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

#[test]
fn ctrl_c_ends_it_with_the_verdict_so_far() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut child, lines) = started(&tmp);
    kill(pid_of(&child), Signal::SIGINT).unwrap();
    let rest: Vec<String> = lines.collect();
    let text = rest.join("\n");
    assert_eq!(child.wait().unwrap().code(), Some(0), "{text}");
    assert!(
        text.contains("broken off") && text.contains("PASSED"),
        "{text}"
    );
    assert!(rows(&text, "FAIL").is_empty(), "{text}");
}

#[test]
fn the_service_never_outlives_the_run() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut child, _lines) = started(&tmp);
    let health = left(&tmp)[0].join("run/health.json");
    let health: Value = serde_json::from_slice(&std::fs::read(health).unwrap()).unwrap();
    let stat = format!("/proc/{}/stat", health["pid"]);
    let runs = || {
        let stat = std::fs::read_to_string(&stat).unwrap_or_default();
        // One that nobody has waited for yet is gone all the same.
        !stat.is_empty() && !stat.contains(") Z ")
    };
    assert!(runs(), "{health}");
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the end of the service", || !runs(), String::new);
}

#[test]
fn mistakes_are_named_before_anything_begins() {
    let tmp = tempfile::tempdir().unwrap();
    let config = tmp.path().join("config.json");
    let nothing = json!({"camera": {"enabled": false}});
    std::fs::write(&config, nothing.to_string()).unwrap();
    let config = config.to_str().unwrap();
    for (options, named) in [
        (
            &["--fault", "leek"][..],
            "leak, fd-leak, panic, hang, slow, lose-tap",
        ),
        (&["--fault", "hang", "--duration", "0.001"], "--duration"),
        (&["--interval", "1..0.1"], "0.1..1.0"),
        (&["--duration", "0"], "hours above 0"),
        (&["--config", config], "cards.readers"),
        (&["--config", "/no/such/file"], "/no/such/file"),
    ] {
        let output = soak(&tmp, options).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}: {said}");
        assert!(said.contains(named), "{options:?}: {said}");
    }
}

#[test]
fn with_a_configuration_of_ones_own_the_real_ledger_and_log_stay_untouched() {
    let tmp = tempfile::tempdir().unwrap();
    let real = tempfile::tempdir().unwrap();
    let config = real.path().join("config.json");
    let content = json!({
        "data_dir": real.path().join("data"),
        "log": {"file": real.path().join("facetap.log")},
        "server_url": "http://127.0.0.1:9",
        "camera": {"enabled": false},
        "servo": {"enabled": false},
        "cards": {"readers": "simulated"},
        "language": "ja",
    });
    std::fs::write(&config, content.to_string()).unwrap();
    let options = ["--duration", "0.001", "--interval", "0.02", "--config"];
    let output = soak(&tmp, &options).arg(&config).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("合格") && text.contains("成功率") && !text.contains("フレーム:"),
        "{text}"
    );
    assert_eq!(left(&real), [config]);
}
