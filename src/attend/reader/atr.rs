//! What kind of card it is, told by its answer to reset (ATR) and the length of its identifier.
//!
//! The length alone tells nothing: FeliCa and ISO 15693 both have 8 bytes, MIFARE and phones both 4. But where the ATR
//! of a type B card could be that of a type A card, one of 7 bytes is none of type B.

use crate::attend::uid::Uid;

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

    /// Tells the type by the ATR (PC/SC specification, part 3, section 3.1.3.2.3) and by the identifier that the reader
    /// told.
    #[must_use]
    pub fn of(atr: &[u8], uid: &Uid) -> Self {
        let told = uid.bytes();
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
            // A processor card. The lower half of T0 counts the historical bytes: those of the card's answer to select
            // (type A), or what a card of type B has said of itself.
            [0x3B, t0, 0x80, 0x01, rest @ ..] if t0 & 0xF0 == 0x80 => {
                let count = usize::from(t0 & 0x0F);
                Self::of_processor(&rest[..count.min(rest.len())], told)
            }
            _ => Self::Unknown,
        }
    }

    fn of_storage(standard: u8, name: &[u8]) -> Self {
        match (standard, name) {
            // The ACR122U writes the bit rate (11: 212k, 12: 424k) where the standard's name belongs.
            (0x11, _) | (_, [0xF0, 0x11 | 0x12, ..] | [0x00, 0x3B, ..]) => Self::Felica,
            (0x01..=0x03, [0x00, 0x01, ..]) => Self::MifareClassic1k,
            (0x01..=0x03, [0x00, 0x02, ..]) => Self::MifareClassic4k,
            (0x01..=0x03, [0x00, 0x03 | 0x3A | 0x3D, ..]) => Self::MifareUltralight,
            (0x01..=0x03, _) => Self::TypeA,
            (0x05..=0x07, _) => Self::TypeB,
            (0x09..=0x0C, _) => Self::Vicinity,
            _ => Self::Unknown,
        }
    }

    fn of_processor(historical: &[u8], told: &[u8]) -> Self {
        let type_b = match historical {
            // Type A cards have bytes of their own here. One that has none is a phone, which shows a random identifier
            // (08) and emulates type A.
            [] => told.first() != Some(&RANDOM_A),
            // PC/SC: the end of ATQB, and the answer to ATTRIB, of which the upper half is kept.
            [_, _, _, _, protocol @ .., buffer] if historical.len() == 8 => {
                buffer & 0x0F == 0
                    && is_protocol(protocol)
                    && !is_text(historical)
                    && !is_tlv(historical)
            }
            // The whole of ATQB, as some readers pass it on: 50, the identifier, application data, protocol.
            [0x50, rest @ ..] if (12..=13).contains(&historical.len()) => is_protocol(&rest[8..11]),
            _ => false,
        };
        // The identifier of type B (PUPI) has four bytes, that of type A four, seven or ten.
        match (type_b, told.len()) {
            (true, 4) => Self::TypeB,
            (true, 7 | 10) | (false, _) => Self::TypeA,
            // Neither has so many: the reader counts otherwise, and only an ATR that says something counts.
            (true, _) if historical.is_empty() => Self::Unknown,
            (true, _) => Self::TypeB,
        }
    }
}

/// The first byte of a random identifier of type A (ISO 14443-3, table 5).
const RANDOM_A: u8 = 0x08;

/// The protocol info of ATQB (ISO 14443-3, 7.9.4): bit rates, frame size and protocol, waiting time and options.
fn is_protocol(info: &[u8]) -> bool {
    let [rates, protocol, waiting] = info else {
        return false;
    };
    // Each has a bit that is 0; the last one of the protocol says that the card speaks ISO 14443-4.
    rates & 0x08 == 0
        && protocol >> 4 <= 0x0C
        && protocol & 0x09 == 0x01
        && waiting >> 4 < 0x0F
        && waiting & 0x08 == 0
}

/// Somebody's name, such as "SmartApp": those are historical bytes. The fields of type B never are letters throughout.
fn is_text(historical: &[u8]) -> bool {
    historical.iter().all(|b| matches!(b, 0x20..=0x7E))
}

/// Historical bytes as ISO 7816-4 orders them (8.1.1): a category, then tags with lengths that come out even; with
/// category 00 a status of three bytes behind them.
fn is_tlv(historical: &[u8]) -> bool {
    let mut rest = match historical {
        [0x80, rest @ ..] | [0x00, rest @ .., _, 0x90, 0x00] => rest,
        _ => return false,
    };
    let any = !rest.is_empty();
    while let [first, after @ ..] = rest {
        let length = usize::from(first & 0x0F);
        if first >> 4 == 0 || after.len() < length {
            return false;
        }
        rest = &after[length..];
    }
    any
}

#[cfg(test)]
mod tests;
