//! When a loop that has panicked is restarted, and when to give up. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::backoff::Backoff;
use super::clock::Monotime;

/// Panics of one loop within [`WITHIN`] that end the process: what is broken is not the moment.
const TOO_OFTEN: usize = 5;
/// See [`TOO_OFTEN`]. After as long without one the pauses are short again.
const WITHIN: Duration = Duration::from_secs(300);
/// Pauses before a loop is begun again: 0.1, 0.2, 0.4, 0.8 s. Together well within the five seconds in which a
/// visitor expects an answer.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What is to be done after a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Begin again after this pause.
    Again(Duration),
    /// End the process: this many panics came within the time.
    GiveUp(usize),
}

/// The panics of one loop.
#[derive(Debug)]
pub struct Restarts {
    recent: VecDeque<Monotime>,
    backoff: Backoff,
}

impl Default for Restarts {
    fn default() -> Self {
        Self {
            recent: VecDeque::with_capacity(TOO_OFTEN),
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
        }
    }
}

impl Restarts {
    /// The loop has panicked at `now`.
    pub fn panicked(&mut self, now: Monotime) -> Decision {
        self.recent.retain(|at| now.since(*at) < WITHIN);
        if self.recent.is_empty() {
            self.backoff.reset();
        }
        self.recent.push_back(now);
        match self.recent.len() {
            n if n >= TOO_OFTEN => Decision::GiveUp(n),
            _ => Decision::Again(self.backoff.pause()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotime {
        Monotime::from_zero(Duration::from_secs(seconds))
    }

    #[test]
    fn pauses_grow_and_the_fifth_panic_in_five_minutes_is_the_last() {
        let mut restarts = Restarts::default();
        for (second, pause) in [(0, 100), (10, 200), (20, 400), (299, 800)] {
            let pause = Duration::from_millis(pause);
            assert_eq!(restarts.panicked(at(second)), Decision::Again(pause));
        }
        assert_eq!(restarts.panicked(at(299)), Decision::GiveUp(5));
    }

    #[test]
    fn a_panic_now_and_then_is_got_over_for_ever() {
        let mut restarts = Restarts::default();
        for n in 0..1000 {
            assert_eq!(restarts.panicked(at(n * 300)), Decision::Again(FIRST_PAUSE));
        }
    }
}
