//! Pauses between attempts that grow while a fault lasts.

use std::time::Duration;

/// Doubling pauses from a first value up to a longest one.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses that begin with `first` and double up to `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest: longest.max(first),
            next: first,
        }
    }

    /// For devices on a cable (camera, servo bus, reader): 0.5 s doubling to 30 s.
    #[must_use]
    pub fn device() -> Self {
        Self::new(Duration::from_millis(500), Duration::from_secs(30))
    }

    /// The pause to make now; the following one is twice as long.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }

    /// As [`pause`](Self::pause), moved by up to a fifth in either direction so that many devices do
    /// not come back in the same moment. `random` lies in `0.0..1.0`.
    pub fn pause_with_jitter(&mut self, random: f64) -> Duration {
        self.pause().mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0))
    }

    /// The fault is over: begin with the shortest pause next time.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_longest_and_starts_again() {
        let mut b = Backoff::device();
        let pauses: Vec<f64> = (0..8).map(|_| b.pause().as_secs_f64()).collect();
        assert_eq!(pauses, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
        b.reset();
        assert_eq!(b.pause(), Duration::from_millis(500));
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        let mut b = Backoff::new(Duration::from_secs(10), Duration::from_secs(10));
        assert_eq!(b.pause_with_jitter(0.0), Duration::from_secs(8));
        assert_eq!(b.pause_with_jitter(1.0), Duration::from_secs(12));
    }
}
