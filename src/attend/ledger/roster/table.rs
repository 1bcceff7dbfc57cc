//! The file as a table: which line has the headings, and what stands in each column.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::day;
use super::forms::Tapped;
use super::headings::{Meaning, meaning, plain};
use super::name;
use super::records::{Fields, Record, Records};
use super::uid;

/// Records among which delimiter and headings are looked for.
const FIRST: usize = 20;
/// Records by which columns are told.
const SAMPLE: usize = 20_000;
/// Values that are compared for being different.
const COMPARED: usize = 500;

/// What is known of a column.
#[derive(Debug, Default)]
pub(super) struct Column {
    pub heading: Option<String>,
    pub meaning: Option<Meaning>,
    /// Fields that hold something.
    pub filled: usize,
    /// That are a card's number.
    pub cards: usize,
    /// Of those, that can hardly be anything else: they have letters or many digits.
    pub surely_cards: usize,
    /// That were a card's number once.
    pub spoiled: usize,
    /// That are the number of a card that was tapped.
    pub tapped: usize,
    /// That could be a name.
    pub names: usize,
    pub with_kanji: usize,
    pub kana_only: usize,
    /// Names of offices, addresses of mail.
    pub offices: usize,
    smallest: Option<u64>,
    largest: u64,
    different: HashSet<u64>,
}

impl Column {
    /// Whether at least half of what stands there is so.
    pub const fn mostly(&self, count: usize) -> bool {
        self.filled > 0 && 2 * count >= self.filled
    }

    /// Numbers that lie close together, as they are given to people one after another.
    pub fn is_numbered(&self) -> bool {
        let span = self
            .smallest
            .map(|least| self.largest.saturating_sub(least));
        self.surely_cards == 0 && self.different.len() > 1 && span.is_some_and(|s| s < 1_000_000)
    }

    /// How many of a hundred values are different, in what was compared.
    pub fn variety(&self) -> usize {
        100 * self.different.len() / self.filled.clamp(1, COMPARED)
    }

    fn take(&mut self, field: &str, tapped: &Tapped) {
        if field.is_empty() {
            return;
        }
        self.filled += 1;
        if self.filled <= COMPARED {
            let mut hasher = DefaultHasher::new();
            field.hash(&mut hasher);
            self.different.insert(hasher.finish());
        }
        // The digits of a day are as many as those of a card.
        if !field.bytes().all(|b| b.is_ascii_digit()) && day::day(field).is_some() {
            return;
        }
        let number = uid::parse(field);
        match &number {
            Ok(uid) => {
                self.cards += 1;
                let letters = field.bytes().any(|b| !b.is_ascii_digit());
                self.surely_cards += usize::from(letters || uid.bytes().len() > 4);
            }
            Err(e) if e.could_be_card() => self.spoiled += 1,
            Err(_) => {}
        }
        self.tapped += usize::from(!tapped.is_empty() && tapped.has(number.as_ref()));
        if let Ok(number) = field.parse::<u64>() {
            self.smallest = Some(self.smallest.map_or(number, |n| n.min(number)));
            self.largest = self.largest.max(number);
        } else {
            // Not numbers alone.
            self.largest = u64::MAX;
        }
        if number.is_err() && name::is_name(field) {
            self.names += 1;
            self.with_kanji += usize::from(field.chars().any(name::is_han));
            self.kana_only += usize::from(name::is_kana_only(field));
            self.offices += usize::from(name::is_office(field));
        }
    }
}

/// A text, cut into records and looked through.
pub(super) struct Table<'a> {
    pub text: &'a str,
    pub delimiter: u8,
    /// Lines before the text.
    skipped: usize,
    /// Number of the line with the headings; 0 if there are none.
    pub header: usize,
    pub columns: Vec<Column>,
    /// Fields of the header or of the first record.
    pub width: usize,
    pub records: usize,
}

