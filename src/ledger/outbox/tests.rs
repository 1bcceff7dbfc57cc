use super::*;
use crate::ledger::tests::{Book, CLOCK_STEP};
use jiff::Timestamp;
use std::time::Duration;

/// Begins an attempt at each of these.
fn begin_all(outbox: &mut Outbox, heads: &[Head], now: &Moment) -> Vec<Outgoing> {
    let candidates = heads.iter().cloned().collect();
    outbox
        .exchange(&[], &candidates, usize::MAX, false, now)
        .unwrap()
        .begun
}

fn end(book: &Book, id: i64, how: Settled) -> Exchanged {
    let ended = Ended {
        id,
        uid: book.uid_of(id),
        how,
        answer: "200".into(),
        over: true,
    };
    book.outbox()
        .exchange(&[ended], &VecDeque::new(), 0, false, &book.now())
        .unwrap()
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
    let heads = |book: &Book| ids(&book.outbox().heads(false).unwrap());
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
    let heads = outbox.heads(false).unwrap();
    let tried = begin_all(&mut outbox, &heads[..1], &book.now()).remove(0);
    assert_eq!((tried.id, tried.attempts), (a, 0));
    assert_eq!(ids(&outbox.heads(false).unwrap()), [b, c, a]);
    assert_eq!(ids(&outbox.heads(true).unwrap()), [b, c]);
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
    let mut candidates: VecDeque<_> = outbox.heads(false).unwrap().into();
    let now = book.now();
    let done = outbox.exchange(&[], &candidates, 2, false, &now).unwrap();
    assert_eq!((done.begun.len(), done.taken), (2, 2));
    candidates.drain(..2);
    let ended = Ended {
        id: first,
        uid: book.uid_of(first),
        how: Settled::Delivered,
        answer: String::new(),
        over: true,
    };
    let done = outbox
        .exchange(&[ended], &candidates, 100, false, &now)
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
    let heads = outbox.heads(false).unwrap();
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
    assert_eq!(ids(&outbox.heads(false).unwrap()), [b]);
    assert_eq!(outbox.newest().unwrap(), a + 2);
    assert_eq!(ids(&outbox.arrivals(b, false).unwrap()), [0i64; 0]);
    assert_eq!(ids(&outbox.arrivals(a, false).unwrap()), [b]);
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
    let heads = outbox.heads(false).unwrap();
    let sent = begin_all(&mut outbox, &heads, &book.now()).remove(0);
    assert_eq!(sent.id, second);
    let time = |id| {
        book.text(id, "local_time")
            .unwrap()
            .parse::<DateTime>()
            .unwrap()
    };
    assert_eq!(
        time(second).duration_since(time(first)),
        SignedDuration::from_secs(OUT_OF_WINDOW_S)
    );
    assert_eq!(sent.clock, "uncertain");
    assert_eq!(sent.local_time, book.text(second, "local_time").unwrap());
}
