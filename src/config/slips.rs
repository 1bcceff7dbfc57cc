//! Slips of the pen in a text that is no JSON: what editors, word processors and Japanese keyboards put in the place of its
//! signs, and what other languages allow.

use std::iter::Peekable;
use std::str::Chars;

use crate::base::width::ascii_of;

/// So many are told; a file that is full of them is another kind of file.
const MOST_TOLD: usize = 5;

/// Finds slips in a text that a parser has refused, in their order; none if what is wrong is of another kind.
pub(super) fn find(text: &str) -> Vec<String> {
    let mut pen = Pen {
        rest: text.chars().peekable(),
        line: 1,
        column: 0,
        slips: Vec::new(),
    };
    // A comma behind which no value has come yet.
    let mut comma = None;
    while let Some(c) = pen.next() {
        let at = pen.place();
        match c {
            ' ' | '\t' | '\r' | '\n' => continue,
            '#' => pen.comment(at, "\n"),
            '/' if pen.rest.peek() == Some(&'/') => pen.comment(at, "\n"),
            '/' if pen.rest.peek() == Some(&'*') => pen.comment(at, "*/"),
            '"' => {
                if !pen.text(at) {
                    break; // Where texts end from here on is anybody's guess.
                }
            }
            ',' => {
                if comma.replace(at).is_some() {
                    pen.tell(at, "one comma too many".to_owned());
                }
                continue;
            }
            '}' | ']' => {
                if let Some(comma) = comma {
                    pen.tell(comma, format!("the comma before \"{c}\" is too many"));
                }
            }
            '{' | '[' | ':' => {}
            c if (c.is_alphanumeric() && plain(c).is_none()) || "+-._".contains(c) => {
                pen.word(at, c);
            }
            c => pen.strange(at, c),
        }
        // A comment does not stand between a comma and its bracket.
        if !matches!(c, '#' | '/') {
            comma = None;
        }
    }
    pen.slips
}

/// Line and column, from 1, the column in characters.
type Place = (usize, usize);

struct Pen<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
    column: usize,
    slips: Vec<String>,
}

impl Pen<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            (self.line, self.column) = (self.line + 1, 0);
        } else {
            self.column += 1;
        }
        Some(c)
    }

    fn place(&self) -> Place {
        (self.line, self.column)
    }

    fn tell(&mut self, (line, column): Place, what: String) {
        if self.slips.len() < MOST_TOLD {
            self.slips.push(format!(
                "is not valid JSON at line {line}, column {column}: {what}"
            ));
        }
    }

    /// Skips a comment.
    fn comment(&mut self, at: Place, end: &str) {
        self.tell(at, "JSON knows no comments; take it away".to_owned());
        let mut read = String::new();
        while let Some(c) = self.next() {
            read.push(c);
            if read.ends_with(end) {
                return;
            }
        }
    }

    /// Skips a text that begins with a straight quote. Returns whether its end was found in its line.
    fn text(&mut self, at: Place) -> bool {
        while self.rest.peek().is_some_and(|&c| c != '\n') {
            let Some(c) = self.next() else { break };
            match c {
                '"' => return true,
                '\\' => {
                    self.next();
                }
                '\t' => self.tell(
                    self.place(),
                    "a tab within a text is written \\t".to_owned(),
                ),
                c if is_quote(c) && self.text_is_over() => {
                    let what = format!("the text that begins here ends with {c}; write \" instead");
                    self.tell(at, what);
                    return true;
                }
                _ => {}
            }
        }
        self.tell(
            at,
            "the quote that begins here is not closed in its line".to_owned(),
        );
        false
    }

    /// Whether what follows is what follows a text, so that the quote before it was meant to end one.
    fn text_is_over(&self) -> bool {
        let mut ahead = self.rest.clone();
        let mut sign = || ahead.find(|c| *c != ' ').unwrap_or('\n');
        match sign() {
            ':' | '\n' | '\r' => true,
            ',' => matches!(sign(), '"' | '\n' | '\r'),
            '}' | ']' => matches!(sign(), ',' | '}' | ']' | '\n' | '\r'),
            _ => false,
        }
    }

    /// Looks at a number, a word of JSON, or something that should stand in quotes.
    fn word(&mut self, at: Place, first: char) {
        let mut word = String::from(first);
        while let Some(&c) = self.rest.peek() {
            if !(c.is_alphanumeric() || "+-._".contains(c)) || plain(c).is_some() {
                break;
            }
            word.push(c);
            self.next();
        }
        if serde_json::from_str::<serde_json::Value>(&word).is_ok() {
            return;
        }
        let what = match word.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => format!("{word} is written true"),
            "false" | "no" | "off" => format!("{word} is written false"),
            "null" | "none" | "nil" | "undefined" => format!("{word} is written null"),
            _ if word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
                format!("{word} is no number as JSON writes them: 10, -2.5, 0.5")
            }
            _ => format!("{word} has to stand in quotes: \"{word}\""),
        };
        self.tell(at, what);
    }

    /// Looks at a character that JSON does not know outside of texts.
    fn strange(&mut self, at: Place, c: char) {
        if is_quote(c) {
            self.tell(at, format!("{c} is no quote of JSON; write \" instead"));
            // What stands between such quotes is a text.
            while let Some(&next) = self.rest.peek() {
                if next == '\n' || next == ':' {
                    return;
                }
                self.next();
                if next == '"' || is_quote(next) {
                    return;
                }
            }
        } else if let Some(plain) = plain(c) {
            self.tell(at, format!("{c} is full-width; write {plain} instead"));
            if plain.is_ascii_digit() {
                while self
                    .rest
                    .next_if(|&c| ascii_of(c).is_some_and(|c| c.is_ascii_digit()))
                    .is_some()
                {
                    self.column += 1;
                }
            }
        } else if c.is_whitespace() || is_invisible(c) {
            let code = u32::from(c);
            self.tell(
                at,
                format!("a blank that JSON does not know (U+{code:04X}); write an ordinary one"),
            );
        } else {
            self.tell(at, format!("{c:?} has to stand in quotes, or is too many"));
        }
    }
}

