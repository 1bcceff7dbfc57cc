//! Requests, counted. Pure.

use std::time::Duration;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// That a card is counted.
    Tap,
    /// That a picture is worked on.
    Frame,
}

/// Longest response that is told apart, in ms; a request is given up before.
const LONGEST_MS: usize = 10_000;

/// Times of response, to the millisecond.
#[derive(Debug, Clone)]
pub struct Times {
    /// How often each of 0 to [`LONGEST_MS`] was seen.
    seen: Vec<u64>,
    count: u64,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            seen: vec![0; LONGEST_MS + 1],
            count: 0,
        }
    }
}

impl Times {
    fn add(&mut self, took: Duration) {
        let ms = usize::try_from(took.as_millis()).map_or(LONGEST_MS, |ms| ms.min(LONGEST_MS));
        self.seen[ms] += 1;
        self.count += 1;
    }

    /// The time in ms that this part of the responses did not exceed; none without any.
    #[must_use]
    pub fn percentile(&self, part: f64) -> Option<usize> {
        #[allow(clippy::cast_precision_loss)] // exact up to 2^53 requests
        let wanted = part * self.count as f64;
        let mut so_far = 0;
        self.seen.iter().position(|n| {
            so_far += n;
            #[allow(clippy::cast_precision_loss)] // as above
            let enough = *n > 0 && so_far as f64 >= wanted;
            enough
        })
    }
}

/// Everything that was asked for.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests that were answered in time.
    pub successes: u64,
    /// Those that were not.
    pub errors: u64,
    taps: Times,
    frames: Times,
}

impl Tally {
    /// A request is over; `took` is none if it was not answered in time, or not as it should be.
    pub fn add(&mut self, kind: RequestKind, took: Option<Duration>) {
        let Some(took) = took else {
            self.errors += 1;
            return;
        };
        self.successes += 1;
        match kind {
            RequestKind::Tap => self.taps.add(took),
            RequestKind::Frame => self.frames.add(took),
        }
    }

    /// All requests.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.successes + self.errors
    }

    /// Requests whose tap proved lost afterwards are no successes.
    #[must_use]
    pub fn corrected(mut self, in_vain: u64) -> Self {
        let in_vain = in_vain.min(self.successes);
        self.successes -= in_vain;
        self.errors += in_vain;
        self
    }

    /// Successes in per cent of the requests; none without any.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // exact up to 2^53 requests
    pub fn rate(&self) -> Option<f64> {
        let requests = self.requests();
        (requests > 0).then(|| self.successes as f64 * 100.0 / requests as f64)
    }

    /// Times of response of one kind.
    #[must_use]
    pub const fn times(&self, kind: RequestKind) -> &Times {
        match kind {
            RequestKind::Tap => &self.taps,
            RequestKind::Frame => &self.frames,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_percentiles() {
        let mut tally = Tally::default();
        assert_eq!(tally.rate(), None);
        assert_eq!(tally.times(RequestKind::Tap).percentile(0.5), None);
        for ms in 1..=99 {
            tally.add(RequestKind::Tap, Some(Duration::from_millis(ms)));
        }
        tally.add(RequestKind::Tap, None);
        tally.add(RequestKind::Frame, Some(Duration::from_secs(99)));
        assert_eq!((tally.requests(), tally.errors), (101, 1));
        let taps = tally.times(RequestKind::Tap);
        assert_eq!(
            (taps.percentile(0.5), taps.percentile(1.0)),
            (Some(50), Some(99))
        );
        assert_eq!(
            tally.times(RequestKind::Frame).percentile(0.99),
            Some(LONGEST_MS)
        );
    }

    #[test]
    fn a_lost_tap_is_no_success() {
        let mut tally = Tally::default();
        (0..200).for_each(|_| tally.add(RequestKind::Tap, Some(Duration::ZERO)));
        let tally = tally.corrected(2);
        assert_eq!(
            (tally.successes, tally.errors, tally.rate()),
            (198, 2, Some(99.0))
        );
        assert_eq!(tally.corrected(999).successes, 0);
    }
}
