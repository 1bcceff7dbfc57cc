//! `facetap attendance export`: a page of rows at a time, so that a million of them need no memory.

mod cp932;
mod csv;
mod json;

use anyhow::Result;

use super::options::{ExportOptions, Format};
use super::people::{People, Who};
use super::period::period;
use super::{LedgerCommand, note, note_uncertain};
use crate::attend::ledger::query::{Filter, Row};
use crate::cli::DONE;
use crate::cli::target::Target;
use crate::say;

/// Turns rows into bytes.
trait Form {
    /// What comes first.
    fn head(&mut self) -> Vec<u8>;
    /// Some rows.
    fn rows(&mut self, rows: &[Row], people: &People) -> Result<Vec<u8>>;
    /// What comes last.
    fn tail(&mut self) -> Vec<u8>;
    /// Characters that the encoding lacks, so far.
    fn lost(&self) -> u64;
}

pub(super) fn export(command: &LedgerCommand, options: &ExportOptions) -> Result<u8> {
    let (since, until) = period(&options.period, &command.now)?;
    let filter = Filter {
        since,
        until,
        uncounted: options.all,
        ..Filter::default()
    };
    let view = command.view()?;
    let people = command.people();
    let mut form: Box<dyn Form> = match options.format {
        Format::Csv => Box::new(csv::Csv::new(options.encoding)),
        Format::Json => Box::new(json::Json::default()),
    };
    let mut target = Target::open(options.output.as_deref(), "--output")?;
    target.write(&form.head())?;
    view.each_page(&filter, |rows| target.write(&form.rows(rows, &people)?))?;
    target.write(&form.tail())?;
    target.finish()?;
    let lost = form.lost();
    if lost > 0 {
        note(&say!(
            "characters that CP932 lacks were written as 〓: {lost}",
            "CP932 にない文字を 〓 に置き換えました: {lost} 文字"
        ));
    }
    note_uncertain(&view, &filter)?;
    Ok(DONE)
}

/// Name, and whether the roster tells whose card it is; none where no roster could tell.
fn name<'a>(people: &'a People, row: &'a Row) -> (Option<&'a str>, Option<bool>) {
    match people.who(row) {
        Who::Known(name) => (Some(name), Some(true)),
        Who::Disputed | Who::Unknown => (None, Some(false)),
        Who::NotTold => (None, None),
    }
}

/// Milliseconds as seconds.
fn seconds(ms: Option<i64>) -> Option<f64> {
    // Exact far beyond any time a face stays in view.
    ms.map(|ms| ms as f64 / 1000.0)
}
