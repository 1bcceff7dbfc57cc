use super::*;
use crate::attend::ledger::query::{self, Which};
use crate::attend::ledger::tests::{Book, CLOCK_STEP};
use jiff::Timestamp;
use std::time::Duration;

/// Begins an attempt at each of these.
fn begin_all(outbox: &mut Outbox, heads: &[Head], now: &Moment) -> Vec<Outgoing> {
    outbox.exchange(&[], heads, usize::MAX, now).unwrap().begun
}

fn ended(book: &Book, id: i64, how: Settled) -> Ended {
    Ended {
        id,
        uid: book.uid_of(id),
        idempotency_key: book.text(id, "idempotency_key").unwrap(),
        how,
        answer: "200".into(),
        over: true,
        maybe_stored: false,
    }
}

fn note(book: &Book, end: Ended) -> Exchanged {
    book.outbox().exchange(&[end], &[], 0, &book.now()).unwrap()
}

fn end(book: &Book, id: i64, how: Settled) -> Exchanged {
    note(book, ended(book, id, how))
}

/// What `facetap attendance retry` does.
fn retry(book: &Book, numbers: &[i64]) {
    let which = Which::Numbers(numbers.to_vec());
    assert_eq!(
        query::retry(book.dir(), &which).unwrap().count,
        numbers.len()
    );
}

fn ids(heads: &[Head]) -> Vec<i64> {
    heads.iter().map(|h| h.id).collect()
}

#[test]
fn only_the_oldest_tap_of_a_card_may_be_sent() {
    let mut book = Book::new();
    let (a1, b1) = (book.count(1), book.count(2));
    book.advance(CLOCK_STEP);
    let a2 = book.count(1);
    let heads = |book: &Book| ids(&book.outbox().heads().unwrap());
    assert_eq!(heads(&book), [a1, b1]);
    assert_eq!(book.outbox().pending().unwrap(), 3);
    let next = end(&book, a1, Settled::Delivered).next;
    assert_eq!(ids(&next), [a2], "the next one of the card is at hand");
    assert_eq!(heads(&book), [b1, a2]);
    end(&book, b1, Settled::Rejected);
    assert_eq!(heads(&book), [a2]);
    end(&book, a2, Settled::Delivered);
    assert_eq!(heads(&book), [0i64; 0]);
}

#[test]
fn what_was_tried_steps_back_behind_what_was_not() {
    let mut book = Book::new();
    let (a, b, c) = (book.count(1), book.count(2), book.count(3));
    let mut outbox = book.outbox();
    let heads = outbox.heads().unwrap();
    let tried = begin_all(&mut outbox, &heads[..1], &book.now()).remove(0);
    assert_eq!((tried.id, tried.attempts), (a, 0));
    assert_eq!(ids(&outbox.heads().unwrap()), [b, c, a]);
    let again = begin_all(&mut outbox, &heads[..1], &book.now()).remove(0);
    assert_eq!(again.attempts, 1, "each attempt is noted before it is made");
    assert_eq!(again.idempotency_key, tried.idempotency_key);
    assert_eq!(again.idempotency_key.len(), 32);
}

#[test]
fn no_more_are_begun_than_there_is_room_for() {
    let mut book = Book::new();
    let first = book.count(1);
    (2..=5).for_each(|n| {
        book.count(n);
    });
    book.advance(CLOCK_STEP);
    let second = book.count(1);
    let mut outbox = book.outbox();
    let candidates = outbox.heads().unwrap();
    let now = book.now();
    let done = outbox.exchange(&[], &candidates, 2, &now).unwrap();
    assert_eq!((done.begun.len(), done.taken), (2, 2));
    let ended = ended(&book, first, Settled::Delivered);
    let done = outbox
        .exchange(&[ended], &candidates[2..], 100, &now)
        .unwrap();
    assert_eq!((done.begun.len(), done.taken), (4, 3));
    assert_eq!(done.begun[3].id, second);
    assert!(done.next.is_empty());
}

