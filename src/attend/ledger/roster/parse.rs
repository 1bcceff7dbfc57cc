//! From text to people and cards, and what is wrong with a line.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use jiff::civil::DateTime;

use super::columns::{self, Columns};
use super::directory::{CardNumber, Person};
use super::forms::Tapped;
use super::records::{Fields, Record};
use super::table::Table;
use super::uid::{self, NoUid};
use super::{Contents, day, name};
use crate::attend::uid::Uid;
use crate::config::{ColumnName, RosterColumns};
use crate::say;

/// More people than any place this is made for.
pub(super) const MOST_LINES: usize = 200_000;
/// Numbers that no card has, of which it is told whether they were proven.
const ODD: usize = 1000;
/// The longest number of an employee in characters.
const LONGEST_NUMBER: usize = 64;

/// Reads the text of a roster.
///
/// # Errors
/// It has more lines than a roster can have, or it cannot be told which column is which.
pub(super) fn parse(text: &str, asked: &RosterColumns, tapped: &Tapped) -> Result<Contents> {
    let headings: Vec<&str> = [
        &asked.card,
        &asked.name,
        &asked.employee,
        &asked.from,
        &asked.day_begins,
    ]
    .into_iter()
    .filter_map(|column| match column {
        Some(ColumnName::Heading(heading)) => Some(heading.as_str()),
        _ => None,
    })
    .collect();
    let table = Table::of(text, &headings, tapped, MOST_LINES);
    // Counted before anything is kept.
    ensure!(
        table.records <= MOST_LINES,
        say!(
            "more than {MOST_LINES} lines: this is no roster",
            "{MOST_LINES} 行を超えています。名簿ではありません"
        )
    );
    if table.records == 0 {
        return Ok(Contents::default());
    }
    let columns = Columns::of(&table, asked)?;
    columns::distinct(&columns, &table)?;
    let mut reading = Reading {
        columns: &columns,
        tapped,
        width: table.width,
        repeated: header_fields(&table),
        contents: Contents::default(),
        employees: HashMap::new(),
        odd: Vec::new(),
    };
    let mut fields = Fields::new(table.delimiter);
    for record in table.data() {
        fields.split(&record);
        reading.line(&record, &fields);
    }
    let mut contents = reading.finish();
    contents.layout = columns.describe(&table);
    Ok(contents)
}

/// The headings, which stand a second time in files that were put together.
fn header_fields(table: &Table) -> Vec<String> {
    let heading = |c: &super::table::Column| c.heading.clone().unwrap_or_default();
    if table.header == 0 {
        return Vec::new();
    }
    table.columns[..table.width.min(table.columns.len())]
        .iter()
        .map(heading)
        .collect()
}

struct Reading<'a> {
    columns: &'a Columns,
    tapped: &'a Tapped,
    width: usize,
    repeated: Vec<String>,
    contents: Contents,
    /// The last person with an employee number.
    employees: HashMap<Box<str>, u32>,
    /// Numbers that no card has, their key and line.
    odd: Vec<(NoUid, usize)>,
}

