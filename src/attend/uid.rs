//! The identifier of a card.

use std::fmt;

/// Shortest and longest identifier: 4 bytes (ISO 14443-3 single size) to 10 (triple size); FeliCa has 8.
pub const LENGTHS: std::ops::RangeInclusive<usize> = 4..=10;

/// Identifier of a card (UID or FeliCa IDm), 4 to 10 bytes. Shown as upper-case hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid {
    bytes: [u8; 10],
    length: u8,
}

impl Uid {
    /// An identifier of these bytes; none if their number lies outside [`LENGTHS`].
    #[must_use]
    pub fn new(identifier: &[u8]) -> Option<Self> {
        if !LENGTHS.contains(&identifier.len()) {
            return None;
        }
        let mut bytes = [0; 10];
        bytes
            .iter_mut()
            .zip(identifier)
            .for_each(|(to, from)| *to = *from);
        Some(Self {
            bytes,
            // At most 10.
            length: identifier.len() as u8,
        })
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().iter().try_for_each(|b| write!(f, "{b:02X}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_upper_case_and_complete() {
        let uid = Uid::new(&[0x04, 0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0x0f]).unwrap();
        assert_eq!(uid.to_string(), "04A1B2C3D4E50F");
    }

    #[test]
    fn only_lengths_of_real_cards() {
        for length in 0..=300 {
            let made = Uid::new(&vec![1; length]);
            assert_eq!(made.is_some(), (4..=10).contains(&length), "{length}");
            if let Some(uid) = made {
                assert_eq!(uid.bytes().len(), length);
            }
        }
    }
}
