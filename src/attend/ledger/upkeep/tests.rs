use super::*;
use crate::attend::ledger::stamp::Sync;
use crate::attend::ledger::tests::{Book, CLOCK_STEP};
use crate::base::slot::Taken;
use crate::config::{Config, Live};
use jiff::Timestamp;

/// 2026-11-21T00:00:00Z.
const TRUE: i64 = 1_795_219_200;

struct UpkeepScene {
    upkeep: Upkeep,
    memory: UpkeepMemory,
    bell: Arc<Slot<()>>,
}

fn scene(book: &Book) -> UpkeepScene {
    let bell = Arc::new(Slot::default());
    let clock: Arc<dyn Clock> = book.clock.clone();
    UpkeepScene {
        memory: UpkeepMemory::new(clock.now()),
        upkeep: Upkeep {
            store: book.store(),
            live: Live::new(Config::default()),
            roster: None,
            bell: Some(Arc::clone(&bell)),
            card_status: Arc::default(),
            clock,
            stop: Stop::new(),
            beat: Beat::default(),
        },
        bell,
    }
}

impl UpkeepScene {
    /// One look after everything. True if the uplink was called.
    fn tick(&mut self) -> bool {
        self.upkeep.tick(&mut self.memory).unwrap();
        self.bell.take(Duration::ZERO) == Taken::Item(())
    }
}