impl<'a> Table<'a> {
    /// Looks through a text, as far as `most` records; `asked` are headings that the configuration names.
    pub fn of(text: &'a str, asked: &[&str], tapped: &Tapped, most: usize) -> Self {
        let (text, delimiter, skipped) = delimiter(text);
        let mut fields = Fields::new(delimiter);
        let header = header(Records::new(text, delimiter, skipped), delimiter, asked);
        let mut table = Self {
            text,
            delimiter,
            skipped,
            header: header.map_or(0, |record| record.line),
            columns: Vec::new(),
            width: 0,
            records: 0,
        };
        if let Some(record) = header {
            fields.split(&record);
            table.columns = fields.iter().map(headed).collect();
            table.width = fields.count();
        }
        for record in table.data() {
            table.records += 1;
            if table.records > SAMPLE.min(most) {
                continue;
            }
            fields.split(&record);
            if table.width == 0 {
                table.width = fields.count();
            }
            if table.columns.len() < fields.count() {
                table.columns.resize_with(fields.count(), Column::default);
            }
            for (column, field) in table.columns.iter_mut().zip(fields.iter()) {
                column.take(field, tapped);
            }
        }
        table
    }

    /// The records below the headings.
    pub fn data(&self) -> impl Iterator<Item = Record<'a>> + use<'a> {
        let header = self.header;
        Records::new(self.text, self.delimiter, self.skipped)
            .filter(move |record| record.line > header)
    }
}

fn headed(heading: &str) -> Column {
    let heading = uid::unwrap(heading);
    Column {
        heading: (!heading.is_empty()).then(|| heading.to_owned()),
        meaning: meaning(heading),
        ..Column::default()
    }
}

/// The delimiter by which the most cards and headings are found; a comma where none finds any. Some spreadsheet programs
/// name it in the first line.
fn delimiter(text: &str) -> (&str, u8, usize) {
    if let Some(rest) = text.strip_prefix("sep=")
        && let [sign @ (b',' | b';' | b'\t' | b'|'), b'\r' | b'\n', ..] = rest.as_bytes()
    {
        return (rest[1..].trim_start_matches(['\r', '\n']), *sign, 1);
    }
    let found = |delimiter: u8| {
        let mut fields = Fields::new(delimiter);
        let mut count = 0;
        for record in Records::new(text, delimiter, 0).take(FIRST) {
            fields.split(&record);
            let known = |f: &str| {
                meaning(f).is_some() || uid::parse(f).map_or_else(|e| e.could_be_card(), |_| true)
            };
            if fields.count() > 1 {
                count += fields.iter().filter(|f| known(f)).count();
            }
        }
        count
    };
    let mut best = (b',', found(b','));
    for other in *b";\t|" {
        let count = found(other);
        if count > best.1 {
            best = (other, count);
        }
    }
    (text, best.0, 0)
}

/// The line with the headings: the first that has two which are understood, or which the configuration names. The very
/// first line may be one with fewer, if it has nothing that could be a card.
fn header<'a>(records: Records<'a>, delimiter: u8, asked: &[&str]) -> Option<Record<'a>> {
    let mut fields = Fields::new(delimiter);
    let asked: Vec<String> = asked.iter().map(|a| plain(a)).collect();
    let mut first = None;
    for (i, record) in records.take(FIRST).enumerate() {
        fields.split(&record);
        if fields.iter().any(|f| asked.contains(&plain(f))) {
            return Some(record);
        }
        let known = (fields.iter())
            .filter(|f| meaning(f).is_some())
            .collect::<HashSet<_>>()
            .len();
        let cards =
            (fields.iter()).any(|f| uid::parse(f).map_or_else(|e| e.could_be_card(), |_| true));
        if known >= 2 && !cards {
            return Some(record);
        }
        let numbered = fields.get(0).chars().any(char::is_numeric);
        if i == 0 && !cards && (known == 1 || (!numbered && fields.count() > 1)) {
            first = Some(record);
        }
    }
    first
}

/// A column's number and heading, for people.
pub(super) fn describe(i: usize, column: &Column) -> String {
    match &column.heading {
        Some(heading) => format!("{} \"{}\"", i + 1, name::shown(heading)),
        None => (i + 1).to_string(),
    }
}
