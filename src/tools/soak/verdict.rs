//! The verdict: what was measured, what is asked for, passed or failed. Pure.

use super::log::Marks;
use super::resources::{Growth, Resources};
use super::tally::Tally;
use super::taps::Account;
use super::watchdog::Ends;
use crate::say;

/// Growth along the line through all readings that start and chance explain: in MiB, and in descriptors. A short run's
/// slope is steep without meaning anything, so it is the whole rise that is judged.
const MEMORY_RISE_MB: f64 = 16.0;
const HANDLE_RISE: f64 = 20.0;

/// A row of the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is named below
pub enum Check {
    SuccessRate,
    Errors,
    GpuGrowth,
    GpuMaximum,
    Handles,
    MemoryGrowth,
    Crashes,
    UncaughtExceptions,
    TapsLost,
    TapsTwice,
    LoopsHung,
    LoopRestarts,
    MemorySlope,
    HandleSlope,
    Threads,
}

impl Check {
    /// The rows in their order; the first eight are those of the old harness.
    pub const ALL: [Self; 15] = [
        Self::SuccessRate,
        Self::Errors,
        Self::GpuGrowth,
        Self::GpuMaximum,
        Self::Handles,
        Self::MemoryGrowth,
        Self::Crashes,
        Self::UncaughtExceptions,
        Self::TapsLost,
        Self::TapsTwice,
        Self::LoopsHung,
        Self::LoopRestarts,
        Self::MemorySlope,
        Self::HandleSlope,
        Self::Threads,
    ];

    /// The row's name in English, which is that of the documentation.
    #[must_use]
    pub const fn english(self) -> &'static str {
        self.names().0
    }

    /// The row's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let (english, japanese) = self.names();
        if crate::base::text::japanese() {
            japanese
        } else {
            english
        }
    }

    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::SuccessRate => ("success rate", "成功率"),
            Self::Errors => ("errors", "エラー率"),
            Self::GpuGrowth => ("GPU memory growth", "GPUメモリ増加率"),
            Self::GpuMaximum => ("GPU memory maximum", "GPUメモリ最大値"),
            Self::Handles => ("handles", "ハンドル数"),
            Self::MemoryGrowth => ("process memory growth", "プロセスメモリ増加率"),
            Self::Crashes => ("crashes", "クラッシュ"),
            Self::UncaughtExceptions => ("uncaught exceptions", "未捕捉の例外"),
            Self::TapsLost => ("taps lost", "失われたタップ"),
            Self::TapsTwice => ("taps counted twice", "二重に記録されたタップ"),
            Self::LoopsHung => ("loops hung", "応答のないループ"),
            Self::LoopRestarts => ("restarts of loops", "ループの再開"),
            Self::MemorySlope => ("slope of memory", "メモリの傾き"),
            Self::HandleSlope => ("slope of handles", "ハンドル数の傾き"),
            Self::Threads => ("threads", "スレッド数"),
        }
    }
}

/// What came of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// Not.
    Failed,
    /// There is nothing to measure.
    NotThere,
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which.
    pub check: Check,
    /// What was measured.
    pub measured: String,
    /// What is asked for.
    pub target: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// Everything that was measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Requests.
    pub tally: Tally,
    /// What became of the taps.
    pub taps: Account,
    /// Memory, descriptors, threads.
    pub resources: Resources,
    /// How processes ended.
    pub ends: Ends,
    /// The log.
    pub marks: Marks,
    /// Times that a loop was begun again after a panic.
    pub loop_restarts: u64,
    /// Whether the run came to its end.
    pub complete: bool,
}

/// Judges a run.
#[must_use]
pub fn judge(measured: &Measured) -> Vec<Row> {
    Check::ALL
        .into_iter()
        .map(|check| row(check, measured))
        .collect()
}

/// Whether every row passed.
#[must_use]
pub fn passed(rows: &[Row]) -> bool {
    rows.iter().all(|r| r.outcome != Outcome::Failed)
}

