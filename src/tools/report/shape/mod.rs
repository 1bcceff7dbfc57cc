//! The shape of a series: flat, jump, or line (which, of memory or handles, is a leak).
//!
//! Several descriptions are fitted: levels with up to four jumps between them, with a slope and without.
//! The simplest that explains the series is taken (Schwarz's criterion, three times as strict, because
//! neighbouring readings are alike), and then only what is large enough to matter is believed: more than
//! one per cent of the level, more than twice the scatter, and, for a line, in both halves of the time.

mod fit;
#[cfg(test)]
mod tests;

use crate::base::theil_sen::{median, theil_sen};
use fit::{Fit, Sums};

/// A sudden change of level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jump {
    /// Hours since the first point.
    pub at: f64,
    /// By how much, in units of the series.
    pub by: f64,
}

/// What a series looks like.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// Too few points to tell.
    Short,
    /// Stays where it is.
    Flat,
    /// Changes its level, once or a few times, and stays there.
    Jumps(Vec<Jump>),
    /// Grows or falls all the time, perhaps with jumps beside that.
    Line(Vec<Jump>),
}

/// A form with the numbers that led to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The form.
    pub form: Form,
    /// Theil-Sen slope an hour between the jumps, after the warm-up; none without two points.
    pub slope: Option<f64>,
    /// Standard deviation of what the form does not explain.
    pub scatter: f64,
    /// Hours that were judged.
    pub hours: f64,
    /// By how much the line rose in these hours.
    pub growth: f64,
}

/// Points before which nothing is said.
const FEWEST: usize = 8;
const MOST_JUMPS: usize = 4;
/// The first tenth of a run is warm-up, but never more than this (hours).
const LONGEST_WARM_UP: f64 = 0.5;

/// Judges a series of (hours, value), ascending in time. Changes below `least` (units of the series) are
/// never told.
pub fn judge(points: &[(f64, f64)], least: f64) -> Shape {
    let begin = points.first().map_or(0.0, |p| p.0);
    let points = calm(&after_warm_up(points));
    let warm_up = points.first().map_or(0.0, |p| p.0 - begin);
    let n = points.len();
    let hours = match (points.first(), points.last()) {
        (Some(first), Some(last)) => last.0 - first.0,
        _ => 0.0,
    };
    let plain = theil_sen(&points, &[]);
    if n < FEWEST || hours <= 0.0 {
        return Shape {
            form: Form::Short,
            slope: plain,
            scatter: 0.0,
            hours,
            growth: 0.0,
        };
    }
    let middle = median(&mut points.iter().map(|p| p.1).collect::<Vec<_>>()).unwrap_or(0.0);
    let least = least.max(middle.abs() / 100.0);
    let shifted: Vec<_> = points
        .iter()
        .map(|p| (p.0 - points[0].0, p.1 - middle))
        .collect();
    let sums = Sums::new(&shifted);
    let shortest = (n / 40).max(3);
    let fits: Vec<_> = [false, true]
        .iter()
        .flat_map(|slope| sums.fits(*slope, MOST_JUMPS, shortest))
        .collect();
    let judged = |fit: &Fit| Judged::new(fit, &shifted, hours, least);
    let best = best(&fits, n, least);
    let found = judged(best);
    if best.slope && !found.steady(&shifted, least) {
        // What looked like a slope does not go on all the time: it is told by levels alone.
        let levels: Vec<_> = fits.into_iter().filter(|f| !f.slope).collect();
        return judged(self::best(&levels, n, least)).shape(&shifted, warm_up);
    }
    found.shape(&shifted, warm_up)
}

/// The fit with the lowest price: what it leaves over, plus what its numbers cost.
fn best(fits: &[Fit], n: usize, least: f64) -> &Fit {
    let n = n as f64;
    // Below this it does not matter how well a fit does.
    let floor = (least / 20.0).powi(2);
    let price = |fit: &Fit| {
        let numbers = 2.0 * fit.jumps.len() as f64 + f64::from(u8::from(fit.slope));
        n * (fit.variance + floor).ln() + 3.0 * n.ln() * numbers
    };
    fits.iter()
        .min_by(|a, b| price(a).total_cmp(&price(b)))
        .expect("there is always the fit without anything")
}

/// A fit with what of it is large enough to be told.
struct Judged {
    slope_allowed: bool,
    jumps: Vec<usize>,
    sizes: Vec<f64>,
    slope: f64,
    growth: f64,
    scatter: f64,
    hours: f64,
}

