//! State machine of reading one card, with retries and a time-out. Pure.

use std::time::Duration;

use super::atr::CardType;
use super::recheck::LastTold;
use super::{ReadError, Sighting, apdu, refusal};
use crate::base::clock::Monotime;
use crate::say;

/// How often a card is asked before the tap counts as failed, and the pause between.
const TRIES: u32 = 3;
const RETRY_PAUSE: Duration = Duration::from_millis(40);
/// How long a card may take to answer. Telling the identifier takes milliseconds; a driver whose card has
/// stopped in the middle may wait for ever.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Next action.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing before this moment.
    Wait(Monotime),
    /// Ask the card.
    Ask,
    /// The card does not answer in time.
    Over(Sighting),
}

/// Result of an answer.
#[derive(Debug)]
pub(super) enum Heard {
    /// The reading is over.
    Done(Sighting),
    /// The card will be asked again.
    Again,
    /// The connection is gone. Nothing is known of the card: it is read again after the next connection
    /// if it still lies there.
    Lost(anyhow::Error),
}

#[derive(Debug)]
enum ReaderState {
    /// To be asked at this moment.
    Due(Monotime),
    /// The question with this number is to be answered by this moment.
    Asked(u64, Monotime),
}

/// A card that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    atr: Vec<u8>,
    /// Whether it has come since the last look; false where it may have been lying there.
    pub new: bool,
    /// It was found in the place of another, which had told this.
    pub exchanged: Option<Option<LastTold>>,
    tries: u32,
    /// The first error is reported: later ones often only say that the card was removed.
    why: Option<String>,
    /// When the reader must have become free.
    patience: Monotime,
    state: ReaderState,
}

impl Reading {
    pub fn new(atr: &[u8], new: bool, now: Monotime) -> Self {
        Self {
            atr: atr.to_owned(),
            new,
            exchanged: None,
            tries: 0,
            why: None,
            patience: now + ANSWER_TIME,
            state: ReaderState::Due(now),
        }
    }

    /// Of a card that was found in the place of another, which had told this. Its ATR comes with its answer.
    pub fn exchanged(told: Option<LastTold>, atr: &[u8], now: Monotime) -> Self {
        Self {
            exchanged: Some(told),
            ..Self::new(atr, true, now)
        }
    }

    /// Whether the card was asked as often as may be, and might answer yet.
    pub fn may_answer_yet(&self) -> bool {
        self.tries >= TRIES
    }

    /// The card's answer to reset.
    pub fn atr(&self) -> &[u8] {
        &self.atr
    }

    /// What is to be done at this moment.
    pub fn turn(&self, now: Monotime) -> Turn {
        match self.state {
            ReaderState::Due(at) if at <= now => Turn::Ask,
            ReaderState::Asked(_, until) if until <= now => Turn::Over(self.given_up()),
            ReaderState::Due(at) | ReaderState::Asked(_, at) => Turn::Wait(at),
        }
    }

    /// The card has been asked.
    pub fn asked(&mut self, ticket: u64, now: Monotime) {
        self.state = ReaderState::Asked(ticket, now + ANSWER_TIME);
    }

    /// Whether the answer with this number is this card's. One that came late is another card's.
    pub fn awaits(&self, ticket: u64) -> bool {
        matches!(self.state, ReaderState::Asked(asked, _) if asked == ticket)
    }

    /// The card was reset, and this is its answer.
    pub fn was_reset(&mut self, atr: Vec<u8>) {
        self.atr = atr;
    }

    /// The answer to the question that was asked last.
    pub fn heard(&mut self, result: Result<Vec<u8>, ReadError>, now: Monotime) -> Heard {
        let (why, passing) = match result {
            Ok(bytes) => match apdu::uid(&bytes) {
                Ok(uid) => {
                    let card = CardType::of(&self.atr, &uid);
                    return Heard::Done(match refusal::refusal(&uid, card) {
                        Some(why) => Sighting::Refused(uid, card, why),
                        None => Sighting::Card(uid, card),
                    });
                }
                Err(e) => (e.to_string(), e.is_passing()),
            },
            Err(ReadError::Card(why)) => (why, true),
            // The previous card blocks the reader until its removal is noticed.
            Err(ReadError::Busy) if now < self.patience => {
                self.state = ReaderState::Due(now + RETRY_PAUSE);
                return Heard::Again;
            }
            Err(ReadError::Busy) => return Heard::Done(self.given_up()),
            Err(ReadError::Connection(fault)) => return Heard::Lost(fault),
        };
        self.tries += 1;
        let why = self.why.get_or_insert(why);
        log::debug!("try {} of {TRIES}: {why}", self.tries);
        if passing && self.tries < TRIES {
            self.state = ReaderState::Due(now + RETRY_PAUSE);
            Heard::Again
        } else {
            Heard::Done(Sighting::Unread(why.clone()))
        }
    }

    fn given_up(&self) -> Sighting {
        let silent = || say!("the card does not answer", "カードが応答しません");
        Sighting::Unread(self.why.clone().unwrap_or_else(silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn unread(heard: Heard) -> Option<String> {
        match heard {
            Heard::Done(Sighting::Unread(why)) => Some(why),
            _ => None,
        }
    }

    #[test]
    fn a_card_that_does_not_answer_is_given_up() {
        let mut r = Reading::new(&[], true, ms(0));
        assert_eq!(r.turn(ms(0)), Turn::Ask);
        r.asked(7, ms(0));
        assert!(r.awaits(7) && !r.awaits(6));
        assert_eq!(r.turn(ms(1999)), Turn::Wait(ms(2000)));
        assert!(matches!(r.turn(ms(2000)), Turn::Over(Sighting::Unread(_))));
    }

    #[test]
    fn it_is_asked_again_after_a_pause_and_the_first_reason_is_told() {
        let mut r = Reading::new(&[], true, ms(0));
        for (n, why) in ["moved", "gone"].into_iter().enumerate() {
            let heard = r.heard(Err(ReadError::Card(why.into())), ms(n as u64));
            assert!(matches!(heard, Heard::Again));
            assert_eq!(r.turn(ms(n as u64)), Turn::Wait(ms(n as u64 + 40)));
        }
        let last = r.heard(Ok(vec![0x63, 0x00]), ms(100));
        assert_eq!(unread(last).as_deref(), Some("moved"));
    }

    #[test]
    fn a_reader_that_is_busy_with_the_card_before_is_waited_for_but_not_for_ever() {
        let mut r = Reading::new(&[], true, ms(0));
        for at in (0..2000).step_by(40) {
            assert!(matches!(
                r.heard(Err(ReadError::Busy), ms(at)),
                Heard::Again
            ));
        }
        let last = r.heard(Err(ReadError::Busy), ms(2000));
        assert!(unread(last).is_some());
    }
}
