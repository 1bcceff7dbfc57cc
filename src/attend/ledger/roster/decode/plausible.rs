//! How much a text looks like names of people. Points for each character that is not ASCII: many for what names are
//! made of, less than none for what a wrong encoding makes of them.

use std::collections::HashSet;
use std::sync::LazyLock;

use encoding_rs::{Encoding, GBK, SHIFT_JIS};

use super::characters;

/// Points, and for how many characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Score {
    pub points: i64,
    pub characters: i64,
    /// How many points names of that length have at least.
    usual: i64,
}

impl Score {
    /// Whether that is how names score.
    pub const fn is_good(self) -> bool {
        self.points > 0 && self.points >= self.usual
    }
}

/// In which language names are expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Japanese,
    Chinese,
    /// In traditional characters.
    Taiwanese,
    Korean,
    /// Of western Europe.
    Western,
}

/// Judges a text as names in this language.
pub(super) fn score(text: &str, language: Language) -> Score {
    let common = common(language);
    let chars: Vec<char> = text.chars().collect();
    let mut score = Score::default();
    for (i, c) in chars.iter().enumerate().filter(|(_, c)| !c.is_ascii()) {
        let at = |i: Option<usize>| i.and_then(|i| chars.get(i)).copied().unwrap_or(' ');
        let (before, behind) = (at(i.checked_sub(1)), at(Some(i + 1)));
        score.characters += 1;
        score.usual += match c {
            _ if language == Language::Western => 1,
            '\u{ff61}'..='\u{ff9f}' => 1,
            c if is_neutral(*c) => 0,
            _ => 3,
        };
        score.points += match language {
            Language::Japanese | Language::Chinese | Language::Taiwanese | Language::Korean
                if before.is_ascii_lowercase() && c.is_alphabetic() && !is_kana(*c) =>
            {
                -12
            }
            Language::Japanese => japanese(*c, before, behind, common),
            Language::Chinese => chinese(*c, common),
            Language::Taiwanese | Language::Korean if common.contains(c) => 6,
            Language::Taiwanese | Language::Korean if is_neutral(*c) => 0,
            Language::Taiwanese | Language::Korean => -4,
            Language::Western => western(*c, before, behind, at(i.checked_sub(2))),
        };
    }
    score
}

/// The characters of a language's names.
fn common(language: Language) -> &'static HashSet<char> {
    static SETS: LazyLock<[HashSet<char>; 5]> = LazyLock::new(|| {
        [
            characters::JAPANESE,
            characters::CHINESE,
            characters::TAIWANESE,
            characters::KOREAN,
            "",
        ]
        .map(|list| list.chars().collect())
    });
    &SETS[match language {
        Language::Japanese => 0,
        Language::Chinese => 1,
        Language::Taiwanese => 2,
        Language::Korean => 3,
        Language::Western => 4,
    }]
}

/// Whether a name has usual Japanese characters only.
pub(super) fn is_usual(name: &str) -> bool {
    let common = common(Language::Japanese);
    name.chars()
        .all(|c| common.contains(&c) || is_kana(c) || c.is_whitespace())
}

const fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fe}')
}

/// Full-width signs, letters and digits, brackets, the wide space.
const fn is_neutral(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{3002}' | '\u{300c}'..='\u{3011}' | '\u{ff01}'..='\u{ff5e}' | '\u{30fb}' | '①'..='⑳' | '㈱' | '㈲' | '№')
}

fn japanese(c: char, before: char, behind: char, common: &HashSet<char>) -> i64 {
    if common.contains(&c) {
        return 6;
    }
    if is_kana(c) {
        return 4;
    }
    if is_neutral(c) {
        return 0;
    }
    if matches!(c, '\u{ff61}'..='\u{ff9f}') {
        return half_width(c, before, behind);
    }
    match two_bytes(c, SHIFT_JIS) {
        // Level 1, and level 2 with what was added to it.
        0x889F..=0x9872 => -4,
        0x9873..=0xEAA4 | 0xFA40..=0xFC4B => -6,
        _ => -8,
    }
}

