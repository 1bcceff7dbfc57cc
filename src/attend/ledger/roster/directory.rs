//! Who a card belongs to, and since when.

use std::collections::{HashMap, HashSet};

use jiff::civil::{DateTime, Time};

use super::forms::{How, Tapped, as_cards, forms};
use super::uid;
use crate::attend::uid::Uid;

/// A person of the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name, in one line.
    pub name: Box<str>,
    /// The number of the employee. Who has several cards has one number.
    pub employee: Option<Box<str>>,
    /// When the person's day begins, if the roster says so.
    pub day_begins: Option<Time>,
}

/// What the roster says of a card at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// It belongs to this person.
    Known(&'a Person),
    /// It is there, but not from so early on: it belonged to whoever had it before.
    Earlier,
    /// It is there, but not for whom: two lines contradict each other, or the moment decides and is not known.
    Disputed,
    /// It is not in the roster.
    Unknown,
}

/// A line: a card of a person.
#[derive(Debug, Clone, Copy)]
struct Holding {
    person: u32,
    line: u32,
    /// The moment from which it holds; always, if none.
    from: Option<DateTime>,
    /// The next line of the same card.
    next: Option<u32>,
}

/// Two lines of one card that contradict each other: the lines and the names.
pub(super) type Dispute = [(u32, String); 2];

/// The people and their cards.
#[derive(Debug, Default)]
pub struct Directory {
    people: Vec<Person>,
    holdings: Vec<Holding>,
    /// The first line of each card.
    cards: HashMap<Uid, u32>,
    /// The first line of each number that no card has, see [`uid::key`].
    odd: HashMap<Box<str>, u32>,
    /// First lines of cards for which no name is given.
    disputed: HashSet<u32>,
    /// Cards that were tapped and stand there in another form, and the first line of that.
    proven: HashMap<Uid, (u32, How)>,
    /// Those lines.
    claimed: HashSet<u32>,
}

/// The number of a card as it stands in a line.
pub(super) enum CardNumber {
    Card(Uid),
    Odd(String),
}

impl Directory {
    /// Adds a person, and returns the number.
    pub(super) fn person(&mut self, person: Person) -> u32 {
        self.people.push(person);
        index(self.people.len() - 1)
    }

    pub(super) fn at(&self, person: u32) -> &Person {
        &self.people[person as usize]
    }

    /// Gives a card to a person. A line of which the day cannot be read leaves the card without a name.
    pub(super) fn give(
        &mut self,
        card: CardNumber,
        person: u32,
        line: usize,
        from: Result<Option<DateTime>, ()>,
    ) {
        let new = index(self.holdings.len());
        let first = match card {
            CardNumber::Card(uid) => *self.cards.entry(uid).or_insert(new),
            CardNumber::Odd(key) => *self.odd.entry(key.into()).or_insert(new),
        };
        let next = (first != new).then(|| self.holdings[first as usize].next.replace(new));
        self.holdings.push(Holding {
            person,
            line: index(line),
            from: from.unwrap_or_default(),
            next: next.flatten(),
        });
        if from.is_err() {
            self.disputed.insert(first);
        }
    }

    /// Finds what contradicts itself, and the cards that were tapped and stand there in another form.
    pub(super) fn finish(&mut self, tapped: &Tapped) -> Vec<Dispute> {
        let mut firsts: Vec<u32> = self
            .cards
            .values()
            .chain(self.odd.values())
            .copied()
            .collect();
        firsts.sort_unstable();
        let mut disputes = Vec::new();
        for first in firsts {
            if self.holdings[first as usize].next.is_none() {
                continue;
            }
            let mut lines: Vec<Holding> = self.chain(first).copied().collect();
            lines.sort_by_key(|h| (h.from, h.line));
            let clash = lines.windows(2).find(|two| {
                two[0].from == two[1].from && !self.is_same(two[0].person, two[1].person)
            });
            if let Some([a, b]) = clash {
                disputes.push([a, b].map(|h| (h.line, self.at(h.person).name.to_string())));
                self.disputed.insert(first);
            }
        }
        let mut claims: HashMap<u32, Vec<(Uid, How)>> = HashMap::new();
        for card in tapped.cards.iter().filter(|c| !self.cards.contains_key(c)) {
            if let [(only, how)] = self.other_forms(card)[..] {
                claims.entry(only).or_default().push((*card, how));
            }
        }
        for (first, cards) in claims {
            if let [(card, how)] = cards[..] {
                self.proven.insert(card, (first, how));
            } else {
                self.disputed.insert(first);
            }
            self.claimed.insert(first);
        }
        disputes
    }

