use super::*;
use crate::attend::ledger::tests::{Book, CLOCK_STEP};

/// A second connection, for what other threads of the service would write.
fn hand(book: &Book) -> Connection {
    Connection::open(book.dir().join(crate::attend::ledger::FILE)).unwrap()
}

fn numbers(rows: &[Row]) -> Vec<Option<i64>> {
    rows.iter().map(|r| r.number).collect()
}

fn all(view: &View, filter: &Filter) -> Vec<Row> {
    let mut rows = Vec::new();
    view.each_page(filter, |page| {
        assert!(!page.is_empty() && page.len() <= PAGE);
        rows.extend_from_slice(page);
        Ok(())
    })
    .unwrap();
    rows
}

fn uncounted(db: &Connection, outcome: &str, after_tap: i64) {
    db.execute(
        "INSERT INTO uncounted (outcome, after_tap, uid, reader, local_time, utc_offset_s, utc_time, why) \
         VALUES (?1, ?2, '08010203', 'R', '2025-11-21T05:30:00', 0, '2025-11-21T05:30:00.000000Z', 'w')",
        rusqlite::params![outcome, after_tap],
    )
    .unwrap();
}

#[test]
fn taps_and_what_was_not_counted_come_in_the_order_of_events() {
    let mut book = Book::new();
    let db = hand(&book);
    uncounted(&db, "refused", 0);
    let first = book.count(1);
    uncounted(&db, "repeat", first);
    uncounted(&db, "refused", first);
    let second = book.count(2);
    let view = View::open(book.dir()).unwrap();
    let filter = Filter {
        uncounted: true,
        ..Filter::default()
    };
    let rows = all(&view, &filter);
    assert_eq!(
        numbers(&rows),
        [None, Some(first), None, None, Some(second)]
    );
    let outcomes: Vec<_> = rows.iter().map(|r| r.outcome.word()).collect();
    assert_eq!(
        outcomes,
        ["refused", "counted", "repeat", "refused", "counted"]
    );
    assert_eq!(rows[0].why.as_deref(), Some("w"));
    assert_eq!(view.newest(&filter, 9).unwrap(), rows);
    assert_eq!(view.newest(&filter, 3).unwrap(), rows[2..]);
    assert_eq!(
        numbers(&all(&view, &Filter::default())),
        [Some(first), Some(second)]
    );
    assert!(view.in_use());
}

#[test]
fn pages_join_without_a_gap_whatever_is_asked_for() {
    let book = Book::new();
    let db = hand(&book);
    let rows = 2 * PAGE + 7;
    db.execute_batch(&format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows}) \
         INSERT INTO tap (uid, card, reader, local_time, utc_offset_s, utc_time, boottime_ms, boot_id, \
         clock_synchronised, idempotency_key, state, clock, review) \
         SELECT printf('04%06X', n % 50), 'felica', 'R', 'l', 0, printf('2025-11-21T05:30:00.%06dZ', n), n, \
         'b', 1, n, iif(n % 3, 'pending', 'rejected'), iif(n % 5, 'synchronised', 'uncertain'), \
         iif(n % 7, NULL, 'no-face') FROM n;"
    ))
    .unwrap();
    for after in 0..PAGE + 500 {
        uncounted(&db, "repeat", i64::try_from(after).unwrap());
    }
    let view = View::open(book.dir()).unwrap();
    let count = |only| {
        let filter = Filter {
            only,
            ..Filter::default()
        };
        let found = numbers(&all(&view, &filter));
        assert!(found.is_sorted());
        found.len()
    };
    assert_eq!(count(Only::All), rows);
    assert_eq!(count(Only::Rejected), rows / 3);
    assert_eq!(count(Only::Pending), rows - rows / 3);
    assert_eq!(count(Only::Review), rows / 7);
    let with = Filter {
        uncounted: true,
        ..Filter::default()
    };
    assert_eq!(all(&view, &with).len(), rows + PAGE + 500);

    let at = |s: &str| Some(s.parse::<Timestamp>().unwrap());
    let some = Filter {
        since: at("2025-11-21T05:30:00.000010Z"),
        until: at("2025-11-21T05:30:00.001500Z"),
        ..Filter::default()
    };
    let found = numbers(&all(&view, &some));
    assert_eq!((found[0], found.len()), (Some(10), 1490));
    let uncertain = rows / 5 - 1499 / 5 + 9 / 5;
    assert_eq!(
        view.uncertain_outside(&some).unwrap(),
        uncertain as u64,
        "those of 10 to 1499 lie inside"
    );
}

