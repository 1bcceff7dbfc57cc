//! What people see: lines, and on a terminal one that is written over.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use super::tally::Tally;
use super::verdict::{Outcome, Row};
use super::watch::Watched;
use crate::say;

/// Standard output. That nobody reads any more is no failure.
pub(super) struct Screen {
    terminal: bool,
    /// Whether a line stands there that is to be written over.
    dirty: bool,
}

impl Screen {
    pub fn new() -> Self {
        Self {
            terminal: std::io::stdout().is_terminal(),
            dirty: false,
        }
    }

    /// A line that stays.
    pub fn line(&mut self, text: impl std::fmt::Display) {
        self.wipe();
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// A line that the next one takes the place of; nothing where that cannot be.
    pub fn progress(&mut self, text: &str) {
        if self.terminal {
            let mut out = std::io::stdout();
            // Cut off at the margin: a line that goes on below could not be written over.
            let _ = write!(out, "\r\x1b[K\x1b[?7l{text}\x1b[?7h");
            let _ = out.flush();
            self.dirty = true;
        }
    }

    fn wipe(&mut self) {
        if std::mem::take(&mut self.dirty) {
            let _ = write!(std::io::stdout(), "\r\x1b[K");
        }
    }
}

/// `1:02:03`.
pub(super) fn clock(time: Duration) -> String {
    let s = time.as_secs();
    format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// Requests and resources so far, on one line.
pub(super) fn statistics(
    tally: &Tally,
    seen: &Watched,
    elapsed: Duration,
    left: Duration,
) -> String {
    let (requests, ok, failed) = (tally.requests(), tally.successes, tally.errors);
    let rate = tally.rate().unwrap_or(0.0);
    let (elapsed_text, left) = (clock(elapsed), clock(left));
    let a_minute = a_minute(requests, elapsed);
    let (now, cpu) = (seen.resources.now, seen.cpu_percent);
    let (rss, descriptors, threads) = (now.rss_mb, now.descriptors, now.threads);
    say!(
        "requests: {requests}, successes: {ok}, errors: {failed}, rate: {rate:.2} %, elapsed: {elapsed_text}, \
         remaining: {left}, a minute: {a_minute:.0}, RSS: {rss:.1} MB, handles: {descriptors}, threads: {threads}, \
         CPU: {cpu:.0} %",
        "リクエスト: {requests}, 成功: {ok}, エラー: {failed}, 成功率: {rate:.2} %, 経過: {elapsed_text}, \
         残り: {left}, 毎分: {a_minute:.0}, RSS: {rss:.1} MB, ハンドル: {descriptors}, スレッド: {threads}, \
         CPU: {cpu:.0} %"
    )
}

#[allow(clippy::cast_precision_loss)] // exact up to 2^53 requests
pub(super) fn a_minute(requests: u64, elapsed: Duration) -> f64 {
    requests as f64 * 60.0 / elapsed.as_secs_f64().max(0.001)
}

/// The verdict as the cells of a table, the heading first.
pub(super) fn cells(rows: &[Row]) -> Vec<[String; 4]> {
    let heading = [
        say!("check", "項目"),
        say!("measured", "実測値"),
        say!("target", "目標"),
        say!("verdict", "判定"),
    ];
    let row = |row: &Row| {
        let verdict = match row.outcome {
            Outcome::Passed => say!("pass", "合格"),
            Outcome::Failed => say!("FAIL", "不合格"),
            Outcome::NotThere => say!("n/a", "対象外"),
        };
        let (measured, target) = (row.measured.clone(), row.target.clone());
        [row.check.name().to_owned(), measured, target, verdict]
    };
    std::iter::once(heading)
        .chain(rows.iter().map(row))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::soak::verdict::Check;

    #[test]
    fn times_are_hours_minutes_seconds() {
        assert_eq!(clock(Duration::from_secs(90_061)), "25:01:01");
        assert!((a_minute(30, Duration::from_secs(15)) - 120.0).abs() < 1e-9);
    }

    #[test]
    fn every_outcome_has_its_word() {
        let row = |check, outcome| Row {
            check,
            measured: "1".to_owned(),
            target: "0".to_owned(),
            outcome,
        };
        let cells = cells(&[
            row(Check::Crashes, Outcome::Failed),
            row(Check::GpuGrowth, Outcome::NotThere),
            row(Check::Errors, Outcome::Passed),
        ]);
        assert_eq!(cells[0], ["check", "measured", "target", "verdict"]);
        assert_eq!(cells[1], ["crashes", "1", "0", "FAIL"]);
        assert_eq!(
            [cells[2][3].as_str(), cells[3][3].as_str()],
            ["n/a", "pass"]
        );
    }
}
