//! Card identifiers that do not identify a person.

use std::fmt;

use super::atr::CardType;
use crate::attend::uid::Uid;
use crate::say;

/// Why a card is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Every byte is 00 or every byte is FF: not an identifier but a fault of card or reader.
    Blank,
    /// A phone: its identifier of four bytes beginning with 08 is another one at every tap
    /// (ISO 14443-3, table 5).
    Phone,
    /// Type B, such as My Number card and driving licence: its identifier is another one at every tap.
    TypeB,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Blank => say!("the identifier is not valid", "識別子が無効です"),
            Self::Phone => say!(
                "a phone shows another identifier at every tap; use a card",
                "スマートフォンの識別子は毎回変わります。カードを使ってください"
            ),
            Self::TypeB => say!(
                "a type B card (My Number card, driving licence) shows another identifier at every \
                 tap; use another card",
                "Type B カード（マイナンバーカード・運転免許証）の識別子は毎回変わります。\
                 別のカードを使ってください"
            ),
        };
        f.write_str(&text)
    }
}

/// Whether a card has to be refused, and why.
#[must_use]
pub fn refusal(uid: &Uid, card: CardType) -> Option<Refusal> {
    let bytes = uid.bytes();
    if bytes.iter().all(|b| *b == 0x00) || bytes.iter().all(|b| *b == 0xFF) {
        Some(Refusal::Blank)
    } else if card == CardType::TypeB {
        Some(Refusal::TypeB)
    } else if bytes.len() == 4 && bytes[0] == 0x08 {
        Some(Refusal::Phone)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_or_says_nothing_is_refused() {
        let a = CardType::MifareClassic1k;
        for (uid, card, want) in [
            (&[0; 4][..], a, Some(Refusal::Blank)),
            (&[0xFF; 4], a, Some(Refusal::Blank)),
            (&[0; 8], CardType::Felica, Some(Refusal::Blank)),
            (&[0xFF; 7], a, Some(Refusal::Blank)),
            (&[0x08, 1, 2, 3], a, Some(Refusal::Phone)),
            (&[1, 2, 3, 4], CardType::TypeB, Some(Refusal::TypeB)),
            (&[1, 2, 3, 4], a, None),
            (&[0x08, 1, 2, 3, 4, 5, 6], a, None),
            (&[0, 0, 0, 1], CardType::Unknown, None),
        ] {
            assert_eq!(refusal(&Uid::new(uid).unwrap(), card), want, "{uid:02X?}");
        }
    }
}
