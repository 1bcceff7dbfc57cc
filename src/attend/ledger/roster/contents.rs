//! What a file held, and what a person should know of it.

use super::directory::Directory;
use crate::say;

/// Bad lines that are named one by one; the rest is counted.
const NAMED: usize = 10;

/// Sentences of which the first are kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// The first of them.
    pub first: Vec<String>,
    /// How many there are.
    pub count: usize,
}

impl Problems {
    pub(super) fn add(&mut self, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(text());
        }
    }
}

/// What a file held.
#[derive(Debug, Default)]
pub struct Contents {
    /// Who the cards belong to.
    pub people: Directory,
    /// Lines that were not used, or not as they stand there.
    pub problems: Problems,
    /// Cards of two people.
    pub disputed: Problems,
    /// Lines that are right about a card that was tapped, in another form of its number.
    pub matched: Problems,
    /// Which column was taken for what, for people.
    pub layout: String,
    /// The encoding.
    pub encoding: &'static str,
    /// How many lines have a quotation mark that is never closed.
    pub unclosed: usize,
    /// How many lines have no card.
    pub without_card: usize,
    /// How many numbers of employees there are.
    pub employees: usize,
    /// Cards were tapped, and it knows none of them.
    pub unknown: bool,
}

impl Contents {
    /// What was read, in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let (cards, layout, encoding) = (self.people.len(), &self.layout, self.encoding);
        let mut text = say!("{cards} cards", "カード {cards} 枚");
        if self.employees > 0 {
            let people = self.employees;
            text += &say!(" of {people} employees", "（社員番号 {people} 件）");
        }
        if self.without_card > 0 {
            let without = self.without_card;
            text += &say!(
                ", {without} lines without a card",
                "、カードのない行 {without} 行"
            );
        }
        text + &say!("; {layout}; {encoding}", "。{layout}。{encoding}")
    }

    /// What a person should look at, each in a sentence.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for problems in [&self.disputed, &self.problems, &self.matched] {
            notes.extend(problems.first.iter().cloned());
            let more = problems.count.saturating_sub(NAMED);
            if more > 0 {
                notes.push(say!(
                    "{more} more lines like these",
                    "同様の行がほかに {more} 行あります"
                ));
            }
        }
        if self.unknown {
            notes.push(no_tapped_card());
        }
        notes
    }
}

/// That no card of the roster was ever tapped.
fn no_tapped_card() -> String {
    say!(
        "none of the cards that were tapped is in it: is the column of cards the right one, and are its numbers \
         those that readers see (facetap attendance list --unknown)?",
        "タッチされたカードが 1 枚も載っていません。カードの列と番号を確認してください（facetap attendance list \
         --unknown で実際の番号が分かります）"
    )
}
