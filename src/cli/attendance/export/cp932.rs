//! CP932, the encoding of old Japanese programs, and the characters that it lacks.

use encoding_rs::{EncoderResult, SHIFT_JIS};

/// Stands for a character that cannot be written (the "geta mark").
const MISSING: &[u8] = b"\x81\xac";

/// Encodes text and counts what was lost.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    lost: u64,
}

impl Encoder {
    /// The text in CP932.
    pub fn encode(&mut self, text: &str) -> Vec<u8> {
        let text: String = text.chars().map(same).collect();
        let mut encoder = SHIFT_JIS.new_encoder();
        // Two bytes at most for a character of one, and room for the encoder's caution.
        let mut buffer = vec![0; text.len() * 2 + 16];
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_str();
        loop {
            let (result, read, written) =
                encoder.encode_from_utf8_without_replacement(rest, &mut buffer, true);
            bytes.extend_from_slice(&buffer[..written]);
            rest = &rest[read..];
            match result {
                EncoderResult::InputEmpty => return bytes,
                EncoderResult::OutputFull => {}
                EncoderResult::Unmappable(_) => {
                    self.lost += 1;
                    bytes.extend_from_slice(MISSING);
                }
            }
        }
    }

    /// Characters that were lost so far.
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

/// Signs that other systems write with another code point than CP932's table has: the same sign to a person
/// (Unicode's and Microsoft's mappings of JIS X 0208 differ in these).
const fn same(c: char) -> char {
    match c {
        '\u{301c}' => '\u{ff5e}',
        '\u{2014}' => '\u{2015}',
        '\u{2016}' => '\u{2225}',
        '\u{2212}' => '\u{ff0d}',
        '\u{a2}' => '\u{ffe0}',
        '\u{a3}' => '\u{ffe1}',
        '\u{ac}' => '\u{ffe2}',
        '\u{a0}' => ' ',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_written_as_old_programs_read_them() {
        let mut encoder = Encoder::default();
        assert_eq!(encoder.encode("山田 A1"), b"\x8eR\x93c A1");
        assert_eq!(encoder.encode("髙①ｱ"), b"\xfb\xfc\x87\x40\xb1");
        // Either wave dash, either minus.
        assert_eq!(encoder.encode("〜～"), b"\x81\x60\x81\x60");
        assert_eq!(encoder.encode("\u{2212}－"), b"\x81\x7c\x81\x7c");
        assert_eq!(encoder.lost(), 0);
        assert_eq!(encoder.encode("𠮷野é"), b"\x81\xac\x96\xec\x81\xac");
        assert_eq!(encoder.lost(), 2);
    }

    proptest! {
        #[test]
        fn every_text_can_be_encoded_and_is_read_back(text in ".{0,40}") {
            let mut encoder = Encoder::default();
            let bytes = encoder.encode(&text);
            let (back, _, broken) = SHIFT_JIS.decode(&bytes);
            prop_assert!(!broken);
            prop_assert_eq!(back.chars().count(), text.chars().count());
        }
    }
}
