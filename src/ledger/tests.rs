//! Tests of the ledger, and a ledger in a folder of its own for the tests of its neighbours.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use jiff::{Timestamp, Zoned};

use super::outbox::{Ended, Outbox, Settled};
use super::stamp::Sync;
use super::*;
use crate::base::clock::{Clock as _, ManualClock};
use crate::base::stop::lock;

/// Longer than the time in which a tap counts as a repeat.
pub(crate) const CLOCK_STEP: Duration = Duration::from_secs(61);
const REPEAT: Duration = Duration::from_secs(60);

/// A ledger in a folder of its own, and a clock.
pub(crate) struct Book {
    pub clock: Arc<ManualClock>,
    /// What vouches for its wall clock; at first nobody does, and nobody is about to.
    pub sync: Arc<Mutex<Sync>>,
    ledger: Ledger,
    dir: tempfile::TempDir,
}

impl Book {
    pub fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    /// In a folder that may hold a ledger.
    pub fn in_folder(dir: tempfile::TempDir) -> Self {
        let sync = Arc::new(Mutex::new(Sync {
            daemon: None,
            kernel: false,
            expected: false,
        }));
        let clock = Arc::new(ManualClock::new(
            Duration::from_secs(1000),
            Timestamp::from_second(1_763_703_000).unwrap(),
        ));
        Self {
            ledger: ledger(dir.path(), &sync, &clock),
            clock,
            sync,
            dir,
        }
    }

    pub fn record(&mut self, card: u8) -> Result<Recorded> {
        let at = Moment::now(self.clock.as_ref());
        let entry = Entry {
            uid: Uid::new(&[card; 4]).unwrap(),
            card: CardType::Felica,
            name: None,
            reader: "R",
            at: &at,
            in_view: None,
            review: None,
        };
        self.ledger.record(&entry, REPEAT)
    }

    /// Records a tap that must be counted; its number.
    pub fn count(&mut self, card: u8) -> i64 {
        match self.record(card).unwrap() {
            Recorded::Counted { id, .. } => id,
            Recorded::Repeat => panic!("card {card} was taken for a repeat"),
        }
    }

    pub fn advance(&self, d: Duration) {
        self.clock.advance(d);
    }

    pub fn now(&self) -> Moment {
        Moment::now(self.clock.as_ref())
    }

    pub fn wall(&self) -> Zoned {
        self.clock.wall()
    }

    pub fn store(&self) -> Arc<Store> {
        Arc::clone(self.ledger.store())
    }

    pub fn outbox(&self) -> Outbox {
        Outbox::open(self.ledger.store()).unwrap()
    }

    /// Settles a tap, as delivered or as rejected.
    pub fn settle(&self, id: i64, delivered: bool) {
        let how = if delivered {
            Settled::Delivered
        } else {
            Settled::Rejected
        };
        let ended = Ended {
            id,
            uid: self.uid_of(id),
            how,
            answer: "200".into(),
            done_with: 1,
        };
        self.outbox()
            .exchange(&[ended], &VecDeque::new(), 0, false, &self.now())
            .unwrap();
    }

    /// A column of a tap.
    pub fn text(&self, id: i64, column: &str) -> Option<String> {
        let sql = format!("SELECT CAST({column} AS TEXT) FROM tap WHERE id = ?1");
        self.ledger
            .writer
            .db()
            .query_row(&sql, [id], |r| r.get(0))
            .unwrap()
    }

    pub fn uid_of(&self, id: i64) -> String {
        self.text(id, "uid").unwrap()
    }

    pub fn ids(&self) -> Vec<i64> {
        // The file as it is now, which may be another one than the ledger has open.
        let mut writer = Writer::open(self.ledger.store()).unwrap();
        let ids = writer.read(self.ledger.store(), |db| {
            let mut rows = db.prepare("SELECT id FROM tap ORDER BY id")?;
            rows.query_map([], |r| r.get(0))?.collect()
        });
        ids.unwrap()
    }

    /// Looks at every page, as the upkeep does.
    pub fn examine(&self) {
        let store = self.ledger.store();
        let mut writer = Writer::open(store).unwrap();
        writer
            .examine(store, &crate::base::stop::Stop::new())
            .unwrap();
    }

    /// What the upkeep does for cards of which the server may store a tap late.
    pub fn keep_up(&self) {
        let (store, boottime) = (self.store(), self.clock.boottime());
        self.transact(|tx| times::end_quiet(tx, store.boot_id(), boottime));
    }

    pub fn shorten_journal(&self) {
        journal::empty(self.ledger.writer.db()).unwrap();
    }

