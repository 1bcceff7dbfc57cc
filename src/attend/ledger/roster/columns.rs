//! Which column holds what: by what the configuration says, by cards that were tapped, by headings, and by contents.

use anyhow::{Result, anyhow, bail, ensure};

use super::headings::{Meaning, plain};
use super::table::{Column, Table, describe};
use crate::config::{ColumnName, RosterColumns};
use crate::say;

/// Where in a line everything stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    /// One, or several where a person has several cards.
    pub cards: Vec<usize>,
    /// One, or those that make up the name, in the order in which they are written.
    pub name: Vec<usize>,
    pub employee: Option<usize>,
    pub from: Option<usize>,
    pub day_begins: Option<usize>,
}

impl Columns {
    /// Chooses.
    ///
    /// # Errors
    /// A column that the configuration names is not there, or it cannot be told which is the right one.
    pub fn of(table: &Table, asked: &RosterColumns) -> Result<Self> {
        let find = |key: &str, column: &Option<ColumnName>| {
            column.as_ref().map(|c| find(table, key, c)).transpose()
        };
        ensure!(
            table.columns.len() > 1,
            say!(
                "every line has but one column: separate card and name with a comma, a semicolon or a tab",
                "列が 1 つしかありません。カードと氏名をコンマ、セミコロン、またはタブで区切ってください"
            )
        );
        let asked_name = find("name", &asked.name)?;
        let employee = find("employee", &asked.employee)?;
        let cards = match find("card", &asked.card)? {
            Some(column) => vec![column],
            None => cards(table, &[asked_name, employee])?,
        };
        let employee = employee.or_else(|| employees(table, &cards));
        let name = match asked_name {
            Some(column) => vec![column],
            None => names(table, &cards, employee)?,
        };
        let only = |meaning: Meaning| {
            table
                .columns
                .iter()
                .position(|c| c.meaning == Some(meaning))
        };
        Ok(Self {
            from: find("from", &asked.from)?.or_else(|| only(Meaning::From)),
            day_begins: find("day_begins", &asked.day_begins)?.or_else(|| only(Meaning::DayBegins)),
            cards,
            name,
            employee,
        })
    }

    /// What was chosen, for log and `check`.
    pub fn describe(&self, table: &Table) -> String {
        let list = |columns: &[usize]| {
            let named: Vec<String> = columns
                .iter()
                .map(|i| {
                    let column = table.columns.get(*i);
                    column.map_or_else(|| (i + 1).to_string(), |c| describe(*i, c))
                })
                .collect();
            named.join(" + ")
        };
        let (cards, names) = (list(&self.cards), list(&self.name));
        let mut text = say!(
            "cards in column {cards}, names in column {names}",
            "カード = {cards} 列、氏名 = {names} 列"
        );
        for (what, column) in [
            (say!("employee numbers", "社員番号"), self.employee),
            (say!("valid from", "開始日"), self.from),
            (say!("begin of the day", "日の始まり"), self.day_begins),
        ] {
            if let Some(column) = column {
                let column = list(&[column]);
                text += &say!(", {what} in column {column}", "、{what} = {column} 列");
            }
        }
        text
    }
}

/// The column that the configuration names.
fn find(table: &Table, key: &str, asked: &ColumnName) -> Result<usize> {
    let by_number = |n: usize| (1..=table.columns.len()).contains(&n).then(|| n - 1);
    let found = match asked {
        ColumnName::Number(n) => by_number(usize::from(*n)),
        ColumnName::Heading(heading) => {
            let is = |c: &&(usize, &Column)| {
                let has = c.1.heading.as_deref();
                has.is_some_and(|h| h == heading || plain(h) == plain(heading))
            };
            let columns: Vec<_> = table.columns.iter().enumerate().collect();
            let fitting: Vec<_> = columns.iter().filter(is).collect();
            if let [(first, _), (second, _), ..] = fitting[..] {
                let (a, b) = (first + 1, second + 1);
                bail!(say!(
                    "\"attendance.roster_columns.{key}\": columns {a} and {b} are both \"{heading}\"; give the number",
                    "\"attendance.roster_columns.{key}\": {a} 列目と {b} 列目がどちらも「{heading}」です。番号で指定してください"
                ));
            }
            let number = heading.trim().parse().ok().and_then(by_number);
            fitting.first().map(|(i, _)| *i).or(number)
        }
    };
    found
        .ok_or_else(|| {
            let has = headings(table);
            say!(
                "\"attendance.roster_columns.{key}\": there is no column {asked}; there are {has}",
                "\"attendance.roster_columns.{key}\": 列 {asked} はありません。あるのは {has} です"
            )
        })
        .map_err(|text| anyhow!(text))
}

