//! A fast leak: a rise within the last hour that no one or two jumps explain.

use super::sen::{self, Slope};
use super::series::{Point, Series};

/// Looked at: so many of the newest minutes.
const LENGTHS: [usize; 11] = [5, 6, 8, 10, 12, 16, 20, 26, 34, 44, 60];
/// The rise without its two largest steps must exceed this. (Jumps of 10 MiB, noise of 1 MiB.)
const RISE: f64 = 12.0;
/// Slopes below this are left to the longer windows.
const LEAST: f64 = 15.0;
/// Standard deviations of the bounds.
const Z: f64 = 2.6;
/// A value that is older than this many hours tells nothing about now.
const OLDEST: f64 = 6.0;

/// The last hour, or the last sixty samples if they are rarer.
#[derive(Debug, Clone)]
pub(super) struct Fast {
    minutes: Series,
    growth: Option<Slope>,
}

impl Default for Fast {
    fn default() -> Self {
        Self {
            minutes: Series::new(1.0 / 60.0, 60),
            growth: None,
        }
    }
}

impl Fast {
    /// Adds a sample; returns the minute that it closed, if it did.
    pub(super) fn add(&mut self, point: Point) -> Option<Point> {
        let closed = self.minutes.add(point)?;
        let points = self.minutes.newest(OLDEST);
        let low = points.iter().map(|p| p.value).fold(f64::INFINITY, f64::min);
        self.growth = LENGTHS
            .iter()
            // Mostly nothing happens, and then nothing need be calculated.
            .filter(|_| closed.value - low >= 2.0 * RISE)
            .filter_map(|n| points.len().checked_sub(*n))
            .find_map(|from| rise(&points[from..]));
        Some(closed)
    }

    /// The slope, if there is a fast leak now.
    pub(super) const fn growth(&self) -> Option<Slope> {
        self.growth
    }
}

/// The slope of a window that rises throughout. Without its two largest steps most of the rise is still there, so
/// neither a jump, nor two, nor a spike at its end make one.
fn rise(window: &[Point]) -> Option<Slope> {
    let mut steps: Vec<f64> = window.windows(2).map(|w| w[1].value - w[0].value).collect();
    let total: f64 = steps.iter().sum();
    if total < 2.0 * RISE {
        return None;
    }
    steps.sort_by(f64::total_cmp);
    let largest: f64 = steps.iter().rev().take(2).sum();
    let rest = total - largest;
    if rest < RISE.max(total / 2.0) {
        return None;
    }
    sen::slope([window].into_iter(), Z).filter(|s| s.low > LEAST)
}