    /// Writes as the upkeep does.
    pub fn transact<T>(&self, act: impl Fn(&Transaction) -> rusqlite::Result<T>) -> T {
        Writer::open(self.ledger.store())
            .unwrap()
            .write(self.ledger.store(), Urgency::Background, act)
            .unwrap()
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Ends the process, so to speak.
    pub fn close(self) -> tempfile::TempDir {
        self.dir
    }

    pub fn restart(self) -> Self {
        let Self {
            clock,
            sync,
            ledger: old,
            dir,
        } = self;
        drop(old);
        Self {
            ledger: ledger(dir.path(), &sync, &clock),
            clock,
            sync,
            dir,
        }
    }
}

fn ledger(dir: &Path, sync: &Arc<Mutex<Sync>>, clock: &Arc<ManualClock>) -> Ledger {
    let sync = Arc::clone(sync);
    let store = Store::asking(dir, Box::new(move || *lock(&sync))).unwrap();
    store.look(clock.as_ref());
    Ledger::of(Arc::new(store)).unwrap()
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
    book.transact(|tx| tx.execute("UPDATE tap SET boot_id = 'an earlier boot'", []));
    book.count(1);
}

#[test]
fn everything_about_a_tap_is_kept() {
    let mut book = Book::new();
    let at = Moment::now(book.clock.as_ref());
    let entry = Entry {
        uid: Uid::new(&[0xA1; 4]).unwrap(),
        card: CardType::Felica,
        name: Some("山田"),
        reader: "R",
        at: &at,
        in_view: Some(InView {
            faces: 2,
            nearest: Some(Duration::from_millis(1500)),
        }),
        review: Some("no-face"),
    };
    let Recorded::Counted { id, .. } = book.ledger.record(&entry, REPEAT).unwrap() else {
        panic!("not counted");
    };
    let boot_id = book.store().boot_id().to_owned();
    for (column, want) in [
        ("uid", "A1A1A1A1"),
        ("card", "felica"),
        ("name", "山田"),
        ("reader", "R"),
        ("local_time", "2025-11-21T05:30:00"),
        ("utc_offset_s", "0"),
        ("utc_time", "2025-11-21T05:30:00.000000Z"),
        ("boottime_ms", "1000000"),
        ("boot_id", boot_id.as_str()),
        ("state", "pending"),
        ("attempts", "0"),
        ("faces", "2"),
        ("nearest_face_ms", "1500"),
        ("review", "no-face"),
    ] {
        assert_eq!(book.text(id, column).as_deref(), Some(want), "{column}");
    }
    assert_eq!(book.text(id, "idempotency_key").unwrap().len(), 32);
}

#[test]
fn repeats_and_refused_cards_are_kept_for_a_while() {
    let mut book = Book::new();
    book.count(1);
    assert_eq!(book.record(1).unwrap(), Recorded::Repeat);
    let at = Moment::now(book.clock.as_ref());
    let entry = Entry {
        uid: Uid::new(&[8, 1, 2, 3]).unwrap(),
        card: CardType::TypeA,
        name: None,
        reader: "R",
        at: &at,
        in_view: None,
        review: None,
    };
    book.ledger.refuse(&entry, "a phone").unwrap();
    let kept = |book: &Book| -> Vec<String> {
        let mut rows = book
            .ledger
            .writer
            .db()
            .prepare("SELECT outcome || uid || after_tap || coalesce(why, '') FROM uncounted")
            .unwrap();
        let rows = rows.query_map([], |r| r.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert_eq!(kept(&book), ["repeat010101011", "refused080102031a phone"]);
    // As many as are kept, later.
    let many = UNCOUNTED_KEPT;
    book.transact(|tx| {
        tx.execute(
            "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'uncounted'",
            [many],
        )
    });
    book.ledger.refuse(&entry, "again").unwrap();
    assert_eq!(
        kept(&book),
        ["refused080102031a phone", "refused080102031again"]
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
        .writer
        .db()
        .pragma_query_value(None, "page_count", |r| r.get(0))
        .unwrap();
    // As far as SQLite is concerned the disk is full now; opening the file anew lifts it.
    book.ledger
        .writer
        .db()
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
fn a_deleted_file_is_made_anew_with_what_it_had() {
    let mut book = Book::new();
    let first = book.count(1);
    let mut outbox = book.outbox();
    assert_eq!(outbox.pending().unwrap(), 1);
    for name in ["attendance.db", "attendance.db-wal", "attendance.db-shm"] {
        std::fs::remove_file(book.dir().join(name)).unwrap();
    }
    let second = book.count(2);
    assert!(second > first);
    assert_eq!(book.record(1).unwrap(), Recorded::Repeat, "still known");
    assert_eq!(outbox.pending().unwrap(), 2, "the others follow");
    assert_eq!(book.text(first, "review"), None);
    drop(outbox);
    assert_eq!(book.restart().ids(), [first, second]);
}

/// Without its journal a file lacks the newest taps, and no access fails.
#[test]
fn a_deleted_journal_costs_no_tap() {
    let mut book = Book::new();
    let mut ids = vec![book.count(1), book.count(2)];
    let before = std::fs::metadata(book.dir().join("attendance.db")).unwrap();
    for name in ["attendance.db-wal", "attendance.db-shm"] {
        std::fs::remove_file(book.dir().join(name)).unwrap();
    }
    ids.push(book.count(3));
    ids.push(book.count(4));
    // As after a power cut: from the files alone.
    let copy = tempfile::tempdir().unwrap();
    for name in ["attendance.db", "attendance.db-wal"] {
        let _ = std::fs::copy(book.dir().join(name), copy.path().join(name));
    }
    assert!(before.len() > 0);
    assert_eq!(Book::in_folder(copy).ids(), ids);
}

#[test]
fn a_ledger_that_is_gone_at_the_start_is_read_from_its_journal() {
    for empty in [true, false] {
        let mut book = Book::new();
        let ids = [book.count(1), book.count(2)];
        // As a kill leaves it, except that the file is cut to nothing or gone.
        let left = tempfile::tempdir().unwrap();
        let name = "attendance.db-wal";
        std::fs::copy(book.dir().join(name), left.path().join(name)).unwrap();
        if empty {
            std::fs::write(left.path().join("attendance.db"), "").unwrap();
        }
        let mut book = Book::in_folder(left);
        assert_eq!(book.ids(), ids, "an empty file: {empty}");
        assert!(book.count(3) > ids[1]);
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let why = format!("{:#}", Ledger::open(&file.path().join("x")).unwrap_err());
    assert!(why.contains("data_dir"), "{why}");
}
