//! Text that comes from outside: from servers, cards, rosters, cameras, devices on the USB. It is shown, and nothing in it is
//! obeyed, by a terminal, a log viewer, a spreadsheet or whoever reads it from right to left.

/// Whether a terminal or a viewer would obey this instead of showing it: control characters (C0, DEL, C1), and [`is_mark`].
#[must_use]
pub fn is_obeyed(c: char) -> bool {
    c.is_control() || is_mark(c)
}

/// Marks that turn the direction of writing or end a line or paragraph, and signs without width that no script needs
/// (Unicode Standard Annex 9, and the list of "Trojan Source", CVE-2021-42574). Joiners (U+200C, U+200D) are needed.
#[must_use]
pub const fn is_mark(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// The text on one line, without what would be obeyed: marks are left out, and what may have parted two words is a space.
#[must_use]
pub fn plain(text: &str) -> String {
    let parts = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if parts(c) && !out.ends_with(' ') => out.push(' '),
            c if is_obeyed(c) => {}
            c => out.push(c),
        }
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_obeyed_is_left_and_everything_else_is() {
        for (text, shown) in [
            ("山田 太郎", "山田 太郎"),
            ("ok\u{1b}[31mred\u{1b}[0m", "ok [31mred [0m"),
            ("a\u{9b}2Jb", "a 2Jb"),
            ("a\r\n\tb\u{0}", "a b"),
            ("card\u{202e}fdp.exe", "cardfdp.exe"),
            ("\u{2066}x\u{2069}\u{200f}\u{feff}", "x"),
            ("one\u{2028}two", "one two"),
            ("نام\u{200c}ها", "نام\u{200c}ها"),
            ("a\u{e0041}b\u{200b}c", "abc"),
        ] {
            assert_eq!(plain(text), shown, "{text:?}");
            assert!(!plain(text).chars().any(is_obeyed));
        }
    }
}