/// What people and their editors write where `"` belongs.
fn is_quote(c: char) -> bool {
    matches!(c, '\'' | '`' | '´' | '«' | '»' | '＂' | '＇' | '「' | '」' | '『' | '』' | '\u{2018}'..='\u{201f}' | '\u{301d}'..='\u{301f}')
}

/// The sign of JSON that a Japanese one stands for.
fn plain(c: char) -> Option<char> {
    match c {
        '、' | '､' => Some(','),
        _ => ascii_of(c),
    }
}

/// Marks that take no room on the screen, such as a byte order mark within the text.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slip_is_named_as_what_it_is() {
        for (text, place, what) in [
            ("{“language”: \"ja\"}", "line 1, column 2", "“ is no quote"),
            (
                "{\n  \"language\": “ja”\n}",
                "line 2, column 15",
                "“ is no quote",
            ),
            ("{\"language”: \"ja\"}", "column 2", "ends with ”"),
            ("{\"a\": \"ja”, \"b\": 1}", "column 7", "ends with ”"),
            ("{\"a\": {\"b\": \"ja’}}", "column 13", "ends with ’"),
            ("{\"a\": \"ja”\n}", "column 7", "ends with ”"),
            ("{'language': 1}", "column 2", "' is no quote"),
            ("{「language」: 1}", "column 2", "「 is no quote"),
            (
                "{\"a\": 1，\"b\": 2}",
                "column 8",
                "， is full-width; write , instead",
            ),
            (
                "{\"a\"：1}",
                "column 5",
                "： is full-width; write : instead",
            ),
            ("{\"a\": １０}", "column 7", "write 1 instead"),
            ("｛\"a\": 1}", "column 1", "write { instead"),
            ("{\"a\": 1、\"b\": 2}", "column 8", "write , instead"),
            ("{\u{3000}\"a\": 1}", "column 2", "(U+3000)"),
            ("{\"a\":\u{a0}1}", "column 6", "(U+00A0)"),
            ("{\u{feff}\"a\": 1}", "column 2", "(U+FEFF)"),
            ("{\n // why\n \"a\": 1}", "line 2, column 2", "no comments"),
            ("{\"a\": 1 # why\n}", "column 9", "no comments"),
            (
                "{/* why,\n so */ \"a\": 1}",
                "line 1, column 2",
                "no comments",
            ),
            (
                "{\"a\": 1,}",
                "column 8",
                "the comma before \"}\" is too many",
            ),
            ("{\"a\": [1, 2,\n]}", "line 1, column 12", "before \"]\""),
            ("{\"a\": 1,, \"b\": 2}", "column 9", "one comma too many"),
            ("{\"a\": True}", "column 7", "True is written true"),
            ("{\"a\": None}", "column 7", "None is written null"),
            ("{a: 1}", "column 2", "a has to stand in quotes: \"a\""),
            ("{\"a\": ja}", "column 7", "\"ja\""),
            ("{\"a\": 010}", "column 7", "010 is no number"),
            ("{\"a\": .5}", "column 7", ".5 is no number"),
            (
                "{\"a\": \"x\n\"}",
                "line 1, column 7",
                "not closed in its line",
            ),
            ("{\"a\": \"x\ty\"}", "column 9", "written \\t"),
        ] {
            assert!(
                serde_json::from_str::<serde_json::Value>(text).is_err(),
                "{text}"
            );
            let slips = find(text);
            assert!(
                slips.iter().any(|s| s.contains(place) && s.contains(what)),
                "{text}: {slips:#?}"
            );
        }
    }

    #[test]
    fn a_comma_before_a_comment_and_a_bracket_is_too_many_as_well() {
        let slips = find("{\"a\": 1, // why\n}");
        assert_eq!(slips.len(), 2, "{slips:?}");
        assert!(slips[1].contains("line 1, column 8"), "{slips:?}");
    }

    #[test]
    fn what_stands_in_a_text_is_nobodys_slip() {
        let text =
            r#"{"a": "“x” // # ， 　 True \" ,}", "b": [1e5, -0.5, true, null], "c": "tab\t"}"#;
        assert!(serde_json::from_str::<serde_json::Value>(text).is_ok());
        assert_eq!(find(text), Vec::<String>::new());
    }

    #[test]
    fn a_file_full_of_them_is_told_in_five_lines() {
        assert_eq!(find(&"“a” ".repeat(100)).len(), MOST_TOLD);
    }
}
