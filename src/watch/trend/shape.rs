//! What a whole series looks like, for people: flat, jumps, or a line.
//!
//! Divided and measured as the alarm does it ([`judge`], [`divide`], [`sen`]), but over all of it at once and for any
//! unit. Only what is large enough to matter is told: more than one per cent of the level, more than twice the
//! scatter, and, for a line, in both halves of the time. Whether a line is a leak is not decided here: that is what
//! [`super::Watch`] said of the same readings.

use super::judge::{Measure, both_halves, deviation, hourly, judge, noise};
use super::segments::{Division, divide};
use super::sen::{self, median, theil_sen};
use super::series::Point;

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
    /// Hours that were looked at.
    pub hours: f64,
    /// By how much the line rose in these hours.
    pub growth: f64,
}

/// Points before which nothing is said.
const FEWEST: usize = 8;
const MOST_JUMPS: usize = 4;
/// The first tenth of a run is warm-up, but never more than this (hours).
const LONGEST_WARM_UP: f64 = 0.5;
/// Evidence that a line needs: as much as the alarm asks for once it knows what is usual.
const EVIDENCE: f64 = 24.0;
/// Part of the whole slope that each half of the time must have.
const LEAST_OF_HALF: f64 = 0.3;

/// Describes a series, ascending in time. Changes below `least` (units of the series) are never told.
#[must_use]
pub fn describe(points: &[Point], least: f64) -> Shape {
    let begin = points.first().map_or(0.0, |p| p.at);
    let points = calm(&after_warm_up(points));
    let hours = match (points.first(), points.last()) {
        (Some(first), Some(last)) => last.at - first.at,
        _ => 0.0,
    };
    if points.len() < FEWEST || hours <= 0.0 {
        return Shape {
            form: Form::Short,
            slope: theil_sen(&points),
            scatter: 0.0,
            hours,
            growth: 0.0,
        };
    }
    let mut values: Vec<_> = points.iter().map(|p| p.value).collect();
    let middle = median(&mut values).unwrap_or(0.0);
    let range = values
        .iter()
        .fold(0.0_f64, |most, v| most.max((v - middle).abs()));
    let least = least.max(middle.abs() / 100.0);
    // A line downwards is one upwards in a mirror.
    let side = if hourly(&points) < 0.0 { -1.0 } else { 1.0 };
    let mirrored = |p: &Point| Point {
        at: p.at - begin,
        value: side * (p.value - middle),
    };
    let points: Vec<_> = points.iter().map(mirrored).collect();
    let measure = Measure {
        rhythm: 0.0,
        least: least / hours,
        // What never changes has no noise at all, and no deviation of it may be infinite.
        least_noise: (least / 4.0).max(range / 1e3).max(f64::MIN_POSITIVE),
        least_points: FEWEST,
    };
    let looked = Looked {
        points: &points,
        hours,
        least,
        side,
    };
    let judged = judge(&points, &measure, None);
    let sigma = judged.map_or_else(|| noise(&points).max(measure.least_noise), |j| j.noise);
    let line = judged.filter(|j| j.evidence >= EVIDENCE);
    line.and_then(|j| looked.line(j.slope?.median, sigma))
        .unwrap_or_else(|| looked.levels(sigma))
}

/// A series with what is needed to describe it.
struct Looked<'a> {
    points: &'a [Point],
    hours: f64,
    least: f64,
    side: f64,
}

