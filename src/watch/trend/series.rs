//! Samples thinned out to evenly wide buckets, so that memory and work are bounded at any interval.

use std::collections::VecDeque;

/// A value at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Hours of a clock that never jumps.
    pub at: f64,
    /// What was read: MiB, pieces, or whatever its series is in.
    pub value: f64,
}

/// Values that one bucket holds at most; of more, every second one is kept, then every fourth, and so on.
const FULLEST: usize = 64;

/// The newest buckets of one width.
#[derive(Debug, Clone)]
pub(super) struct Series {
    width: f64,
    capacity: usize,
    points: VecDeque<Point>,
    filling: Vec<Point>,
    number: u64,
    every: u32,
    skipped: u32,
}

impl Series {
    /// Buckets of `width` hours, the newest `capacity` of them.
    pub(super) fn new(width: f64, capacity: usize) -> Self {
        Self {
            width,
            capacity,
            points: VecDeque::with_capacity(capacity),
            filling: Vec::new(),
            number: 0,
            every: 1,
            skipped: 0,
        }
    }

    /// Adds a sample. Returns the bucket that it closed by being the first of the next one.
    pub(super) fn add(&mut self, point: Point) -> Option<Point> {
        // Negative and enormous times saturate, which is all that is asked of them.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let number = (point.at / self.width + 1e-9) as u64;
        let closed = (number != self.number).then(|| self.close()).flatten();
        self.number = number;
        self.skipped += 1;
        if self.skipped >= self.every {
            self.skipped = 0;
            self.filling.push(point);
        }
        if self.filling.len() >= FULLEST {
            let mut keep = false;
            self.filling.retain(|_| {
                keep = !keep;
                keep
            });
            self.every *= 2;
        }
        closed
    }

    fn close(&mut self) -> Option<Point> {
        (self.every, self.skipped) = (1, 0);
        let closed = centre(&mut self.filling)?;
        self.filling.clear();
        if self.points.len() == self.capacity {
            self.points.pop_front();
        }
        self.points.push_back(closed);
        Some(closed)
    }

    /// The closed buckets that are not older than `hours` before the newest, oldest first.
    pub(super) fn newest(&self, hours: f64) -> Vec<Point> {
        let Some(last) = self.points.back() else {
            return Vec::new();
        };
        let from = last.at - hours;
        self.points
            .iter()
            .copied()
            .filter(|p| p.at >= from)
            .collect()
    }
}

/// The middle of a bucket: the mean of the inner half of its values, at the mean of its times. A quarter of
/// the values may be nonsense on either side; of two values it is the mean.
fn centre(points: &mut [Point]) -> Option<Point> {
    if points.is_empty() {
        return None;
    }
    let at = mean(points.iter().map(|p| p.at));
    points.sort_by(|a, b| a.value.total_cmp(&b.value));
    // Of three values one in the middle, of two both.
    let cut = if points.len() == 3 {
        1
    } else {
        points.len() / 4
    };
    let inner = &points[cut..points.len() - cut];
    Some(Point {
        at,
        value: mean(inner.iter().map(|p| p.value)),
    })
}

#[allow(clippy::cast_precision_loss)] // tens of values
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// A lone value that stands far from both neighbours, which agree with each other, is an accident of that
/// moment; it is replaced by the middle of the three.
pub(super) fn without_spikes(points: &mut [Point], sigma: f64) {
    for i in 1..points.len().saturating_sub(1) {
        let mut three = [points[i - 1].value, points[i].value, points[i + 1].value];
        let (before, value, after) = (three[0], three[1], three[2]);
        three.sort_by(f64::total_cmp);
        let lone = (value - before).abs() > 6.0 * sigma && (value - after).abs() > 6.0 * sigma;
        if lone && (before - after).abs() < (value - three[1]).abs() / 2.0 {
            points[i].value = three[1];
        }
    }
}
