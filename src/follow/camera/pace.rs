//! Pictures at an even rate.

use std::time::Duration;

use crate::base::clock::Monotime;

/// Slowest and fastest rate that a clip is believed to have, in pictures a second.
const RATES: std::ops::RangeInclusive<f64> = 1.0..=240.0;

/// When each picture of a steady sequence is due.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    interval: Duration,
    next: Option<Monotime>,
}

impl Pace {
    /// `rate` pictures a second, moved into 1 to 240.
    pub fn new(rate: f64) -> Self {
        let rate = if rate.is_finite() { rate } else { 0.0 };
        Self {
            interval: Duration::from_secs_f64(1.0 / rate.clamp(*RATES.start(), *RATES.end())),
            next: None,
        }
    }

    /// The moment at which the next picture is due; the first one is due at once. Who comes later than
    /// the following picture would be due starts from there: the rate is kept, nothing is caught up.
    pub fn due(&mut self, now: Monotime) -> Monotime {
        let due = match self.next {
            Some(next) if now.since(next) < self.interval => next,
            _ => now,
        };
        self.next = Some(due + self.interval);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    #[test]
    fn small_delays_do_not_add_up() {
        let mut pace = Pace::new(10.0);
        assert_eq!(pace.due(at(1000)), at(1000));
        assert_eq!(pace.due(at(1003)), at(1100));
        assert_eq!(pace.due(at(1150)), at(1200));
        assert_eq!(pace.due(at(1299)), at(1300));
    }

    #[test]
    fn a_long_delay_is_not_caught_up() {
        let mut pace = Pace::new(10.0);
        pace.due(at(0));
        assert_eq!(pace.due(at(5000)), at(5000));
        assert_eq!(pace.due(at(5001)), at(5100));
    }

    #[test]
    fn absurd_rates_are_bounded() {
        for (rate, ms) in [(0.0, 1000), (f64::NAN, 1000), (-5.0, 1000), (1e12, 4)] {
            let mut pace = Pace::new(rate);
            let first = pace.due(at(0));
            assert_eq!(pace.due(at(0)).since(first).as_millis(), ms, "rate {rate}");
        }
    }
}
