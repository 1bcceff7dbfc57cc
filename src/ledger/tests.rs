//! Tests of the ledger, and a ledger in a folder of its own for the tests of its neighbours.

use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, Zoned};

use super::outbox::Outbox;
use super::*;
use crate::base::clock::{Clock as _, ManualClock};

/// Longer than the time in which a tap counts as a repeat.
pub(crate) const CLOCK_STEP: Duration = Duration::from_secs(61);
const REPEAT: Duration = Duration::from_secs(60);

/// A ledger in a folder of its own, and a clock.
pub(crate) struct Book {
    pub clock: Arc<ManualClock>,
    ledger: Ledger,
    dir: tempfile::TempDir,
}

impl Book {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            clock: Arc::new(ManualClock::new(
                Duration::from_secs(1000),
                Timestamp::from_second(1_763_703_000).unwrap(),
            )),
            ledger: Ledger::open(dir.path()).unwrap(),
            dir,
        }
    }

    pub fn record(&mut self, card: u8) -> Result<Recorded> {
        let at = Moment::now(self.clock.as_ref());
        let entry = Entry {
            uid: Uid::new(&[card; 4]).unwrap(),
            card: CardType::Felica,
            reader: "R",
            at: &at,
            name: None,
        };
        self.ledger.record(&entry, REPEAT)
    }

    /// Records a tap that must be counted; its number.
    pub fn count(&mut self, card: u8) -> i64 {
        match self.record(card).unwrap() {
            Recorded::Counted { id } => id,
            Recorded::Repeat => panic!("card {card} was taken for a repeat"),
        }
    }

    pub fn advance(&self, d: Duration) {
        self.clock.advance(d);
    }

    pub fn wall(&self) -> Zoned {
        self.clock.wall()
    }

    pub fn outbox(&self) -> Outbox {
        Outbox::open(self.dir.path()).unwrap()
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Ends the process, so to speak.
    pub fn close(self) -> tempfile::TempDir {
        self.dir
    }

    fn restart(self) -> Self {
        let Self { clock, ledger, dir } = self;
        drop(ledger);
        Self {
            ledger: Ledger::open(dir.path()).unwrap(),
            clock,
            dir,
        }
    }
}

#[test]
fn a_repeat_is_told_apart_until_the_time_is_over() {
    let mut book = Book::new();
    book.count(1);
    book.advance(Duration::from_millis(59_999));
    assert_eq!(book.record(1).unwrap(), Recorded::Repeat);
    book.count(2);
    // From the last counted tap, not from the repeat.
    book.advance(Duration::from_millis(1));
    book.count(1);
    assert_eq!(book.ledger.pending().unwrap(), 3);
}

#[test]
fn repeats_survive_a_restart_and_are_deaf_to_the_wall_clock() {
    let mut book = Book::new();
    book.count(1);
    let mut book = book.restart();
    book.clock.set_wall(Timestamp::UNIX_EPOCH);
    book.advance(Duration::from_secs(10));
    assert_eq!(book.record(1).unwrap(), Recorded::Repeat);
    book.clock
        .set_wall(Timestamp::from_second(4_000_000_000).unwrap());
    assert_eq!(book.record(1).unwrap(), Recorded::Repeat);
}

#[test]
fn a_reboot_ends_the_time_of_repeats() {
    let mut book = Book::new();
    book.count(1);
    book.ledger.origin.boot_id = "another boot".into();
    book.count(1);
}

#[test]
fn everything_about_a_tap_is_kept() {
    let mut book = Book::new();
    let id = book.count(0xA1);
    let row: (
        String,
        String,
        String,
        String,
        i64,
        String,
        i64,
        String,
        String,
        i64,
    ) = book
        .ledger
        .db
        .query_row(
            "SELECT uid, card, reader, local_time, utc_offset_s, utc_time, boottime_ms, boot_id, \
             state, attempts FROM tap WHERE id = ?1",
            [id],
            |r| {
                Ok((
                    r.get(0)?,
                    r.get(1)?,
                    r.get(2)?,
                    r.get(3)?,
                    r.get(4)?,
                    r.get(5)?,
                    r.get(6)?,
                    r.get(7)?,
                    r.get(8)?,
                    r.get(9)?,
                ))
            },
        )
        .unwrap();
    let boot_id = book.ledger.origin.boot_id.clone();
    assert_eq!(
        row,
        (
            "A1A1A1A1".into(),
            "felica".into(),
            "R".into(),
            "2025-11-21T05:30:00".into(),
            0,
            "2025-11-21T05:30:00.000000Z".into(),
            1_000_000,
            boot_id,
            "pending".into(),
            0
        )
    );
}

#[test]
fn two_processes_never_share_a_ledger() {
    let book = Book::new();
    let why = format!("{:#}", Ledger::open(book.dir()).unwrap_err());
    assert!(why.contains(&std::process::id().to_string()), "{why}");
    assert!(why.contains("data_dir"), "{why}");
    let dir = book.close();
    Ledger::open(dir.path()).unwrap();
}

#[test]
fn a_full_disk_is_never_a_yes_and_is_got_over() {
    let mut book = Book::new();
    book.count(1);
    let pages: i64 = book
        .ledger
        .db
        .pragma_query_value(None, "page_count", |r| r.get(0))
        .unwrap();
    // As far as SQLite is concerned the disk is full now; opening the file anew lifts it.
    book.ledger
        .db
        .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
        .unwrap();
    let mut refused = None;
    for card in 2..=255 {
        let pending = book.ledger.pending().unwrap();
        if let Err(e) = book.record(card) {
            assert_eq!(book.ledger.pending().unwrap(), pending);
            refused = Some((card, e));
            break;
        }
    }
    let (card, why) = refused.unwrap();
    let why = format!("{why:#}");
    assert!(why.contains(FILE) && why.contains("full"), "{why}");
    book.count(card);
}

#[test]
fn a_deleted_file_does_not_swallow_taps() {
    let mut book = Book::new();
    book.count(1);
    for name in ["attendance.db", "attendance.db-wal", "attendance.db-shm"] {
        std::fs::remove_file(book.dir().join(name)).unwrap();
    }
    book.count(2);
    assert_eq!(book.outbox().pending().unwrap(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let why = format!("{:#}", Ledger::open(&file.path().join("x")).unwrap_err());
    assert!(why.contains("data_dir"), "{why}");
}
