//! The known word that a misspelt one was meant to be.

/// The candidate that is most like `word`, if any is alike at all.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|c| {
            (
                strsim::damerau_levenshtein(&word, c),
                strsim::jaro_winkler(&word, c),
                c,
            )
        })
        // A third of the letters may be wrong; beyond that a suggestion confuses more than it helps.
        .filter(|(distance, alike, c)| *distance * 3 <= c.len().max(3) || *alike > 0.85)
        .min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)))
        .map(|(_, _, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let keys = ["camera", "cards", "server_url", "servo", "log"];
        assert_eq!(nearest("camrea", keys), Some("camera"));
        assert_eq!(nearest("Servo", keys), Some("servo"));
        assert_eq!(nearest("serverurl", keys), Some("server_url"));
        assert_eq!(nearest("zzzzzz", keys), None);
        assert_eq!(nearest("", keys), None);
    }
}