    fn is_same(&self, a: u32, b: u32) -> bool {
        let (a, b) = (self.at(a), self.at(b));
        let numbers = a.employee.is_none() || b.employee.is_none() || a.employee == b.employee;
        numbers && super::name::same(&a.name, &b.name)
    }

    fn chain(&self, first: u32) -> impl Iterator<Item = &Holding> {
        let get = |i: u32| &self.holdings[i as usize];
        std::iter::successors(Some(get(first)), move |h| h.next.map(get))
    }

    /// First lines of numbers that this card may be meant by, unless that is a card itself that was tapped.
    fn other_forms(&self, card: &Uid) -> Vec<(u32, How)> {
        let mut found: Vec<(u32, How)> = Vec::new();
        for (form, how) in forms(card) {
            let cards = as_cards(&form).filter(|other| other != card);
            let firsts = cards.filter_map(|c| self.cards.get(&c));
            for first in firsts.chain(self.odd.get(form.as_str())) {
                if found.iter().all(|(other, _)| other != first) {
                    found.push((*first, how));
                }
            }
        }
        found
    }

    /// The first line of a card, also where the roster has another form of its number.
    fn first(&self, card: &Uid) -> Option<u32> {
        let proven = || self.proven.get(card).map(|(first, _)| first);
        if let Some(first) = self.cards.get(card).or_else(proven) {
            return Some(*first);
        }
        match self.other_forms(card)[..] {
            // Unless another card has claimed it.
            [(only, _)] if !self.claimed.contains(&only) => Some(only),
            _ => None,
        }
    }

    /// Who has a card at a local time; where that is not certain, none.
    #[must_use]
    pub fn whose(&self, card: &Uid, when: Option<DateTime>) -> Whose<'_> {
        let Some(first) = self.first(card) else {
            return Whose::Unknown;
        };
        if self.disputed.contains(&first) {
            return Whose::Disputed;
        }
        let dated = self.chain(first).any(|h| h.from.is_some());
        if dated && when.is_none() {
            return Whose::Disputed;
        }
        self.chain(first)
            .filter(|h| h.from.is_none_or(|from| when.is_some_and(|w| from <= w)))
            .max_by_key(|h| (h.from, h.line))
            .map_or(Whose::Earlier, |h| Whose::Known(self.at(h.person)))
    }

    /// The same for a card and a time as the ledger has them.
    #[must_use]
    pub fn whose_tap(&self, card: &str, local_time: Option<&str>) -> Whose<'_> {
        uid::plain(card).map_or(Whose::Unknown, |card| {
            self.whose(&card, local_time.and_then(|t| t.parse().ok()))
        })
    }

    /// Whether a card stands in the roster, for whomever and since whenever.
    #[must_use]
    pub fn has(&self, card: &str) -> bool {
        uid::plain(card).is_some_and(|card| self.first(&card).is_some())
    }

    /// How many cards it has, those with a number that no card has among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cards.len() + self.odd.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everybody's name; some of them more than once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.people.iter().map(|p| &*p.name)
    }

    /// The cards in hex.
    pub fn cards(&self) -> impl Iterator<Item = String> {
        self.cards.keys().map(ToString::to_string)
    }

    /// How many of the cards that were tapped it has.
    pub(super) fn tapped(&self, tapped: &Tapped) -> usize {
        tapped
            .cards
            .iter()
            .filter(|c| self.first(c).is_some())
            .count()
    }

    /// Whether the card that stands there so was tapped, in whatever form.
    pub(super) fn is_proven(&self, key: &str) -> bool {
        let is = |first| self.claimed.contains(first) && !self.disputed.contains(first);
        let card = uid::plain(key).and_then(|card| self.cards.get(&card));
        self.odd.get(key).or(card).is_some_and(is)
    }

    /// The tapped cards that stand there in another form: the card, its line, and which form.
    pub(super) fn proven(&self) -> Vec<(Uid, u32, How)> {
        let line = |first: u32| self.holdings[first as usize].line;
        let of = |(uid, (first, how)): (&Uid, &(u32, How))| (*uid, line(*first), *how);
        let mut all: Vec<_> = self.proven.iter().map(of).collect();
        all.sort_by_key(|(_, line, _)| *line);
        all
    }
}

/// A count that the limit of lines keeps small.
fn index(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