impl Judged {
    fn new(fit: &Fit, points: &[(f64, f64)], hours: f64, least: f64) -> Self {
        let scatter = fit.variance.sqrt();
        let mut jumps = fit.jumps.clone();
        // Jumps too small to be told are taken back, the smallest first.
        loop {
            let slope = theil_sen(points, &jumps).unwrap_or(0.0);
            let used = if fit.slope { slope } else { 0.0 };
            let sizes = sizes(points, &jumps, used);
            let smallest =
                (0..sizes.len()).min_by(|a, b| sizes[*a].abs().total_cmp(&sizes[*b].abs()));
            match smallest {
                Some(i) if sizes[i].abs() < least.max(2.0 * scatter) => drop(jumps.remove(i)),
                _ => {
                    return Self {
                        slope_allowed: fit.slope,
                        jumps,
                        sizes,
                        slope,
                        growth: slope * hours,
                        scatter,
                        hours,
                    };
                }
            }
        }
    }

    /// Whether the slope is large enough, and there in the first half of the time as in the second.
    fn steady(&self, points: &[(f64, f64)], least: f64) -> bool {
        if self.growth.abs() < least.max(2.0 * self.scatter) {
            return false;
        }
        let mut level = 0.0;
        let mut next = 0;
        let flat: Vec<_> = points
            .iter()
            .enumerate()
            .map(|(i, (t, v))| {
                while self.jumps.get(next).is_some_and(|at| *at <= i) {
                    level += self.sizes[next];
                    next += 1;
                }
                (*t, v - level)
            })
            .collect();
        let (first, second) = flat.split_at(flat.len() / 2);
        [first, second]
            .iter()
            .all(|half| theil_sen(half, &[]).is_some_and(|s| s / self.slope > 0.3))
    }

    fn shape(self, points: &[(f64, f64)], warm_up: f64) -> Shape {
        let jumps: Vec<_> = self
            .jumps
            .iter()
            .zip(&self.sizes)
            .map(|(i, by)| Jump {
                at: warm_up + points[*i].0,
                by: *by,
            })
            .collect();
        let total: f64 = jumps.iter().map(|j| j.by).sum();
        let one_way = jumps.iter().all(|j| j.by * total > 0.0);
        // Stairs: always in one direction, all the time, is a line as well, however it is climbed.
        let stairs = theil_sen(points, &[])
            .filter(|slope| jumps.len() >= 3 && slope * self.hours / total > 0.5);
        let (form, slope, growth) = if self.slope_allowed {
            (Form::Line(jumps), self.slope, self.growth)
        } else if let Some(slope) = stairs.filter(|_| one_way) {
            (Form::Line(Vec::new()), slope, slope * self.hours)
        } else if jumps.is_empty() {
            (Form::Flat, self.slope, 0.0)
        } else {
            (Form::Jumps(jumps), self.slope, 0.0)
        };
        Shape {
            form,
            slope: Some(slope),
            scatter: self.scatter,
            hours: self.hours,
            growth,
        }
    }
}

/// By how much each jump changes the level, with this slope on every level.
fn sizes(points: &[(f64, f64)], jumps: &[usize], slope: f64) -> Vec<f64> {
    let mut levels = Vec::new();
    let mut from = 0;
    for to in jumps.iter().copied().chain([points.len()]) {
        let mut level: Vec<_> = points[from..to]
            .iter()
            .map(|(t, v)| v - slope * t)
            .collect();
        levels.push(median(&mut level).unwrap_or(0.0));
        from = to;
    }
    levels.windows(2).map(|w| w[1] - w[0]).collect()
}

fn after_warm_up(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    let end = first.0 + ((last.0 - first.0) / 10.0).min(LONGEST_WARM_UP);
    points.iter().copied().filter(|p| p.0 >= end).collect()
}

/// Single points far from their neighbours are replaced by the median of these (Hampel's filter), so that
/// one odd reading is neither a jump nor a slope.
fn calm(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let steps = points.windows(2).map(|w| (w[1].1 - w[0].1).abs());
    let typical = median(&mut steps.collect::<Vec<_>>()).unwrap_or(0.0);
    (0..points.len())
        .map(|i| {
            let near = &points[i.saturating_sub(3)..(i + 4).min(points.len())];
            let mut values: Vec<_> = near.iter().map(|p| p.1).collect();
            let middle = median(&mut values).unwrap_or(points[i].1);
            let mut off: Vec<_> = values.iter().map(|v| (v - middle).abs()).collect();
            let spread = median(&mut off).unwrap_or(0.0).max(typical);
            let (t, v) = points[i];
            let odd = (v - middle).abs() > 8.0 * spread && near.len() == 7;
            (t, if odd { middle } else { v })
        })
        .collect()
}
