//! A card's number as people and their programs write it.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use crate::attend::uid::Uid;
use crate::say;

/// Why a field is not the number of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoUid {
    pub cause: Cause,
    /// The beginning of the field.
    shown: String,
    /// What a tapped card may prove it by, see [`key`].
    pub key: Option<String>,
}

/// What has probably happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Missing,
    /// A spreadsheet took it for a number and shortened it: `4.01E+13`. What it was cannot be known.
    Shortened,
    /// The same with 16 digits: a spreadsheet keeps fifteen, and writes zeros for the rest.
    Rounded,
    /// An odd count of digits: a spreadsheet took a leading zero away, or one is missing.
    OddDigits,
    /// The number as some readers and printed cards have it.
    Decimal,
    /// Four bytes, and the byte by which a reader checks them.
    CheckByte,
    /// Bytes that no card's number has.
    Length(usize),
    /// A letter that looks like a digit.
    Letter,
    /// All bytes alike.
    Blank,
    /// Begins with 08: another one at every tap.
    Phone,
    /// Ends as numbers of cards begin.
    Reversed,
    Other,
}

impl NoUid {
    /// Whether it could stand in a column of card numbers, rather than being words or a short number.
    pub fn could_be_card(&self) -> bool {
        !matches!(self.cause, Cause::Missing | Cause::Other)
    }
}

impl fmt::Display for NoUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.shown;
        f.write_str(&match self.cause {
            Cause::Missing => say!("there is no card number", "カード番号がありません"),
            Cause::Shortened => say!(
                "a spreadsheet program has rounded the card number to {field}; enter it again in a column \
                 formatted as text",
                "表計算ソフトがカード番号を {field} に変えています。文字列の列に入力し直してください"
            ),
            Cause::Rounded => say!(
                "the card number {field} was probably rounded by a spreadsheet program, which keeps 15 digits; enter \
                 it again in a column formatted as text",
                "カード番号 {field} は表計算ソフトが 15 桁に丸めた可能性があります。文字列の列に入力し直してください"
            ),
            Cause::OddDigits => say!(
                "the card number {field} has an odd count of digits, perhaps a leading 0 is lost; enter it \
                 again in a column formatted as text",
                "カード番号 {field} の桁数が奇数です（先頭の 0 が消えた可能性）。文字列の列に入力し直してください"
            ),
            Cause::Decimal => say!(
                "the card number {field} is probably decimal; readers show it in hexadecimal (facetap attendance list \
                 --unknown)",
                "カード番号 {field} は 10 進数と思われます。リーダーが読むのは 16 進数です（facetap attendance list \
                 --unknown で確認できます）"
            ),
            Cause::CheckByte => say!(
                "the card number {field} has five bytes, the last is the check byte of the first four: leave it out",
                "カード番号 {field} は 5 バイトで、最後はチェックバイトと思われます。先頭の 4 バイトだけを使ってください"
            ),
            Cause::Length(bytes) => say!(
                "the card number {field} has {bytes} bytes, a card has 4, 7, 8 or 10 (is it of a 125 kHz card, or \
                 printed on it?)",
                "カード番号 {field} は {bytes} バイトです。カードは 4、7、8、10 バイトのいずれかです（125 kHz \
                 カードの番号、または券面の番号の可能性）"
            ),
            Cause::Letter => say!(
                "the card number {field} has a letter O, I or L where a digit is meant",
                "カード番号 {field} に数字と紛らわしい文字（O、I、L）があります"
            ),
            Cause::Blank => say!(
                "no card has the number {field}",
                "{field} という番号のカードはありません"
            ),
            Cause::Phone => say!(
                "the number {field} begins with 08: a phone shows another one at every tap; use a card",
                "番号 {field} は 08 で始まります。スマートフォンの番号は毎回変わるため、カードを使ってください"
            ),
            Cause::Reversed => say!(
                "the card number {field} is probably reversed, since it ends as such numbers begin; readers show it the other \
                 way round (facetap attendance list --unknown)",
                "カード番号 {field} はバイト順が逆と思われます（先頭にあるはずの値で終わっています）。\
                 facetap attendance list --unknown で実際の番号を確認できます"
            ),
            Cause::Other => say!(
                "\"{field}\" is no card number (8, 14, 16 or 20 hexadecimal digits)",
                "「{field}」はカード番号ではありません（16 進数 8、14、16、20 桁）"
            ),
        })
    }
}

