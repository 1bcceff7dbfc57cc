//! `facetap attendance list`.

use anyhow::Result;
use jiff::Zoned;

use super::options::ListOptions;
use super::people::{People, Who};
use super::period::period;
use super::{LedgerCommand, note, note_uncertain, offset, to_the_second};
use crate::attend::ledger::query::{Filter, Only, Row, View};
use crate::attend::trace::Outcome;
use crate::cli::DONE;
use crate::cli::table::Table;
use crate::say;

pub(super) fn list(command: &LedgerCommand, options: &ListOptions) -> Result<u8> {
    let (since, until) = period(&options.period, &command.now)?;
    let view = command.view()?;
    let people = command.people();
    if options.unknown {
        return unknown(&view, &people, options.limit as usize);
    }
    let filter = Filter {
        since,
        until,
        only: match options {
            ListOptions { pending: true, .. } => Only::Pending,
            ListOptions { rejected: true, .. } => Only::Rejected,
            ListOptions { review: true, .. } => Only::Review,
            _ => Only::All,
        },
        uncounted: options.all,
    };
    let rows = view.newest(&filter, options.limit as usize)?;
    note_uncertain(&view, &filter)?;
    if rows.is_empty() {
        note(&say!("there are no such taps", "該当する記録はありません"));
        return Ok(DONE);
    }
    table(&rows, &people, &command.now).write(&mut std::io::stdout().lock())?;
    Ok(DONE)
}

/// Rows as a table, which `retry` shows as well.
pub(super) fn table(rows: &[Row], people: &People, now: &Zoned) -> Table {
    let mut table = Table::default();
    table.row([
        say!("no.", "番号"),
        say!("time", "日時"),
        say!("card", "カード"),
        say!("name", "氏名"),
        say!("reader", "リーダー"),
        say!("state", "状態"),
        say!("faces", "顔"),
        say!("review", "要確認"),
    ]);
    for row in rows {
        table.row([
            row.number.map_or_else(|| "-".to_owned(), |n| n.to_string()),
            time(row, now),
            row.uid.clone(),
            name(people.who(row)),
            row.reader.clone(),
            state(row),
            row.faces.map_or_else(|| "-".to_owned(), |n| n.to_string()),
            review(row),
        ]);
    }
    table
}

/// Local time, its offset if it is not that of now, and a mark if it is not certain.
fn time(row: &Row, now: &Zoned) -> String {
    let mut text = to_the_second(&row.local_time);
    if row.offset_s != i64::from(now.offset().seconds()) {
        text += &offset(row.offset_s);
    }
    text + match row.clock.as_deref() {
        Some("uncertain") => "?",
        Some("corrected") => "~",
        Some("held") => "…",
        _ => "",
    }
}

fn name(who: Who) -> String {
    match who {
        Who::Known(name) => name.to_owned(),
        Who::Disputed => say!("(two people)", "（名簿に重複）"),
        Who::Unknown => say!("(unknown)", "（未登録）"),
        Who::NotTold => "-".to_owned(),
    }
}

fn state(row: &Row) -> String {
    match (row.outcome, row.state.as_deref()) {
        (Outcome::Repeat, _) => say!("repeat", "重複タッチ"),
        (Outcome::Refused, _) => {
            let why = row.why.as_deref().unwrap_or("-");
            say!("refused: {why}", "使用不可: {why}")
        }
        (Outcome::Counted, Some("pending")) => say!("pending", "未送信"),
        (Outcome::Counted, Some("delivered")) => say!("delivered", "送信済み"),
        (Outcome::Counted, Some("rejected")) => {
            let answer: String = row.answer.iter().flat_map(|a| a.chars()).take(40).collect();
            say!("rejected: {answer}", "拒否: {answer}")
        }
        (Outcome::Counted | Outcome::Failed, other) => other.unwrap_or("-").to_owned(),
    }
}

fn review(row: &Row) -> String {
    let words: Vec<String> = row
        .review
        .iter()
        .flat_map(|words| words.split(' '))
        .map(|word| match word {
            "no-face" => say!("no-face", "顔なし"),
            "face-unknown" => say!("face-unknown", "顔不明"),
            "unexpected-duplicate" => say!("unexpected-duplicate", "予期しない重複"),
            "salvaged" => say!("salvaged", "破損した台帳から復元"),
            other => other.to_owned(),
        })
        .collect();
    words.join(" ")
}

/// The cards without a name, of which the roster knows nothing now either.
fn unknown(view: &View, people: &People, limit: usize) -> Result<u8> {
    if !people.has_roster() {
        note(&say!(
            "no roster is in use (attendance.roster), so every card is unknown",
            "名簿（attendance.roster）がないため、すべてのカードが未登録です"
        ));
    }
    let mut cards = view.nameless()?;
    cards.retain(|card| !people.knows(&card.uid));
    if cards.is_empty() {
        note(&say!(
            "there are no unknown cards",
            "未登録のカードはありません"
        ));
        return Ok(DONE);
    }
    let mut table = Table::default();
    table.row([
        say!("card", "カード"),
        say!("taps", "回数"),
        say!("first", "最初"),
        say!("last", "最後"),
    ]);
    for card in &cards[cards.len().saturating_sub(limit)..] {
        table.row([
            card.uid.clone(),
            card.taps.to_string(),
            to_the_second(&card.first),
            to_the_second(&card.last),
        ]);
    }
    table.write(&mut std::io::stdout().lock())?;
    Ok(DONE)
}
