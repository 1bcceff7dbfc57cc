//! Takes card ids, names and secrets out of a text that is sent to somebody else. Pure.
//!
//! What is known (roster, ledger, token file, passwords of the configuration) is found wherever it stands, in any case
//! and with any separator between the bytes of a card id. What is not known is recognised by its form: a run of 8 hex
//! digits or more is a card id unless it clearly is something else (`0x...` is an address, a fraction of a second is
//! none, a UUID is the name of a boot). Too much is masked rather than too little; the same card keeps its number
//! throughout a text, so that a maintainer can still follow it.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use regex::{Captures, Regex};
use unicode_normalization::UnicodeNormalization as _;

use crate::base::width::ascii_of;

/// A name or secret of fewer letters is masked only where it stands alone: "Jo" must not spoil "journal".
const SHORT: usize = 4;
/// Fewest digits of a card id.
const DIGITS: usize = 8;
/// Digits of a MAC address.
const MAC_DIGITS: usize = 12;
/// Most digits of a card id.
const MOST_DIGITS: usize = 20;

/// What must not be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// Names of people.
    pub names: Vec<String>,
    /// Card ids in hexadecimal digits.
    pub cards: Vec<String>,
    /// Tokens and passwords.
    pub tokens: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
enum MaskedKind {
    Person(usize),
    Card(usize),
    Secret,
}

impl MaskedKind {
    fn label(self) -> String {
        match self {
            Self::Person(n) => format!("[person {n}]"),
            Self::Card(n) => format!("[card {n}]"),
            Self::Secret => "[secret]".to_owned(),
        }
    }
}

/// Masks texts.
pub struct Mask {
    known: Option<AhoCorasick>,
    /// For each pattern: what it is, and whether it has to stand alone.
    patterns: Vec<(MaskedKind, bool)>,
    /// Numbers of the known cards.
    cards: HashMap<String, usize>,
}

impl Mask {
    /// A mask for these secrets. An empty one recognises by form only.
    #[must_use]
    pub fn new(secrets: &Secrets) -> Self {
        let mut texts: Vec<String> = Vec::new();
        let mut there = HashSet::new();
        let mut patterns = Vec::new();
        let mut add = |text: &str, kind: MaskedKind| {
            let folded = fold(text).0;
            if !folded.is_empty() && there.insert(folded.clone()) {
                let alone = text.chars().count() < SHORT && text.is_ascii();
                texts.push(folded);
                patterns.push((kind, alone));
            }
        };
        for (n, name) in secrets.names.iter().enumerate() {
            variants(name, |text| add(text, MaskedKind::Person(n + 1)));
        }
        for token in &secrets.tokens {
            variants(token, |text| add(text, MaskedKind::Secret));
        }
        let mut cards = HashMap::new();
        for (n, card) in secrets.cards.iter().enumerate() {
            let digits = card.to_ascii_uppercase();
            let number = *cards.entry(digits.clone()).or_insert(n + 1);
            add(&digits, MaskedKind::Card(number));
            if digits.len() == MAC_DIGITS {
                // By its form it would be taken for a MAC address, of which a half stays.
                let pairs = digits.as_bytes().chunks(2);
                let pairs: Vec<&str> = pairs.filter_map(|p| std::str::from_utf8(p).ok()).collect();
                add(&pairs.join(":"), MaskedKind::Card(number));
                add(&pairs.join("-"), MaskedKind::Card(number));
            }
        }
        let known = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(texts)
            .ok();
        Self {
            known,
            patterns,
            cards,
        }
    }

    /// The text without what must not be told.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let text = self.apply_without_guessing(text);
        let mut seen = self.cards.clone();
        text.split_inclusive('\n')
            .map(|line| cards_by_form(line, &mut seen))
            .collect()
    }

    /// The same, but a number is no card id only because it looks like one: for tables of sizes and addresses.
    #[must_use]
    pub fn apply_without_guessing(&self, text: &str) -> String {
        secrets_by_form(&self.known_masked(text))
    }

    fn known_masked(&self, text: &str) -> String {
        let Some(known) = &self.known else {
            return text.to_owned();
        };
        let (folded, origin) = fold(text);
        // All of them, also those within others: the longest may fail for not standing alone.
        let mut spans: Vec<(Range<usize>, MaskedKind)> = known
            .find_overlapping_iter(&folded)
            .filter_map(|m| {
                let (kind, alone) = *self.patterns.get(m.pattern().as_usize())?;
                let span = origin[m.start()]..origin[m.end()];
                (!alone || stands_alone(text, &span)).then_some((span, kind))
            })
            .collect();
        spans.sort_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
        let mut masked = String::with_capacity(text.len());
        let mut at = 0;
        for (span, kind) in spans {
            if span.start >= at {
                masked.push_str(&text[at..span.start]);
                masked.push_str(&kind.label());
            }
            // One that begins within another may end behind it.
            at = at.max(span.end);
        }
        masked.push_str(&text[at..]);
        masked
    }
}

