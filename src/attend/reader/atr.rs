//! What kind of card it is, told by its answer to reset (ATR).
//!
//! The length of the identifier tells nothing: FeliCa and ISO 15693 both have 8 bytes, MIFARE and phones
//! both 4.

/// Kind of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardType {
    /// FeliCa (JIS X 6319-4).
    Felica,
    /// MIFARE Classic with 1 KiB.
    MifareClassic1k,
    /// MIFARE Classic with 4 KiB.
    MifareClassic4k,
    /// MIFARE Ultralight and NTAG.
    MifareUltralight,
    /// ISO 14443 type A, any other.
    TypeA,
    /// ISO 14443 type B: My Number card, driving licence.
    TypeB,
    /// ISO 15693.
    Vicinity,
    /// The ATR does not tell.
    Unknown,
}

impl CardType {
    /// The word in the ledger.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Felica => "felica",
            Self::MifareClassic1k => "mifare-classic-1k",
            Self::MifareClassic4k => "mifare-classic-4k",
            Self::MifareUltralight => "mifare-ultralight",
            Self::TypeA => "type-a",
            Self::TypeB => "type-b",
            Self::Vicinity => "vicinity",
            Self::Unknown => "unknown",
        }
    }

    /// Tells the type by the ATR (PC/SC specification, part 3, section 3.1.3.2.3).
    #[must_use]
    pub fn of_atr(atr: &[u8]) -> Self {
        match atr {
            // A storage card: category 80, tag 4F, length 0C, RID of the PC/SC workgroup, then the
            // standard (SS) and the name (NN NN).
            [
                0x3B,
                _,
                0x80,
                0x01,
                0x80,
                0x4F,
                0x0C,
                0xA0,
                0x00,
                0x00,
                0x03,
                0x06,
                standard,
                name @ ..,
            ] => Self::of_storage(*standard, name),
            // A processor card: the historical bytes are those of the card (type A), or made from
            // ATQB and the answer to ATTRIB (type B), then always eight and a check byte.
            [0x3B, 0x88, 0x80, 0x01, historical @ ..] if is_type_b(historical) => Self::TypeB,
            [0x3B, t0, 0x80, 0x01, ..] if t0 & 0xF0 == 0x80 => Self::TypeA,
            _ => Self::Unknown,
        }
    }

    fn of_storage(standard: u8, name: &[u8]) -> Self {
        match (standard, name) {
            // The ACR122U writes the bit rate (11: 212k, 12: 424k) where the standard's name belongs.
            (0x11, _) | (_, [0xF0, 0x11 | 0x12, ..]) => Self::Felica,
            (0x01..=0x03, [0x00, 0x01, ..]) => Self::MifareClassic1k,
            (0x01..=0x03, [0x00, 0x02, ..]) => Self::MifareClassic4k,
            (0x01..=0x03, [0x00, 0x03, ..]) => Self::MifareUltralight,
            (0x01..=0x03, _) => Self::TypeA,
            (0x05..=0x07, _) => Self::TypeB,
            (0x09..=0x0C, _) => Self::Vicinity,
            _ => Self::Unknown,
        }
    }
}

/// Four bytes of application data, three of protocol information (ISO 14443-3, 7.9.4: bit rates, frame
/// size and protocol, waiting time), one of buffer size whose lower half is 0.
fn is_type_b(historical: &[u8]) -> bool {
    matches!(
        historical,
        [_, _, _, _, _rates, protocol, _waiting, buffer, _check]
            if protocol & 0x0F == 0x01 && protocol >> 4 <= 0x0C && buffer & 0x0F == 0
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(hex: &str) -> Vec<u8> {
        hex.split(' ')
            .map(|b| u8::from_str_radix(b, 16).unwrap())
            .collect()
    }

    #[test]
    fn known_cards_are_known() {
        let storage = "3B 8F 80 01 80 4F 0C A0 00 00 03 06";
        for (atr, want) in [
            (
                format!("{storage} 03 F0 11 00 00 00 00 8A"),
                CardType::Felica,
            ),
            (
                format!("{storage} 03 F0 12 00 00 00 00 89"),
                CardType::Felica,
            ),
            (
                format!("{storage} 11 00 3B 00 00 00 00 42"),
                CardType::Felica,
            ),
            (
                format!("{storage} 03 00 01 00 00 00 00 6A"),
                CardType::MifareClassic1k,
            ),
            (
                format!("{storage} 03 00 02 00 00 00 00 69"),
                CardType::MifareClassic4k,
            ),
            (
                format!("{storage} 03 00 03 00 00 00 00 68"),
                CardType::MifareUltralight,
            ),
            (
                format!("{storage} 0B 00 14 00 00 00 00 77"),
                CardType::Vicinity,
            ),
            // A passport of type B, and what a driving licence shows.
            (
                "3B 88 80 01 E1 F3 5E 11 77 81 A1 00 03".to_owned(),
                CardType::TypeB,
            ),
            (
                "3B 88 80 01 00 00 00 00 33 81 81 00 3A".to_owned(),
                CardType::TypeB,
            ),
            // DESFire; a type A card with eight historical bytes of its own.
            ("3B 81 80 01 80 80".to_owned(), CardType::TypeA),
            (
                "3B 88 80 01 00 73 C8 40 00 00 90 00 62".to_owned(),
                CardType::TypeA,
            ),
            ("3B 00".to_owned(), CardType::Unknown),
        ] {
            assert_eq!(CardType::of_atr(&bytes(&atr)), want, "{atr}");
        }
        assert_eq!(CardType::of_atr(&[]), CardType::Unknown);
    }

    proptest! {
        #[test]
        fn no_atr_panics(atr in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(!CardType::of_atr(&atr).word().is_empty());
        }
    }
}
