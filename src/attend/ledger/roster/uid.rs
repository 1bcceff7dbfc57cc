//! A card's number as people and their programs write it.

use std::fmt;

use crate::attend::uid::Uid;
use crate::base::width::ascii_of;
use crate::say;

/// Why a field is not the number of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoUid {
    /// A spreadsheet took it for a number and rounded it: `4.01E+13`. What it was cannot be known.
    Rounded(String),
    /// An odd count of digits: a spreadsheet took a leading zero away, or one is missing.
    OddDigits(String),
    /// Something else.
    Other(String),
}

impl fmt::Display for NoUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::Rounded(field) => say!(
                "a spreadsheet program has rounded the card number to {field}; enter it again in a column \
                 formatted as text",
                "表計算ソフトがカード番号を {field} に変えています。文字列の列に入力し直してください"
            ),
            Self::OddDigits(field) => say!(
                "the card number {field} has an odd count of digits, perhaps a leading 0 is lost; enter it \
                 again in a column formatted as text",
                "カード番号 {field} の桁数が奇数です（先頭の 0 が消えた可能性）。文字列の列に入力し直してください"
            ),
            Self::Other(field) if field.is_empty() => {
                say!("there is no card number", "カード番号がありません")
            }
            Self::Other(field) => say!(
                "\"{field}\" is no card number (8 to 20 hexadecimal digits)",
                "「{field}」はカード番号ではありません（16 進数 8〜20 桁）"
            ),
        })
    }
}

/// Reads a card's number: hexadecimal in any case and width, with spaces, colons or dashes between the
/// bytes, also as a spreadsheet's text (`="04A1B2C3"`, `'04A1B2C3`).
pub(super) fn parse(field: &str) -> Result<Uid, NoUid> {
    // What most fields are.
    if let Some(uid) = plain(field) {
        return Ok(uid);
    }
    let narrow: String = field.trim().chars().map(narrow).collect();
    let text = unwrap(&narrow);
    let digits: String = text
        .chars()
        .filter(|c| !matches!(c, ' ' | ':' | '-'))
        .collect();
    let shown = || text.chars().take(40).collect();
    if is_rounded(text) {
        return Err(NoUid::Rounded(shown()));
    }
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) || digits.len() > 20 {
        return Err(NoUid::Other(shown()));
    }
    if digits.len() % 2 == 1 && digits.len() >= 7 {
        return Err(NoUid::OddDigits(shown()));
    }
    plain(&digits).ok_or_else(|| NoUid::Other(shown()))
}

/// Reads hexadecimal digits and nothing else.
fn plain(digits: &str) -> Option<Uid> {
    let digits = digits.as_bytes();
    let mut bytes = [0; 10];
    if digits.len() % 2 == 1 || digits.len() > 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16);
        // At most 255.
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Uid::new(&bytes[..digits.len() / 2])
}

/// Full-width letters, digits and signs, which Japanese input methods produce, and the wide space.
fn narrow(c: char) -> char {
    match c {
        '\u{3000}' | '\u{a0}' | '\t' => ' ',
        _ => ascii_of(c).unwrap_or(c),
    }
}

fn unwrap(text: &str) -> &str {
    let inner = text
        .strip_prefix("=\"")
        .and_then(|t| t.strip_suffix('"'))
        .or_else(|| text.strip_prefix('\''))
        .unwrap_or(text);
    inner.trim()
}

/// `4.01E+13`: what a spreadsheet shows of a number with more digits than the column is wide. `12E45678`
/// on the other hand is a card's number.
fn is_rounded(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else {
        return false;
    };
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, "0"));
    let signed = exponent.strip_prefix('+');
    digits(whole)
        && digits(part)
        && digits(signed.unwrap_or(exponent))
        && (signed.is_some() || mantissa.contains(['.', ',']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_in_every_dress() {
        for text in [
            "04A1B2C3",
            "04a1b2c3",
            " 04 A1 B2 C3 ",
            "04:a1:B2:c3",
            "04-A1-B2-C3",
            "=\"04A1B2C3\"",
            "'04A1B2C3",
            "０４Ａ１Ｂ２Ｃ３",
            "\u{3000}04A1\u{3000}B2C3",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), "04A1B2C3", "{text}");
        }
        // Digits and one E, but nobody rounded it.
        assert_eq!(parse("12E45678").unwrap().to_string(), "12E45678");
        assert_eq!(
            parse("0102030405060708090A").unwrap().to_string(),
            "0102030405060708090A"
        );
    }

    #[test]
    fn what_a_spreadsheet_did_is_named_and_not_guessed() {
        for text in ["4.01E+13", "4,01E+13", "4.01e+13", "4E+15", "1.2E10"] {
            assert_eq!(parse(text), Err(NoUid::Rounded(text.into())), "{text}");
        }
        for text in ["4123456", "412345678", "114030012345678"] {
            assert_eq!(parse(text), Err(NoUid::OddDigits(text.into())), "{text}");
        }
    }

    #[test]
    fn everything_else_is_no_number() {
        for text in [
            "", " ", "UID", "山田", "04A1", "4", "04A1B2G3", "=\"\"", "\"",
        ] {
            assert!(matches!(parse(text), Err(NoUid::Other(_))), "{text}");
        }
        assert!(parse(&"0".repeat(22)).is_err());
        let said = parse(&"x".repeat(1000)).unwrap_err().to_string();
        assert!(said.len() < 120, "{said}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            if let Err(e) = parse(&text) {
                prop_assert!(!e.to_string().is_empty());
            }
        }

        #[test]
        fn what_we_write_we_read(bytes in proptest::collection::vec(any::<u8>(), 4..=10)) {
            let uid = Uid::new(&bytes).unwrap();
            prop_assert_eq!(parse(&uid.to_string()), Ok(uid));
        }
    }
}
