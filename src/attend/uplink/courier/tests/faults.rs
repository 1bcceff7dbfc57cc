//! Faults of the ledger and of what lies between us and the server, and what is under way meanwhile.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;

use super::super::super::lines::Sent;
use super::model::*;
use super::*;
use crate::attend::ledger::query::{self, Which};
use crate::base::card_status;
use crate::base::clock::ManualClock;

/// Another program has the ledger, until this is dropped.
fn locked(s: &Scene) -> Connection {
    let db = Connection::open(s.book.dir().join("attendance.db")).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    db
}

#[test]
fn a_locked_ledger_costs_no_answer_and_nothing_is_sent_twice() {
    let mut s = scene(Mode::Fine);
    for card in 1..=9 {
        s.book.count(card);
    }
    // The first four are on record and on their way, then the lock is taken before their answers are noted.
    s.courier.turn(s.book.clock.now());
    assert_eq!(s.card_status.queues(0).taps_under_way, 4);
    let lock = locked(&s);
    s.pass(11 * SECOND);
    assert_eq!(s.posts(), 4, "nothing is begun that is not on record");
    assert_eq!(s.pending(), 9);
    assert_eq!(s.card_status.queues(0).taps_under_way, 0);
    drop(lock);
    s.pass(3 * SECOND);
    assert_eq!((s.posts(), s.pending()), (9, 0));
    assert_eq!(s.stats.delivered.get(), 9);
    for card in 1..=9 {
        assert_eq!(s.rows(card), 1);
    }
}

/// The lock comes and goes, and the server stays what it is: up.
#[test]
fn a_ledger_that_is_locked_again_and_again_is_written_in_between() {
    let mut s = scene(Mode::Fine);
    s.courier.greet();
    for n in 0..40u8 {
        s.book.count(n % 8);
        s.book.advance(CLOCK_STEP);
    }
    for _ in 0..8 {
        s.courier.turn(s.book.clock.now());
        let lock = locked(&s);
        s.pass(SECOND / 4);
        assert!(s.card_status.queues(0).taps_under_way <= 4);
        drop(lock);
    }
    assert_eq!(s.card_status.server(), card_status::Server::Up);
    s.pass(5 * SECOND);
    assert_eq!((s.posts(), s.pending()), (40, 0));
    for card in 0..8 {
        assert_eq!(s.rows(card), 5);
    }
}

/// Lines that bring nothing back until they are told to, and panic when they are told to.
#[derive(Default)]
struct Slow {
    sent: VecDeque<(Outgoing, Parcel)>,
    handed_over: usize,
    answers: bool,
    panics: bool,
}

struct Held<'a> {
    lines: &'a mut Slow,
    server: Shared,
    clock: Arc<ManualClock>,
}

fn held<'a>(lines: &'a mut Slow, server: &Shared, clock: &Arc<ManualClock>) -> Box<Held<'a>> {
    Box::new(Held {
        lines,
        server: server.clone(),
        clock: Arc::clone(clock),
    })
}

impl Lines for Held<'_> {
    fn hand_over(&mut self, tap: Outgoing, parcel: Parcel) -> bool {
        self.lines.handed_over += 1;
        self.lines.sent.push_back((tap, parcel));
        true
    }

    fn take_back(&mut self, timeout: Duration) -> Option<Sent> {
        if self.lines.answers {
            let (tap, parcel) = self.lines.sent.pop_front()?;
            let reply = self.server.post(&parcel);
            return Some(Sent {
                tap,
                reply,
                from_api: false,
            });
        }
        assert!(!self.lines.panics, "on purpose");
        self.clock.advance(timeout);
        None
    }
}

#[test]
fn what_is_under_way_at_a_panic_of_the_loop_is_kept() {
    let (mut book, server, uplink) = parts(Mode::Fine);
    for card in 1..=9 {
        book.count(card);
    }
    let (mut under_way, mut lines) = (UnderWay::default(), Slow::default());
    let clock = Arc::clone(&book.clock);
    let mut courier = Courier::new(&uplink, held(&mut lines, &server, &clock), &mut under_way);
    courier.turn(book.clock.now());
    drop(courier);
    assert_eq!((lines.handed_over, under_way.count()), (4, 4));
    lines.panics = true;
    let mut courier = Courier::new(&uplink, held(&mut lines, &server, &clock), &mut under_way);
    catch_unwind(AssertUnwindSafe(|| courier.step(false))).unwrap_err();
    drop(courier);
    assert_eq!(under_way.count(), 4);

    lines.answers = true;
    let mut courier = Courier::new(&uplink, held(&mut lines, &server, &clock), &mut under_way);
    courier.step(false);
    drop(courier);
    assert_eq!((lines.handed_over, under_way.count()), (9, 0));
    let model = lock(&server.0);
    assert_eq!((model.rows.len(), model.posts), (9, 9));
    assert_eq!(book.outbox().pending().unwrap(), 0);
}

/// Lines that never bring anything back: it is told, and the loop begins anew.
#[test]
fn a_delivery_that_stands_still_is_begun_anew() {
    let (mut book, server, uplink) = parts(Mode::Fine);
    let id = book.count(1);
    let (mut under_way, mut lines) = (UnderWay::default(), Slow::default());
    let clock = Arc::clone(&book.clock);
    let begin = book.clock.now();
    let mut courier = Courier::new(&uplink, held(&mut lines, &server, &clock), &mut under_way);
    courier.step(false);
    assert!(courier.has_stalled());
    drop(courier);
    let after = book.clock.now().since(begin);
    assert!((STALLED..STALLED + SECOND).contains(&after), "{after:?}");
    assert_eq!(lines.handed_over, 1);

    // The line comes back to life: its old answer is of no use, the tap was sent again.
    lines.answers = true;
    let mut courier = Courier::new(&uplink, held(&mut lines, &server, &clock), &mut under_way);
    courier.step(false);
    assert!(!courier.has_stalled());
    drop(courier);
    assert_eq!(lines.handed_over, 2);
    assert_eq!(lock(&server.0).rows.len(), 1, "a duplicate at the most");
    assert_eq!(book.text(id, "state").as_deref(), Some("delivered"));
}

