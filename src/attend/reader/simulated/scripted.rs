//! Simulated readers whose cards come from a file or FIFO, one a line:
//!
//! ```text
//! 012E44A7A5185C01                      held to the reader and taken away at once
//! 012E44A7A5185C01 hold=0.3             held for 0.3 seconds
//! 04A1B2C3D4E5F6 door                   held to another reader, named "door"
//! # a remark
//! ```
//!
//! The identifier is hexadecimal; its length makes it a FeliCa (8 bytes), a MIFARE Ultralight (7) or a
//! MIFARE Classic card. One of an impossible length is a card that cannot be read. A reader is there from
//! the first card on that is held to it. A line waits until the card before it has left the same reader.
//! Invalid lines are skipped and logged once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::lines::Lines;
use super::{CLASSIC, FELICA, NAME, ULTRALIGHT, VARIABLE};
use crate::attend::reader::Slot;
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::Stop;
use crate::say_warn;

/// Longest identifier that a line may hold; a card's is never longer than ten bytes.
const MAX_BYTES: usize = 32;
/// Longest time that a card may be held.
const MAX_HOLD: f64 = 60.0;

/// A card, as a line describes it.
#[derive(Debug, Clone, PartialEq)]
struct Card {
    identifier: Vec<u8>,
    reader: String,
    hold: Duration,
}

/// A reader as it is now.
#[derive(Debug, Default)]
struct ScriptedReader {
    events: u16,
    /// The card, and when it is taken away.
    card: Option<(Card, Monotime)>,
}

/// The readers.
pub(super) struct ScriptedReaders {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    stop: Stop,
    /// None until it could be opened.
    lines: Option<Lines>,
    readers: BTreeMap<String, ScriptedReader>,
    /// The next card, as long as its reader is busy.
    next: Option<Card>,
    garbage_told: bool,
}

impl ScriptedReaders {
    /// Takes cards from `path`, which is opened at the first wait.
    pub fn new(path: PathBuf, clock: Arc<dyn Clock>, stop: Stop) -> Self {
        Self {
            path,
            clock,
            stop,
            lines: None,
            readers: BTreeMap::from([(NAME.to_owned(), ScriptedReader::default())]),
            next: None,
            garbage_told: false,
        }
    }

    /// As [`Readers::wait`](crate::attend::reader::Readers::wait).
    pub fn wait(&mut self, timeout: Duration) -> Result<Vec<Slot>> {
        if self.lines.is_none() {
            self.lines = Some(Lines::open(&self.path)?);
            return Ok(self.slots());
        }
        let end = self.clock.now() + timeout;
        let mut changed = self.take_away();
        loop {
            if self.lay() || changed {
                return Ok(self.slots());
            }
            let now = self.clock.now();
            let left = self.next_departure().map_or(end, |d| d.min(end)).since(now);
            if left.is_zero() || self.stop.requested() {
                return Ok(self.slots());
            }
            if self.next.is_some() {
                // Its reader is busy until the next departure.
                self.clock.wait(&self.stop, left);
            } else {
                self.next = self.read(left)?;
            }
            changed = self.take_away();
        }
    }

    /// What the card in a reader answers to the question for its identifier.
    pub fn answer(&self, reader: &str) -> Option<Vec<u8>> {
        let (card, _) = self.readers.get(reader)?.card.as_ref()?;
        Some([&card.identifier[..], &[0x90, 0x00]].concat())
    }

    /// Takes every card away that has been held for long enough. True if there was one.
    fn take_away(&mut self) -> bool {
        let now = self.clock.now();
        let mut any = false;
        for state in self.readers.values_mut() {
            if state.card.as_ref().is_some_and(|(_, until)| *until <= now) {
                state.card = None;
                state.events = state.events.wrapping_add(1);
                any = true;
            }
        }
        any
    }

    /// When a card is taken away next.
    fn next_departure(&self) -> Option<Monotime> {
        let held = self.readers.values().filter_map(|s| s.card.as_ref());
        held.map(|(_, until)| *until).min()
    }

    /// Lays the next card on its reader if that is free. True if something has changed.
    fn lay(&mut self) -> bool {
        let Some(card) = self.next.take() else {
            return false;
        };
        let Some(state) = self.readers.get_mut(&card.reader) else {
            // Seen without a card first, as a reader that is plugged in.
            self.readers
                .insert(card.reader.clone(), ScriptedReader::default());
            self.next = Some(card);
            return true;
        };
        if state.card.is_some() {
            self.next = Some(card);
            return false;
        }
        let until = self.clock.now() + card.hold;
        state.card = Some((card, until));
        state.events = state.events.wrapping_add(1);
        true
    }

    fn read(&mut self, timeout: Duration) -> Result<Option<Card>> {
        let Some(lines) = &mut self.lines else {
            return Ok(None);
        };
        let Some(line) = lines.next(self.clock.as_ref(), &self.stop, timeout)? else {
            return Ok(None);
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let card = parse(line);
        if card.is_none() && !self.garbage_told {
            self.garbage_told = true;
            say_warn!(
                "{VARIABLE}: a line that describes no card is skipped, as will be others: {line:?}",
                "{VARIABLE}: カードとして解釈できない行を無視します（以降も同様）: {line:?}"
            );
        }
        Ok(card)
    }

    fn slots(&self) -> Vec<Slot> {
        let slot = |(name, state): (&String, &ScriptedReader)| Slot {
            reader: name.clone(),
            events: state.events,
            card: state.card.as_ref().map(|(card, _)| atr(card).to_owned()),
        };
        self.readers.iter().map(slot).collect()
    }
}

fn atr(card: &Card) -> &'static [u8] {
    match card.identifier.len() {
        8 => FELICA,
        7 => ULTRALIGHT,
        _ => CLASSIC,
    }
}

/// The card that a line describes. Pure.
fn parse(line: &str) -> Option<Card> {
    let mut words = line.split_whitespace();
    let identifier = from_hex(words.next()?)?;
    let mut card = Card {
        identifier,
        reader: NAME.to_owned(),
        hold: Duration::ZERO,
    };
    for word in words {
        match word.split_once('=') {
            None => word.clone_into(&mut card.reader),
            Some(("hold", seconds)) => {
                let seconds: f64 = seconds.parse().ok()?;
                if !(0.0..=MAX_HOLD).contains(&seconds) {
                    return None;
                }
                card.hold = Duration::from_secs_f64(seconds);
            }
            Some(_) => return None,
        }
    }
    Some(card)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let digits = digits?;
    let whole = digits.len() % 2 == 0 && digits.len() <= 2 * MAX_BYTES;
    whole.then(|| digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect())
}

#[cfg(test)]
mod tests;
