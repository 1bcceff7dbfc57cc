//! The courier against a model of the old server.

mod faults;
mod model;

use super::*;
use crate::attend::ledger::tests::CLOCK_STEP;
use crate::base::stop::{Reason, lock};
use crate::base::threads::Threads;
use model::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn taps_of_an_earlier_run_and_new_ones_arrive() {
    let mut s = scene(Mode::Fine);
    s.book.count(1);
    s.courier.greet();
    s.courier.step(false);
    assert_eq!(s.rows(1), 1);
    s.book.count(2);
    s.ring();
    assert_eq!((s.rows(2), s.pending()), (1, 0));
    assert_eq!(s.stats.delivered.get(), 2);
    assert_eq!(s.stats.delivery_faults.get(), 0);
}

#[test]
fn a_server_that_was_gone_gets_everything_once_and_soon_after_its_return() {
    let mut s = scene(Mode::Gone);
    s.courier.greet();
    for _ in 0..5 {
        s.book.count(1);
        s.book.count(2);
        s.ring();
        s.pass(CLOCK_STEP);
    }
    assert_eq!(s.pending(), 10);
    let before = s.posts();
    s.mode(Mode::Fine);
    s.pass(Duration::from_secs(11));
    assert_eq!((s.rows(1), s.rows(2), s.pending()), (5, 5, 0));
    assert_eq!(s.posts() - before, 10);
}

/// There was nothing to find that out with.
#[test]
fn the_first_tap_after_the_return_of_a_server_is_sent_at_once() {
    let mut s = scene(Mode::Gone);
    s.courier.greet();
    s.pass(5 * SECOND);
    s.mode(Mode::Fine);
    s.book.count(1);
    s.ring();
    assert_eq!(s.rows(1), 1);
}

#[test]
fn answers_that_get_lost_do_not_count_twice() {
    let mut s = scene(Mode::DropsAnswer);
    for _ in 0..4 {
        s.book.count(1);
        s.book.count(2);
        s.pass(CLOCK_STEP);
    }
    s.mode(Mode::Fine);
    s.pass(20 * MINUTE);
    assert_eq!((s.rows(1), s.rows(2), s.pending()), (4, 4, 0));
}

#[test]
fn a_server_in_trouble_is_not_hammered() {
    for mode in [
        Mode::Broken { health: true },
        Mode::Broken { health: false },
        Mode::Html,
        Mode::Gone,
    ] {
        let mut s = scene(mode);
        for card in 1..=50 {
            s.book.count(card);
        }
        s.pass(60 * MINUTE);
        // 1, 2, 4 ... 512, then every 600 seconds; or once a minute where it says that it is well.
        let well = matches!(mode, Mode::Broken { health: true } | Mode::Html);
        let most = if well { 80 } else { 25 };
        assert!(s.posts() < most, "{} posts", s.posts());
        assert!(lock(&s.server.0).healths <= 361);
        assert_eq!(s.pending(), 50);
        s.mode(Mode::Fine);
        s.pass(13 * MINUTE);
        assert_eq!(s.pending(), 0);
    }
}

#[test]
fn one_poisonous_tap_does_not_block_other_cards() {
    let mut s = scene(Mode::Poison(1));
    s.book.count(1);
    s.book.count(2);
    s.book.advance(CLOCK_STEP);
    s.book.count(2);
    s.pass(SECOND);
    assert_eq!(s.rows(2), 2, "also the second tap of the other card");
    s.pass(60 * MINUTE);
    s.book.count(3);
    s.ring();
    assert_eq!(s.rows(3), 1, "at once");
    assert_eq!((s.rows(1), s.pending()), (0, 1));
    s.mode(Mode::Fine);
    s.pass(13 * MINUTE);
    assert_eq!((s.rows(1), s.pending()), (1, 0));
}

#[test]
fn a_rejected_tap_steps_aside_and_is_kept() {
    let mut s = scene(Mode::Rejects(1));
    s.book.count(1);
    s.book.count(2);
    s.book.advance(CLOCK_STEP);
    s.book.count(1);
    s.pass(SECOND);
    assert_eq!((s.rows(1), s.rows(2), s.pending()), (0, 1, 0));
    let report = crate::attend::ledger::probe::probe(s.book.dir())
        .unwrap()
        .unwrap();
    assert_eq!((report.delivered, report.rejected), (1, 2));
}

#[test]
fn a_wrong_token_costs_no_tap() {
    let mut s = scene(Mode::DeniesAll);
    for card in 1..=9 {
        s.book.count(card);
    }
    s.pass(120 * MINUTE);
    assert_eq!(s.pending(), 9);
    s.mode(Mode::Fine);
    s.pass(13 * MINUTE);
    assert_eq!(s.pending(), 0);
}

#[test]
fn a_duplicate_that_was_never_sent_is_for_a_person_to_look_at() {
    let mut s = scene(Mode::KnowsAll);
    let id = s.book.count(1);
    s.pass(SECOND);
    assert_eq!(s.pending(), 0);
    assert_eq!(s.book.text(id, "state").as_deref(), Some("rejected"));
    assert_eq!(
        s.book.text(id, "review").as_deref(),
        Some("unexpected-duplicate")
    );
}