#[test]
fn a_firewall_that_refuses_four_cards_holds_up_these_four_alone() {
    let mut s = scene(Mode::Firewall(4));
    s.courier.greet();
    for card in 1..=60 {
        s.book.count(card);
    }
    s.pass(2 * SECOND);
    for card in 1..=60 {
        assert_eq!(s.rows(card), usize::from(card > 4), "card {card}");
    }
    // For hours, most of which nobody taps.
    for hour in 0..8 {
        s.pass(60 * MINUTE);
        assert_eq!(s.card_status.server(), card_status::Server::Up);
        s.book.count(100 + hour);
        s.ring();
        assert_eq!(s.rows(100 + hour), 1, "at once");
    }
    let troubled = s.card_status.troubled();
    assert_eq!((troubled.held_up, troubled.rejected), (4, 0));
    for (card, held) in (1..=4).zip(&troubled.held) {
        assert_eq!(held.card, hex(card));
        assert!(held.answer.contains("403 <html>Forbidden by firewall"));
    }
    let tried = s.posts() - 56 - 8;
    assert!(
        (4 * 30..4 * 80).contains(&tried),
        "{tried} attempts in vain"
    );
    s.mode(Mode::Fine);
    s.pass(13 * MINUTE);
    assert_eq!((s.pending(), s.card_status.troubled().held_up), (0, 0));
}

/// Many refused cards and nobody else: whoever is not refused comes through all the same.
#[test]
fn a_new_card_is_let_through_though_all_the_others_are_refused() {
    let mut s = scene(Mode::Firewall(30));
    s.courier.greet();
    for card in 1..=30 {
        s.book.count(card);
    }
    s.pass(60 * MINUTE);
    assert_eq!(s.pending(), 30);
    for card in 31..=33 {
        s.book.count(card);
        s.courier.step(true);
        s.pass(2 * SECOND);
        assert_eq!(s.rows(card), 1);
        assert_eq!(s.card_status.server(), card_status::Server::Up);
        s.pass(20 * MINUTE);
    }
}

#[test]
fn every_tap_passes_a_proxy_that_answers_at_random() {
    let mut s = scene(Mode::Proxy(40));
    s.courier.greet();
    // 200 cards, 10 taps each: what matters is that each fails again and again.
    for _ in 0..10 {
        for card in 0..200 {
            s.book.count(card);
        }
        s.book.advance(CLOCK_STEP);
    }
    s.pass(5 * MINUTE);
    assert!(s.pending() < 100, "{}", s.pending());
    // A few that were refused far more often than the others.
    s.pass(60 * MINUTE);
    assert_eq!((s.pending(), s.card_status.rejected()), (0, 0));
    for card in 0..200 {
        assert_eq!(s.rows(card), 10, "once and in order");
    }
    assert_eq!(s.card_status.troubled().held_up, 0);
}

#[test]
fn a_pause_that_is_asked_for_is_kept() {
    let mut s = scene(Mode::TooMany(20));
    s.book.count(1);
    s.pass(19 * SECOND);
    assert_eq!(s.posts(), 1);
    s.pass(2 * SECOND);
    assert_eq!(s.posts(), 2);
}

#[test]
fn the_api_s_rejection_is_seen_at_once() {
    let mut s = scene(Mode::Rejects(1));
    s.book.count(1);
    s.book.count(2);
    s.pass(SECOND / 10);
    assert_eq!((s.rows(2), s.pending()), (1, 0));
    assert_eq!(s.card_status.troubled().rejected, 1);
    assert_eq!(lock(&s.server.0).healths, 1, "asked before it is believed");
}

/// Seen: the second tap of a card, which was waiting, reached the server before the first, which was sent again.
#[test]
fn a_tap_that_is_sent_again_goes_before_the_later_ones_of_its_card() {
    let mut s = scene(Mode::Rejects(1));
    let first = s.book.count(1);
    s.pass(SECOND);
    s.mode(Mode::Firewall(1));
    s.book.advance(CLOCK_STEP);
    let second = s.book.count(1);
    s.ring();
    s.pass(SECOND);
    assert_eq!(s.book.text(first, "state").as_deref(), Some("rejected"));
    assert_eq!(s.book.text(second, "state").as_deref(), Some("pending"));
    query::retry(s.book.dir(), &Which::All).unwrap();
    s.mode(Mode::Fine);
    // As the upkeep does when it sees the wish.
    s.ring();
    s.pass(MINUTE);
    assert_eq!((s.rows(1), s.pending()), (2, 0), "in order");
}

/// One card alone, and a server that answers its health with an error: that is the server's trouble.
#[test]
fn in_doubt_the_server_is_asked() {
    for (mode, up) in [
        (Mode::Broken { health: false }, false),
        (Mode::Broken { health: true }, true),
        (Mode::Gone, false),
    ] {
        let mut s = scene(Mode::Fine);
        s.courier.greet();
        s.mode(mode);
        s.book.count(1);
        s.pass(2 * SECOND);
        assert_eq!(s.card_status.server() == card_status::Server::Up, up);
        assert_eq!(
            s.card_status.troubled().held_up,
            u64::from(mode != Mode::Gone)
        );
    }
}
