//! The pace of the pictures: a camera takes them at steady intervals, however unsteadily they arrive.

use std::collections::VecDeque;

use crate::base::clock::Monotime;

/// So many pictures tell the pace; fewer than the least tell nothing.
const PICTURES: usize = 32;
const LEAST: usize = 8;
/// One that is off by more than this part of the interval, or than so many seconds, is not of this pace; nor is what comes
/// behind so many of those.
const ODD_PART: f64 = 0.8;
const ODD: f64 = 0.05;
const MOST_ODD: usize = 2;
/// After a longer gap nothing is known, in seconds.
const GAP: f64 = 1.5;

/// Follows the pace.
#[derive(Debug, Default)]
pub struct Cadence {
    zero: Option<Monotime>,
    /// Numbers and stamps, in seconds, of the last pictures.
    seen: VecDeque<(f64, f64)>,
    odd: usize,
}

impl Cadence {
    /// When the picture with this number, which is stamped with `at`, was taken, but for a delay that is the same for all.
    pub fn steady(&mut self, number: u64, at: Monotime) -> Monotime {
        let zero = *self.zero.get_or_insert(at);
        let (n, t) = (number as f64, at.seconds_since(zero));
        let follows = |(before, then): &(f64, f64)| n > *before && t >= *then && t - then <= GAP;
        if !self.seen.back().is_none_or(follows) {
            *self = Self::default();
            return self.steady(number, at);
        }
        let expected = self.line();
        if self.seen.len() == PICTURES {
            self.seen.pop_front();
        }
        self.seen.push_back((n, t));
        let Some(line) = expected else {
            return at;
        };
        if (t - line.at(n)).abs() > ODD.min(ODD_PART * line.interval) {
            self.odd += 1;
            if self.odd >= MOST_ODD {
                // A picture was lost on the way, or the pace is another one.
                let old = self.seen.len() - self.odd;
                self.seen.drain(..old);
                self.odd = 0;
            }
            return at;
        }
        self.odd = 0;
        let taken = self.line().map_or(t, |line| line.at(n));
        zero + std::time::Duration::from_secs_f64(taken.max(0.0))
    }

    /// The straight line through numbers and stamps.
    fn line(&self) -> Option<Line> {
        if self.seen.len() < LEAST {
            return None;
        }
        let count = self.seen.len() as f64;
        let sum = |of: &dyn Fn(&(f64, f64)) -> f64| self.seen.iter().map(of).sum::<f64>() / count;
        let middle = (sum(&|s| s.0), sum(&|s| s.1));
        let spread = sum(&|s| (s.0 - middle.0).powi(2));
        let interval = sum(&|s| (s.0 - middle.0) * (s.1 - middle.1)) / spread;
        Some(Line { middle, interval })
    }
}

struct Line {
    middle: (f64, f64),
    interval: f64,
}

impl Line {
    fn at(&self, number: f64) -> f64 {
        self.middle.1 + (number - self.middle.0) * self.interval
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: f64) -> Monotime {
        Monotime::from_zero(Duration::from_secs_f64(10.0 + seconds))
    }

    /// Standard deviation of the time by which pictures are off from when they were taken, with and without.
    fn unsteadiness(stamps: &[(u64, f64, f64)]) -> (f64, f64) {
        let mut cadence = Cadence::default();
        let pairs: Vec<(f64, f64)> = stamps
            .iter()
            .map(|(number, taken, came)| {
                let steady = cadence.steady(*number, at(*came)).seconds_since(at(0.0));
                (steady - taken, came - taken)
            })
            .skip(40)
            .collect();
        let spread = |of: fn(&(f64, f64)) -> f64| {
            let mean = pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
            let square = pairs.iter().map(|p| (of(p) - mean).powi(2)).sum::<f64>();
            (square / pairs.len() as f64).sqrt()
        };
        (spread(|p| p.0), spread(|p| p.1))
    }

    #[test]
    fn unsteady_arrivals_become_a_steady_pace() {
        for rate in [5.0, 10.0, 15.0, 29.7, 30.0, 60.0] {
            let mut random = fastrand::Rng::with_seed(2);
            let (mut stamps, mut last) = (Vec::new(), 0.0_f64);
            for i in 0..600_u32 {
                let (taken, late) = (f64::from(i) / rate, (random.f64() - 0.5) * 0.03);
                // One in twenty is not looked at, but has its number.
                if random.f64() > 0.05 {
                    last = (taken + 0.2 + late).max(last);
                    stamps.push((u64::from(i), taken, last));
                }
            }
            let (steady, raw) = unsteadiness(&stamps);
            assert!(steady < raw * 0.75, "{rate}/s: {steady} of {raw}");
        }
    }

    #[test]
    fn pictures_that_are_lost_before_they_have_a_number_do_little_harm() {
        let mut random = fastrand::Rng::with_seed(2);
        let (mut stamps, mut number) = (Vec::new(), 0);
        for i in 0..600_u32 {
            let taken = f64::from(i) / 30.0;
            if random.f64() > 0.03 {
                number += 1;
                stamps.push((number, taken, taken + 0.2 + (random.f64() - 0.5) * 0.006));
            }
        }
        let (steady, _) = unsteadiness(&stamps);
        assert!(steady < 0.006, "{steady}");
    }

    #[test]
    fn what_has_no_pace_is_nearly_left_as_it_is() {
        let mut random = fastrand::Rng::with_seed(2);
        let mut time = 0.0;
        let mut cadence = Cadence::default();
        for number in 0..300 {
            time += 0.01 + random.f64() * 0.4;
            let off = cadence.steady(number, at(time)).seconds_since(at(time));
            assert!(off.abs() <= ODD + 1e-6, "{off}");
        }
    }

    #[test]
    fn another_pace_or_delay_is_taken_up() {
        let mut cadence = Cadence::default();
        let mut last = 0.0;
        for i in 0..300 {
            let (rate, late) = if i < 100 { (30.0, 0.0) } else { (12.0, 0.2) };
            last += 1.0 / rate + if i == 100 { late } else { 0.0 };
            let off = cadence.steady(i, at(last)).seconds_since(at(last));
            assert!(off.abs() < 0.001, "{i}: {off}");
        }
    }
}
