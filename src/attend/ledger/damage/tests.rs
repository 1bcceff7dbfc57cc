use std::os::unix::fs::FileExt as _;

use super::*;
use crate::attend::ledger::tests::{Book, CLOCK_STEP};

const PAGE: u64 = 4096;

/// A ledger with `taps` taps, the first of them delivered, closed as a kill leaves it or in good order.
fn filled(taps: u16) -> tempfile::TempDir {
    let mut book = Book::new();
    for n in 0..taps {
        let id = book.count(n as u8);
        if n == 0 {
            book.settle(id, true);
        }
        book.advance(CLOCK_STEP);
    }
    book.close()
}

fn database(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join(crate::attend::ledger::FILE)
}

/// Writes garbage over a part of the file.
fn spoil(file: &Path, from: u64, length: u64) {
    let garbage: Vec<u8> = (0..length).map(|i| (i * 37 % 251) as u8).collect();
    File::options()
        .write(true)
        .open(file)
        .unwrap()
        .write_all_at(&garbage, from)
        .unwrap();
}

fn set_aside_files(dir: &tempfile::TempDir) -> usize {
    std::fs::read_dir(dir.path())
        .unwrap()
        .filter(|e| {
            let name = e.as_ref().unwrap().file_name();
            let name = name.to_string_lossy().into_owned();
            name.contains(DAMAGED) && !name.ends_with("-wal") && !name.ends_with("-shm")
        })
        .count()
}

#[test]
fn a_header_of_garbage_costs_no_tap() {
    let dir = filled(300);
    spoil(&database(&dir), 0, HEADER as u64);
    let mut book = Book::in_folder(dir);
    assert_eq!(book.ids().len(), 300);
    assert_eq!(book.text(1, "state").as_deref(), Some("delivered"));
    assert_eq!(book.text(1, "review"), None);
    assert_eq!(book.text(2, "review").as_deref(), Some("salvaged"));
    assert!(book.count(1) > 300);
    let dir = book.close();
    assert_eq!(set_aside_files(&dir), 1);
    // And the repaired one is an ordinary one.
    assert_eq!(Book::in_folder(dir).ids().len(), 301);
}

#[test]
fn a_page_of_garbage_costs_the_taps_on_it() {
    let dir = filled(2000);
    let pages = std::fs::metadata(database(&dir)).unwrap().len() / PAGE;
    // In the middle: a leaf of the table or of an index, whichever it is.
    spoil(&database(&dir), pages / 2 * PAGE, PAGE);
    let mut book = Book::in_folder(dir);
    book.examine();
    let ids = book.ids();
    assert!(ids.len() >= 1950, "{} taps", ids.len());
    assert_eq!((ids[0], *ids.last().unwrap()), (1, 2000));
    assert!(book.count(250) > 2000);
    assert_eq!(set_aside_files(&book.close()), 1);
}

#[test]
fn what_lies_behind_a_long_run_of_garbage_is_kept() {
    let dir = filled(6000);
    let file = database(&dir);
    let pages = std::fs::metadata(&file).unwrap().len() / PAGE;
    // A third of the file, some 2,000 numbers.
    spoil(&file, pages / 3 * PAGE, pages / 3 * PAGE);
    let damaged = Connection::open(&file).unwrap();
    let readable: Vec<i64> = (1..=6000)
        .filter(|id| {
            let whole = "SELECT uid || local_time || state FROM tap NOT INDEXED WHERE id = ?1";
            let text = damaged.query_row(whole, [id], |row| row.get::<_, Option<String>>(0));
            text.is_ok_and(|text| text.is_some())
        })
        .collect();
    assert!((500..5000).contains(&readable.len()), "{}", readable.len());
    drop(damaged);
    let book = Book::in_folder(dir);
    book.examine();
    let kept = book.ids();
    let lost: Vec<_> = readable.iter().filter(|id| !kept.contains(id)).collect();
    assert!(
        lost.is_empty(),
        "{} of {}: {lost:?}",
        lost.len(),
        readable.len()
    );
}

#[test]
fn a_file_cut_short_keeps_what_is_left() {
    let dir = filled(2000);
    let file = File::options().write(true).open(database(&dir)).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length * 2 / 3).unwrap();
    let mut book = Book::in_folder(dir);
    book.examine();
    assert!(book.ids().len() >= 900, "{} taps", book.ids().len());
    book.count(251);
    assert_eq!(set_aside_files(&book.close()), 1);
}

#[test]
fn damage_that_shows_while_the_service_runs_loses_no_new_tap() {
    let mut book = Book::new();
    for n in 0..600u16 {
        book.count((n % 200) as u8);
        book.advance(CLOCK_STEP);
    }
    let mut outbox = book.outbox();
    assert_eq!(outbox.heads().unwrap().len(), 200);
    book.shorten_journal();
    let file = book.dir().join(crate::attend::ledger::FILE);
    let length = std::fs::metadata(&file).unwrap().len();
    assert!(length > 30 * PAGE, "{length}");
    // Everything but what every access needs.
    spoil(&file, 24 * PAGE, length - 24 * PAGE);
    let id = book.count(201);
    // Whoever comes across it first, the others follow.
    book.examine();
    let next = book.count(202);
    let heads = outbox.heads().unwrap();
    for id in [id, next] {
        assert!(heads.iter().any(|h| h.id == id), "{id} in {heads:?}");
    }
    assert_eq!(set_aside_files(&book.close()), 1);
}

#[test]
fn no_garbage_stops_the_next_tap() {
    for (length, fill) in [(0, 0), (1, 7), (5000, 0xFF), (100_000, 0)] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(database(&dir), vec![fill; length]).unwrap();
        let mut book = Book::in_folder(dir);
        book.count(1);
        assert_eq!(book.ids().len(), 1, "{length} bytes of {fill}");
    }
}

/// Between any two steps of the exchange.
#[test]
fn a_power_cut_while_a_file_is_set_aside_loses_nothing() {
    for step in 0..3 {
        let dir = filled(50);
        let file = database(&dir);
        assert_eq!(salvage(&file).unwrap(), 50);
        if step > 0 {
            std::fs::rename(beside(&file, FILLING), beside(&file, READY)).unwrap();
        }
        if step > 1 {
            std::fs::rename(&file, beside(&file, ".damaged-1")).unwrap();
        }
        let mut book = Book::in_folder(dir);
        assert_eq!(book.ids().len(), 50, "step {step}");
        assert!(book.count(60) > 50);
        let dir = book.close();
        for rest in [FILLING, READY] {
            assert!(!beside(&database(&dir), rest).exists(), "step {step}");
        }
        assert_eq!(set_aside_files(&dir), usize::from(step > 0));
    }
}

#[test]
fn an_older_ledger_is_carried_over_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = database(&dir);
    schema::tests::version_1(&file, 3);
    assert_eq!(salvage(&file).unwrap(), 3);
}
