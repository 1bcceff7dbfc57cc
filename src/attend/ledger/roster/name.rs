//! Whether a field is the name of a person, and the name as it is shown.

use crate::base::outside::is_mark;
use crate::say;

/// The longest name in characters; more is another column by mistake.
pub(super) const LONGEST: usize = 200;

/// Ends of the names of offices.
const OFFICES: &str = "\
    部 課 室 係 科 支店 本店 営業所 事業所 工場 本社 本部 局 センター グループ チーム 学年 年 組 班 部门 系 院 処 \
    处 店 営業 総務 経理 人事 開発 製造 企画 役員 社長 部長 課長 係長 主任 正社員 パート アルバイト 男 女 \
    department dept sales hr accounting it marketing engineering finance production office team abteilung vertrieb \
    einkauf produktion verwaltung active inactive male female";

/// A name in one line, with 〓 for characters that nobody else can show, and without what would garble log, list and LCD: control characters and those that turn the direction
/// of writing are taken out.
pub(super) fn clean(field: &str) -> String {
    let field = if field.starts_with("=\"") {
        super::uid::unwrap(field)
    } else {
        field
    };
    field
        .split(|c: char| c.is_control() || c.is_whitespace())
        .map(|word| {
            let shown = word.chars().filter(|c| !is_mark(*c));
            shown
                .map(|c| if is_private(c) { '〓' } else { c })
                .collect::<String>()
        })
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A character that one computer made for itself (外字), and that no other can show.
pub(super) const fn is_private(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
}

/// The beginning of a text, for a message.
pub(super) fn shown(field: &str) -> String {
    clean(field).chars().take(40).collect()
}

/// Whether it can be the name of a person: it has letters, and is not the number of an employee, as `20180012` or `E-1042`.
#[must_use]
pub fn is_name(field: &str) -> bool {
    let letters = field.chars().filter(|c| c.is_alphabetic()).count();
    let digits = field.chars().filter(|c| c.is_numeric()).count();
    let spaced = field.contains(char::is_whitespace);
    let latin = field.is_ascii();
    let code = latin && !spaced && digits >= 3 && letters <= 4;
    let address = latin && field.contains(['@', '/', '\\']);
    letters > 0 && !code && !address
}

/// What is wrong with a name; none if it is one.
pub(super) fn fault(name: &str) -> Option<String> {
    if name.chars().count() > LONGEST {
        return Some(say!(
            "the name is longer than {LONGEST} characters",
            "名前が {LONGEST} 文字を超えています"
        ));
    }
    if name.contains('\u{fffd}') {
        return Some(say!(
            "the name is broken, in UTF-8 or before it was saved",
            "名前の文字コードが不正です（UTF-8 で保存し直してください）"
        ));
    }
    if super::decode::is_garbled(name) {
        return Some(say!(
            "the name \"{name}\" was garbled before it was saved",
            "名前「{name}」は保存前に文字化けしています"
        ));
    }
    (!is_name(name)).then(|| {
        let shown = shown(name);
        say!("\"{shown}\" is no name", "「{shown}」は名前ではありません")
    })
}

pub(super) const fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' | '々')
}

/// How a name is read, rather than how it is written.
pub(super) fn is_kana_only(field: &str) -> bool {
    let kana = |c: char| matches!(c, '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fe}' | '\u{ff66}'..='\u{ff9f}');
    let mut letters = field.chars().filter(|c| c.is_alphabetic()).peekable();
    letters.peek().is_some() && letters.all(|c| kana(c) || c == 'ﾞ' || c == 'ﾟ')
}

pub(super) fn is_office(field: &str) -> bool {
    let lower = field.to_lowercase();
    let field = lower.trim_end_matches(|c: char| c.is_numeric() || c.is_whitespace());
    OFFICES.split(' ').any(|end| {
        if end.is_ascii() {
            field == end || field.ends_with(&format!(" {end}"))
        } else {
            field.ends_with(end)
        }
    })
}

/// For comparing names that may be written with other spaces.
pub(super) fn same(a: &str, b: &str) -> bool {
    let plain = super::headings::plain;
    a == b || plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_in_one_line_and_one_direction() {
        assert_eq!(clean(" 山田\u{3000}太郎 "), "山田 太郎");
        assert_eq!(clean("An\u{1b}[2Jn"), "An [2Jn");
        assert_eq!(clean("山田\r\n太郎"), "山田 太郎");
        assert_eq!(clean("\u{202e}nnA\u{202c}\u{200b}"), "nnA");
        assert_eq!(clean("=\"Ann Smith\""), "Ann Smith");
    }

    #[test]
    fn numbers_of_employees_are_no_names() {
        for text in [
            "20180012",
            "E-1042",
            "EMP0012",
            "A123",
            "1-2",
            "",
            "ann@example.com",
        ] {
            assert!(!is_name(text), "{text}");
        }
        for text in [
            "Ann",
            "山田 太郎",
            "Visitor 001",
            "来客123",
            "Bob2",
            "이름",
            "O'Neil",
            "J",
        ] {
            assert!(is_name(text), "{text}");
        }
    }

    #[test]
    fn offices_and_readings_are_told_from_names() {
        for text in [
            "営業部",
            "総務課",
            "開発1課",
            "Sales",
            "HR",
            "Sales Dept",
            "３年",
        ] {
            assert!(is_office(text), "{text}");
        }
        for text in ["山田 太郎", "阿部 サダヲ", "Smith", "部田 一郎", "Chris"] {
            assert!(!is_office(text), "{text}");
        }
        assert!(is_kana_only("ヤマダ タロウ") && is_kana_only("ﾔﾏﾀﾞ ﾀﾛｳ") && is_kana_only("さとう"));
        assert!(!is_kana_only("山田 タロウ") && !is_kana_only("Ann"));
    }
}
