//! Faults that repeat are written once and then counted: `repeated 240 times in 1 min: ...`.
//!
//! A fault that comes again within [`PAUSE`] belongs to the same run. Of a run the first line is written, and
//! up to [`WORDINGS`] that differ in their numbers alone; the rest is counted. The count is written after a
//! minute, then after two, four and so on up to an hour, and when the run is over. Only warnings and ERROR
//! lines are collapsed: what people count (marks such as `[RESOURCE_MONITOR]`, lines about taps) never is,
//! and nothing is collapsed across a CRITICAL line. Before a marked warning (`[READER_RECONNECT]`) the counts of its
//! module are written, for they are its cause.

use std::time::Duration;

use super::line::{Line, Severity};
use crate::base::clock::Monotime;

/// So long without the fault, and the run is over.
const PAUSE: Duration = Duration::from_secs(60);
/// The first count is written after this time, the following ones after twice the time before.
const FIRST_COUNT: Duration = Duration::from_secs(60);
const LONGEST_COUNT: Duration = Duration::from_secs(3600);
/// So many lines of a run are written that differ in numbers alone ("servo 1 is lost", "servo 2 is lost").
const WORDINGS: usize = 5;
/// Runs at a time. More different faults than these within a minute, and the oldest run counts as over.
const RUNS: usize = 64;

/// A line instead of those that were not written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Count {
    /// ` - module - LEVEL - ` of those.
    pub(super) head: String,
    /// The first line of the newest one's message.
    pub(super) message: String,
    pub(super) times: u64,
    /// Since the line or count before.
    pub(super) within: Duration,
    pub(super) severity: Severity,
}

/// What to write for a line: first the counts, then perhaps the line itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RepeatVerdict {
    pub(super) counts: Vec<Count>,
    pub(super) write: bool,
}

#[derive(Debug)]
struct Run {
    head: String,
    /// The message with every number replaced by `#`.
    shape: String,
    /// The messages that were written.
    written: Vec<String>,
    newest: String,
    severity: Severity,
    last: Monotime,
    /// Not written since `since`.
    held: u64,
    since: Monotime,
    interval: Duration,
}

/// The runs of the last minute.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    runs: Vec<Run>,
}

impl Repeats {
    /// What to write when `line` comes.
    pub(super) fn line(&mut self, line: &Line) -> RepeatVerdict {
        let mut counts = self.due(line.at);
        if line.severity == Severity::Critical {
            counts.extend(self.finish(line.at));
            return RepeatVerdict {
                counts,
                write: true,
            };
        }
        if line.marked() && line.severity >= Severity::Warning {
            // What it is the end of stands before it: a connection that was made again after the fault.
            let causes = self.runs.iter_mut().filter(|r| r.head == line.head());
            counts.extend(causes.filter_map(|run| run.told_early(line.at)));
        }
        if line.counted || line.marked() || line.severity < Severity::Warning {
            return RepeatVerdict {
                counts,
                write: true,
            };
        }
        let shape = shape(line.message());
        let known = self
            .runs
            .iter_mut()
            .find(|r| r.shape == shape && r.head == line.head());
        let write = if let Some(run) = known {
            run.again(line)
        } else {
            counts.extend(self.make_room(line.at));
            self.runs.push(Run::new(line, shape));
            true
        };
        RepeatVerdict { counts, write }
    }

    /// The counts that are to be written at `now`.
    pub(super) fn due(&mut self, now: Monotime) -> Vec<Count> {
        let mut counts = Vec::new();
        self.runs.retain_mut(|run| {
            let over = now.since(run.last) >= PAUSE;
            if over || now.since(run.since) >= run.interval {
                counts.extend(run.count(now));
            }
            !over
        });
        counts
    }

    /// When [`due`](Self::due) has something to say unless a line comes before.
    pub(super) fn next(&self) -> Option<Monotime> {
        let waiting = self.runs.iter().filter(|r| r.held > 0);
        waiting
            .map(|r| (r.last + PAUSE).min(r.since + r.interval))
            .min()
    }

    /// Ends every run.
    pub(super) fn finish(&mut self, now: Monotime) -> Vec<Count> {
        let runs = std::mem::take(&mut self.runs);
        runs.into_iter().filter_map(|mut r| r.count(now)).collect()
    }

    fn make_room(&mut self, now: Monotime) -> Option<Count> {
        if self.runs.len() < RUNS {
            return None;
        }
        let oldest = (0..self.runs.len()).min_by_key(|&i| self.runs[i].last)?;
        self.runs.swap_remove(oldest).count(now)
    }
}

impl Run {
    fn new(line: &Line, shape: String) -> Self {
        Self {
            head: line.head().to_owned(),
            shape,
            written: vec![line.message().to_owned()],
            newest: String::new(),
            severity: line.severity,
            last: line.at,
            held: 0,
            since: line.at,
            interval: FIRST_COUNT,
        }
    }

    /// Notes that the fault is there again; true if it is to be written all the same.
    fn again(&mut self, line: &Line) -> bool {
        self.last = line.at;
        let known = self.written.iter().any(|w| w == line.message());
        if !known && self.written.len() < WORDINGS {
            self.written.push(line.message().to_owned());
            return true;
        }
        self.held += 1;
        let first = line.message().lines().next().unwrap_or_default();
        first.clone_into(&mut self.newest);
        false
    }

    /// The count before its time, which is as far away as it was.
    fn told_early(&mut self, now: Monotime) -> Option<Count> {
        let interval = self.interval;
        let count = (self.held > 0).then(|| self.count(now)).flatten();
        self.interval = interval;
        count
    }

    fn count(&mut self, now: Monotime) -> Option<Count> {
        let within = now.since(self.since);
        self.since = now;
        if self.held == 0 {
            return None;
        }
        self.interval = (self.interval * 2).min(LONGEST_COUNT);
        Some(Count {
            head: self.head.clone(),
            message: std::mem::take(&mut self.newest),
            times: std::mem::take(&mut self.held),
            within,
            severity: self.severity,
        })
    }
}

/// The message with each number replaced by `#`.
fn shape(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut in_number = false;
    for c in message.chars() {
        let digit = c.is_ascii_digit();
        if !digit {
            out.push(c);
        } else if !in_number {
            out.push('#');
        }
        in_number = digit;
    }
    out
}

#[cfg(test)]
mod tests;
