//! A damaged ledger is set aside and replaced; what can be read is carried over, and taps go on.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::cards::{self, Cards, ledger, those};
use crate::harness::Scene;

/// Enough for some dozen pages.
const TAPS: u32 = 400;
const PAGE: u64 = 4096;

/// How the first run ends.
enum End {
    /// Everything is in the file.
    Stopped,
    /// Much is in the journal.
    Killed,
}

/// A ledger with taps, damaged; what it held.
fn damaged(
    end: &End,
    damage: impl FnOnce(&dyn Fn(&str) -> PathBuf),
) -> (Scene, Cards, Vec<String>) {
    let (scene, mut cards) = cards::scene();
    let running = cards.run(&scene);
    for _ in 0..TAPS / 50 {
        assert_eq!(those(&cards.tap(&scene, 50), "counted").len(), 50);
    }
    match end {
        End::Stopped => assert_eq!(running.stop().0.code(), Some(0)),
        End::Killed => {
            running.signal(Signal::SIGKILL);
            drop(running);
        }
    }
    let before = {
        // The journal must not be played in by looking, so a copy is looked at.
        let copy = tempfile::tempdir().unwrap();
        for part in ["", "-wal"] {
            let name = format!("attendance.db{part}");
            let _ = std::fs::copy(scene.path("data").join(&name), copy.path().join(&name));
        }
        let db = rusqlite::Connection::open(copy.path().join("attendance.db")).unwrap();
        let mut rows = db.prepare("SELECT uid FROM tap ORDER BY id").unwrap();
        let rows = rows.query_map([], |r| r.get(0)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<String>>()
    };
    assert_eq!(before.len(), TAPS as usize);
    damage(&|part| scene.path("data").join(format!("attendance.db{part}")));
    (scene, cards, before)
}

/// Starts the service on a damaged ledger. At least `least` of the taps must have been carried over, none
/// that was never there, and new ones count. Returns the names of files that were set aside.
fn goes_on(scene: &Scene, cards: &mut Cards, before: &[String], least: usize) -> Vec<String> {
    let running = cards.run(scene);
    let new = those(&cards.tap(scene, 10), "counted");
    assert_eq!(new.len(), 10, "{}", scene.log());
    assert_eq!(running.stop().0.code(), Some(0));
    assert!(!scene.log().contains("panicked"));

    let kept = ledger(scene);
    let order: Vec<_> = before.iter().filter(|uid| kept.contains(uid)).collect();
    assert!(
        order.len() >= least,
        "only {} were carried over",
        order.len()
    );
    let (old, last) = kept.split_at(kept.len() - new.len());
    assert_eq!(old.iter().collect::<Vec<_>>(), order, "in their order");
    let sets = |uids: &[String]| uids.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(sets(last), sets(&new));
    std::fs::read_dir(scene.path("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("attendance.db.damaged-"))
        .collect()
}

/// The same, and the damaged file must have been set aside, with an alarm that names it.
fn is_replaced(scene: &Scene, cards: &mut Cards, before: &[String], least: usize) {
    let aside = goes_on(scene, cards, before, least);
    assert!(!aside.is_empty(), "nothing was set aside");
    let log = scene.log();
    let alarm = |l: &str| l.contains(" - ERROR - ") && aside.iter().any(|name| l.contains(name));
    assert!(log.lines().any(alarm), "{log}");
    // A damaged file is spoken of once.
    let running = cards.run(scene);
    assert_eq!(those(&cards.tap(scene, 1), "counted").len(), 1);
    assert_eq!(running.stop().0.code(), Some(0));
    assert!(!scene.log().lines().any(alarm));
}

fn overwrite(file: PathBuf, at: u64, with: &[u8]) {
    let file = OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(with, at).unwrap();
}

fn length(file: PathBuf) -> u64 {
    std::fs::metadata(file).unwrap().len()
}

#[test]
fn pages_in_the_middle_are_overwritten() {
    let (scene, mut cards, before) = damaged(&End::Stopped, |part| {
        let pages = length(part("")) / PAGE;
        overwrite(part(""), pages / 2 * PAGE, &[0xA5; 2 * PAGE as usize]);
    });
    is_replaced(&scene, &mut cards, &before, before.len() / 2);
}

#[test]
fn the_file_ends_early() {
    let (scene, mut cards, before) = damaged(&End::Stopped, |part| {
        let file = OpenOptions::new().write(true).open(part("")).unwrap();
        file.set_len(length(part("")) * 7 / 10 + 1).unwrap();
    });
    is_replaced(&scene, &mut cards, &before, before.len() / 4);
}

#[test]
fn the_header_is_garbage() {
    let (scene, mut cards, before) = damaged(&End::Stopped, |part| {
        overwrite(part(""), 0, &[0xA5; 100]);
    });
    is_replaced(&scene, &mut cards, &before, before.len());
}

#[test]
fn the_whole_file_is_garbage() {
    let (scene, mut cards, before) = damaged(&End::Stopped, |part| {
        std::fs::write(part(""), vec![0xA5; 100_000]).unwrap();
    });
    is_replaced(&scene, &mut cards, &before, 0);
}

/// SQLite believes a journal as far as its checksums are right, so nothing has to be set aside.
#[test]
fn the_journal_is_garbage() {
    for at in [0, 60 * PAGE] {
        let (scene, mut cards, before) = damaged(&End::Killed, |part| {
            assert!(length(part("-wal")) > at + 8 * PAGE);
            overwrite(part("-wal"), at, &[0xA5; 8 * PAGE as usize]);
        });
        goes_on(&scene, &mut cards, &before, 0);
    }
}