/// Reads a card's number: hexadecimal in any case and width, with spaces, colons or dashes between the
/// bytes, also as a spreadsheet's text (`="04A1B2C3"`, `'04A1B2C3`).
pub(super) fn parse(field: &str) -> Result<Uid, NoUid> {
    // What most fields are; the rest takes the time that it takes.
    if let Some(uid) = plain(field)
        && field.bytes().any(|b| b.is_ascii_alphabetic())
        && !matches!(uid.bytes()[0], 0x08 | 0xFF)
    {
        return Ok(uid);
    }
    let narrow: String;
    let text = if field.is_ascii() {
        field
    } else {
        narrow = field.nfkc().collect();
        &narrow
    };
    let text = unwrap(text.trim());
    let digits = digits(text);
    let wrong = |cause, key| NoUid {
        cause,
        shown: text.chars().take(40).collect(),
        key,
    };
    if is_shortened(text) {
        return Err(wrong(Cause::Shortened, None));
    }
    if digits.is_empty() {
        let cause = if text.is_empty() {
            Cause::Missing
        } else {
            Cause::Other
        };
        return Err(wrong(cause, None));
    }
    if digits.len() > 20 {
        return Err(wrong(Cause::Other, None));
    }
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        let meant = digits.replace('O', "0").replace(['I', 'L'], "1");
        let looks = |b: u8| b.is_ascii_hexdigit();
        // Words have more letters than one that looks like a digit.
        return Err(if meant.bytes().all(looks) && plain(&meant).is_some() {
            wrong(Cause::Letter, Some(key(&meant)))
        } else {
            wrong(Cause::Other, None)
        });
    }
    if digits.len() < 7 {
        return Err(wrong(Cause::Other, None));
    }
    let decimal = digits.bytes().all(|b| b.is_ascii_digit());
    let cause = match plain(&digits) {
        Some(uid) => {
            let bytes = uid.bytes();
            if bytes.iter().all(|b| *b == 0) || bytes.iter().all(|b| *b == 0xFF) {
                Cause::Blank
            } else if bytes.len() == 4 && bytes[0] == 0x08 {
                return Err(wrong(Cause::Phone, None));
            } else if decimal && digits.len() > 15 && digits[15..].bytes().all(|b| b == b'0') {
                Cause::Rounded
            } else {
                return Ok(uid);
            }
        }
        None if decimal && digits.len() > 15 && digits[15..].bytes().all(|b| b == b'0') => {
            Cause::Rounded
        }
        None if decimal && is_decimal(&digits) => Cause::Decimal,
        None if digits.len() % 2 == 1 => Cause::OddDigits,
        None if has_check_byte(&digits) => Cause::CheckByte,
        None => Cause::Length(digits.len() / 2),
    };
    Err(wrong(cause, Some(key(&digits))))
}

/// A number that could be a card's, but looks as if its bytes were in the other order: the maker's byte (04, 01, E0 of the
/// usual kinds) is the last one. Only a tap can tell.
pub(super) fn suspect(uid: &Uid) -> Option<NoUid> {
    let (first, last) = (uid.bytes()[0], uid.bytes().last().copied().unwrap_or(0));
    let reversed = match uid.bytes().len() {
        7 => last == 0x04 && first != 0x04,
        8 => matches!(last, 0x01 | 0xE0) && !matches!(first, 0x01..=0x03 | 0xE0),
        _ => false,
    };
    reversed.then(|| NoUid {
        cause: Cause::Reversed,
        shown: uid.to_string(),
        key: Some(key(&uid.to_string())),
    })
}

/// The number of four bytes has up to ten digits, that of seven up to 17, that of eight up to 20; a lost zero explains
/// an odd count as well.
fn is_decimal(digits: &str) -> bool {
    match digits.len() {
        10 => digits
            .parse::<u64>()
            .is_ok_and(|n| n <= u64::from(u32::MAX)),
        12 | 17..=19 => true,
        _ => false,
    }
}

fn has_check_byte(digits: &str) -> bool {
    let Ok(number) = u64::from_str_radix(digits, 16) else {
        return false;
    };
    // Of five bytes all together give zero.
    digits.len() == 10 && number.to_be_bytes().iter().fold(0, |a, b| a ^ b) == 0
}

