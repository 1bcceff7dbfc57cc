//! Tests of the ledger.

mod book;

use jiff::Timestamp;

use super::*;
use book::REPEAT;
pub(crate) use book::{Book, CLOCK_STEP};

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
        // The tables are in the file, the taps in the journal.
        book.shorten_journal();
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