fn utc(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn set_sync(book: &Book, daemon: Option<i64>) {
    *lock(&book.sync) = Sync {
        daemon: daemon.map(utc),
        kernel: false,
        expected: true,
    };
}

/// When the ledger says that a tap was, and how far that can be trusted.
fn time(book: &Book, id: i64) -> (i64, String) {
    let utc: Timestamp = book.text(id, "utc_time").unwrap().parse().unwrap();
    (utc.as_second(), book.text(id, "clock").unwrap())
}

/// Boot in 1970, taps, synchronisation, taps, clock set back an hour, taps.
#[test]
fn times_are_right_in_the_end_and_no_tap_is_swallowed() {
    let mut book = Book::new();
    set_sync(&book, None);
    book.clock.set_wall(utc(20));
    let mut scene = scene(&book);
    assert!(!scene.tick());
    let first = book.count(1);
    let truth = |book: &Book| TRUE + i64::try_from(book.clock.boottime().as_secs()).unwrap();
    let first_true = truth(&book);
    book.advance(CLOCK_STEP);
    let second = book.count(1);
    let second_true = truth(&book);
    assert_eq!(time(&book, first), (20, "held".into()));
    assert_eq!(book.outbox().heads().unwrap(), [], "they wait");

    book.advance(CLOCK_STEP);
    book.clock.set_wall(utc(truth(&book)));
    set_sync(&book, Some(truth(&book)));
    assert!(scene.tick(), "now they can be sent");
    assert_eq!(time(&book, first), (first_true, "corrected".into()));
    assert_eq!(time(&book, second), (second_true, "corrected".into()));
    assert_eq!(book.outbox().heads().unwrap().len(), 1);
    let third = book.count(1);
    assert_eq!(time(&book, third), (truth(&book), "synchronised".into()));

    // Back by an hour, and in the same second a tap.
    book.advance(CLOCK_STEP);
    book.clock.set_wall(utc(truth(&book) - 3600));
    let fourth = book.count(1);
    assert_eq!(time(&book, fourth), (truth(&book), "corrected".into()));
    // The program restarts; what is right is still known.
    scene.tick();
    drop(scene);
    let mut book = book.restart();
    book.advance(CLOCK_STEP);
    let fifth = book.count(1);
    assert_eq!(time(&book, fifth), (truth(&book), "corrected".into()));
}

#[test]
fn a_tap_waits_no_longer_than_it_has_to() {
    let mut book = Book::new();
    book.clock.set_wall(utc(20));
    let mut scene = scene(&book);
    let id = book.count(1);
    book.advance(super::super::store::HOLD - Duration::from_secs(1));
    assert!(!scene.tick());
    book.advance(Duration::from_secs(1));
    assert!(scene.tick());
    assert_eq!(time(&book, id), (20, "uncertain".into()));
    // Should the clock become right before it is sent, it is told all the same.
    set_sync(&book, Some(TRUE));
    book.clock.set_wall(utc(TRUE));
    assert!(scene.tick());
    assert_eq!(time(&book, id), (TRUE - 600, "corrected".into()));
}

#[test]
fn a_clock_that_a_person_sets_is_better_than_none() {
    let mut book = Book::new();
    book.clock.set_wall(utc(20));
    let mut scene = scene(&book);
    let id = book.count(1);
    assert!(!scene.tick());
    book.advance(CLOCK_STEP);
    book.clock.set_wall(utc(TRUE));
    assert!(scene.tick());
    assert_eq!(time(&book, id), (TRUE - 61, "uncertain".into()));
}

#[test]
fn a_tap_of_an_earlier_boot_is_let_go_and_marked() {
    let mut book = Book::new();
    book.clock.set_wall(utc(20));
    let id = book.count(1);
    book.transact(|tx| tx.execute("UPDATE tap SET boot_id = 'an earlier boot'", []));
    assert!(scene(&book).tick());
    assert_eq!(time(&book, id), (20, "uncertain".into()));
}

#[test]
fn old_taps_go_only_while_the_clock_is_known_to_be_right() {
    let mut book = Book::new();
    let id = book.count(1);
    book.settle(id, true);
    // Two years ahead, and nobody vouches for it.
    let later = book.wall().timestamp().as_second() + 2 * 366 * 86_400;
    book.clock.set_wall(utc(later));
    let mut scene = scene(&book);
    scene.tick();
    assert_eq!(book.ids(), [id]);
    set_sync(&book, Some(later));
    book.advance(PRUNE_EVERY);
    scene.tick();
    book.advance(PRUNE_EVERY);
    scene.tick();
    assert_eq!(book.ids(), [0i64; 0]);
}

#[test]
fn another_programs_wish_wakes_the_uplink() {
    let mut book = Book::new();
    book.count(1);
    let mut scene = scene(&book);
    scene.tick();
    assert_eq!(scene.upkeep.card_status.waiting(), 1);
    assert!(!scene.tick());
    book.transact(|tx| {
        tx.execute(
            "INSERT INTO signal (name, count) VALUES ('retries', 1)
             ON CONFLICT (name) DO UPDATE SET count = count + 1",
            [],
        )
    });
    assert!(scene.tick());
    assert!(!scene.tick());
}

#[test]
fn room_is_put_by_for_the_last_taps() {
    let book = Book::new();
    scene(&book).tick();
    assert!(book.dir().join("attendance.reserve").exists());
}

/// A person restores a copy while the service runs: it is looked at as the first one was.
#[test]
fn a_ledger_that_is_put_in_place_later_is_looked_at_too() {
    let mut book = Book::new();
    for n in 0..600u16 {
        book.count((n % 200) as u8);
        book.advance(CLOCK_STEP);
    }
    let mut scene = scene(&book);
    scene.tick();
    book.shorten_journal();
    let (file, copy) = (
        book.dir().join(crate::attend::ledger::FILE),
        book.dir().join("copy"),
    );
    let mut bytes = std::fs::read(&file).unwrap();
    // A page in the middle that no access of the upkeep needs.
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xA5);
    std::fs::write(&copy, bytes).unwrap();
    let aside = book.dir().join("attendance.db.damaged-1");
    scene.tick();
    assert!(!aside.exists());
    std::fs::rename(&copy, &file).unwrap();
    scene.tick();
    assert!(aside.exists());
    scene.tick();
    assert!(!book.dir().join("attendance.db.damaged-2").exists());
}
