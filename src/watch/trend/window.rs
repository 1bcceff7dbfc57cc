//! One window of a detector: its buckets, what is usual in it, and whether it tells growth now.

use std::collections::VecDeque;

use super::judge::{Judgement, Measure, judge, line};
use super::sen::Slope;
use super::series::{Point, Series};

/// What a window of one width asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// Width of a bucket in hours.
    pub bucket: f64,
    /// Width of the window in hours.
    pub window: f64,
    /// What counts as growth.
    pub measure: Measure,
    /// Evidence that is asked for while nothing is known of what is usual.
    pub evidence_at_first: f64,
    /// Evidence that is asked for at least later, when many windows have had the chance to look like growth.
    pub evidence: f64,
    /// Judgements in a row that must say so.
    pub in_a_row: u32,
}

/// By how much the evidence must exceed the most that earlier windows showed by chance.
const BEYOND_USUAL: f64 = 1.5;
/// Buckets from one judgement to the next.
const JUDGED_EVERY: u32 = 2;
/// Parts of a window over which the most evidence is remembered, and how many of them.
const PARTS: f64 = 2.0;
const REMEMBERED: usize = 80;

/// One window.
#[derive(Debug, Clone)]
pub(super) struct Window {
    scale: Scale,
    series: Series,
    /// Smoothed variance of the noise.
    variance: Option<f64>,
    /// Most evidence of each part of a window's time without an alarm, newest last: number of the part, evidence.
    shown: VecDeque<(u64, f64)>,
    first: Option<f64>,
    unjudged: u32,
    in_a_row: u32,
    newest: Option<Judgement>,
}

impl Window {
    pub(super) fn new(scale: Scale) -> Self {
        // One more than fits, because times are the middles of buckets.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let capacity = (scale.window / scale.bucket).ceil() as usize + 1;
        Self {
            scale,
            series: Series::new(scale.bucket, capacity),
            variance: None,
            shown: VecDeque::with_capacity(REMEMBERED),
            first: None,
            unjudged: 0,
            in_a_row: 0,
            newest: None,
        }
    }

    /// Adds a point. Returns the bucket that it closed, if it did; the window is judged at every second one.
    pub(super) fn add(&mut self, point: Point) -> Option<Point> {
        let closed = self.series.add(point)?;
        self.unjudged += 1;
        if self.unjudged == JUDGED_EVERY {
            self.unjudged = 0;
            self.look(point.at);
        }
        Some(closed)
    }

    fn look(&mut self, now: f64) {
        let first = *self.first.get_or_insert(now);
        let scale = &self.scale;
        let points = self.series.newest(scale.window);
        let usual = self.variance.map(f64::sqrt);
        self.newest = judge(&points, &scale.measure, usual);
        let Some(newest) = self.newest else { return };
        let fresh = newest.noise * newest.noise;
        // Settles over two windows.
        let share = f64::from(JUDGED_EVERY) * scale.bucket / (2.0 * scale.window);
        self.variance = match self.variance {
            Some(v) => Some(v + share * (fresh - v)),
            None if now - first >= scale.window => Some(fresh),
            None => None,
        };
        let part = scale.window / PARTS;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // small and positive
        let number = (now / part) as u64;
        let enough = newest.evidence >= self.asked(now - first, number);
        self.in_a_row = if enough { self.in_a_row + 1 } else { 0 };
        if !self.grows() {
            self.remember(number, newest.evidence);
        }
    }

    /// Evidence that is asked for: beyond what windows without a point in common with this one showed.
    fn asked(&self, age: f64, part: u64) -> f64 {
        let scale = &self.scale;
        if age < 1.5 * scale.window {
            return scale.evidence_at_first;
        }
        let apart = |n: u64| (part - n.min(part)) as f64 > PARTS;
        let usual = self
            .shown
            .iter()
            .filter(|(n, _)| apart(*n))
            .map(|(_, e)| *e);
        scale.evidence.max(BEYOND_USUAL * usual.fold(0.0, f64::max))
    }

    fn remember(&mut self, part: u64, evidence: f64) {
        match self.shown.back_mut() {
            Some((number, most)) if *number == part => *most = most.max(evidence),
            _ => {
                if self.shown.len() == REMEMBERED {
                    self.shown.pop_front();
                }
                self.shown.push_back((part, evidence));
            }
        }
    }

    const fn grows(&self) -> bool {
        self.in_a_row >= self.scale.in_a_row
    }

    /// The slope, if the window tells growth now.
    pub(super) fn growth(&self) -> Option<Slope> {
        self.newest.filter(|_| self.grows()).and_then(|j| j.slope)
    }

    /// The line through the window, leaking or not.
    pub(super) fn slope(&self) -> Option<Slope> {
        line(&self.series.newest(self.scale.window), &self.scale.measure)
    }
}