/// The promise of a page's cost: in the order of the table, without sorting what was read.
#[test]
fn no_page_sorts_the_taps() {
    let book = Book::new();
    let view = View::open(book.dir()).unwrap();
    for only in [Only::All, Only::Pending, Only::Rejected, Only::Review] {
        for (uncounted, forwards) in [(false, true), (false, false), (true, true), (true, false)] {
            let filter = Filter {
                only,
                uncounted,
                ..Filter::default()
            };
            let sql = view.tables.select(&filter, forwards);
            let plan: Vec<String> = view
                .db
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .unwrap()
                .query_map(params![0, 0, "", "Z", 9], |r| r.get(3))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            // The few that were not counted may be sorted, each page anew.
            let sorts = plan.iter().filter(|l| l.contains("TEMP B-TREE")).count();
            let with = usize::from(uncounted && only == Only::All);
            assert!(sorts <= with, "{plan:?}");
        }
    }
}

#[test]
fn an_overview_counts_everything() {
    let mut book = Book::new();
    let empty = View::open(book.dir()).unwrap().overview().unwrap();
    assert_eq!(
        empty,
        Overview {
            next_number: 1,
            ..Overview::default()
        }
    );
    for card in 1..=5 {
        book.count(card);
    }
    book.advance(CLOCK_STEP);
    book.count(5);
    let db = hand(&book);
    uncounted(&db, "repeat", 6);
    db.execute_batch(
        "UPDATE tap SET state = 'delivered', settled_utc = '2025-11-21T06:00:00.000000Z', \
         last_attempt_utc = '2025-11-21T05:59:59.000000Z', answer = '200 ok' WHERE id = 1; \
         UPDATE tap SET state = 'rejected', last_attempt_utc = '2025-11-21T05:59:00.000000Z', \
         answer = '400 no', review = 'no-face' WHERE id = 2; \
         UPDATE tap SET clock = 'held' WHERE id = 3; \
         UPDATE tap SET name = 'Ann' WHERE id IN (1, 4);",
    )
    .unwrap();
    let view = View::open(book.dir()).unwrap();
    let told = view.overview().unwrap();
    let counts = [
        told.pending,
        told.held,
        told.delivered,
        told.rejected,
        told.review,
        told.repeats,
        told.refused,
    ];
    assert_eq!(counts, [4, 1, 1, 1, 1, 1, 0]);
    assert_eq!(told.oldest_pending.unwrap().number, 3);
    assert_eq!(told.last_delivery.unwrap(), "2025-11-21T06:00:00.000000Z");
    let answer = told.last_answer.unwrap();
    assert_eq!((answer.number, answer.text.as_str()), (1, "200 ok"));
    assert_eq!(told.next_number, 7);
    let cards: Vec<_> = view
        .nameless()
        .unwrap()
        .into_iter()
        .map(|c| (c.uid, c.taps))
        .collect();
    let want = [("02020202", 1), ("03030303", 1), ("05050505", 2)];
    assert_eq!(cards, want.map(|(uid, n)| (uid.to_owned(), n)));
}

#[test]
fn only_rejected_taps_are_sent_again_and_the_service_is_told() {
    let mut book = Book::new();
    for card in 1..=4 {
        book.count(card);
    }
    let db = hand(&book);
    db.execute_batch(
        "UPDATE tap SET state = 'rejected', attempts = 1, settled_utc = 's', \
         review = 'no-face unexpected-duplicate' WHERE id = 1; \
         UPDATE tap SET state = 'rejected', review = 'unexpected-duplicate' WHERE id = 2; \
         UPDATE tap SET state = 'delivered' WHERE id = 3;",
    )
    .unwrap();
    let signals = || -> i64 {
        db.query_row(
            "SELECT coalesce(sum(count), 0) FROM signal WHERE name = 'retries'",
            [],
            |r| r.get(0),
        )
        .unwrap()
    };
    let one = |id: i64| -> (String, i64, Option<String>, Option<String>) {
        db.query_row(
            "SELECT state, attempts, review, settled_utc FROM tap WHERE id = ?1",
            [id],
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)),
        )
        .unwrap()
    };
    let done = retry(book.dir(), &Which::Numbers(vec![1, 3, 99])).unwrap();
    assert_eq!(done.count, 1);
    assert_eq!(done.left, [(3, Some("delivered".to_owned())), (99, None)]);
    assert_eq!(one(1), ("pending".into(), 1, Some("no-face".into()), None));
    assert_eq!(one(3).0, "delivered");
    assert_eq!(signals(), 1);
    assert_eq!(retry(book.dir(), &Which::All).unwrap().count, 1);
    assert_eq!(one(2), ("pending".into(), 0, None, None));
    assert_eq!(signals(), 2);
    assert_eq!(retry(book.dir(), &Which::All).unwrap(), Retried::default());
    assert_eq!(signals(), 2, "nothing was changed, nobody is told");
}

