//! The encodings in which people's programs save a CSV file.

use std::borrow::Cow;

use encoding_rs::{Encoding, SHIFT_JIS};

/// The text of a file: UTF-8 or UTF-16 by its byte order mark, else UTF-8 where it is valid, else CP932
/// (Japanese spreadsheet programs). Bytes that fit nothing become U+FFFD.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[mark..]).0;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        // UTF-8 that ends within a character: the file is still being written.
        Err(e) if e.error_len().is_none() && !bytes[..e.valid_up_to()].is_ascii() => {
            String::from_utf8_lossy(bytes)
        }
        // What WHATWG calls Shift_JIS is CP932.
        Err(_) => SHIFT_JIS.decode_without_bom_handling(bytes).0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "04A1B2C3,髙橋 ①\n";

    #[test]
    fn every_encoding_is_told() {
        let utf16 = |to: fn(u16) -> [u8; 2]| -> Vec<u8> {
            ("\u{feff}".to_owned() + TEXT)
                .encode_utf16()
                .flat_map(to)
                .collect()
        };
        for bytes in [
            TEXT.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", TEXT.as_bytes()].concat(),
            utf16(u16::to_le_bytes),
            utf16(u16::to_be_bytes),
            // 髙 and ① are in CP932 but not in Shift_JIS as standardised.
            b"04A1B2C3,\xfb\xfc\x8b\xb4 \x87\x40\n".to_vec(),
        ] {
            assert_eq!(decode(&bytes), TEXT, "{bytes:02X?}");
        }
    }

    #[test]
    fn a_file_cut_within_a_character_keeps_its_encoding() {
        let bytes = "04A1B2C3,山田\n04A1B2C4,鈴".as_bytes();
        let text = decode(&bytes[..bytes.len() - 1]);
        assert_eq!(text, "04A1B2C3,山田\n04A1B2C4,\u{fffd}");
    }

    #[test]
    fn bytes_that_fit_nothing_do_not_stop_the_rest() {
        let text = decode(b"04A1B2C3,\xff\xff\n04A1B2C4,Bob\n");
        assert!(text.contains('\u{fffd}') && text.ends_with("04A1B2C4,Bob\n"));
    }
}
