//! The readers: a connection that fails after its first answer.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::{Result, bail};
use facetap::attend::indicator;
use facetap::attend::reader::selection::Selection;
use facetap::attend::reader::usb::Bus;
use facetap::attend::reader::watch::Watch;
use facetap::attend::reader::{self, Answer, Connection, Slot};
use facetap::base::beat::Beat;
use facetap::base::card_status::CardStatus;
use facetap::base::clock::{Clock, SystemClock};
use facetap::base::stats::Stats;
use facetap::base::stop::{Reason, Stop};
use facetap::config::{Cards, Config, Readers};

use super::hasty::HastyClock;
use super::measure::{a_thousand_times, alone, side_by_side};
use crate::daemon::{Daemon, Turn};

/// As when the daemon is gone after the first look.
struct Fickle {
    inner: Box<dyn Connection>,
    looked: bool,
}

impl Connection for Fickle {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<Slot>> {
        if std::mem::replace(&mut self.looked, true) {
            bail!("planted");
        }
        self.inner.wait(timeout)
    }

    fn ask(&mut self, reader: &str, command: &[u8]) -> u64 {
        self.inner.ask(reader, command)
    }

    fn answers(&mut self) -> Vec<Answer> {
        self.inner.answers()
    }
}

/// The watch over these readers, whose connection is made so often.
fn watch(cards: &Cards, cycles: usize) {
    let (stop, stats) = (Stop::new(), Arc::new(Stats::default()));
    // The connection itself waits by the real clock.
    let real: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut open = reader::open(cards, &real, &stop);
    let (order, mut opened) = (stop.clone(), 0);
    let (taps, _queue) = sync_channel(64);
    let mut watch = Watch {
        open: Box::new(move || {
            opened += 1;
            if opened == cycles {
                order.request(Reason::Duration);
            }
            let fickle = Fickle {
                inner: open.open()?,
                looked: false,
            };
            Ok(Box::new(fickle) as Box<dyn Connection>)
        }),
        selection: Selection::new(&cards.readers),
        taps,
        panel: indicator::panel().0,
        card_status: Arc::new(CardStatus::default()),
        clock: Arc::new(HastyClock::default()),
        usb: Bus::new("/nonexistent".into(), &stop, &Beat::default()),
        stop,
        stats: Arc::clone(&stats),
        beat: Beat::default(),
    };
    watch.run();
    // The first connection is none that was made anew, and during the last the order to stop came.
    assert_eq!(stats.reader_reconnects.get() as usize, cycles - 2);
}

fn cards(readers: Readers) -> Cards {
    Cards {
        readers,
        ..Config::default().cards
    }
}

#[test]
fn simulated_readers_that_are_lost_a_thousand_times() {
    alone(
        "reinit::reader::simulated_readers_that_are_lost_a_thousand_times",
        || {
            let cards = cards(Readers::One("simulated".to_owned()));
            a_thousand_times("simulated reader", |cycles| watch(&cards, cycles));
        },
    );
}

#[test]
fn the_daemon_that_is_lost_a_thousand_times() {
    alone(
        "reinit::reader::the_daemon_that_is_lost_a_thousand_times",
        || {
            let Some(turn) = Turn::take() else {
                return;
            };
            let _daemon = Daemon::start(&turn);
            let cards = Config::default().cards;
            // The end of a connection takes half a second.
            a_thousand_times("PC/SC", |cycles| {
                side_by_side(10, cycles, |_, cycles| watch(&cards, cycles));
            });
        },
    );
}
