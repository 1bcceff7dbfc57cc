//! What every file that a spreadsheet program opens has to mind.

/// Text from elsewhere that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, "CSV
/// Injection", which names the full-width signs for Japanese programs as well).
#[must_use]
pub fn no_formula(text: &str) -> String {
    let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if risky {
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
        for text in ["=1+1", "+1", "-1", "@a", "＝1", "\tx"] {
            assert_eq!(no_formula(text), format!("'{text}"));
        }
        assert_eq!(no_formula("Ann = Bob"), "Ann = Bob");
        assert_eq!(no_formula(""), "");
    }
}