impl Looked<'_> {
    /// A line with the jumps beside it; none where it does not go on all the time, or tells too little.
    fn line(&self, growth: f64, sigma: f64) -> Option<Shape> {
        let (division, sizes, slope) = self.divided(Some(growth), sigma);
        let scatter = deviation(self.points, &division, slope).unwrap_or(0.0);
        let told = slope * self.hours >= self.least.max(2.0 * scatter)
            && both_halves(self.points, &division, LEAST_OF_HALF * slope);
        told.then(|| {
            let jumps = self.largest(&division, &sizes);
            self.shape(Form::Line(jumps), slope, scatter)
        })
    }

    /// Levels alone.
    fn levels(&self, sigma: f64) -> Shape {
        let (division, sizes, beside) = self.divided(None, sigma);
        let scatter = deviation(self.points, &division, 0.0).unwrap_or(0.0);
        let total: f64 = sizes.iter().sum();
        let one_way = sizes.len() >= 3 && sizes.iter().all(|s| s * total > 0.0);
        // Stairs: always in one direction, all the time, is a line as well, however it is climbed.
        let stairs = theil_sen(self.points).filter(|s| one_way && s * self.hours / total > 0.5);
        match stairs {
            Some(slope) => self.shape(Form::Line(Vec::new()), slope, scatter),
            None if sizes.is_empty() => self.shape(Form::Flat, beside, scatter),
            None => {
                let jumps = self.largest(&division, &sizes);
                self.shape(Form::Jumps(jumps), beside, scatter)
            }
        }
    }

    /// The division for this growth without jumps that are too small to be told, their sizes, and the slope within it.
    fn divided(&self, growth: Option<f64>, sigma: f64) -> (Division, Vec<f64>, f64) {
        let mut division = divide(self.points, growth.unwrap_or(0.0), sigma);
        let shortest = (self.points.len() / 40).max(3);
        let within = |division: &Division| {
            let slope = sen::slope(division.pieces(self.points), 0.0);
            slope.map_or(0.0, |s| s.median)
        };
        loop {
            let used = growth.map_or(0.0, |_| within(&division));
            let scatter = deviation(self.points, &division, used).unwrap_or(0.0);
            let limit = self.least.max(2.0 * scatter);
            let sizes = sizes(&division, self.points, used);
            let lengths: Vec<_> = division.pieces(self.points).map(<[Point]>::len).collect();
            // A few readings are no level; they count as nothing.
            let weight = |i: usize| {
                let short = lengths[i] < shortest || lengths[i + 1] < shortest;
                if short { 0.0 } else { sizes[i].abs() }
            };
            let smallest = (0..sizes.len()).min_by(|a, b| weight(*a).total_cmp(&weight(*b)));
            match smallest {
                Some(i) if weight(i) < limit => drop(division.starts.remove(i + 1)),
                _ => {
                    let slope = within(&division);
                    return (division, sizes, slope);
                }
            }
        }
    }

    /// The largest jumps, in order of time.
    fn largest(&self, division: &Division, sizes: &[f64]) -> Vec<Jump> {
        let starts = division.starts.iter().skip(1);
        let mut jumps: Vec<_> = starts
            .zip(sizes)
            .map(|(start, by)| Jump {
                at: self.points[*start].at,
                by: self.side * by,
            })
            .collect();
        jumps.sort_by(|a, b| b.by.abs().total_cmp(&a.by.abs()));
        jumps.truncate(MOST_JUMPS);
        jumps.sort_by(|a, b| a.at.total_cmp(&b.at));
        jumps
    }

    fn shape(&self, form: Form, slope: f64, scatter: f64) -> Shape {
        let line = matches!(form, Form::Line(_));
        Shape {
            form,
            slope: Some(self.side * slope),
            scatter,
            hours: self.hours,
            growth: if line {
                self.side * slope * self.hours
            } else {
                0.0
            },
        }
    }
}

/// By how much each jump changes the level, with this slope on every level.
fn sizes(division: &Division, points: &[Point], slope: f64) -> Vec<f64> {
    let level = |piece: &[Point]| {
        let mut level: Vec<_> = piece.iter().map(|p| p.value - slope * p.at).collect();
        median(&mut level).unwrap_or(0.0)
    };
    let levels: Vec<_> = division.pieces(points).map(level).collect();
    levels.windows(2).map(|w| w[1] - w[0]).collect()
}

fn after_warm_up(points: &[Point]) -> Vec<Point> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    let end = first.at + ((last.at - first.at) / 10.0).min(LONGEST_WARM_UP);
    points.iter().copied().filter(|p| p.at >= end).collect()
}

/// Single points far from their neighbours are replaced by the median of these (Hampel's filter), so that
/// one odd reading is neither a jump nor a slope.
fn calm(points: &[Point]) -> Vec<Point> {
    let steps = points.windows(2).map(|w| (w[1].value - w[0].value).abs());
    let typical = median(&mut steps.collect::<Vec<_>>()).unwrap_or(0.0);
    let calmed = |i: usize| {
        let Point { at, value } = points[i];
        let near = &points[i.saturating_sub(3)..(i + 4).min(points.len())];
        let mut values: Vec<_> = near.iter().map(|p| p.value).collect();
        let middle = median(&mut values).unwrap_or(value);
        let mut off: Vec<_> = values.iter().map(|v| (v - middle).abs()).collect();
        let spread = median(&mut off).unwrap_or(0.0).max(typical);
        let odd = (value - middle).abs() > 8.0 * spread && near.len() == 7;
        let value = if odd { middle } else { value };
        Point { at, value }
    };
    (0..points.len()).map(calmed).collect()
}

#[cfg(test)]
mod tests;
