//! `facetap devices`.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Output;

use crate::daemon::{Daemon, Turn};
use crate::harness::facetap;

fn devices(env: &[(&str, &str)]) -> (Option<i32>, String) {
    let Output { status, stdout, .. } = facetap()
        .arg("devices")
        .envs(env.iter().copied())
        .output()
        .unwrap();
    (status.code(), String::from_utf8(stdout).unwrap())
}

/// libpcsclite looks for its daemon there.
const DAEMON: &str = "PCSCLITE_CSOCK_NAME";

#[test]
fn every_kind_is_named_and_nothing_found_is_no_failure() {
    let (status, table) = devices(&[(DAEMON, "/no/such/socket")]);
    assert_eq!(status, Some(0), "{table}");
    for text in [
        "\"camera.source\"",
        "\"servo.port\"",
        "\"cards.readers\"",
        "the PC/SC daemon does not run; install pcscd",
    ] {
        assert!(table.contains(text), "{text}:\n{table}");
    }
    let (status, table) = devices(&[(DAEMON, "/no/such/socket"), ("LANG", "ja_JP.UTF-8")]);
    assert_eq!(status, Some(0), "{table}");
    for text in [
        "カメラ",
        "サーボ",
        "カードリーダー",
        "PC/SC デーモンが動いていません",
    ] {
        assert!(table.contains(text), "{text}:\n{table}");
    }
}

#[test]
fn a_daemon_that_hangs_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    // Takes connections and never answers.
    let _daemon = UnixListener::bind(&socket).unwrap();
    let (status, table) = devices(&[(DAEMON, socket.to_str().unwrap())]);
    assert_eq!(status, Some(0), "{table}");
    assert!(table.contains("does not answer within 3 s"), "{table}");
}

#[test]
fn the_readers_of_the_real_daemon_are_listed() {
    let Some(turn) = Turn::take() else {
        return;
    };
    let _daemon = Daemon::start(&turn);
    let (status, table) = devices(&[]);
    assert_eq!(status, Some(0), "{table}");
    for reader in ["  all  Virtual PCD 00 00\n", "  all  Virtual PCD 00 01\n"] {
        assert!(table.contains(reader), "{table}");
    }
}

#[test]
fn a_camera_at_the_connector_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/rpicam_vid.py");
    std::os::unix::fs::symlink(tool, dir.path().join("rpicam-vid")).unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", dir.path().display());
    let (status, table) = devices(&[("PATH", &path), (DAEMON, "/no/such/socket")]);
    assert_eq!(status, Some(0), "{table}");
    let line = table.lines().find(|l| l.contains("imx708 4608x2592"));
    assert!(
        line.is_some_and(|l| l.trim_start().starts_with("rpicam ")),
        "{table}"
    );
}

#[test]
fn a_list_that_cannot_be_written_is_a_failure() {
    let output = facetap()
        .arg("devices")
        .env(DAEMON, "/no/such/socket")
        .stdout(std::fs::File::create("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot be written"), "{said}");
}