/// Half-width katakana: any byte from A1 to DF is one, but not every row of them can be spoken.
fn half_width(c: char, before: char, behind: char) -> i64 {
    let spoken = match c {
        'ﾞ' => matches!(before, 'ｳ' | 'ｶ'..='ﾄ' | 'ﾊ'..='ﾎ'),
        'ﾟ' => matches!(before, 'ﾊ'..='ﾎ'),
        'ｧ'..='ｫ' => matches!(before, 'ｳ' | 'ｸ' | 'ｼ' | 'ﾁ' | 'ﾂ' | 'ﾃ' | 'ﾄ' | 'ﾌ' | 'ﾞ'),
        'ｬ'..='ｮ' => matches!(
            before,
            'ｷ' | 'ｼ' | 'ﾁ' | 'ﾃ' | 'ﾆ' | 'ﾋ' | 'ﾌ' | 'ﾐ' | 'ﾘ' | 'ﾞ' | 'ﾟ'
        ),
        'ｯ' => matches!(before, 'ｱ'..='ﾟ') && matches!(behind, 'ｶ'..='ﾄ' | 'ﾊ'..='ﾎ'),
        'ｰ' | 'ﾝ' => matches!(before, 'ｧ'..='ﾟ'),
        'ｱ'..='ﾜ' => !before.is_ascii_alphanumeric() && !behind.is_ascii_alphanumeric(),
        _ => false,
    };
    if spoken { 1 } else { -8 }
}

fn chinese(c: char, common: &HashSet<char>) -> i64 {
    if common.contains(&c) {
        return 6;
    }
    if is_kana(c) {
        return -6;
    }
    if is_neutral(c) {
        return 0;
    }
    let bytes = two_bytes(c, GBK);
    match (bytes >> 8, bytes & 0xFF) {
        (0xB0..=0xD7, 0xA1..) => -2,
        (0xD8..=0xF7, 0xA1..) => -4,
        // Beyond GB 2312: in few names, and in most of what is no Chinese.
        _ => -10,
    }
}

/// Letters of Latin-1. Where the encodings of central Europe and Turkey have another letter in the same place, it has to
/// stand where this one does in names: `Bjørn`, but not `Dvoøák`.
fn western(c: char, before: char, behind: char, two_before: char) -> i64 {
    let vowel = |c: char| "aeiouyáéíóúäöüâîôàèìòùãåæêëïõøûý".contains(lower(c));
    let letter = |c: char| c.is_alphabetic();
    let consonant = |c: char| letter(c) && !vowel(c);
    if matches!(c, '\u{2019}') && letter(before) && letter(behind) {
        return 2;
    }
    if matches!(c, '\u{a0}' | '\u{2013}') {
        return 0;
    }
    // A capital within a word, or a small letter between capitals.
    let case = if c.is_uppercase() {
        before.is_lowercase() || (letter(before) && behind.is_lowercase())
    } else {
        before.is_uppercase() && behind.is_uppercase()
    };
    if !letter(c) || u32::from(c) > 0x17F || case {
        return -10;
    }
    if !letter(before) && !letter(behind) {
        return -6;
    }
    // Three in a row are another alphabet.
    let high = |c: char| letter(c) && !c.is_ascii();
    if high(before) && (high(behind) || high(two_before)) {
        return -8;
    }
    match lower(c) {
        'ä' | 'ö' | 'ü' | 'ß' | 'é' | 'á' | 'í' | 'ó' | 'ú' | 'â' | 'î' | 'ô' | 'ë' | 'ç' => {
            4
        }
        'è' | 'ø' | 'æ' if !vowel(before) && !vowel(behind) => 4,
        'å' if !vowel(before) => 4,
        'ñ' if vowel(behind) => 4,
        'ï' if vowel(before) && consonant(behind) => 4,
        'à' | 'ò' | 'ù' | 'ì' if consonant(before) && !letter(behind) => 4,
        'ã' if matches!(behind, 'o' | 'e') => 4,
        'õ' if behind == 'e' => 4,
        // As likely an ę, ű, ı, ö, ś ... of another encoding.
        'ý' if letter(behind) => -6,
        'ê' | 'û' | 'ù' | 'ý' | 'š' | 'ž' | 'œ' | 'ÿ' => 0,
        _ => -6,
    }
}

/// A character in an encoding that has two bytes for it; 0 if it has not.
fn two_bytes(c: char, encoding: &'static Encoding) -> u16 {
    let mut text = [0; 4];
    let (bytes, _, lost) = encoding.encode(c.encode_utf8(&mut text));
    match bytes[..] {
        [high, low] if !lost => u16::from_be_bytes([high, low]),
        _ => 0,
    }
}

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}