/// By which a number that is none is found again: upper case, and without leading zeros where it has decimal digits
/// only, since spreadsheet programs and people drop them.
pub(super) fn key(digits: &str) -> String {
    let text = if digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.trim_start_matches('0')
    } else {
        digits
    };
    text.to_ascii_uppercase()
}

/// Reads hexadecimal digits and nothing else, as many as a card's number has.
pub(super) fn plain(digits: &str) -> Option<Uid> {
    let digits = digits.as_bytes();
    let mut bytes = [0; 10];
    if !matches!(digits.len(), 8 | 14 | 16 | 20) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16);
        // At most 255.
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Uid::new(&bytes[..digits.len() / 2])
}

/// Upper case, without what stands between bytes.
fn digits(text: &str) -> String {
    let between = |c: char| {
        matches!(
            c,
            ' ' | '\t' | ':' | '-' | '.' | '_' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30fb}'
        )
    };
    let text = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .unwrap_or(text);
    text.chars()
        .filter(|c| !between(*c))
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

/// The text that a spreadsheet program wraps: `="text"`, `'text`.
pub(super) fn unwrap(text: &str) -> &str {
    let inner = text
        .strip_prefix("=\"")
        .and_then(|t| t.strip_suffix('"'))
        .or_else(|| text.strip_prefix('\''))
        .unwrap_or(text);
    inner.trim()
}

/// `4.01E+13`: what a spreadsheet shows of a number with more digits than the column is wide. `12E45678`
/// on the other hand is a card's number.
fn is_shortened(text: &str) -> bool {
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

    fn cause(text: &str) -> Cause {
        parse(text).expect_err(text).cause
    }

    #[test]
    fn numbers_are_read_in_every_dress() {
        for text in [
            "04A1B2C3",
            "04a1b2c3",
            " 04 A1 B2 C3 ",
            "04:a1:B2:c3",
            "04-A1-B2-C3",
            "04.A1.B2.C3",
            "0x04A1B2C3",
            "=\"04A1B2C3\"",
            "'04A1B2C3",
            "０４Ａ１Ｂ２Ｃ３",
            "０４：Ａ１：Ｂ２：Ｃ３",
            "\u{3000}04A1\u{3000}B2C3",
            "04\u{2010}A1\u{2212}B2\u{2013}C3",
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
            assert_eq!(cause(text), Cause::Shortened, "{text}");
        }
        for text in ["4123456", "412345678", "114030012345678"] {
            assert_eq!(cause(text), Cause::OddDigits, "{text}");
        }
        for text in [
            "1234567890123450",
            "12345678901234500",
            "12345678901234500000",
        ] {
            assert_eq!(cause(text), Cause::Rounded, "{text}");
        }
    }

    #[test]
    fn what_no_card_has_is_named_with_its_likely_cause() {
        for (text, want) in [
            ("0077705923", Cause::Decimal),
            ("3735883779", Cause::Decimal),
            ("36146984352347638", Cause::Decimal),
            ("04A1B2C3D4", Cause::CheckByte),
            ("04A1B2C3D5", Cause::Length(5)),
            ("9999999999", Cause::Length(5)),
            ("04A1B2C3D4E5", Cause::Length(6)),
            ("04A1B2C3D4E5F60718", Cause::Length(9)),
            ("O4A1B2C3", Cause::Letter),
            ("00000000", Cause::Blank),
            ("FFFFFFFFFFFFFFFF", Cause::Blank),
            ("08A1B2C3", Cause::Phone),
        ] {
            assert_eq!(cause(text), want, "{text}");
        }
    }

    #[test]
    fn everything_else_is_no_number() {
        assert_eq!(cause(""), Cause::Missing);
        assert_eq!(cause(" "), Cause::Missing);
        for text in ["UID", "山田", "04A1", "4", "04A1B2G3", "\"", "20181", "oil"] {
            assert_eq!(cause(text), Cause::Other, "{text}");
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
        fn what_we_write_we_read(
            bytes in proptest::collection::vec(any::<u8>(), 10), length in prop::sample::select(vec![4, 7, 8, 10])
        ) {
            let uid = Uid::new(&bytes[..length]).unwrap();
            if let Err(e) = parse(&uid.to_string()) {
                prop_assert!(matches!(e.cause, Cause::Rounded | Cause::Blank | Cause::Phone));
            }
        }
    }
}