impl Reading<'_> {
    fn line(&mut self, record: &Record, fields: &Fields) {
        if !self.repeated.is_empty() && fields.iter().eq(self.repeated.iter().map(String::as_str)) {
            return;
        }
        if let Err(problem) = self.take(record, fields) {
            self.problem(record.line, &problem);
        }
    }

    fn problem(&mut self, line: usize, problem: &str) {
        self.contents
            .problems
            .add(|| say!("line {line}: {problem}", "{line} 行目: {problem}"));
    }

    fn take(&mut self, record: &Record, fields: &Fields) -> Result<(), String> {
        if record.unclosed {
            self.contents.unclosed += 1;
            let too_many = fields.count() > self.width;
            let note = say!(
                "a quotation mark is never closed; the line is read by itself",
                "引用符が閉じられていません。この行だけを読みます"
            );
            if too_many {
                return Err(say!(
                    "a quotation mark is never closed, and a field may be cut at a delimiter",
                    "引用符が閉じられておらず、項目が区切り文字で切れている可能性があります"
                ));
            }
            self.problem(record.line, &note);
        }
        let columns = self.columns;
        let numbers: Vec<Result<Uid, NoUid>> = (columns.cards.iter())
            .map(|i| bare(fields.get(*i), record.unclosed))
            .filter(|field| !is_empty(field))
            .map(uid::parse)
            .collect();
        if numbers.is_empty() {
            // Somebody who has no card yet.
            self.contents.without_card += 1;
            return Ok(());
        }
        let person = self.person(record, fields)?;
        let from = match columns.from.map(|i| fields.get(i)).filter(|f| !is_empty(f)) {
            None => Ok(None),
            Some(field) => day::day(field).map(Some).ok_or_else(|| {
                let shown = name::shown(field);
                say!(
                    "\"{shown}\" is no day that can be read in one way only (write 2026-12-01); its card has no name",
                    "「{shown}」は日付として一通りに読めません（2026-12-01 の形で書いてください）。名前は付きません"
                )
            }),
        };
        if let Err(problem) = &from {
            self.problem(record.line, problem);
        }
        let from: Result<Option<DateTime>, ()> = from.map_err(|_| ());
        let mut problem = None;
        for number in numbers {
            match number {
                Ok(card) => {
                    if let Some(suspect) = uid::suspect(&card)
                        && !self.tapped.cards.contains(&card)
                        && self.odd.len() < ODD
                    {
                        self.odd.push((suspect, record.line));
                    }
                    let card = CardNumber::Card(card);
                    self.contents.people.give(card, person, record.line, from);
                }
                Err(e) => {
                    if let Some(key) = &e.key {
                        let card = CardNumber::Odd(key.clone());
                        self.contents.people.give(card, person, record.line, from);
                        if self.odd.len() < ODD {
                            self.odd.push((e, record.line));
                        }
                    } else {
                        problem = Some(e.to_string());
                    }
                }
            }
        }
        problem.map_or(Ok(()), Err)
    }

    /// The person of a line, who may be known by the employee number already.
    fn person(&mut self, record: &Record, fields: &Fields) -> Result<u32, String> {
        let columns = self.columns;
        let employee = columns
            .employee
            .map(|i| name::clean(bare(fields.get(i), record.unclosed)))
            .filter(|e| !e.is_empty() && e.chars().count() <= LONGEST_NUMBER);
        let day_begins = columns
            .day_begins
            .map(|i| fields.get(i))
            .filter(|f| !f.is_empty());
        let day_begins = day_begins.and_then(|field| {
            let time = day::time(field);
            if time.is_none() {
                let shown = name::shown(field);
                self.problem(
                    record.line,
                    &say!(
                        "\"{shown}\" is no time of day (write 05:00)",
                        "「{shown}」は時刻ではありません（05:00 の形で書いてください）"
                    ),
                );
            }
            time
        });
        let parts: Vec<&str> = columns
            .name
            .iter()
            .map(|i| bare(fields.get(*i), record.unclosed))
            .collect();
        if parts.iter().any(|part| holds_a_line(part)) {
            return Err(say!(
                "the name goes on over lines with card numbers: is a quotation mark not closed?",
                "氏名の中にカード番号の行が含まれています（引用符の閉じ忘れの可能性）"
            ));
        }
        let name = name::clean(&parts.join(" "));
        let known = employee
            .as_deref()
            .and_then(|e| self.employees.get(e).copied());
        if name.is_empty() {
            return known.ok_or_else(|| {
                let card = columns.cards.first().map_or("", |i| fields.get(*i));
                let card = name::shown(card);
                say!(
                    "the card {card} has no name",
                    "カード {card} に名前がありません"
                )
            });
        }
        if let Some(fault) = name::fault(&name) {
            return Err(fault);
        }
        if parts.iter().any(|part| part.contains(name::is_private)) {
            self.problem(
                record.line,
                &say!(
                    "the name has characters that only the computer has which wrote it, here 〓",
                    "氏名に外字があります（〓 で表示します）"
                ),
            );
        }
        if let Some(known) = known {
            if name::same(&self.contents.people.at(known).name, &name) {
                return Ok(known);
            }
            let before = &self.contents.people.at(known).name;
            let text = say!(
                "the employee number stands there for {before} already, and here for {name}; which cards are whose is \
                 told by the names",
                "同じ社員番号が {before} にも使われています（この行は {name}）。氏名で区別します"
            );
            self.problem(record.line, &text);
        }
        let person = self.contents.people.person(Person {
            name: name.into(),
            employee: employee.as_deref().map(Into::into),
            day_begins,
        });
        if let Some(employee) = employee {
            self.employees.insert(employee.into(), person);
        }
        Ok(person)
    }

    fn finish(mut self) -> Contents {
        let tapped = self.tapped;
        let disputes = self.contents.people.finish(tapped);
        for [(a, first), (b, second)] in disputes {
            self.contents.disputed.add(|| {
                say!(
                    "lines {a} and {b}: one card for {first} and for {second}, without a day; it has no name until one of \
                     them is removed or has a day",
                    "{a} 行目と {b} 行目: 同じカードが {first} と {second} の両方にあり、開始日がありません。\
                     どちらかを消すか開始日を書くまで名前は付きません"
                )
            });
        }
        let proven = self.contents.people.proven();
        for (card, line, how) in proven {
            let how = how.describe();
            self.contents.matched.add(|| {
                say!(
                    "line {line} is the tapped card {card}, whose number stands there {how}",
                    "{line} 行目はタッチされたカード {card} です（表記: {how}）"
                )
            });
        }
        for (number, line) in std::mem::take(&mut self.odd) {
            let key = number.key.as_deref().unwrap_or_default();
            if !self.contents.people.is_proven(key) {
                self.problem(line, &number.to_string());
            }
        }
        self.contents.employees = self.employees.len();
        self.contents.unknown = !tapped.is_empty() && self.contents.people.tapped(tapped) == 0;
        self.contents
    }
}

/// What people write where nothing is.
fn is_empty(field: &str) -> bool {
    matches!(
        field,
        "" | "-"
            | "－"
            | "―"
            | "ー"
            | "—"
            | "なし"
            | "無し"
            | "無"
            | "未発行"
            | "未登録"
            | "n/a"
            | "N/A"
            | "none"
            | "None"
            | "无"
            | "null"
            | "NULL"
    )
}

/// A field of a line that was read without regard to quotation marks.
fn bare(field: &str, unclosed: bool) -> &str {
    if unclosed {
        field.trim_matches('"').trim()
    } else {
        field
    }
}

/// Whether a field has swallowed other lines, because a quotation mark was closed by that of a later line.
fn holds_a_line(field: &str) -> bool {
    field.contains(['\n', '\r'])
        && field
            .split(['\n', '\r', ',', ';', '\t'])
            .any(|part| uid::parse(part).is_ok())
}
