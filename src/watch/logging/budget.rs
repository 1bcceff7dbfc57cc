//! No more than 50 MB of log a day, whatever happens: flash wears out.
//!
//! A bucket of 10 MB that fills with 40 MB a day. Lines at INFO and DEBUG take what is above the last fifth;
//! warnings and marked lines may empty it; ERROR and CRITICAL lines are always written and leave less for the
//! others. Lines that find no room are left out and counted.

use std::time::Duration;

use super::line::{Line, Severity};
use crate::base::clock::Monotime;

const MEGABYTE: f64 = 1_000_000.0;
/// What may be written at once.
const BURST: f64 = 10.0 * MEGABYTE;
/// Bytes a second that may be written for ever; with the burst 50 MB in the first day.
const RATE: f64 = 40.0 * MEGABYTE / 86_400.0;
/// Kept for warnings and marked lines.
const RESERVE: f64 = 2.0 * MEGABYTE;
/// Lines that were left out come back in stretches of this size, not one here and one there: 64 KB every two
/// minutes or so can be read.
const STRETCH: f64 = 64_000.0;

/// What is to be said about a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BudgetVerdict {
    /// Write it.
    Write,
    /// Write it, after the note that so many lines were left out before.
    WriteAfter(u64),
    /// Leave it out.
    LeaveOut,
    /// Leave it out, and say that lines are left out from here on.
    LeaveOutFromHere,
}

#[derive(Debug)]
pub(super) struct Budget {
    tokens: f64,
    filled: Monotime,
    left_out: u64,
}

impl Budget {
    pub(super) fn new(now: Monotime) -> Self {
        Self {
            tokens: BURST,
            filled: now,
            left_out: 0,
        }
    }

    /// Decides about a line of so many bytes at `now`, and takes its bytes if it is written.
    pub(super) fn decide(&mut self, now: Monotime, line: &Line) -> BudgetVerdict {
        let elapsed: Duration = now.since(self.filled);
        self.filled = now.max(self.filled);
        self.tokens = (self.tokens + elapsed.as_secs_f64() * RATE).min(BURST);
        // A line has at most some kilobytes.
        #[allow(clippy::cast_precision_loss)]
        let bytes = line.text.len() as f64 + 1.0;
        if line.severity >= Severity::Error {
            return self.write(bytes);
        }
        let ordinary = line.severity < Severity::Warning && !line.marked() && !line.counted;
        let kept = match (ordinary, self.left_out > 0) {
            (false, _) => 0.0,
            (true, false) => RESERVE,
            (true, true) => RESERVE + STRETCH,
        };
        if self.tokens < kept + bytes {
            self.left_out += 1;
            return if self.left_out == 1 {
                BudgetVerdict::LeaveOutFromHere
            } else {
                BudgetVerdict::LeaveOut
            };
        }
        self.write(bytes);
        match ordinary.then(|| self.left_out()).flatten() {
            Some(count) => BudgetVerdict::WriteAfter(count),
            None => BudgetVerdict::Write,
        }
    }

    /// So many lines were left out and not spoken of since; none if none.
    pub(super) fn left_out(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.left_out)).filter(|n| *n > 0)
    }

    fn write(&mut self, bytes: f64) -> BudgetVerdict {
        // The debt is bounded: after a storm ordinary lines are back within half a day.
        self.tokens = (self.tokens - bytes).max(-BURST);
        BudgetVerdict::Write
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(lines_a_second: u32, severity: Severity, message: &str) -> (f64, Vec<BudgetVerdict>) {
        let mut budget = Budget::new(Monotime::default());
        let mut bytes = 0.0;
        let mut verdicts = Vec::new();
        for i in 0..86_400 * lines_a_second {
            let at = Duration::from_secs_f64(f64::from(i) / f64::from(lines_a_second));
            let line = Line::test(at, severity, message);
            let verdict = budget.decide(line.at, &line);
            if matches!(verdict, BudgetVerdict::Write | BudgetVerdict::WriteAfter(_)) {
                bytes += f64::from(u32::try_from(line.text.len()).unwrap()) + 1.0;
            }
            verdicts.push(verdict);
        }
        (bytes, verdicts)
    }

    #[test]
    fn a_quiet_day_is_written_in_full() {
        // One line of 200 bytes every two seconds or so would be 8 MB.
        let (_, verdicts) = day(1, Severity::Debug, &"x".repeat(200));
        assert!(verdicts.iter().all(|v| *v == BudgetVerdict::Write));
    }

    #[test]
    fn a_day_of_a_flood_stays_below_50_megabytes() {
        for severity in [Severity::Debug, Severity::Warning] {
            let (bytes, verdicts) = day(10, severity, &"x".repeat(200));
            assert!(bytes < 50.0 * MEGABYTE, "{bytes}");
            assert!(bytes > 45.0 * MEGABYTE, "{bytes}");
            let begun = |v: &&BudgetVerdict| **v == BudgetVerdict::LeaveOutFromHere;
            assert!(verdicts.iter().filter(begun).count() <= 1000);
        }
    }

    #[test]
    fn every_line_that_is_left_out_is_counted() {
        let mut budget = Budget::new(Monotime::default());
        let (mut left_out, mut told) = (0, 0);
        for i in 0..500_000_u32 {
            let at = Duration::from_millis(u64::from(i));
            let line = Line::test(at, Severity::Info, &"x".repeat(200));
            match budget.decide(line.at, &line) {
                BudgetVerdict::Write => {}
                BudgetVerdict::WriteAfter(n) => told += n,
                BudgetVerdict::LeaveOut | BudgetVerdict::LeaveOutFromHere => left_out += 1,
            }
        }
        told += budget.left_out().unwrap_or_default();
        assert!(left_out > 400_000, "{left_out}");
        assert_eq!(left_out, told);
    }

    #[test]
    fn what_matters_is_written_when_the_rest_is_left_out() {
        let mut budget = Budget::new(Monotime::default());
        let mut verdict = |severity, message: &str| {
            let line = Line::test(Duration::ZERO, severity, message);
            budget.decide(line.at, &line)
        };
        let text = "x".repeat(1000);
        while verdict(Severity::Debug, &text) == BudgetVerdict::Write {}
        for _ in 0..100 {
            assert_eq!(verdict(Severity::Info, "x"), BudgetVerdict::LeaveOut);
            assert_eq!(verdict(Severity::Warning, &text), BudgetVerdict::Write);
            assert_eq!(
                verdict(Severity::Info, "[STATISTICS]"),
                BudgetVerdict::Write
            );
        }
        while verdict(Severity::Warning, &text) == BudgetVerdict::Write {}
        for _ in 0..30_000 {
            assert_eq!(verdict(Severity::Error, &text), BudgetVerdict::Write);
        }
        assert_eq!(verdict(Severity::Critical, "end"), BudgetVerdict::Write);
    }
}
