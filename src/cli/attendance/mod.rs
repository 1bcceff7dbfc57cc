//! `facetap attendance`: the local ledger, for people and their spreadsheets.

mod export;
mod list;
mod options;
mod people;
mod period;
mod retry;
mod status;

use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::Result;
use jiff::Zoned;

use super::complain as note;
use super::env;
use crate::attend::ledger::query::{Filter, View};
use crate::base::clock::{Clock as _, SystemClock};
use crate::base::text::{self, Language};
use crate::config::{self, Config};
use crate::say;
use options::AttendanceCommand;
pub(super) use options::AttendanceOptions;
use people::People;

/// What each of the commands needs.
struct LedgerCommand {
    config: Config,
    /// Folder of the ledger.
    dir: PathBuf,
    now: Zoned,
}

pub(super) fn attendance(options: &AttendanceOptions) -> Result<u8> {
    let config = config::load(options.config.as_deref(), &env)?.config;
    text::speak(config.language.unwrap_or_else(Language::from_locale));
    let command = LedgerCommand {
        dir: config::data_dir_to_read(&config, &env),
        config,
        now: SystemClock.wall(),
    };
    let done = match &options.command {
        AttendanceCommand::List(options) => list::list(&command, options),
        AttendanceCommand::Status(options) => status::status(&command, options),
        AttendanceCommand::Export(options) => export::export(&command, options),
        AttendanceCommand::Retry(options) => retry::retry(&command, options),
    };
    match done {
        // `facetap attendance export | head`: who asked has seen enough.
        Err(e) if is_broken_pipe(&e) => Ok(super::DONE),
        done => done,
    }
}

impl LedgerCommand {
    fn view(&self) -> Result<View> {
        View::open(&self.dir)
    }

    fn people(&self) -> People {
        People::of(&self.config.attendance, &self.dir)
    }
}

fn is_broken_pipe(e: &anyhow::Error) -> bool {
    e.downcast_ref::<std::io::Error>()
        .is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
}

/// Says if taps with an uncertain time may be missing from the period that was asked for.
fn note_uncertain(view: &View, filter: &Filter) -> Result<()> {
    if filter.since.is_none() && filter.until.is_none() {
        return Ok(());
    }
    let count = view.uncertain_outside(filter)?;
    if count > 0 {
        note(&say!(
            "the time of {count} taps outside of this period is not certain; see them without --since and --until",
            "この期間外に、時刻が不確かな記録が {count} 件あります（--since と --until なしで確認できます）"
        ));
    }
    Ok(())
}

/// An offset from UTC as people write it, `+09:00`.
fn offset(seconds: i64) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// A local time of the ledger to the second, as people and spreadsheets read it.
fn to_the_second(local_time: &str) -> String {
    local_time.get(..19).unwrap_or(local_time).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_times_are_written_for_people() {
        assert_eq!(offset(32_400), "+09:00");
        assert_eq!(offset(-12_600), "-03:30");
        assert_eq!(offset(0), "+00:00");
        assert_eq!(
            to_the_second("2026-11-21T09:00:05.123456"),
            "2026-11-21 09:00:05"
        );
        assert_eq!(to_the_second("2026-11-21T09:00:05"), "2026-11-21 09:00:05");
        // Whatever a damaged file holds.
        assert_eq!(
            to_the_second("2026-11-21T09:00:0５"),
            "2026-11-21 09:00:0５"
        );
    }
}