/// The tables as the first version made them.
fn first_version(file: &Path) {
    let db = Connection::open(file).unwrap();
    db.execute_batch(
        "CREATE TABLE tap (id INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL, card TEXT NOT NULL, \
         reader TEXT NOT NULL, local_time TEXT NOT NULL, utc_offset_s INTEGER NOT NULL, \
         utc_time TEXT NOT NULL, boottime_ms INTEGER NOT NULL, boot_id TEXT NOT NULL, \
         clock_synchronised INTEGER NOT NULL, idempotency_key TEXT NOT NULL, \
         state TEXT NOT NULL DEFAULT 'pending', attempts INTEGER NOT NULL DEFAULT 0, \
         last_attempt_utc TEXT, answer TEXT, settled_utc TEXT) STRICT; \
         INSERT INTO tap (uid, card, reader, local_time, utc_offset_s, utc_time, boottime_ms, boot_id, \
         clock_synchronised, idempotency_key) VALUES \
         ('04A1', 'x', 'r', '2026-11-21T09:00:00', 32400, '2026-11-21T00:00:00Z', 1, 'b', 1, 'k'); \
         PRAGMA user_version = 1;",
    )
    .unwrap();
}

#[test]
fn an_older_ledger_is_read_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(crate::attend::ledger::FILE);
    first_version(&file);
    let view = View::open(dir.path()).unwrap();
    let with = Filter {
        uncounted: true,
        ..Filter::default()
    };
    let rows = all(&view, &with);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].clock.as_deref(), Some("synchronised"));
    assert_eq!(rows[0].name, None);
    assert_eq!(view.overview().unwrap().pending, 1);
    assert_eq!(view.nameless().unwrap().len(), 1);
    assert_eq!(view.uncertain_outside(&with).unwrap(), 0);
    assert!(!view.in_use());
    let why = format!("{:#}", retry(dir.path(), &Which::All).unwrap_err());
    assert!(why.contains("start the service once"), "{why}");
    let version: i64 = view
        .db
        .pragma_query_value(None, "user_version", |r| r.get(0))
        .unwrap();
    assert_eq!(version, 1, "reading migrates nothing");
}

#[test]
fn what_is_no_ledger_is_told_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(crate::attend::ledger::FILE);
    let why = || {
        let reading = format!("{:#}", View::open(dir.path()).unwrap_err());
        let changing = format!("{:#}", retry(dir.path(), &Which::All).unwrap_err());
        assert!(changing.contains("attendance.db"), "{changing}");
        reading
    };
    assert!(why().contains("facetap run"), "{}", why());
    assert!(!file.exists(), "nothing is made");
    std::fs::write(&file, "").unwrap();
    assert!(why().contains("never finished"), "{}", why());
    std::fs::write(&file, "not a database ".repeat(100)).unwrap();
    assert!(why().contains("attendance.db"), "{}", why());
    std::fs::remove_file(&file).unwrap();
    Connection::open(&file)
        .unwrap()
        .execute_batch("CREATE TABLE contacts (name TEXT)")
        .unwrap();
    assert!(why().contains("another program"), "{}", why());
}

#[test]
fn a_path_of_any_bytes_can_stand_in_a_uri() {
    use std::os::unix::ffi::OsStrExt as _;
    let odd = std::ffi::OsStr::from_bytes(b"/a b?%#\xff/x.db");
    assert_eq!(open::escape(Path::new(odd)), "/a%20b%3F%25%23%FF/x.db");
}
