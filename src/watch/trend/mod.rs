//! The leak verdict: does a resource grow, how fast, and when is the limit reached?
//!
//! The monitor's alarm, `facetap report` and `facetap soak` all ask a [`Watch`] of this one, so that what the log says
//! of a series of readings and what a report says of it is the same. Pure: values and times in, a verdict out. Memory is told in MiB, descriptors and threads in pieces, growth an
//! hour. Every sample passes through buckets of a minute, ten minutes, two hours and six hours, and four questions
//! are asked of them:
//!
//! - The last hour ([`fast`]): a rise far beyond any jump. Minutes suffice for a fast leak.
//! - Six hours, and three days ([`window`]): the Theil-Sen line ([`sen`]) between the jumps of the level
//!   ([`segments`]), and whether growth explains the window better than jumps alone ([`judge`]).
//! - Four days ([`stairs`]): steps up and up again, which no single window can tell from harmless jumps.
//!
//! What a whole series looks like, leak or not, is told in [`shape`], by the same division and line.
//! `docs/monitor.md` has the reasons and the table of detection times and false alarms.

mod alarm;
mod fast;
mod judge;
mod segments;
mod sen;
mod series;
mod shape;
mod stairs;
#[cfg(test)]
mod table;
mod watch;
mod window;

use std::time::Duration;

use fast::Fast;
use judge::Measure;
use sen::Slope;
use stairs::Stairs;
use window::{Scale, Window};

pub use alarm::News;
pub use sen::{median, theil_sen};
pub use series::Point;
pub use shape::{Form, Jump, Shape, describe};
pub use watch::{Leak, Watch};

/// The program opens its devices and fills its caches: what it does in this time is no growth.
const WARM_UP: Duration = Duration::from_secs(15 * 60);
/// A fast leak is looked for earlier.
const SHORT_WARM_UP: Duration = Duration::from_secs(5 * 60);

/// A day's rhythm of half a MiB is at its steepest 0.13 MiB an hour.
const RHYTHM: f64 = 0.15;
/// Noise of less than half a MiB or piece is taken for as much, so that a leak in pieces of one MiB is still a line
/// and not a row of jumps.
const LEAST_NOISE: f64 = 0.5;

/// Finds a leak of 1 MiB an hour within six hours. What is asked for is calibrated by the table.
const OVER_HOURS: Scale = Scale {
    bucket: 1.0 / 6.0,
    window: 6.0,
    measure: Measure {
        rhythm: RHYTHM,
        least: 0.55,
        least_noise: LEAST_NOISE,
        least_points: 12,
    },
    evidence_at_first: 12.0,
    evidence: 24.0,
    in_a_row: 2,
};

/// Finds leaks of a third of that.
const OVER_DAYS: Scale = Scale {
    bucket: 2.0,
    window: 72.0,
    measure: Measure {
        rhythm: RHYTHM,
        least: 0.3,
        least_noise: LEAST_NOISE,
        least_points: 24,
    },
    evidence_at_first: 40.0,
    evidence: 40.0,
    in_a_row: 2,
};

/// What is known of the growth of a resource.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeakVerdict {
    /// Growth an hour, in MiB or pieces: the Theil-Sen line between the jumps.
    pub growth: f64,
    /// Lower bound of the growth (99 %).
    pub low: f64,
    /// Upper bound of the growth (99 %).
    pub high: f64,
    /// Whether this is a leak, beyond what jumps, noise and the day's rhythm explain.
    pub leaking: bool,
    /// Time until the limit is reached at this growth; none without a leak or without a limit.
    pub reaches_limit_in: Option<Duration>,
}

/// The detector of one resource.
#[derive(Debug, Clone)]
pub struct Detector {
    limit: Option<f64>,
    newest: f64,
    fast: Fast,
    hours: Window,
    days: Window,
    stairs: Stairs,
}

impl Detector {
    /// Counts the time until another limit is reached from now on.
    pub fn set_limit(&mut self, limit: f64) {
        self.limit = Some(limit);
    }

    /// A detector that counts the time until `limit` is reached, in the unit of its values.
    #[must_use]
    pub fn new(limit: Option<f64>) -> Self {
        Self {
            limit,
            newest: 0.0,
            fast: Fast::default(),
            hours: Window::new(OVER_HOURS),
            days: Window::new(OVER_DAYS),
            stairs: Stairs::default(),
        }
    }

    /// Adds a sample, `age` after the start of the process on a clock that never jumps. Any interval will do;
    /// samples may be missing.
    pub fn add(&mut self, age: Duration, value: f64) {
        if age < SHORT_WARM_UP || !value.is_finite() {
            return;
        }
        self.newest = value;
        let at = age.as_secs_f64() / 3600.0;
        let Some(minute) = self.fast.add(Point { at, value }) else {
            return;
        };
        if age < WARM_UP {
            return;
        }
        let ten_minutes = self.hours.add(minute);
        let two_hours = ten_minutes.and_then(|p| self.days.add(p));
        if let Some(two_hours) = two_hours {
            self.stairs.add(two_hours);
        }
    }

    /// The present verdict; none while too little is known.
    #[must_use]
    pub fn verdict(&self) -> Option<LeakVerdict> {
        let leak = self.leak().map(|(slope, _)| slope);
        let slope = leak.or_else(|| self.hours.slope())?;
        Some(self.told(slope, leak.is_some()))
    }

    /// The leak of now, and the time in which the readings show it.
    fn leaking(&self) -> Option<(LeakVerdict, Duration)> {
        let (slope, hours) = self.leak()?;
        Some((self.told(slope, true), Duration::from_secs(hours * 3600)))
    }

    /// The slope of the fastest leak that a window tells, and the window's hours.
    fn leak(&self) -> Option<(Slope, u64)> {
        let fast = self.fast.growth().map(|s| (s, 1));
        fast.or_else(|| Some((self.hours.growth()?, 6)))
            .or_else(|| Some((self.days.growth()?, 72)))
            .or_else(|| Some((self.stairs.growth()?, 102)))
    }

    fn told(&self, slope: Slope, leaking: bool) -> LeakVerdict {
        let hours = self
            .limit
            .filter(|_| leaking && slope.median > 0.0)
            .map(|limit| (limit - self.newest).max(0.0) / slope.median);
        LeakVerdict {
            growth: slope.median,
            low: slope.low,
            high: slope.high,
            leaking,
            reaches_limit_in: hours.and_then(|h| Duration::try_from_secs_f64(h * 3600.0).ok()),
        }
    }
}

#[cfg(test)]
mod tests;
