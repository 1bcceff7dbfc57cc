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
    /// A phone, or a card that hides its number: its identifier is another one at every tap. Of type A it has four
    /// bytes beginning with 08 (ISO 14443-3, table 5), of FeliCa's kind it begins with 01 FE (a phone that talks to
    /// another device; ISO 18092, 11.2.2.2.2).
    Phone,
    /// Type B, such as My Number card and driving licence: its identifier is another one at every tap.
    TypeB,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Blank => say!("the identifier is not valid", "識別子が無効です"),
            Self::Phone => say!(
                "a phone shows another identifier at every tap, as does a card that hides its number; use \
                 another card",
                "スマートフォンの識別子は毎回変わります（番号を隠すカードも同様）。別のカードを使ってください"
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
    } else if is_random(bytes, card) {
        Some(Refusal::Phone)
    } else {
        None
    }
}

/// Whether the standard keeps identifiers of this form for random ones.
fn is_random(identifier: &[u8], card: CardType) -> bool {
    match identifier {
        [0x08, _, _, _] => true,
        // Where the ATR tells another kind it is a lasting number: an ISO 15693 tag read from its end, for one.
        [0x01, 0xFE, ..] if identifier.len() == 8 => {
            matches!(card, CardType::Felica | CardType::Unknown)
        }
        _ => false,
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
            // A phone in peer-to-peer mode; a FeliCa card, a phone's own FeliCa, one that an app emulates.
            (
                &[0x01, 0xFE, 9, 2, 3, 4, 5, 6],
                CardType::Felica,
                Some(Refusal::Phone),
            ),
            (
                &[0x01, 0xFE, 0, 0, 0, 0, 0, 0],
                CardType::Unknown,
                Some(Refusal::Phone),
            ),
            (
                &[0x01, 0x2E, 0x44, 0xA7, 0xA5, 0x18, 0x5C, 1],
                CardType::Felica,
                None,
            ),
            (&[0x01, 0x14, 0xFE, 3, 4, 5, 6, 7], CardType::Felica, None),
            (&[0x02, 0xFE, 1, 2, 3, 4, 5, 6], CardType::Felica, None),
            (&[0x01, 0xFE, 3, 4, 5, 6, 7], a, None),
            (
                &[0x01, 0xFE, 3, 4, 0x50, 1, 4, 0xE0],
                CardType::Vicinity,
                None,
            ),
            (&[0, 0, 0, 1], CardType::Unknown, None),
        ] {
            assert_eq!(refusal(&Uid::new(uid).unwrap(), card), want, "{uid:02X?}");
        }
    }
}
