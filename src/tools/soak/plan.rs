//! What is asked for: how long, how often, with which fault. Pure.

use std::time::Duration;

use super::fault::Fault;

/// The longest run: a hundred years.
const LONGEST_HOURS: f64 = 876_000.0;
/// Requests cannot come faster than a thousand a second, nor seldomer than once an hour.
const INTERVALS: std::ops::RangeInclusive<f64> = 0.001..=3600.0;

/// Time from one request to the next, drawn from this range anew each time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    from: f64,
    to: f64,
}

impl Interval {
    /// Reads `0.05` or `0.1..1.0`, in seconds.
    ///
    /// # Errors
    /// It is neither, or out of range; the message says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let number = |t: &str| t.trim().parse().ok().filter(|n| INTERVALS.contains(n));
        match (number(from), number(to)) {
            (Some(from), Some(to)) if from <= to => Ok(Self { from, to }),
            _ => Err(format!(
                "give seconds from {} to {}, such as 0.05, or a range such as 0.1..1.0",
                INTERVALS.start(),
                INTERVALS.end()
            )),
        }
    }

    /// The next one; `random` lies in `0.0..1.0`.
    #[must_use]
    pub fn draw(&self, random: f64) -> Duration {
        Duration::from_secs_f64(self.from + (self.to - self.from) * random)
    }
}

/// Reads a duration in hours.
///
/// # Errors
/// It is no number, or out of range; the message says what is allowed.
pub fn hours(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(n) if n > 0.0 && n <= LONGEST_HOURS => Ok(Duration::from_secs_f64(n * 3600.0)),
        _ => Err(format!(
            "give hours above 0 and up to {LONGEST_HOURS}, such as 24 or 0.02 (72 seconds)"
        )),
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// From the moment that the service is at work.
    pub duration: Duration,
    /// Time from one request to the next; a slow one puts the next ones off.
    pub interval: Interval,
    /// What is planted after the warm-up.
    pub fault: Option<Fault>,
}

impl Plan {
    /// How long a service may take to come to rest before its resources are compared: a tenth of the run, at least
    /// 10 s, at most 10 min; in a very short run a quarter of it.
    #[must_use]
    pub fn warm_up(&self) -> Duration {
        (self.duration / 10)
            .clamp(Duration::from_secs(10), Duration::from_secs(600))
            .min(self.duration / 4)
    }

    /// What is left after the warm-up: the time that a planted fault has.
    #[must_use]
    pub fn after_warm_up(&self) -> Duration {
        self.duration - self.warm_up()
    }

    /// Whether the run is long enough for its fault to show.
    ///
    /// # Errors
    /// The message names the shortest duration.
    pub fn check(&self) -> Result<(), String> {
        let Some(fault) = self.fault else {
            return Ok(());
        };
        let least = fault.least();
        if self.after_warm_up() >= least {
            return Ok(());
        }
        // The warm-up takes a quarter at most.
        let hours = (least.as_secs_f64() / 0.75 / 3600.0 * 1e4).ceil() / 1e4;
        Err(format!(
            "--fault {}: the fault needs {} s after the warm-up to show; give --duration {hours} at least",
            fault.name(),
            least.as_secs()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seconds: u64, fault: Option<Fault>) -> Plan {
        Plan {
            duration: Duration::from_secs(seconds),
            interval: Interval::parse("1").unwrap(),
            fault,
        }
    }

    #[test]
    fn intervals_are_a_number_or_a_range() {
        let fixed = Interval::parse("0.05").unwrap();
        assert_eq!(fixed.draw(0.9), Duration::from_millis(50));
        let range = Interval::parse("0.1..1.1").unwrap();
        assert_eq!(range.draw(0.0), Duration::from_millis(100));
        assert_eq!(range.draw(0.5), Duration::from_millis(600));
        for bad in [
            "", "0", "-1", "NaN", "inf", "1..0.5", "1..", "..1", "a..b", "1...2", "3601",
        ] {
            assert!(Interval::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hours_are_positive() {
        assert_eq!(hours("0.02"), Ok(Duration::from_secs(72)));
        for bad in ["0", "-1", "NaN", "inf", "x", "", "1e9"] {
            assert!(hours(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_warm_up_fits_the_run() {
        for (run, warm_up) in [(8, 2), (72, 10), (720, 72), (86_400, 600)] {
            assert_eq!(plan(run, None).warm_up(), Duration::from_secs(warm_up));
        }
    }

    #[test]
    fn a_run_that_is_too_short_for_its_fault_is_refused_with_one_that_is_not() {
        for fault in Fault::ALL {
            assert_eq!(plan(72, Some(fault)).check(), Ok(()), "{fault:?}");
            let why = plan(2, Some(fault)).check().unwrap_err();
            let named = why.split("--duration ").nth(1).unwrap();
            let named = hours(named.split(' ').next().unwrap()).unwrap();
            let long_enough = Plan {
                duration: named,
                ..plan(0, Some(fault))
            };
            assert_eq!(long_enough.check(), Ok(()), "{why}");
        }
    }
}
