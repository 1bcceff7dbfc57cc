//! The LCD's character set: ROM code A00 of the HD44780, which has ASCII and half-width katakana. Pure.

use unicode_normalization::UnicodeNormalization as _;

/// The katakana of JIS X 0201 in the order of their codes, from 0xA1 on.
const KATAKANA: &str = "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソ\
                        タチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン";
const FIRST_KATAKANA: u8 = 0xA1;
const VOICED: char = '\u{3099}';
const VOICED_CODE: u8 = 0xDE;
const HALF_VOICED: char = '\u{309A}';
const HALF_VOICED_CODE: u8 = 0xDF;

/// The codes of a text: one for each cell, where a voiced kana takes two. Hiragana is shown as katakana,
/// full-width letters as ordinary ones, accents are left out. None if there is something in it that the
/// LCD cannot show, such as kanji: half of a name would be another name.
#[must_use]
pub fn codes(text: &str) -> Option<Vec<u8>> {
    // Takes apart what Unicode has as one character: ガ, Ａ, é, ｶ.
    text.nfkd().filter_map(code).collect()
}

/// None for what is left out, `Some(None)` for what cannot be shown.
fn code(c: char) -> Option<Option<u8>> {
    Some(match c {
        // Yen sign in the place of the backslash, arrows in those of tilde and delete.
        '\\' | '~' => None,
        '¥' => Some(0x5C),
        '→' => Some(0x7E),
        '←' => Some(0x7F),
        ' '..='}' => u8::try_from(c).ok(),
        // Accents, already parted from their letters.
        '\u{300}'..='\u{36F}' => return None,
        VOICED => Some(VOICED_CODE),
        HALF_VOICED => Some(HALF_VOICED_CODE),
        _ => katakana(c),
    })
}

fn katakana(c: char) -> Option<u8> {
    // Hiragana lies 0x60 below katakana.
    let c = match c {
        'ぁ'..='ゖ' => char::from_u32(u32::from(c) + 0x60)?,
        c => c,
    };
    // Small ones that JIS X 0201 lacks.
    let c = match c {
        'ヮ' => 'ワ',
        'ヵ' => 'カ',
        'ヶ' => 'ケ',
        '゠' | '〜' | '–' | '—' | '−' => 'ー',
        c => c,
    };
    let place = KATAKANA.chars().position(|k| k == c)?;
    // There are 61 of them.
    Some(FIRST_KATAKANA + place as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_that_of_jis_x_0201() {
        assert_eq!(KATAKANA.chars().count(), 61);
        // The half-width forms of Unicode lie in the same order; so every one of them has its own code.
        for code in 0xA1..=0xDFu8 {
            let half = char::from_u32(0xFF61 + u32::from(code) - 0xA1).unwrap();
            assert_eq!(codes(&half.to_string()), Some(vec![code]), "{half}");
        }
    }

    #[test]
    fn ascii_is_itself_but_for_what_the_rom_lacks() {
        assert_eq!(codes("Touch Card").unwrap(), b"Touch Card");
        assert_eq!(codes("O'Brien {x}").unwrap(), b"O'Brien {x}");
        assert_eq!(codes("a\\b"), None);
        assert_eq!(codes("~"), None);
        assert_eq!(codes("¥"), Some(vec![0x5C]));
    }

    #[test]
    fn names_in_kana_and_with_accents_can_be_shown_those_in_kanji_cannot() {
        let taro = vec![0xD4, 0xCF, 0xC0, 0xDE, b' ', 0xC0, 0xDB, 0xB3];
        for name in ["ヤマダ タロウ", "やまだ　たろう", "ﾔﾏﾀﾞ ﾀﾛｳ"] {
            assert_eq!(codes(name), Some(taro.clone()), "{name}");
        }
        assert_eq!(codes("ペー"), Some(vec![0xCD, 0xDF, 0xB0]));
        assert_eq!(codes("ＡＢＣ１"), Some(b"ABC1".to_vec()));
        assert_eq!(codes("José"), Some(b"Jose".to_vec()));
        assert_eq!(codes("山田 太郎"), None);
        assert_eq!(codes("ヤマダ 太郎"), None);
        assert_eq!(codes("ok\n"), None);
        assert_eq!(codes(""), Some(vec![]));
    }
}