#[test]
fn a_settled_tap_is_not_tried_again() {
    let mut book = Book::new();
    let a = book.count(1);
    let mut outbox = book.outbox();
    let heads = outbox.heads().unwrap();
    end(&book, a, Settled::UnexpectedDuplicate);
    assert_eq!(begin_all(&mut outbox, &heads, &book.now()), []);
    assert_eq!(
        book.text(a, "review").as_deref(),
        Some("unexpected-duplicate")
    );
    assert_eq!(book.text(a, "state").as_deref(), Some("rejected"));
}

#[test]
fn a_tap_that_waits_for_the_right_time_holds_up_its_card_alone() {
    let mut book = Book::new();
    book.clock.set_wall(Timestamp::UNIX_EPOCH);
    let a = book.count(1);
    assert_eq!(book.text(a, "clock").as_deref(), Some("held"));
    book.clock
        .set_wall(Timestamp::from_second(1_800_000_000).unwrap());
    let b = book.count(2);
    book.advance(CLOCK_STEP);
    book.count(1);
    let mut outbox = book.outbox();
    assert_eq!(ids(&outbox.heads().unwrap()), [b]);
    assert_eq!(outbox.newest().unwrap(), a + 2);
    assert_eq!(ids(&outbox.arrivals(b).unwrap()), [0i64; 0]);
    assert_eq!(ids(&outbox.arrivals(a).unwrap()), [b]);
}

/// The local time of a tap, as the server gets it.
fn time(book: &Book, id: i64) -> DateTime {
    book.text(id, "local_time").unwrap().parse().unwrap()
}

/// The clock was set back by the time that lies between two taps of a card.
#[test]
fn a_tap_with_the_time_of_the_one_before_is_moved_and_marked() {
    let mut book = Book::new();
    let first = book.count(1);
    book.advance(Duration::from_secs(3600));
    let wall = book.wall().timestamp() - SignedDuration::from_secs(3604);
    book.clock.set_wall(wall);
    let second = book.count(1);
    end(&book, first, Settled::Delivered);
    let mut outbox = book.outbox();
    let heads = outbox.heads().unwrap();
    let sent = begin_all(&mut outbox, &heads, &book.now()).remove(0);
    assert_eq!(sent.id, second);
    assert_eq!(
        time(&book, second).duration_since(time(&book, first)),
        SignedDuration::from_secs(OUT_OF_WINDOW_S)
    );
    assert_eq!(sent.clock, "uncertain");
    assert_eq!(sent.local_time, book.text(second, "local_time").unwrap());
    let utc: jiff::Timestamp = book.text(second, "utc_time").unwrap().parse().unwrap();
    let offset: i32 = book.text(second, "utc_offset_s").unwrap().parse().unwrap();
    let offset = jiff::tz::Offset::from_seconds(offset).unwrap();
    assert_eq!(
        offset.to_datetime(utc),
        time(&book, second),
        "UTC has moved with it"
    );
}

/// An answer that was late, or noted twice because the ledger failed after it had written.
#[test]
fn a_settled_tap_is_never_changed() {
    let mut book = Book::new();
    let a = book.count(1);
    end(&book, a, Settled::Delivered);
    for how in [
        Settled::Rejected,
        Settled::UnexpectedDuplicate,
        Settled::NotYet,
        Settled::Delivered,
    ] {
        let late = Ended {
            answer: "late".into(),
            ..ended(&book, a, how)
        };
        note(&book, late);
        assert_eq!(book.text(a, "state").as_deref(), Some("delivered"));
        assert_eq!(book.text(a, "answer").as_deref(), Some("200"));
        assert_eq!(book.text(a, "review"), None);
    }
}

#[test]
fn an_answer_never_settles_the_tap_of_another_ledger() {
    let mut book = Book::new();
    let a = book.count(1);
    let of_another = Ended {
        idempotency_key: "of another".into(),
        ..ended(&book, a, Settled::Delivered)
    };
    note(&book, of_another);
    assert_eq!(book.text(a, "state").as_deref(), Some("pending"));
    let unknown = Ended {
        id: 999,
        ..ended(&book, a, Settled::Delivered)
    };
    note(&book, unknown);
    assert_eq!(book.outbox().pending().unwrap(), 1);
}

