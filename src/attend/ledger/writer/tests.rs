use std::cell::Cell;
use std::path::PathBuf;

use super::*;
use crate::attend::ledger::FILE;
use crate::attend::ledger::tests::{Book, CLOCK_STEP};

/// What SQLite says of a page that no database holds.
fn corrupt() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
        None,
    )
}

/// A ledger with three taps, all of them in the file, and a copy of the file beside it.
fn book_with_a_copy() -> (Book, PathBuf) {
    let mut book = Book::new();
    for card in 1..=3 {
        book.count(card);
        book.advance(CLOCK_STEP);
    }
    book.shorten_journal();
    let copy = book.dir().join("copy");
    std::fs::copy(book.dir().join(FILE), &copy).unwrap();
    (book, copy)
}

/// A person puts another file in the place of the ledger.
fn put_in_place(book: &Book, copy: &PathBuf) {
    std::fs::rename(copy, book.dir().join(FILE)).unwrap();
}

fn quarantine(book: &Book) -> usize {
    let files = std::fs::read_dir(book.dir()).unwrap();
    let names = files.map(|f| f.unwrap().file_name().into_string().unwrap());
    names
        .filter(|n| n.starts_with("attendance.db.damaged-") && n.ends_with(char::is_numeric))
        .count()
}

fn ids(db: &Connection) -> rusqlite::Result<Vec<i64>> {
    db.prepare("SELECT id FROM tap ORDER BY id")?
        .query_map([], |r| r.get(0))?
        .collect()
}

#[test]
fn a_verdict_about_a_file_that_another_thread_has_replaced_is_void() {
    let (book, _) = book_with_a_copy();
    let store = book.store();
    let mut slow = Writer::open(&store).unwrap();
    slow.read(&store, ids).unwrap();
    // The check of every page has been under way when somebody else comes across the damage.
    let other = Writer::open(&store).unwrap();
    other.replace(&store, &corrupt().into()).unwrap();
    assert_eq!(quarantine(&book), 1);
    slow.replace(&store, &schema::Damaged("page 7".into()).into())
        .unwrap();
    assert_eq!(quarantine(&book), 1, "the fresh one is sound");
    assert_eq!(slow.read(&store, ids).unwrap(), [1, 2, 3]);
}

#[test]
fn a_verdict_about_a_file_that_a_person_has_replaced_is_void() {
    let (book, copy) = book_with_a_copy();
    let store = book.store();
    let mut slow = Writer::open(&store).unwrap();
    put_in_place(&book, &copy);
    slow.replace(&store, &schema::Damaged("page 7".into()).into())
        .unwrap();
    assert_eq!(quarantine(&book), 0);
    assert_eq!(slow.read(&store, ids).unwrap(), [1, 2, 3]);
}

/// In the middle of an access, which then fails on what it has still open.
#[test]
fn no_access_sets_a_file_aside_that_it_has_not_read() {
    let (book, copy) = book_with_a_copy();
    let store = book.store();
    let mut writer = Writer::open(&store).unwrap();
    let second = book.dir().join("second");
    std::fs::copy(&copy, &second).unwrap();
    let first_time = Cell::new(true);
    let read = writer.read(&store, |db| {
        if first_time.replace(false) {
            put_in_place(&book, &copy);
            return Err(corrupt());
        }
        ids(db)
    });
    assert_eq!(read.unwrap(), [1, 2, 3]);
    first_time.set(true);
    let written = writer.write(&store, Urgency::Background, |tx| {
        if first_time.replace(false) {
            put_in_place(&book, &second);
            return Err(corrupt());
        }
        ids(tx)
    });
    assert_eq!(written.unwrap(), [1, 2, 3]);
    assert_eq!(quarantine(&book), 0);
}

#[test]
fn damage_in_the_file_that_is_there_still_sets_it_aside() {
    let (book, _) = book_with_a_copy();
    let store = book.store();
    let mut writer = Writer::open(&store).unwrap();
    for (access, files) in [("read", 1), ("write", 2), ("check", 3)] {
        let first_time = Cell::new(true);
        let fail_once = |db: &Connection| {
            if first_time.replace(false) {
                return Err(corrupt());
            }
            ids(db)
        };
        let seen = match access {
            "read" => writer.read(&store, fail_once),
            "write" => writer.write(&store, Urgency::Background, |tx| fail_once(tx)),
            _ => {
                writer.read(&store, ids).unwrap();
                writer.replace(&store, &corrupt().into()).unwrap();
                writer.read(&store, ids)
            }
        };
        assert_eq!(seen.unwrap(), [1, 2, 3], "{access}");
        assert_eq!(quarantine(&book), files, "{access}");
    }
}

#[test]
fn a_file_that_is_damaged_again_and_again_ends_in_a_fault() {
    let (book, _) = book_with_a_copy();
    let store = book.store();
    let mut writer = Writer::open(&store).unwrap();
    let read = writer.read(&store, |_| -> rusqlite::Result<()> { Err(corrupt()) });
    assert!(is_damage(&read.unwrap_err()));
    assert_eq!(quarantine(&book), 2, "each of them was the ledger");
}

/// A damaged file that a person puts there is found at the next access, not at the next write only.
#[test]
fn a_damaged_file_that_is_put_in_place_is_set_aside_at_the_next_access() {
    let (book, copy) = book_with_a_copy();
    let store = book.store();
    let mut writer = Writer::open(&store).unwrap();
    let mut bytes = std::fs::read(&copy).unwrap();
    bytes[..100].fill(0xA5);
    std::fs::write(&copy, bytes).unwrap();
    put_in_place(&book, &copy);
    assert_eq!(writer.read(&store, ids).unwrap(), [1, 2, 3]);
    assert_eq!(quarantine(&book), 1);
}
