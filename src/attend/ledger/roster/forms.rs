//! The other ways in which a card's number is written: a roster that has one of them is right about the person, and a
//! card that is tapped proves which it is.

use std::collections::HashSet;

use super::uid::{key, plain};
use crate::attend::uid::Uid;
use crate::say;

/// How a number is written that is not the one that a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// In decimal digits.
    Decimal,
    /// With its bytes in the other order.
    Reversed,
    /// Both.
    ReversedDecimal,
    /// With a byte more.
    CheckByte,
    /// The same digits, which look like something else: without a leading zero, or as if they were rounded.
    AsItIs,
}

impl How {
    pub fn describe(self) -> String {
        match self {
            Self::Decimal => say!("in decimal", "10 進数"),
            Self::Reversed => say!("with its bytes reversed", "バイト順が逆"),
            Self::ReversedDecimal => say!(
                "in decimal, with its bytes reversed",
                "10 進数・バイト順が逆"
            ),
            Self::CheckByte => say!("with a check byte", "チェックバイト付き"),
            Self::AsItIs => say!("with other digits or zeros", "表記違い"),
        }
    }
}

/// The forms of a card's number, each as a [`key`].
pub(super) fn forms(uid: &Uid) -> Vec<(String, How)> {
    let hex = uid.to_string();
    let number = |digits: &str| u128::from_str_radix(digits, 16).unwrap_or_default();
    let reversed: String = (uid.bytes().iter().rev())
        .map(|b| format!("{b:02X}"))
        .collect();
    let mut forms = vec![
        (key(&hex), How::AsItIs),
        (key(&reversed), How::Reversed),
        (number(&hex).to_string(), How::Decimal),
        (number(&reversed).to_string(), How::ReversedDecimal),
    ];
    if let [a, b, c, d] = uid.bytes() {
        let check = a ^ b ^ c ^ d;
        forms.push((key(&format!("{hex}{check:02X}")), How::CheckByte));
    }
    forms
}

/// The card numbers that such a [`key`] may be read as.
pub(super) fn as_cards(key: &str) -> impl Iterator<Item = Uid> {
    let decimal = key.bytes().all(|b| b.is_ascii_digit());
    [8, 14, 16, 20]
        .into_iter()
        .filter(move |length| *length == key.len() || (decimal && *length > key.len()))
        .filter_map(move |length| plain(&format!("{key:0>length$}")))
}

/// The cards that were tapped.
#[derive(Debug, Clone, Default)]
pub struct Tapped {
    pub(super) cards: HashSet<Uid>,
    /// Every form of every one of them.
    forms: HashSet<String>,
}

impl Tapped {
    /// Of cards as the ledger has them, in hex.
    #[must_use]
    pub fn new(cards: impl IntoIterator<Item = String>) -> Self {
        let cards: HashSet<Uid> = cards.into_iter().filter_map(|c| plain(&c)).collect();
        let forms = cards.iter().flat_map(forms).map(|(form, _)| form).collect();
        Self { cards, forms }
    }

    /// Whether one of them may be meant by this number.
    pub(super) fn has(&self, number: Result<&Uid, &super::uid::NoUid>) -> bool {
        match number {
            Ok(uid) => self.cards.contains(uid) || self.forms.contains(&key(&uid.to_string())),
            Err(e) => e.key.as_ref().is_some_and(|k| self.forms.contains(k)),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cards.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attend::ledger::roster::uid::parse;

    fn tapped(card: &str) -> Tapped {
        Tapped::new([card.to_owned()])
    }

    #[test]
    fn a_tapped_card_is_recognised_in_every_form() {
        for (card, form) in [
            ("04A1B2C3", "04A1B2C3"),
            ("04A1B2C3", "0077705923"),
            ("04A1B2C3", "77705923"),
            ("04A1B2C3", "C3B2A104"),
            ("04A1B2C3", "3283263748"),
            ("04A1B2C3", "04A1B2C3D4"),
            ("04123456", "4123456"),
            ("04A1B2C3D4E5F6", "F6E5D4C3B2A104"),
            ("04A1B2C3D4E5F6", "1303689068602870"),
            ("1234567890123450", "1234567890123450"),
        ] {
            let number = parse(form);
            assert!(tapped(card).has(number.as_ref()), "{card} {form}");
        }
        for (card, form) in [
            ("1234567890123456", "1234567890123450"),
            ("04A1B2C3", "04A1B2C4"),
            ("04A1B2C3", "4.01E+13"),
        ] {
            assert!(!tapped(card).has(parse(form).as_ref()), "{card} {form}");
        }
    }

    #[test]
    fn a_decimal_number_may_look_like_a_card() {
        let read: Vec<String> = as_cards("77705923").map(|u| u.to_string()).collect();
        assert_eq!(
            read,
            [
                "77705923",
                "00000077705923",
                "0000000077705923",
                "00000000000077705923"
            ]
        );
        assert_eq!(as_cards("04A1B2C3D4").count(), 0);
    }
}
