//! `facetap attendance retry`.

use std::io::Write as _;

use anyhow::Result;

use super::options::RetryOptions;
use super::{LedgerCommand, list, note};
use crate::attend::ledger::query::{self, Filter, Only, Which};
use crate::cli::{DONE, FAILED};
use crate::say;

/// Rejected taps that are shown to choose from.
const SHOWN: usize = 20;

pub(super) fn retry(command: &LedgerCommand, options: &RetryOptions) -> Result<u8> {
    if !options.all && options.numbers.is_empty() {
        return show(command);
    }
    let which = if options.all {
        Which::All
    } else {
        let mut numbers = options.numbers.clone();
        numbers.sort_unstable();
        numbers.dedup();
        Which::Numbers(numbers)
    };
    let done = query::retry(&command.dir, &which)?;
    let count = done.count;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{}",
        say!(
            "taps that are sent again: {count}",
            "再送信する記録: {count} 件"
        )
    )?;
    if count > 0 {
        writeln!(out, "{}", when(command))?;
    }
    for (number, state) in &done.left {
        note(&match state {
            Some(state) => say!(
                "tap {number} is not rejected but {state}; left as it is",
                "{number} 番は拒否されていません（{state}）。変更しません"
            ),
            None => say!("there is no tap {number}", "{number} 番の記録はありません"),
        });
    }
    Ok(if done.left.is_empty() { DONE } else { FAILED })
}

/// When they will be delivered.
fn when(command: &LedgerCommand) -> String {
    if command.config.server_url.is_none() {
        say!(
            "no \"server_url\" is configured, so they stay in the ledger",
            "\"server_url\" が設定されていないため、台帳に残ります"
        )
    } else if query::in_use(&command.dir) {
        say!(
            "the running service sends them within seconds",
            "実行中のサービスが数秒以内に送信します"
        )
    } else {
        say!(
            "no service is running; they are sent when it starts (sudo systemctl start facetap)",
            "サービスが停止しています。起動すると送信されます（sudo systemctl start facetap）"
        )
    }
}

/// Says what could be sent again, and how.
fn show(command: &LedgerCommand) -> Result<u8> {
    let view = command.view()?;
    let filter = Filter {
        only: Only::Rejected,
        ..Filter::default()
    };
    let rows = view.newest(&filter, SHOWN)?;
    let mut out = std::io::stdout().lock();
    if rows.is_empty() {
        writeln!(
            out,
            "{}",
            say!("no tap is rejected", "拒否された記録はありません")
        )?;
        return Ok(DONE);
    }
    list::table(&rows, &command.people(), &command.now).write(&mut out)?;
    let count = view.overview()?.rejected;
    writeln!(
        out,
        "{}",
        say!(
            "rejected: {count}. Send again with `facetap attendance retry NUMBER...`, or all of them with --all",
            "拒否: {count} 件。再送信するには `facetap attendance retry 番号...`、すべて再送信するには --all"
        )
    )?;
    Ok(DONE)
}