/// A text as other programs may have written it: composed differently, in another case, escaped.
fn variants(text: &str, mut add: impl FnMut(&str)) {
    let text = text.trim();
    let composed: String = text.nfc().collect();
    let decomposed: String = text.nfd().collect();
    let compatible: String = text.nfkc().collect();
    let closed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    for text in [text, &composed, &decomposed, &compatible, &closed] {
        add(text);
        add(&text.to_uppercase());
        add(&text.to_lowercase());
        let escaped: String = text.escape_debug().collect();
        add(&escaped);
    }
}

/// A text in small and narrow letters. The second part tells for each of its bytes, and for its end, where the letter
/// that it comes from begins.
fn fold(text: &str) -> (String, Vec<usize>) {
    let mut folded = String::with_capacity(text.len());
    let mut origin = Vec::with_capacity(text.len() + 1);
    for (at, c) in text.char_indices() {
        let narrow = match c {
            '\u{3000}' | '\u{a0}' => ' ',
            c => ascii_of(c).unwrap_or(c),
        };
        for small in narrow.to_lowercase() {
            folded.push(small);
        }
        origin.resize(folded.len(), at);
    }
    origin.push(text.len());
    (folded, origin)
}

fn stands_alone(text: &str, span: &Range<usize>) -> bool {
    let after = text[span.end..].chars().next();
    is_beginning(&text[..span.start]) && !after.is_some_and(char::is_alphanumeric)
}

/// Whether a word may begin behind this: no letter or digit, unless it is that of an escaped line break.
fn is_beginning(before: &str) -> bool {
    let mut back = before.chars().rev();
    match back.next() {
        Some('n' | 't' | 'r') => back.next() == Some('\\'),
        last => !last.is_some_and(|c| c.is_ascii_alphanumeric()),
    }
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of this file, which a test compiles")
}