fn row(check: Check, m: &Measured) -> Row {
    let resources = &m.resources;
    let (measured, target, outcome) = match check {
        Check::SuccessRate => rate(m.tally.rate(), |r| r > 99.5, "> 99.5 %"),
        Check::Errors => rate(m.tally.rate().map(|r| 100.0 - r), |r| r < 0.5, "< 0.5 %"),
        Check::GpuGrowth => match resources.gpu() {
            Some((first, last, _)) => {
                let grown = percent(first, last);
                told(
                    format!("{grown:+.1} % ({first:.0} -> {last:.0} MB)"),
                    "< 20 %",
                    grown < 20.0,
                )
            }
            None => no_gpu("< 20 %"),
        },
        Check::GpuMaximum => match resources.gpu() {
            Some((first, _, most)) => {
                let target = format!("< {:.0} MB", first * 1.2);
                // Where nothing is in use at first, nothing may come to be.
                let fine = most < first * 1.2 || most <= 0.0;
                told(format!("{most:.0} MB"), &target, fine)
            }
            None => no_gpu("< 1.2x"),
        },
        Check::Handles => process(m, resources.descriptors(), |g| most(g, 100.0, false)),
        Check::Threads => process(m, resources.threads(), |g| most(g, 10.0, g.leak)),
        Check::MemoryGrowth => process(m, resources.memory(), |g| {
            let grown = percent(g.first, g.last);
            let text = format!("{grown:+.1} % ({:.1} -> {:.1} MB)", g.first, g.last);
            told(text, "< 40 %", grown < 40.0)
        }),
        Check::MemorySlope => process(m, resources.memory(), |g| slope(g, "MB", MEMORY_RISE_MB)),
        Check::HandleSlope => process(m, resources.descriptors(), |g| slope(g, "", HANDLE_RISE)),
        Check::Crashes => none(m.ends.crashes),
        Check::UncaughtExceptions => none(m.marks.uncaught),
        Check::TapsLost => none(m.taps.lost),
        Check::TapsTwice => none(m.taps.twice),
        Check::LoopsHung => none(m.marks.hung + m.ends.silences),
        Check::LoopRestarts => none(m.loop_restarts),
    };
    Row {
        check,
        measured,
        target,
        outcome,
    }
}

type Cells = (String, String, Outcome);

fn told(measured: String, target: &str, fine: bool) -> Cells {
    let outcome = if fine {
        Outcome::Passed
    } else {
        Outcome::Failed
    };
    (measured, target.to_owned(), outcome)
}

fn none(count: u64) -> Cells {
    told(count.to_string(), "0", count == 0)
}

fn no_gpu(target: &str) -> Cells {
    (say!("n/a", "なし"), target.to_owned(), Outcome::NotThere)
}

/// A run without any request has shown nothing.
fn rate(rate: Option<f64>, fine: fn(f64) -> bool, target: &str) -> Cells {
    match rate {
        Some(rate) => told(format!("{rate:.3} %"), target, fine(rate)),
        None => told(say!("no requests", "リクエストなし"), target, false),
    }
}

/// A row about the process. Where none outlived its warm-up there is nothing to compare: in a run that was broken off
/// this is in order, in a whole one it is not.
fn process(m: &Measured, growth: Option<Growth>, judge: impl FnOnce(&Growth) -> Cells) -> Cells {
    match growth {
        Some(growth) => judge(&growth),
        None if m.complete => told(
            say!("no process outlived its warm-up", "計測できませんでした"),
            "",
            false,
        ),
        None => (
            say!("not measured yet", "未計測"),
            String::new(),
            Outcome::NotThere,
        ),
    }
}

fn most(g: &Growth, more: f64, leak: bool) -> Cells {
    let text = format!("{:.0} ({} {:.0})", g.most, say!("first", "初期値"), g.first);
    let limit = g.first + more;
    let fine = g.most < limit && !leak;
    told(text + &leaking(leak), &format!("< {limit:.0}"), fine)
}

/// The whole rise is judged, since a short run's slope means nothing; and what the log calls a leak is one here too.
fn slope(g: &Growth, unit: &str, limit: f64) -> Cells {
    let text = format!("{:+.1} {unit}/h ({:+.1})", g.slope, g.rise).replace(" /", "/");
    let target = say!("rise < {limit} {unit}", "増加 < {limit} {unit}");
    let fine = g.rise < limit && !g.leak;
    told(text + &leaking(g.leak), target.trim_end(), fine)
}

fn leaking(leak: bool) -> String {
    if leak {
        say!(" LEAK", " リーク")
    } else {
        String::new()
    }
}

fn percent(first: f64, last: f64) -> f64 {
    if first > 0.0 {
        (last - first) * 100.0 / first
    } else if last > 0.0 {
        f64::INFINITY
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests;