/// All columns, for people.
fn headings(table: &Table) -> String {
    let all: Vec<String> = table
        .columns
        .iter()
        .enumerate()
        .map(|(i, c)| describe(i, c))
        .collect();
    all.join(", ")
}

const HELP: fn() -> String = || {
    say!(
        "name the columns with \"attendance.roster_columns\"",
        "\"attendance.roster_columns\" で列を指定してください"
    )
};

/// Points of a column with cards that were tapped.
const TAPPED: usize = 10_000;

/// How likely a column is to hold cards; 0 for one that does not.
fn cards_points(column: &Column) -> usize {
    let told = match column.meaning {
        Some(Meaning::Card(rank)) => 100 * usize::from(rank),
        None | Some(Meaning::Employee(1)) => 0,
        // What has a heading of something else is taken where nothing else is there.
        Some(_) if column.tapped > 0 => return 90,
        Some(_) => return 0,
    };
    // A card that was tapped is seldom there by chance.
    if column.tapped > 0 {
        return TAPPED + TAPPED * column.tapped / column.filled.max(1) + told;
    }
    let like_cards = column.mostly(column.cards + column.spoiled);
    match column.meaning {
        _ if !like_cards => 0,
        // Printed on the cards, one after another.
        Some(Meaning::Card(_)) if column.is_numbered() => 40,
        Some(Meaning::Card(_)) => told,
        _ if column.is_numbered() => 0,
        _ if column.mostly(column.surely_cards) => 60,
        _ if column.mostly(column.cards) => 30,
        None => 20,
        Some(_) => 0,
    }
}

fn cards(table: &Table, taken: &[Option<usize>]) -> Result<Vec<usize>> {
    let points: Vec<usize> = (table.columns.iter().enumerate())
        .map(|(i, column)| {
            if taken.contains(&Some(i)) {
                0
            } else {
                cards_points(column)
            }
        })
        .collect();
    let best = points.iter().copied().max().unwrap_or(0);
    let column = |i: usize| &table.columns[i];
    let first = points.iter().position(|p| *p == best && best > 0);
    let Some(first) = first else {
        let has = headings(table);
        // What its heading promises, and what there is instead.
        let promised = table
            .columns
            .iter()
            .position(|c| matches!(c.meaning, Some(Meaning::Card(_))));
        let numbered = table
            .columns
            .iter()
            .position(|c| c.is_numbered() && c.mostly(c.cards));
        bail!(match (promised, numbered) {
            (Some(i), _) => {
                let named = describe(i, column(i));
                say!(
                    "column {named} holds no card numbers as readers see them (8, 14, 16 or 20 hexadecimal digits)",
                    "{named} 列の内容は、リーダーが読むカード番号（16 進数 8、14、16、20 桁）ではありません"
                )
            }
            (None, Some(i)) => {
                let (named, help) = (describe(i, column(i)), HELP());
                say!(
                    "no column holds card numbers: those in column {named} are consecutive, as the numbers of employees; {help}",
                    "カード番号の列がありません。{named} 列は社員番号のような連続した番号です。{help}"
                )
            }
            (None, None) => {
                let help = HELP();
                say!(
                    "no column holds card numbers; there are {has}; {help}",
                    "カード番号の列がありません。あるのは {has} です。{help}"
                )
            }
        });
    };
    // A second card of a person stands in a column like the first.
    let like_first = |i: usize| {
        let meaning = column(first).meaning;
        let is_card = matches!(meaning, Some(Meaning::Card(_)));
        let likely = points[i] == best || (best >= TAPPED && is_card);
        points[i] > 0 && likely && column(i).meaning == meaning
    };
    Ok((0..points.len())
        .filter(|i| *i == first || like_first(*i))
        .collect())
}

/// The column of employee numbers, if there is one.
fn employees(table: &Table, cards: &[usize]) -> Option<usize> {
    let rank = |c: &Column| match c.meaning {
        Some(Meaning::Employee(rank)) => Some(rank),
        _ => None,
    };
    (table.columns.iter().enumerate())
        .filter(|(i, c)| !cards.contains(i) && c.filled > 0 && !c.mostly(c.names + c.offices))
        .filter_map(|(i, c)| Some((i, rank(c)?)))
        .max_by_key(|(i, rank)| (*rank, std::cmp::Reverse(*i)))
        .map(|(i, _)| i)
}

