//! On this machine: daemons and servers that hang, are gone, or have nothing.

use std::net::TcpListener;
use std::process::Output;

use facetap::tools::doctor::sections;
use nix::sys::signal::Signal;
use serde_json::json;

use super::board::Board;
use super::examine;
use crate::daemon::{Daemon, Turn};
use crate::harness::{Scene, facetap, free_port};
use crate::mounts::{isolated, tmpfs};

/// Provoked here, or in the tests beside `probe`, or with another clock.
pub const KEYS: [&str; 8] = [
    "pcscd-hangs",
    "pcscd-unusable",
    "reader-absent",
    "server-silent",
    "clock-wrong",
    "crashed-long-ago",
    "look-hangs",
    "look-failed",
];

/// libpcsclite looks for its daemon there.
const DAEMON: &str = "PCSCLITE_CSOCK_NAME";

fn doctor(scene: &Scene, env: &[(&str, &str)], options: &[&str]) -> (Option<i32>, String) {
    let config = scene.path("config.json");
    std::fs::write(&config, scene.config.to_string()).unwrap();
    let Output { status, stdout, .. } = facetap()
        .args(["doctor", "--no-file", "--config"])
        .arg(&config)
        .args(options)
        .envs(env.iter().copied())
        .current_dir(scene.dir.path())
        .output()
        .unwrap();
    (status.code(), String::from_utf8(stdout).unwrap())
}

/// The finding is told, with why it matters and what mends it.
fn finds(table: &str, key: &str, mend: &str) {
    let at = table
        .find(&format!("[{key}]"))
        .unwrap_or_else(|| panic!("no {key}:\n{table}"));
    let mut after = table[at..].lines().skip(1);
    let (why, how) = (after.next().unwrap(), after.next().unwrap());
    assert!(why.starts_with("    why:  "), "{table}");
    assert!(
        how.starts_with("    mend: ") && how.contains(mend),
        "{table}"
    );
}

fn with_readers() -> Scene {
    Scene::new().set("cards", json!({"enabled": true}))
}

#[test]
fn a_daemon_that_is_not_there_is_told() {
    let scene = with_readers();
    let (status, table) = doctor(&scene, &[(DAEMON, "/no/such/socket")], &["--limit", "60"]);
    assert_eq!(status, Some(1), "{table}");
    finds(&table, "pcscd-unusable", "systemctl restart pcscd");
}

#[test]
fn the_real_daemon_is_asked_and_one_that_is_stopped_in_the_middle_is_given_up() {
    let Some(turn) = Turn::take() else {
        return;
    };
    let scene = with_readers();
    {
        let _daemon = Daemon::without_readers(&turn);
        let (_, table) = doctor(&scene, &[], &["--limit", "60"]);
        finds(&table, "reader-absent", "facetap devices");
    }
    let daemon = Daemon::start(&turn);
    let (_, table) = doctor(&scene, &[], &["--limit", "60"]);
    assert!(
        !table.contains("[reader-") && !table.contains("[pcscd-u"),
        "{table}"
    );
    let others = with_readers().set("cards", json!({"enabled": true, "readers": "Sony"}));
    let (_, table) = doctor(&others, &[], &["--limit", "60"]);
    finds(&table, "reader-not-named", "\"all\"");

    daemon.signal(Signal::SIGSTOP);
    let (status, table) = doctor(&scene, &[], &[]);
    assert_eq!(status, Some(1), "{table}");
    finds(&table, "pcscd-hangs", "systemctl restart pcscd");
    daemon.signal(Signal::SIGCONT);
}

#[test]
fn a_server_that_does_not_answer_is_given_up_and_one_that_is_gone_is_told() {
    // Takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://me:pa55@{}", silent.local_addr().unwrap());
    let scene = Scene::new().set("server_url", json!(url));
    let (status, table) = doctor(&scene, &[], &[]);
    assert_eq!(status, Some(1), "{table}");
    finds(&table, "server-silent", "/api/health");
    assert!(!table.contains("pa55"), "{table}");

    let scene = Scene::new().set(
        "server_url",
        json!(format!("http://127.0.0.1:{}", free_port())),
    );
    let (_, table) = doctor(&scene, &[], &["--limit", "60"]);
    finds(&table, "server-down", "/api/health");
}

#[test]
fn a_running_service_is_looked_at_and_goes_on() {
    let scene = with_readers().set("cards", json!({"enabled": true, "readers": "simulated"}));
    let service = scene.run(&[]);
    service.wait_for_log("[SERVER_START]");
    let (_, table) = doctor(&scene, &[], &["--limit", "60"]);
    for key in [
        "ledger-", "health-", "service-", "loop-", "config-", "log-", "folder-",
    ] {
        assert!(!table.contains(&format!("[{key}")), "{key}:\n{table}");
    }
    let (status, _) = service.stop();
    assert_eq!(status.code(), Some(0), "{}", scene.log());
}

#[test]
fn a_full_disk_is_seen() {
    isolated(|| {
        let board = Board::new();
        tmpfs(&board.path("var/lib/facetap"), "1m");
        let findings = examine(&board);
        assert!(
            findings.iter().any(|f| f.key == "disk-full"),
            "{findings:#?}"
        );
    });
}

#[test]
fn all_looks_together_stay_below_two_seconds() {
    let limits: Vec<_> = sections::all().iter().map(|p| p.limit).collect();
    assert_eq!(limits.len(), 18);
    // Side by side; half a second before them is for the configuration, and the rest for writing.
    assert!(
        sections::longest() <= std::time::Duration::from_millis(1200),
        "{limits:?}"
    );
}
