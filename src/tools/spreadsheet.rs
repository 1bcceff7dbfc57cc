//! What every file that a spreadsheet program opens has to mind.

use crate::base::outside::is_obeyed;

/// Text from elsewhere that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, "CSV
/// Injection", which names the full-width signs for Japanese programs as well).
#[must_use]
pub fn no_formula(text: &str) -> String {
    // Some programs pass over what nobody sees before they look for a sign.
    let seen = text.trim_start_matches(|c: char| c.is_whitespace() || is_obeyed(c));
    let risky = seen.starts_with([
        '=', '+', '-', '@', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫', '−',
    ]);
    if risky || text.starts_with(['\t', '\r', '\n']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_run_as_a_formula() {
        for text in [
            "=1+1",
            "+1",
            "-1",
            "@a",
            "＝1",
            "\tx",
            " =1",
            "\u{3000}＝1",
            "\u{200b}=1",
            "\u{202e}@a",
            "\u{feff}+1",
        ] {
            assert_eq!(no_formula(text), format!("'{text}"));
        }
        assert_eq!(no_formula("Ann = Bob"), "Ann = Bob");
        assert_eq!(no_formula(""), "");
    }
}