fn names(table: &Table, cards: &[usize], employee: Option<usize>) -> Result<Vec<usize>> {
    let free = |i: usize| !cards.contains(&i) && Some(i) != employee;
    let wordy = |c: &Column| c.mostly(c.names);
    let of = |meaning: Meaning| {
        let fits = |(i, c): (usize, &Column)| free(i) && c.meaning == Some(meaning) && wordy(c);
        table.columns.iter().enumerate().position(fits)
    };
    let full = [4, 3, 2]
        .into_iter()
        .find_map(|rank| of(Meaning::Name(rank)));
    let (family, given) = (of(Meaning::Family), of(Meaning::Given));
    // Family name first where it is written so, and the given name first in Latin letters.
    let order = |family: usize, given: usize| {
        let c = &table.columns[family];
        let eastern = c.with_kanji + c.kana_only > 0
            || c.heading
                .as_deref()
                .is_some_and(|h| h.chars().any(super::name::is_han));
        if eastern {
            vec![family, given]
        } else {
            vec![given, family]
        }
    };
    match (full, family, given) {
        // `Name, Vorname`; `苗字, 名前`: one of them is but a part.
        (Some(full), Some(family), None) if !contains(table, full, family) => {
            return Ok(order(family, full));
        }
        (Some(full), None, Some(given)) if !contains(table, full, given) => {
            return Ok(order(full, given));
        }
        (Some(full), ..) => return Ok(vec![full]),
        (None, Some(family), Some(given)) => return Ok(order(family, given)),
        _ => {}
    }
    let account = of(Meaning::Name(1));
    if let Some(only) = account.or(family).or(given) {
        return Ok(vec![only]);
    }
    if let Some(column) = by_contents(table, &free, cards)? {
        return Ok(vec![column]);
    }
    if let Some(reading) = of(Meaning::Reading) {
        return Ok(vec![reading]);
    }
    let (has, help) = (headings(table), HELP());
    bail!(say!(
        "no column holds names of people; there are {has}; {help}",
        "氏名の列がありません。あるのは {has} です。{help}"
    ))
}

/// Whether the names in one column hold what stands in the other.
fn contains(table: &Table, whole: usize, part: usize) -> bool {
    let mut fields = super::records::Fields::new(table.delimiter);
    let (mut seen, mut held) = (0, 0);
    for record in table.data().take(100) {
        fields.split(&record);
        let (whole, part) = (plain(fields.get(whole)), plain(fields.get(part)));
        if !whole.is_empty() && !part.is_empty() {
            seen += 1;
            held += usize::from(whole.contains(&part));
        }
    }
    2 * held > seen
}

/// The column of names where no heading tells: the only one with words that are neither offices nor readings. Where there
/// are several, the one behind the cards if those come first, as is usual without headings.
fn by_contents(
    table: &Table,
    free: &dyn Fn(usize) -> bool,
    cards: &[usize],
) -> Result<Option<usize>> {
    let mut possible: Vec<usize> = (table.columns.iter().enumerate())
        .filter(|(i, c)| {
            free(*i)
                && matches!(c.meaning, None | Some(Meaning::Card(_)))
                && c.mostly(c.names)
                && !c.mostly(c.offices)
        })
        .map(|(i, _)| i)
        .collect();
    let column = |i: &usize| &table.columns[*i];
    if possible.iter().any(|i| column(i).with_kanji > 0) {
        possible.retain(|i| column(i).kana_only * 2 < column(i).filled);
    }
    // The same few words again and again are no names.
    let most = possible
        .iter()
        .map(|i| column(i).variety())
        .max()
        .unwrap_or(0);
    if table.records >= 5 {
        possible.retain(|i| 2 * column(i).variety() >= most);
    }
    match possible[..] {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        [first, ..] if cards == [0] && first == 1 => Ok(Some(first)),
        [first, second, ..] => {
            let (a, b, help) = (
                describe(first, column(&first)),
                describe(second, column(&second)),
                HELP(),
            );
            bail!(say!(
                "it cannot be told whether column {a} or column {b} holds the names; {help}",
                "{a} 列と {b} 列のどちらが氏名か判別できません。{help}"
            ))
        }
    }
}

/// Makes sure that no column serves for two things.
pub(super) fn distinct(columns: &Columns, table: &Table) -> Result<()> {
    let both = columns.cards.iter().find(|i| columns.name.contains(i));
    ensure!(
        both.is_none(),
        say!(
            "column {} cannot hold both cards and names",
            "{} 列をカードと氏名の両方には使えません",
            both.map_or_else(String::new, |i| describe(*i, &table.columns[*i]))
        )
    );
    Ok(())
}
