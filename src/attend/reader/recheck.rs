//! Whether a card that lies on a reader is still the same one. Pure.
//!
//! The daemon looks at a reader every 0.4 s. A card that is exchanged for another between two looks never went, as far
//! as the daemon knows, and it tells nobody. So a card that lies there is asked again and again.

use std::time::Duration;

use super::refusal::Refusal;
use super::{ReadError, Sighting, apdu};
use crate::attend::uid::Uid;
use crate::base::clock::Monotime;

/// How often. A card is held for half a second at least.
const EVERY: Duration = Duration::from_millis(250);
/// How soon after no answer came, and how often: the card is gone, and another may be there already.
const SOON: Duration = Duration::from_millis(50);
const SOON_TIMES: u32 = 12;
/// After so many answers in a row without an identifier nothing more is expected.
const IN_VAIN: u32 = 40;

/// What the card has told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastTold {
    pub uid: Uid,
    pub refused: Option<Refusal>,
}

/// What an answer means.
#[derive(Debug)]
pub(super) enum Found {
    /// The same card, or none that answers.
    NothingNew,
    /// Another card lies there.
    Another,
    /// The connection is gone.
    Lost(anyhow::Error),
}

/// A card that lies on a reader.
#[derive(Debug)]
pub(super) struct Recheck {
    /// None where it could not be read, though it may be yet.
    pub told: Option<LastTold>,
    /// Its answer to reset, or that of the card before.
    atr: Vec<u8>,
    due: Monotime,
    asked: Option<u64>,
    in_vain: u32,
}

impl Recheck {
    /// After this outcome of reading it; none where asking again is of no use.
    pub fn after(
        outcome: &Sighting,
        may_answer_yet: bool,
        atr: &[u8],
        now: Monotime,
    ) -> Option<Self> {
        let told = match outcome {
            Sighting::Card(uid, _) => Some((*uid, None)),
            Sighting::Refused(uid, _, why) => Some((*uid, Some(*why))),
            Sighting::Unread(_) if may_answer_yet => None,
            Sighting::Unread(_) => return None,
        };
        Some(Self {
            told: told.map(|(uid, refused)| LastTold { uid, refused }),
            atr: atr.to_owned(),
            due: now + EVERY,
            asked: None,
            in_vain: 0,
        })
    }

    /// The answer to reset that is known.
    pub fn atr(&self) -> &[u8] {
        &self.atr
    }

    /// When it is to be asked next; none while its answer is waited for, or nothing is expected any more.
    pub fn due(&self) -> Option<Monotime> {
        (self.asked.is_none() && self.in_vain < IN_VAIN).then_some(self.due)
    }

    /// It has been asked.
    pub fn asked(&mut self, ticket: u64) {
        self.asked = Some(ticket);
    }

    /// Whether the answer with this number is this card's.
    pub fn awaits(&self, ticket: u64) -> bool {
        self.asked == Some(ticket)
    }

    /// The answer to the question that was asked last.
    pub fn heard(&mut self, result: &mut Result<Vec<u8>, ReadError>, now: Monotime) -> Found {
        self.asked = None;
        self.due = now + EVERY;
        let uid = match result {
            Ok(bytes) => apdu::uid(bytes).ok(),
            Err(ReadError::Card(_) | ReadError::Busy) => None,
            Err(ReadError::Connection(fault)) => {
                return Found::Lost(std::mem::replace(fault, anyhow::Error::msg("")));
            }
        };
        match uid {
            None => {
                self.in_vain += 1;
                if self.in_vain <= SOON_TIMES {
                    self.due = now + SOON;
                }
            }
            Some(uid) if self.told.is_some_and(|told| told.uid == uid) => self.in_vain = 0,
            Some(_) => return Found::Another,
        }
        Found::NothingNew
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attend::reader::atr::CardType;

    fn ms(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn uid(n: u8) -> Uid {
        Uid::new(&[n; 4]).unwrap()
    }

    fn lying(n: u8) -> Recheck {
        Recheck::after(&Sighting::Card(uid(n), CardType::TypeA), false, &[], ms(0)).unwrap()
    }

    fn answer(n: u8) -> Result<Vec<u8>, ReadError> {
        Ok(vec![n, n, n, n, 0x90, 0x00])
    }

    #[test]
    fn the_same_card_is_nothing_new_and_another_one_is() {
        let mut card = lying(1);
        assert_eq!(card.due(), Some(ms(250)));
        card.asked(7);
        assert!(card.due().is_none() && card.awaits(7) && !card.awaits(6));
        assert!(matches!(
            card.heard(&mut answer(1), ms(260)),
            Found::NothingNew
        ));
        assert_eq!(card.due(), Some(ms(510)));
        assert!(matches!(
            card.heard(&mut answer(2), ms(520)),
            Found::Another
        ));
    }

    #[test]
    fn what_may_be_read_yet_is_asked_and_what_never_will_is_not() {
        let unread = Sighting::Unread("moved".into());
        assert!(Recheck::after(&unread, false, &[], ms(0)).is_none());
        let mut card = Recheck::after(&unread, true, &[], ms(0)).unwrap();
        assert!(matches!(
            card.heard(&mut Ok(vec![0x63, 0x00]), ms(1)),
            Found::NothingNew
        ));
        assert!(matches!(card.heard(&mut answer(1), ms(2)), Found::Another));
        for n in 1..IN_VAIN {
            assert!(card.due().is_some(), "{n}");
            card.heard(&mut Err(ReadError::Card("gone".into())), ms(3));
        }
        assert!(card.due().is_none());
    }

    #[test]
    fn a_lost_connection_is_told() {
        let mut lost = Err(ReadError::Connection(anyhow::anyhow!("gone")));
        let Found::Lost(fault) = lying(1).heard(&mut lost, ms(1)) else {
            panic!("not told");
        };
        assert_eq!(fault.to_string(), "gone");
    }
}