fn secrets_by_form(text: &str) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        vec![
            // user:password@ of an address, up to the last @ of the word.
            (regex(r#"://[^\s"'<>]*@"#), "://[secret]@"),
            // What the query of an address says.
            (
                regex(r#"(://[^\s"'<>?]*\?|&)([A-Za-z0-9_.\[\]-]+)=[^&\s"'<>#]+"#),
                "${1}${2}=[secret]",
            ),
            // A JSON Web Token wherever it stands.
            (
                regex(r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*"),
                "[secret]",
            ),
            (
                regex(r#"(?i)\b((?:api[_-]?key|secret|password|passwd|pwd)\s*[:=]\s+)[^\s"']+"#),
                "${1}[secret]",
            ),
            (
                regex(r#"(?i)(authorization\\?["']?\s*[:=]\s*\\?["']?)[^\n"'\\]+"#),
                "${1}[secret]",
            ),
            (regex(r"(?i)\b(bearer)\s+[^\s\x22',;]+"), "${1} [secret]"),
            (
                regex(
                    r#"(?i)\b([a-z_-]*(?:token|key|secret|password|passwd|pwd|signature))=[^&\s"']+"#,
                ),
                "${1}=[secret]",
            ),
            (
                regex(r#"(?i)(\\?"[a-z_]*(?:password|secret|token)\\?"\s*:\s*\\?")[^"\\]*"#),
                "${1}[secret]",
            ),
            (
                regex(r#"(?i)(\\?"(?:[a-z]+_)?(?:name|氏名|名前)\\?"\s*:\s*\\?")[^"\\]*"#),
                "${1}[person]",
            ),
        ]
    });
    let mut text = text.to_owned();
    for (pattern, replacement) in PATTERNS.iter() {
        text = pattern.replace_all(&text, *replacement).into_owned();
    }
    text
}

fn cards_by_form(line: &str, seen: &mut HashMap<String, usize>) -> String {
    /// Bytes with a separator; four at least, for three are a time of day.
    static PAIRS: LazyLock<[Regex; 3]> = LazyLock::new(|| {
        [":", "-", " "].map(|separator| {
            regex(&format!(
                "(?i)[0-9a-f]{{2}}(?:{separator}[0-9a-f]{{2}}){{3,}}"
            ))
        })
    });
    static RUN: LazyLock<Regex> = LazyLock::new(|| {
        regex("(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{8,}")
    });
    // Lines without which a backtrace cannot be read. Of a memory map: where, rights, offset, device, inode; of the
    // modules in a crash report: where, build id.
    static MAP: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            "^\\s*[0-9a-f]+-[0-9a-f]+ (?:[r-][w-][x-][ps] [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ [0-9]+|(?:[0-9a-f]{40}|[-?]) /)",
        )
    });
    let kept = MAP.find(line).map_or(0, |m| m.end());
    let (map, line) = line.split_at(kept);
    let mut line = line.to_owned();
    for pattern in PAIRS.iter() {
        line = replace(pattern, &line, |found, before, after| {
            let whole = is_beginning(before) && !begins_with_word(after);
            whole.then(|| pairs(found, seen))
        });
    }
    let line = replace(&RUN, &line, |found, before, after| {
        let whole = is_beginning(before) && !begins_with_word(after);
        let kept = found.contains('-')
            || is_number(found, before, after)
            || is_pcsc_code(found, before, after);
        (whole && !kept).then(|| numbered(found, seen))
    });
    format!("{map}{line}")
}

/// Replaces what `by` gives a text for; it is told what stands before and after.
fn replace(
    pattern: &Regex,
    line: &str,
    mut by: impl FnMut(&str, &str, &str) -> Option<String>,
) -> String {
    let replaced = pattern.replace_all(line, |captures: &Captures<'_>| {
        // The whole match is always there.
        let found = captures.get_match();
        let (before, after) = (&line[..found.start()], &line[found.end()..]);
        by(found.as_str(), before, after).unwrap_or_else(|| found.as_str().to_owned())
    });
    replaced.into_owned()
}

fn begins_with_word(after: &str) -> bool {
    after
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphanumeric())
}

/// Bytes with separators: of six the maker's part stays, for a MAC address tells which device it is.
fn pairs(found: &str, seen: &mut HashMap<String, usize>) -> String {
    let digits: String = found.chars().filter(char::is_ascii_hexdigit).collect();
    if digits.len() == MAC_DIGITS && !found.contains(' ') {
        let separator = if found.contains(':') { ":" } else { "-" };
        return format!("{}{separator}xx{separator}xx{separator}xx", &found[..8]);
    }
    numbered(&digits, seen)
}

fn numbered(digits: &str, seen: &mut HashMap<String, usize>) -> String {
    if digits.len() > MOST_DIGITS {
        return "[hex]".to_owned();
    }
    let next = seen.values().max().map_or(1, |n| n + 1);
    let number = *seen.entry(digits.to_ascii_uppercase()).or_insert(next);
    MaskedKind::Card(number).label()
}

/// Decimal digits that are no card: half a byte too many, with a unit behind, with a fraction, or a date with a time:
/// `104857600`, `10485760 bytes`, `1732.123456789`, `20251121_143000`. Cards that are known are masked before.
fn is_number(found: &str, before: &str, after: &str) -> bool {
    static UNIT: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            "^ ?(?:[kKMGT]i?B?|[Bb]ytes?|[mnµu]?s|seconds?|blocks?|pages?|sectors?|steps?|taps?|lines?|Hz|%|件|バイト|秒)\\b",
        )
    });
    if !found.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    if !found.len().is_multiple_of(2) || UNIT.is_match(after) {
        return true;
    }
    let digit_behind = |text: &str| text.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
    let mut back = before.chars().rev();
    let fraction = back.next() == Some('.') && back.next().is_some_and(|c| c.is_ascii_digit());
    let whole = after.starts_with('.') && digit_behind(after);
    let time: String = after
        .strip_prefix('_')
        .unwrap_or_default()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    fraction || whole || (found.len() == DIGITS && time.len() == 6)
}

/// `(8010001D)`: how the PC/SC daemon's answers are shown.
fn is_pcsc_code(found: &str, before: &str, after: &str) -> bool {
    found.len() == DIGITS
        && found.starts_with("801000")
        && before.ends_with('(')
        && after.starts_with(')')
}

#[cfg(test)]
mod tests;