/// A tap that the server has rejected, and a later one of the same card that waits.
fn rejected_and_later() -> (Book, i64, i64) {
    let mut book = Book::new();
    let rejected = book.count(1);
    end(&book, rejected, Settled::Rejected);
    book.advance(CLOCK_STEP);
    let later = book.count(1);
    (book, rejected, later)
}

/// Candidates may be older than what a person has done since.
#[test]
fn a_card_begins_with_the_tap_that_is_the_first_at_that_moment() {
    let (book, a, b) = rejected_and_later();
    let mut outbox = book.outbox();
    let heads = outbox.heads().unwrap();
    assert_eq!(ids(&heads), [b]);
    retry(&book, &[a]);
    let sent = begin_all(&mut outbox, &heads, &book.now());
    assert_eq!(sent.iter().map(|t| t.id).collect::<Vec<_>>(), [a]);
    assert_eq!(ids(&end(&book, a, Settled::Delivered).next), [b]);
}

/// The server knows it for a repeat only as long as it is the last of its card.
#[test]
fn what_the_server_may_have_goes_before_an_older_tap_that_is_sent_again() {
    let (book, a, b) = rejected_and_later();
    let mut outbox = book.outbox();
    let heads = outbox.heads().unwrap();
    for (maybe_stored, first) in [(false, a), (true, b)] {
        let sent = begin_all(&mut outbox, &heads, &book.now()).remove(0);
        assert_eq!(sent.id, b);
        let lost = Ended {
            maybe_stored,
            ..ended(&book, b, Settled::NotYet)
        };
        note(&book, lost);
        retry(&book, &[a]);
        assert_eq!(ids(&outbox.heads().unwrap()), [first]);
        end(&book, a, Settled::Rejected);
    }
    // After a kill nobody knows.
    end(&book, b, Settled::NotYet);
    begin_all(&mut outbox, &heads, &book.now());
    retry(&book, &[a]);
    assert_eq!(ids(&outbox.heads().unwrap()), [b]);
}

/// Clocks that were wrong: the rejected tap has the time of a later one that the server has.
#[test]
fn a_tap_that_is_sent_again_is_not_taken_for_a_later_one() {
    let mut book = Book::new();
    let a = book.count(1);
    begin_all(
        &mut book.outbox(),
        &book.outbox().heads().unwrap(),
        &book.now(),
    );
    end(&book, a, Settled::Rejected);
    book.advance(Duration::from_secs(3600));
    book.clock
        .set_wall(book.wall().timestamp() - SignedDuration::from_secs(3595));
    let b = book.count(1);
    end(&book, b, Settled::Delivered);
    retry(&book, &[a]);
    let mut outbox = book.outbox();
    let heads = outbox.heads().unwrap();
    let sent = begin_all(&mut outbox, &heads, &book.now()).remove(0);
    assert_eq!(
        time(&book, b).duration_since(time(&book, a)),
        SignedDuration::from_secs(OUT_OF_WINDOW_S),
        "still before it"
    );
    assert_eq!(sent.local_time, book.text(a, "local_time").unwrap());
}

/// A million taps of a few cards must not be read for their heads.
#[test]
fn heads_are_found_by_their_indexes() {
    let book = Book::new();
    let plan = book.transact(|tx| {
        let mut rows = tx.prepare(
            "EXPLAIN QUERY PLAN SELECT id FROM tap AS tried WHERE state = 'pending' AND maybe_stored = 1 \
             AND tried.uid = 'A' ORDER BY id LIMIT 1",
        )?;
        let rows = rows.query_map([], |r| r.get::<_, String>(3))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    });
    assert!(plan.concat().contains("tap_maybe_stored"), "{plan:?}");
}
