//! A series of any length in bounded room: neighbours are put together when there are too many.

use crate::watch::trend::Point;

/// Some values that follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Place of the first on the time axis (seconds).
    pub begin: f64,
    /// Place of the last.
    pub end: f64,
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Which run of the program they belong to (the first of them, where runs had to be put together).
    pub run: u64,
}

impl Bucket {
    /// Mean value.
    pub fn mean(&self) -> f64 {
        // A count of samples is exact.
        self.sum / self.count as f64
    }

    /// Middle on the time axis.
    pub fn middle(&self) -> f64 {
        f64::midpoint(self.begin, self.end)
    }

    fn join(&mut self, later: &Self) {
        self.end = later.end;
        self.count += later.count;
        self.sum += later.sum;
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
    }
}

/// The series. At least half of `MOST` buckets once there are that many values, at most `MOST`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Thinned {
    buckets: Vec<Bucket>,
    per_bucket: u64,
}

/// Enough for a plot 900 pixels wide, and few enough for every pair of them to be looked at.
pub const MOST: usize = 512;

impl Thinned {
    /// Adds a value that comes after all others.
    pub fn add(&mut self, place: f64, value: f64, run: u64) {
        let one = Bucket {
            begin: place,
            end: place,
            count: 1,
            sum: value,
            min: value,
            max: value,
            run,
        };
        match self.buckets.last_mut() {
            Some(last) if last.count < self.per_bucket && last.run == run => last.join(&one),
            _ => self.buckets.push(one),
        }
        if self.buckets.len() > MOST {
            self.halve();
        }
    }

    /// Neighbours within one run are joined; where that is not enough (very many short runs), those of
    /// different runs as well, the small ones first.
    fn halve(&mut self) {
        let limit = self.per_bucket.max(1).saturating_mul(2);
        self.join(|a, b| a.run == b.run && a.count + b.count <= limit);
        if self.buckets.len() <= MOST * 3 / 4 {
            self.per_bucket = limit;
        }
        let mut across = 1_u64;
        while self.buckets.len() > MOST * 3 / 4 {
            across = across.saturating_mul(2);
            self.join(|a, b| a.count + b.count <= across);
        }
    }

    fn join(&mut self, may: impl Fn(&Bucket, &Bucket) -> bool) {
        self.buckets.dedup_by(|later, kept| {
            let joined = may(kept, later);
            if joined {
                kept.join(later);
            }
            joined
        });
    }

    /// In order of time.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// Middle and mean of each bucket, in hours since the first.
    pub fn points(&self) -> Vec<Point> {
        let first = self.buckets.first().map_or(0.0, |b| b.begin);
        let point = |b: &Bucket| Point {
            at: (b.middle() - first) / 3600.0,
            value: b.mean(),
        };
        self.buckets.iter().map(point).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_but_detail() {
        let mut series = Thinned::default();
        for i in 0..100_000_u32 {
            series.add(f64::from(i), f64::from(i % 1000), u64::from(i / 50_000));
        }
        let buckets = series.buckets();
        assert!(
            (MOST / 2..=MOST).contains(&buckets.len()),
            "{}",
            buckets.len()
        );
        assert_eq!(buckets.iter().map(|b| b.count).sum::<u64>(), 100_000);
        assert_eq!(buckets.iter().map(|b| b.max).fold(0.0, f64::max), 999.0);
        assert!(
            buckets
                .windows(2)
                .all(|w| w[0].end < w[1].begin && w[0].run <= w[1].run)
        );
        let second = buckets.iter().find(|b| b.run == 1).unwrap();
        assert_eq!(
            second.begin, 50_000.0,
            "a run begins with a bucket of its own"
        );
        let points = series.points();
        assert!(points.windows(2).all(|w| w[0].at < w[1].at));
    }

    #[test]
    fn very_many_short_runs_take_no_more_room() {
        let mut series = Thinned::default();
        for i in 0..20_000_u32 {
            series.add(f64::from(i), 1.0, u64::from(i));
            assert!(series.buckets().len() <= MOST);
        }
        assert_eq!(
            series.buckets().iter().map(|b| b.count).sum::<u64>(),
            20_000
        );
        // A long run after them still has some of its own.
        for i in 0..300_u32 {
            series.add(f64::from(20_000 + i), 1.0, 30_000);
        }
        let last = series.buckets().iter().filter(|b| b.run == 30_000).count();
        assert!(last >= 4, "{last}");
    }
}
