//! The watch over the real pcscd with virtual cards in virtual readers.

mod exchanges;
mod recovery;

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::card::{self, Card};
use crate::daemon::{Daemon, PATIENCE, PORTS, Turn, wait_until};
use facetap::attend::keeper;
use facetap::attend::reader::refusal::Refusal;
use facetap::attend::reader::selection::Selection;
use facetap::attend::reader::usb::{Bus, SYSFS};
use facetap::attend::reader::{Sighting, Tap, watch::Watch};
use facetap::base::beat::Beat;
use facetap::base::card_status::CardStatus;
use facetap::base::clock::{Clock, SystemClock};
use facetap::base::stats::Stats;
use facetap::base::stop::{Reason, Stop};
use facetap::config::{Cards, Readers};

/// Type B, as a driving licence shows itself.
const TYPE_B: &[u8] = &[
    0x3B, 0x88, 0x80, 0x01, 0x00, 0x00, 0x00, 0x00, 0x33, 0x81, 0x81, 0x00, 0x3A,
];

/// A watch that runs.
struct Watching {
    taps: Receiver<Tap>,
    stats: Arc<Stats>,
    card_status: Arc<CardStatus>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Watching {
    fn start(readers: &str) -> Self {
        let cards = Cards {
            enabled: true,
            readers: Readers::One(readers.to_owned()),
            repeat_seconds: 60.0,
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (stop, stats) = (Stop::new(), Arc::new(Stats::default()));
        let (sender, taps) = keeper::queue();
        let card_status = Arc::new(CardStatus::default());
        let mut watch = Watch {
            beat: Beat::default(),
            open: facetap::attend::reader::open(&cards, &clock, &stop),
            selection: Selection::new(&cards.readers),
            taps: sender,
            panel: facetap::attend::indicator::panel().0,
            card_status: Arc::clone(&card_status),
            clock,
            stop: stop.clone(),
            stats: Arc::clone(&stats),
            usb: Bus::new(SYSFS.into(), &stop, &Beat::default()),
        };
        Self {
            taps,
            stats,
            card_status,
            stop,
            thread: Some(std::thread::spawn(move || watch.run())),
        }
    }

    fn next(&self) -> Tap {
        self.taps.recv_timeout(PATIENCE).expect("no tap came")
    }

    /// The identifier of the next tap, which must be a good one, and its reader.
    fn card(&self) -> (String, String) {
        let tap = self.next();
        match tap.sighting {
            Sighting::Card(uid, _) => (uid.to_string(), tap.reader),
            other => panic!("{other:?}"),
        }
    }

    /// Ends the watch; there must be no more taps.
    fn end(mut self) {
        self.stop.request(Reason::Duration);
        self.thread.take().unwrap().join().unwrap();
        let more: Vec<_> = self.taps.iter().map(|t| t.sighting).collect();
        assert!(more.is_empty(), "{more:?}");
    }
}

/// A test that has failed must not go on watching in those after it.
impl Drop for Watching {
    fn drop(&mut self) {
        self.stop.request(Reason::Duration);
    }
}

fn idm(n: u8) -> [u8; 8] {
    [0x01, 0x2E, 0x44, 0xA7, 0xA5, 0x18, 0x5C, n]
}

fn hex(n: u8) -> String {
    format!("012E44A7A5185C{n:02X}")
}

/// Long enough for a tap too many to show, were there one.
fn a_moment() {
    std::thread::sleep(Duration::from_millis(1500));
}

#[test]
fn each_insertion_in_each_reader_is_one_tap() {
    let Some(turn) = Turn::take() else { return };
    let _daemon = Daemon::start(&turn);
    let watching = Watching::start("all");

    let first = Card::felica(PORTS[0], idm(1));
    assert_eq!(watching.card(), (hex(1), "Virtual PCD 00 00".into()));
    let second = Card::felica(PORTS[1], idm(2));
    assert_eq!(watching.card(), (hex(2), "Virtual PCD 00 01".into()));
    // Both lie there for a while: no more taps.
    a_moment();
    drop(first);
    // Seen to go and to come again.
    let _again = Card::felica(PORTS[0], idm(1));
    assert_eq!(watching.card(), (hex(1), "Virtual PCD 00 00".into()));
    drop(second);
    a_moment();
    watching.end();
}

#[test]
fn many_taps_on_two_readers_are_all_seen() {
    let Some(turn) = Turn::take() else { return };
    let _daemon = Daemon::start(&turn);
    let watching = Watching::start("all");
    for n in 0..10 {
        let _left = Card::felica(PORTS[0], idm(n));
        let _right = Card::felica(PORTS[1], idm(n + 100));
        let mut seen = [watching.card().0, watching.card().0];
        seen.sort();
        assert_eq!(seen, [hex(n), hex(n + 100)]);
    }
    watching.end();
}

#[test]
fn answers_of_any_length_are_understood_or_named() {
    let Some(turn) = Turn::take() else { return };
    let _daemon = Daemon::start(&turn);
    let watching = Watching::start("virtual pcd 00 00");
    let long = vec![7; 300];
    let long_success = [&vec![7; 298][..], &[0x90, 0x00]].concat();
    for (answer, want) in [
        (vec![0x90], "ended before"),
        (long, "07 07"),
        (long_success, "298 bytes"),
        (vec![0x63, 0x00], "63 00"),
        (vec![0x6A, 0x81], "6A 81"),
    ] {
        let card = Card::hold(PORTS[0], card::FELICA, answer);
        match watching.next().sighting {
            Sighting::Unread(why) => assert!(why.contains(want), "{why}"),
            other => panic!("{other:?}"),
        }
        drop(card);
    }
    // And it goes on.
    let _card = Card::felica(PORTS[0], idm(1));
    assert_eq!(watching.card().0, hex(1));
    watching.end();
}

/// vpcd waits for more than an empty answer, for as long as the card lies there.
#[test]
fn a_card_that_never_answers_does_not_block_the_other_reader() {
    let Some(turn) = Turn::take() else { return };
    let _daemon = Daemon::start(&turn);
    let watching = Watching::start("all");
    let _mute = Card::hold(PORTS[0], card::FELICA, vec![]);
    let unread = watching.next();
    assert!(matches!(unread.sighting, Sighting::Unread(_)), "{unread:?}");
    for n in 1..4 {
        let _card = Card::felica(PORTS[1], idm(n));
        assert_eq!(watching.card(), (hex(n), "Virtual PCD 00 01".into()));
    }
    watching.end();
}

#[test]
fn cards_whose_identifier_changes_are_refused() {
    let Some(turn) = Turn::take() else { return };
    let _daemon = Daemon::start(&turn);
    let watching = Watching::start("all");
    for (atr, uid, want) in [
        (TYPE_B, [1, 2, 3, 4], Refusal::TypeB),
        (card::FELICA, [8, 2, 3, 4], Refusal::Phone),
        (card::FELICA, [0; 4], Refusal::Blank),
    ] {
        let _card = Card::hold(PORTS[0], atr, [&uid[..], &[0x90, 0x00]].concat());
        match watching.next().sighting {
            Sighting::Refused(_, _, why) => assert_eq!(why, want),
            other => panic!("{other:?}"),
        }
    }
    watching.end();
}

#[test]
fn a_daemon_that_starts_late_and_is_killed_is_found_again() {
    let Some(turn) = Turn::take() else { return };
    let watching = Watching::start("all");
    a_moment();
    let daemon = Daemon::start(&turn);
    let card = Card::felica(PORTS[0], idm(1));
    assert_eq!(watching.card().0, hex(1));
    drop(card);
    assert_eq!(watching.stats.reader_reconnects.get(), 0);
    let mut daemon = Some(daemon);
    for n in 2..5 {
        drop(daemon.take());
        daemon = Some(Daemon::start(&turn));
        let _card = Card::felica(PORTS[1], idm(n));
        assert_eq!(watching.card().0, hex(n));
        let reconnects =
            || (watching.stats.reader_reconnects.get() == u64::from(n - 1)).then_some(());
        wait_until("the count of reconnections", reconnects);
    }
    watching.end();
}

#[test]
fn a_card_that_was_there_before_the_start_is_a_tap() {
    let Some(turn) = Turn::take() else { return };
    let _daemon = Daemon::start(&turn);
    let _card = Card::felica(PORTS[0], idm(1));
    a_moment();
    let watching = Watching::start("all");
    assert_eq!(watching.card().0, hex(1));
    watching.end();
}
