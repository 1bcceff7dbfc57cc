//! A reader that nobody has to touch, for demonstration and tests: the same few cards come and go.
//!
//! With the environment variable [`VARIABLE`] it takes its cards from a file or FIFO instead, one a line
//! ([`given`]): tests and benchmarks then decide what is tapped and when, some hundred times a second if
//! need be, and everything behind the reader is the real thing.

mod lines;
mod scripted;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::apdu::GET_UID;
use super::{ReadError, Readers, Slot};
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::Stop;

/// Name of the simulated reader.
pub const NAME: &str = "simulated reader";

/// Names the file or FIFO that cards are taken from. Not in the configuration: it is for tests alone.
pub const VARIABLE: &str = "FACETAP_SIMULATED_CARDS";

/// Time from one card to the next.
const EVERY: Duration = Duration::from_secs(3);
/// How long a card is held.
const HELD: Duration = Duration::from_millis(600);
/// Every fifth card is held a second time, this long after it came the first time.
const AGAIN: Duration = Duration::from_millis(1400);

/// FeliCa as an ACR122U shows it, MIFARE Classic 1K, MIFARE Ultralight.
const FELICA: &[u8] = &[
    0x3B, 0x8F, 0x80, 0x01, 0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06, 0x03, 0xF0, 0x11, 0x00,
    0x00, 0x00, 0x00, 0x8A,
];
const CLASSIC: &[u8] = &[
    0x3B, 0x8F, 0x80, 0x01, 0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x00, 0x00, 0x6A,
];
const ULTRALIGHT: &[u8] = &[
    0x3B, 0x8F, 0x80, 0x01, 0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06, 0x03, 0x00, 0x03, 0x00,
    0x00, 0x00, 0x00, 0x68,
];

/// ATR and answer to [`GET_UID`].
const CARDS: &[(&[u8], &[u8])] = &[
    (
        FELICA,
        &[0x01, 0x2E, 0x44, 0xA7, 0xA5, 0x18, 0x5C, 0x01, 0x90, 0x00],
    ),
    (
        ULTRALIGHT,
        &[0x04, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6, 0x90, 0x00],
    ),
    (CLASSIC, &[0xDE, 0xAD, 0x10, 0x03, 0x90, 0x00]),
    (
        FELICA,
        &[0x01, 0x14, 0xB3, 0x4D, 0x82, 0x17, 0x9A, 0x04, 0x90, 0x00],
    ),
    (
        ULTRALIGHT,
        &[0x04, 0x5E, 0x6F, 0x70, 0x81, 0x92, 0xA5, 0x90, 0x00],
    ),
    (CLASSIC, &[0x5A, 0x3C, 0x77, 0x06, 0x90, 0x00]),
];

/// What lies on the reader some time after the start: how many cards have come and gone, and the one
/// that is there. Pure.
fn scene(since_start: Duration) -> (u64, Option<usize>) {
    let period = since_start.as_millis() / EVERY.as_millis();
    let within = since_start - EVERY * u32::try_from(period).unwrap_or(u32::MAX);
    let Some(nth) = u64::try_from(period).ok().and_then(|p| p.checked_sub(1)) else {
        return (0, None);
    };
    // Fits: it is smaller than the number of cards.
    let card = (nth % CARDS.len() as u64) as usize;
    let extra = |n: u64| n / 5 * 2;
    let before = 2 * nth + extra(nth);
    let twice = nth % 5 == 4;
    if within < HELD {
        (before + 1, Some(card))
    } else if twice && (AGAIN..AGAIN + HELD).contains(&within) {
        (before + 3, Some(card))
    } else if twice && within >= AGAIN {
        (before + 4, None)
    } else {
        (before + 2, None)
    }
}

/// The simulated reader, or several of them.
pub struct Simulated(SimulatedReader);

enum SimulatedReader {
    Drawn(Drawn),
    Scripted(scripted::ScriptedReaders),
}

/// The reader whose cards come and go by themselves.
struct Drawn {
    clock: Arc<dyn Clock>,
    stop: Stop,
    start: Monotime,
    seen: Option<u64>,
}

impl Simulated {
    /// The reader that [`VARIABLE`] asks for, else one whose first card comes after three seconds.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, stop: Stop) -> Self {
        Self(match std::env::var_os(VARIABLE) {
            Some(path) => {
                SimulatedReader::Scripted(scripted::ScriptedReaders::new(path.into(), clock, stop))
            }
            None => SimulatedReader::Drawn(Drawn::new(clock, stop)),
        })
    }
}

impl Readers for Simulated {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<Slot>> {
        match &mut self.0 {
            SimulatedReader::Drawn(drawn) => Ok(drawn.wait(timeout)),
            SimulatedReader::Scripted(given) => given.wait(timeout),
        }
    }

    fn transmit(&mut self, reader: &str, command: &[u8]) -> Result<Vec<u8>, ReadError> {
        let answer = match &self.0 {
            SimulatedReader::Drawn(drawn) => drawn.now().1.map(|c| CARDS[c].1.to_owned()),
            SimulatedReader::Scripted(given) => given.answer(reader),
        };
        match answer {
            Some(answer) if command == GET_UID => Ok(answer),
            Some(_) => Ok(vec![0x6D, 0x00]),
            None => Err(ReadError::Card("the card is gone".to_owned())),
        }
    }
}

impl Drawn {
    fn new(clock: Arc<dyn Clock>, stop: Stop) -> Self {
        Self {
            start: clock.now(),
            clock,
            stop,
            seen: None,
        }
    }

    fn now(&self) -> (u64, Option<usize>) {
        scene(self.clock.now().since(self.start))
    }

    fn wait(&mut self, timeout: Duration) -> Vec<Slot> {
        let end = self.clock.now() + timeout;
        let step = Duration::from_millis(100);
        while self.seen == Some(self.now().0) && self.clock.now() < end {
            if self.clock.wait(&self.stop, step) {
                break;
            }
        }
        let (events, card) = self.now();
        self.seen = Some(events);
        vec![Slot {
            reader: NAME.to_owned(),
            // The count wraps as that of the daemon does.
            events: events as u16,
            card: card.map(|c| CARDS[c].0.to_owned()),
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attend::reader::atr::CardType;
    use crate::attend::reader::insertions::{Change, Insertions};
    use crate::attend::reader::{apdu, refusal};
    use crate::base::clock::ManualClock;
    #[test]
    fn a_card_every_three_seconds_and_a_repeat_now_and_then() {
        let clock = ManualClock::shared(Duration::ZERO);
        let drawn = Drawn::new(clock.clone(), Stop::new());
        let mut reader = Simulated(SimulatedReader::Drawn(drawn));
        let mut insertions = Insertions::default();
        let mut uids = Vec::new();
        while clock.now() < Monotime::from_zero(Duration::from_secs(32)) {
            let slots = reader.wait(Duration::from_secs(1)).unwrap();
            for change in insertions.look(&slots) {
                match change {
                    Change::Card { atr, .. } => {
                        let answer = reader.transmit(NAME, &GET_UID).unwrap();
                        let uid = apdu::uid(&answer).unwrap();
                        let card = CardType::of(&atr, &uid);
                        assert_ne!(card, CardType::Unknown);
                        assert_eq!(refusal::refusal(&uid, card), None);
                        uids.push(uid);
                    }
                    Change::Missed(_) => panic!("missed at {:?}", clock.now()),
                    _ => {}
                }
            }
        }
        assert_eq!(uids.len(), 12, "ten cards, two of them twice: {uids:?}");
        assert_eq!(uids[4], uids[5]);
        assert_ne!(uids[0], uids[1]);
    }
}
