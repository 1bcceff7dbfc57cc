//! Another program that holds the ledger locked, as a viewer of databases does that has changes which nobody has written.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::cards::{self, ledger, those};
use crate::harness::{Scene, facetap, wait_until};

/// Five seconds for each of so many taps in turn would be minutes.
const TAPS: u32 = 40;
const LONGEST_ANSWER_MS: f64 = 20_000.0;

/// Python's own SQLite, in a process of its own.
struct Viewer(Child);

impl Viewer {
    fn lock(ledger: &Path, how: &str) -> Self {
        let script = "import sqlite3, sys\n\
                      db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n\
                      db.execute(sys.argv[2])\n\
                      print('locked', flush=True)\n\
                      sys.stdin.readline()\n\
                      db.execute('ROLLBACK')\n";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(ledger)
            .arg(how)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed (scripts/setup.sh test)");
        let mut said = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut said).unwrap();
        assert_eq!(said, "locked\n");
        Self(child)
    }

    fn let_go(mut self) {
        self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn status(scene: &Scene) -> String {
    let mut command = facetap();
    command.args(["status", "--config"]);
    command.arg(scene.path("config.json"));
    command.env("RUNTIME_DIRECTORY", scene.path("run"));
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

#[test]
fn whoever_holds_the_ledger_is_named_and_nobody_waits_in_vain() {
    let (scene, mut cards) = cards::scene();
    let running = cards.run(&scene);
    let mut counted = those(&cards.tap(&scene, 2), "counted");
    assert_eq!(counted.len(), 2);
    for how in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        let viewer = Viewer::lock(&scene.path("data/attendance.db"), how);
        let failed = those(&cards.tap(&scene, TAPS), "failed");
        assert_eq!(failed.len(), TAPS as usize, "{}", scene.log());
        for tap in scene.trace().iter().filter(|t| t["outcome"] == "failed") {
            let ms = tap["feedback_ms"].as_f64().unwrap();
            assert!(ms < LONGEST_ANSWER_MS, "{tap}");
        }
        let pid = viewer.0.id();
        let log = scene.log();
        let named: Vec<_> = log
            .lines()
            .filter(|l| l.contains("IS HELD LOCKED"))
            .collect();
        let mine = named
            .iter()
            .filter(|l| l.contains(&format!("process {pid}")));
        assert_eq!(mine.count(), 1, "once, and not at every tap: {log}");
        assert!(named.iter().all(|l| l.contains("python")), "{named:?}");
        wait_until(
            "the alarm",
            || status(&scene).contains("ALARM"),
            || status(&scene),
        );
        let page = status(&scene);
        assert!(page.contains("ledger: held locked by python"), "{page}");

        viewer.let_go();
        wait_until(
            "no alarm",
            || !status(&scene).contains("ALARM"),
            || status(&scene),
        );
        counted.extend(those(&cards.tap(&scene, 2), "counted"));
    }
    assert_eq!(counted.len(), 6, "{}", scene.log());
    assert_eq!(ledger(&scene), counted, "what failed was not counted");
    assert_eq!(running.stop().0.code(), Some(0));
}

/// A backup or a command takes a moment, and nobody notices.
#[test]
fn a_lock_that_passes_is_waited_for_and_is_no_news() {
    let (scene, mut cards) = cards::scene();
    let running = cards.run(&scene);
    let db = rusqlite::Connection::open(scene.path("data/attendance.db")).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        db.execute_batch("ROLLBACK").unwrap();
    });
    let taps = cards.tap(&scene, 1);
    locked.join().unwrap();
    assert_eq!(those(&taps, "counted").len(), 1, "{}", scene.log());
    assert!(!scene.log().contains("HELD LOCKED"));
    assert_eq!(running.stop().0.code(), Some(0));
}
