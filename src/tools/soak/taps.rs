//! The taps that were made up, and what became of each of them.

use jiff::civil::DateTime;

use crate::attend::trace::Outcome;

/// First byte of the made-up cards: FeliCa (8 bytes) and MIFARE Ultralight (7 bytes) in turn. No two taps are of the
/// same card, so that none is a repeat.
const FELICA: u8 = 0x01;
const ULTRALIGHT: u8 = 0x04;

/// The card of tap `n`.
#[must_use]
pub(super) fn uid(n: usize) -> String {
    if n.is_multiple_of(2) {
        format!("{FELICA:02X}{n:014X}")
    } else {
        format!("{ULTRALIGHT:02X}{n:012X}")
    }
}

/// The tap of a card; none if it is a real one.
fn number(uid: &str) -> Option<usize> {
    let n = usize::from_str_radix(uid.get(2..)?, 16).ok()?;
    (self::uid(n) == uid).then_some(n)
}

#[derive(Debug, Clone, Copy, Default)]
struct Fate {
    /// What the trace told.
    outcome: Option<Outcome>,
    /// The request was answered in time.
    in_time: bool,
    /// It was confirmed so early that the server must have it in the end.
    due: bool,
    /// How often it is in the ledger.
    ledger: u8,
    /// How often the server stored it.
    server: u8,
    /// The time that the server was told last.
    at: Option<DateTime>,
}

/// Every tap of the run, 32 bytes each.
#[derive(Debug, Default)]
pub(super) struct Taps {
    fates: Vec<Fate>,
}

/// What became of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Made up.
    pub made: u64,
    /// Confirmed as counted.
    pub confirmed: u64,
    /// Confirmed, but not in the ledger, or not at the server.
    pub lost: u64,
    /// More than once in the ledger or at the server.
    pub twice: u64,
    /// Requests that were answered in time, but whose tap is lost or counted twice.
    pub in_vain: u64,
}

impl Taps {
    /// One more; its number.
    pub fn add(&mut self) -> usize {
        self.fates.push(Fate::default());
        self.fates.len() - 1
    }

    fn of(&mut self, uid: &str) -> Option<&mut Fate> {
        self.fates.get_mut(number(uid)?)
    }

    /// The trace told what became of the card.
    pub fn told(&mut self, uid: &str, outcome: Outcome) {
        if let Some(fate) = self.of(uid) {
            fate.outcome.get_or_insert(outcome);
        }
    }

    /// What the trace told of tap `n`.
    pub fn outcome(&self, n: usize) -> Option<Outcome> {
        self.fates.get(n)?.outcome
    }

    /// The request was answered in time.
    pub fn in_time(&mut self, n: usize) {
        if let Some(fate) = self.fates.get_mut(n) {
            fate.in_time = true;
        }
    }

    /// When the server was last told of the card, if it is one of ours; and from now on `at`.
    pub fn received(&mut self, uid: &str, at: DateTime) -> Option<Option<DateTime>> {
        self.of(uid).map(|fate| fate.at.replace(at))
    }

    /// The server stores it.
    pub fn stored(&mut self, uid: &str) {
        if let Some(fate) = self.of(uid) {
            fate.server = fate.server.saturating_add(1);
        }
    }

    /// It is in the ledger.
    pub fn recorded(&mut self, uid: &str) {
        if let Some(fate) = self.of(uid) {
            fate.ledger = fate.ledger.saturating_add(1);
        }
    }

    /// Requests are over: what is confirmed by now has to get to the server.
    pub fn requests_are_over(&mut self) {
        for fate in &mut self.fates {
            fate.due = fate.outcome == Some(Outcome::Counted);
        }
    }

    /// Whether the server has everything that it is to have.
    pub fn is_delivered(&self) -> bool {
        self.fates.iter().all(|f| !f.due || f.server > 0)
    }

    /// Adds up what became of them.
    pub fn account(&self) -> Account {
        let mut sum = Account::default();
        for fate in &self.fates {
            let confirmed = fate.outcome == Some(Outcome::Counted);
            let lost = confirmed && (fate.ledger == 0 || fate.due && fate.server == 0);
            let twice = fate.ledger > 1 || fate.server > 1;
            sum.made += 1;
            sum.confirmed += u64::from(confirmed);
            sum.lost += u64::from(lost);
            sum.twice += u64::from(twice);
            sum.in_vain += u64::from(fate.in_time && (lost || twice));
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attend::reader::atr::CardType;
    use crate::attend::reader::refusal::refusal;
    use crate::attend::uid::Uid;

    #[test]
    fn cards_are_valid_and_all_different() {
        let mut seen = std::collections::HashSet::new();
        for n in (0..2000).chain([1 << 24, (1 << 40) + 1]) {
            let uid = uid(n);
            assert_eq!(number(&uid), Some(n));
            let bytes: Vec<u8> = (0..uid.len() / 2)
                .map(|i| u8::from_str_radix(&uid[2 * i..2 * i + 2], 16).unwrap())
                .collect();
            let card = Uid::new(&bytes).unwrap();
            assert_eq!(refusal(&card, CardType::Unknown), None, "{uid}");
            assert!(seen.insert(uid));
        }
    }

    #[test]
    fn other_cards_are_none_of_ours() {
        for other in [
            "",
            "0",
            "é",
            "012E44A7A5185C01",
            "04A1B2C3D4E5F6",
            "DEAD1003",
        ] {
            let mut taps = Taps::default();
            taps.add();
            taps.told(other, Outcome::Counted);
            assert_eq!(taps.outcome(0), None, "{other}");
        }
        assert_eq!(
            number("0100000000000001"),
            None,
            "an odd one has seven bytes"
        );
    }

    #[test]
    fn each_way_to_go_wrong_is_told_apart() {
        let mut taps = Taps::default();
        let n: Vec<usize> = (0..6).map(|_| taps.add()).collect();
        // Well; not in the ledger; not at the server; twice in the ledger; never confirmed; confirmed at the very end.
        for tap in &n[..4] {
            taps.told(&uid(*tap), Outcome::Counted);
            taps.in_time(*tap);
        }
        taps.told(&uid(n[4]), Outcome::Failed);
        taps.requests_are_over();
        assert!(!taps.is_delivered());
        taps.told(&uid(n[5]), Outcome::Counted);
        for tap in [0, 2, 3, 3, 5] {
            taps.recorded(&uid(tap));
        }
        for tap in [0, 1, 3] {
            taps.stored(&uid(tap));
        }
        let want = Account {
            made: 6,
            confirmed: 5,
            lost: 2,
            twice: 1,
            in_vain: 3,
        };
        assert_eq!(taps.account(), want);
        taps.stored(&uid(2));
        assert!(taps.is_delivered());
        taps.stored(&uid(2));
        assert_eq!(taps.account().twice, 2);
    }
}