#[test]
fn a_duplicate_after_an_answer_that_was_lost_is_delivered() {
    let mut s = scene(Mode::DropsAnswer);
    let id = s.book.count(1);
    s.pass(SECOND / 2);
    s.mode(Mode::Fine);
    s.pass(MINUTE);
    assert_eq!((s.rows(1), s.pending()), (1, 0));
    assert_eq!(s.book.text(id, "state").as_deref(), Some("delivered"));
    assert_eq!(s.book.text(id, "review"), None);
}

/// The server is slow with an attempt, stores the next one, and then comes to the first: it must find that tap to be the
/// last of its card, or it would store it again.
#[test]
fn no_tap_follows_one_that_may_be_stored_late() {
    let mut s = scene(Mode::StoresLate);
    let first = s.book.count(1);
    s.pass(SECOND / 2);
    s.book.advance(CLOCK_STEP);
    let second = s.book.count(1);
    s.mode(Mode::Fine);
    s.courier.step(true);
    s.pass(10 * SECOND);
    assert_eq!(s.book.text(first, "state").as_deref(), Some("delivered"));
    assert_eq!(s.book.text(second, "state").as_deref(), Some("pending"));
    lock(&s.server.0).come_to_the_late_ones();
    assert_eq!(s.rows(1), 1, "a duplicate");
    s.book.advance(MINUTE);
    s.book.keep_up();
    s.courier.step(true);
    assert_eq!(s.rows(1), 2);
}

/// A slow attempt, then one that was stored without an answer: the duplicate is told of the second, and the first is still
/// to come.
#[test]
fn a_duplicate_does_not_end_an_attempt_that_was_too_slow() {
    let mut s = scene(Mode::StoresLate);
    let first = s.book.count(1);
    s.pass(SECOND / 2);
    s.book.advance(CLOCK_STEP);
    s.book.count(1);
    s.mode(Mode::DropsAnswer);
    s.courier.step(true);
    s.mode(Mode::Fine);
    s.pass(15 * SECOND);
    assert_eq!(s.book.text(first, "state").as_deref(), Some("delivered"));
    lock(&s.server.0).come_to_the_late_ones();
    assert_eq!((s.rows(1), s.pending()), (1, 1));
}

/// The same where we were killed before the answer came.
#[test]
fn an_attempt_that_a_kill_cut_short_may_be_stored_late() {
    let mut s = scene(Mode::Fine);
    let first = s.book.count(1);
    let head = s.book.outbox().heads().unwrap();
    s.book
        .outbox()
        .exchange(&[], &head, 1, &s.book.now())
        .unwrap();
    s.book.advance(CLOCK_STEP);
    let second = s.book.count(1);
    s.pass(MINUTE);
    assert_eq!(s.book.text(first, "state").as_deref(), Some("delivered"));
    assert_eq!(s.book.text(second, "state").as_deref(), Some("pending"));
}

/// An answer, or an end of the connection, shows that the server is done with it.
#[test]
fn a_server_that_answers_is_not_waited_for() {
    for mode in [Mode::Broken { health: true }, Mode::DropsAnswer, Mode::Gone] {
        let mut s = scene(mode);
        s.book.count(1);
        s.pass(SECOND / 2);
        s.book.advance(CLOCK_STEP);
        s.book.count(1);
        s.mode(Mode::Fine);
        s.pass(13 * MINUTE);
        assert_eq!((s.rows(1), s.pending()), (2, 0));
    }
}

#[test]
fn taps_that_come_while_others_are_sent_go_along() {
    let mut s = scene(Mode::Fine);
    for n in 0..200u8 {
        s.book.count(n % 50);
        s.book.advance(CLOCK_STEP);
    }
    s.courier.step(false);
    assert_eq!(s.pending(), 0);
    for card in 0..50 {
        assert_eq!(s.rows(card), 4);
    }
}

#[test]
fn an_attempt_is_on_record_before_it_is_made() {
    let mut s = scene(Mode::Broken { health: true });
    let id = s.book.count(1);
    s.pass(SECOND);
    let noted: u32 = s.book.text(id, "attempts").unwrap().parse().unwrap();
    assert_eq!(noted, s.posts());
}

#[test]
fn a_ledger_that_cannot_be_opened_is_tried_again() {
    let mut s = scene(Mode::Fine);
    s.book.count(1);
    let (db, aside) = (
        s.book.dir().join("attendance.db"),
        s.book.dir().join("aside"),
    );
    std::fs::rename(&db, &aside).unwrap();
    std::fs::create_dir(&db).unwrap();
    s.pass(SECOND);
    assert_eq!(s.posts(), 0);
    std::fs::remove_dir(&db).unwrap();
    std::fs::rename(&aside, &db).unwrap();
    s.pass(MINUTE);
    assert_eq!(s.rows(1), 1);
}

#[test]
fn the_thread_delivers_at_the_bell_and_ends_at_the_order_to_stop() {
    let (mut book, server, uplink) = parts(Mode::Fine);
    let (bell, stop) = (Arc::clone(&uplink.bell), uplink.stop.clone());
    let mut threads = Threads::default();
    uplink.start(&mut threads).unwrap();
    for card in 1..=3 {
        book.count(card);
        bell.put(());
        let mut outbox = book.outbox();
        while outbox.pending().unwrap() > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    stop.request(Reason::Duration);
    let clock: Arc<dyn Clock> = Arc::new(crate::base::clock::SystemClock);
    assert_eq!(threads.join(&clock, MINUTE), [""; 0]);
    assert_eq!(lock(&server.0).rows.len(), 3);
}
