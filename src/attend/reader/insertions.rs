//! One tap per insertion: what the states of the readers, seen from time to time, mean.

use std::collections::BTreeMap;

use super::Slot;
use crate::attend::uid::Uid;

/// What has happened between two looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// A reader is there.
    ReaderCame(String),
    /// A reader is there no more.
    ReaderWent(String),
    /// A card is to be read. `new` is false where it may have been lying there all the time: at the
    /// first look at a reader.
    Card {
        reader: String,
        atr: Vec<u8>,
        new: bool,
    },
    /// A card came and went before it could be read.
    Missed(String),
}

/// What is known of one reader over this connection.
#[derive(Debug)]
struct Known {
    events: u16,
    card: bool,
}

/// What is known of all readers.
#[derive(Debug, Default)]
pub(super) struct Insertions {
    known: BTreeMap<String, Known>,
    /// Cards that were read and have not been seen to go, even if the connection was lost since.
    lying: BTreeMap<String, Uid>,
}

impl Insertions {
    /// Compares the readers with the last look at them.
    pub fn look(&mut self, slots: &[Slot]) -> Vec<Change> {
        let mut changes = Vec::new();
        self.known.retain(|reader, _| {
            let there = slots.iter().any(|s| s.reader == *reader);
            if !there {
                changes.push(Change::ReaderWent(reader.clone()));
            }
            there
        });
        for slot in slots {
            self.look_at(slot, &mut changes);
        }
        changes
    }

    fn look_at(&mut self, slot: &Slot, changes: &mut Vec<Change>) {
        let now = Known {
            events: slot.events,
            card: slot.card.is_some(),
        };
        let before = self.known.insert(slot.reader.clone(), now);
        if before.is_none() {
            changes.push(Change::ReaderCame(slot.reader.clone()));
        }
        match (before, &slot.card) {
            (None, Some(atr)) => changes.push(Change::Card {
                reader: slot.reader.clone(),
                atr: atr.clone(),
                new: false,
            }),
            (None, None) => {
                self.lying.remove(&slot.reader);
            }
            (Some(before), Some(atr)) => {
                // The state alone would hide a card that was taken away and held to the reader again.
                if !before.card || before.events != slot.events {
                    self.lying.remove(&slot.reader);
                    changes.push(Change::Card {
                        reader: slot.reader.clone(),
                        atr: atr.clone(),
                        new: true,
                    });
                }
            }
            (Some(before), None) => {
                let events = slot.events.wrapping_sub(before.events);
                if before.card || events > 0 {
                    self.lying.remove(&slot.reader);
                }
                // One event is the removal; two more mean that another card came and went.
                if events >= if before.card { 3 } else { 2 } {
                    changes.push(Change::Missed(slot.reader.clone()));
                }
            }
        }
    }

    /// Whether a card lies on `reader`.
    pub fn has_card(&self, reader: &str) -> bool {
        self.known.get(reader).is_some_and(|known| known.card)
    }

    /// The card in `reader` told its identifier. False if it has been lying there since it was last
    /// read, which is no tap.
    pub fn told(&mut self, reader: &str, uid: Uid, new: bool) -> bool {
        let before = self.lying.remove(reader);
        // One that answered and was taken away before the answer was looked at lies there no more.
        if self.known.get(reader).is_none_or(|known| known.card) {
            self.lying.insert(reader.to_owned(), uid);
        }
        new || before != Some(uid)
    }

    /// The connection is gone: the counts of events mean nothing any more.
    pub fn disconnected(&mut self) {
        self.known.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(events: u16, card: bool) -> Slot {
        Slot {
            reader: "R".into(),
            events,
            card: card.then(|| vec![0x3B, 0x00]),
        }
    }

    fn card(new: bool) -> Change {
        Change::Card {
            reader: "R".into(),
            atr: vec![0x3B, 0x00],
            new,
        }
    }

    fn started(events: u16, card: bool) -> Insertions {
        let mut insertions = Insertions::default();
        insertions.look(&[slot(events, card)]);
        insertions
    }

    fn uid(n: u8) -> Uid {
        Uid::new(&[n; 4]).unwrap()
    }

    #[test]
    fn one_insertion_is_one_change() {
        let mut i = started(0, false);
        assert_eq!(i.look(&[slot(1, true)]), [card(true)]);
        assert_eq!(i.look(&[slot(1, true)]), []);
        assert_eq!(i.look(&[slot(2, false)]), []);
        assert_eq!(i.look(&[slot(3, true)]), [card(true)]);
    }

    #[test]
    fn quick_removal_and_insertion_is_seen_by_the_count() {
        let mut i = started(1, true);
        assert_eq!(i.look(&[slot(3, true)]), [card(true)]);
        let mut wrapping = started(65_535, true);
        assert_eq!(wrapping.look(&[slot(1, true)]), [card(true)]);
    }

    #[test]
    fn a_card_that_was_too_quick_is_noticed() {
        let missed = || [Change::Missed("R".into())];
        assert_eq!(started(4, false).look(&[slot(6, false)]), missed());
        assert_eq!(started(5, true).look(&[slot(8, false)]), missed());
        assert_eq!(started(65_535, false).look(&[slot(1, false)]), missed());
        assert_eq!(started(5, true).look(&[slot(6, false)]), []);
    }

    #[test]
    fn at_the_start_a_lying_card_is_a_tap_after_a_restart_of_the_daemon_it_is_not() {
        let mut i = Insertions::default();
        assert_eq!(
            i.look(&[slot(1, true)]),
            [Change::ReaderCame("R".into()), card(false)]
        );
        assert!(i.told("R", uid(1), false));
        i.disconnected();
        i.look(&[slot(1, true)]);
        assert!(!i.told("R", uid(1), false));
        i.disconnected();
        i.look(&[slot(1, true)]);
        assert!(i.told("R", uid(2), false), "another card is a tap");
    }

    #[test]
    fn a_card_seen_to_go_is_new_when_it_comes_back() {
        let mut i = started(1, true);
        assert!(i.told("R", uid(1), false));
        i.look(&[slot(2, false)]);
        i.disconnected();
        i.look(&[slot(1, true)]);
        assert!(i.told("R", uid(1), false));
    }

    #[test]
    fn a_card_that_had_gone_when_its_answer_came_does_not_lie_there() {
        let mut i = started(0, false);
        i.look(&[slot(1, true)]);
        i.look(&[slot(2, false)]);
        assert!(i.told("R", uid(1), true));
        i.disconnected();
        i.look(&[slot(1, true)]);
        assert!(i.told("R", uid(1), false), "held to the reader again");
    }

    #[test]
    fn a_card_whose_reading_was_cut_off_is_read_again() {
        let mut i = started(0, false);
        assert_eq!(i.look(&[slot(1, true)]), [card(true)]);
        i.disconnected();
        i.look(&[slot(1, true)]);
        assert!(i.told("R", uid(1), false));
    }

    #[test]
    fn readers_come_and_go() {
        let mut i = started(0, false);
        assert_eq!(i.look(&[]), [Change::ReaderWent("R".into())]);
        assert_eq!(i.look(&[slot(0, false)]), [Change::ReaderCame("R".into())]);
    }
}
