//! A damaged ledger is set aside and replaced; what can be read is carried over, and taps go on.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::cards::{self, Cards, ledger, those};
use crate::harness::{Scene, wait_until};

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

/// Starts the service on a damaged ledger, and taps before and after `replaced` has come true. At least
/// `least` of the old taps must have been carried over in their order, and new ones count.
fn goes_on(
    scene: &Scene,
    cards: &mut Cards,
    before: &[String],
    least: usize,
    replaced: impl Fn() -> bool,
) {
    let running = cards.run(scene);
    let mut new = those(&cards.tap(scene, 10), "counted");
    wait_until("an alarm and the file set aside", replaced, || scene.log());
    new.extend(those(&cards.tap(scene, 10), "counted"));
    assert_eq!(new.len(), 20, "{}", scene.log());
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
}

/// Names of the files that were set aside.
fn aside(scene: &Scene) -> Vec<String> {
    let names = std::fs::read_dir(scene.path("data")).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("attendance.db.damaged-"))
        .collect()
}

/// Whether a line of the log is an alarm that names a file that was set aside.
fn alarmed(scene: &Scene) -> bool {
    let (log, aside) = (scene.log(), aside(scene));
    let names = |line: &str| aside.iter().any(|name| line.contains(name));
    log.lines().any(|l| l.contains(" - ERROR - ") && names(l))
}

/// The damaged file must be set aside, with an alarm that names it.
fn is_replaced(scene: &Scene, cards: &mut Cards, before: &[String], least: usize) {
    goes_on(scene, cards, before, least, || alarmed(scene));
    // It is spoken of once.
    let running = cards.run(scene);
    assert_eq!(those(&cards.tap(scene, 1), "counted").len(), 1);
    assert_eq!(running.stop().0.code(), Some(0));
    assert!(!alarmed(scene));
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
    // The first pages hold the tables' roots; a tap more or less lies on each side of a cut.
    for (tenths, least) in [(1, 0), (4, 10), (6, 100), (7, 100), (9, 200)] {
        let (scene, mut cards, before) = damaged(&End::Stopped, |part| {
            let file = OpenOptions::new().write(true).open(part("")).unwrap();
            file.set_len(length(part("")) * tenths / 10 + 1).unwrap();
        });
        is_replaced(&scene, &mut cards, &before, least);
    }
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
        goes_on(&scene, &mut cards, &before, 0, || true);
    }
}
