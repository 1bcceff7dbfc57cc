//! When something that is done every so often is due again.

use std::time::Duration;

use crate::base::clock::Monotime;

/// A regular appointment. After a pause longer than the interval (the machine slept) it is kept once, not made up
/// for.
#[derive(Debug)]
pub(super) struct Schedule {
    next: Monotime,
    every: Duration,
}

impl Schedule {
    /// Due at once, and then every so often.
    pub(super) const fn new(first: Monotime, every: Duration) -> Self {
        Self { next: first, every }
    }

    /// Whether it is due now; then the next appointment is made.
    pub(super) fn is_due(&mut self, now: Monotime) -> bool {
        if now < self.next {
            return false;
        }
        self.next = self.next + self.every;
        if self.next <= now {
            self.next = now + self.every;
        }
        true
    }

    /// Every so often from now on.
    pub(super) fn change(&mut self, now: Monotime, every: Duration) {
        if every != self.every {
            *self = Self {
                next: self.next.min(now + every),
                every,
            };
        }
    }

    /// The next appointment.
    pub(super) const fn next(&self) -> Monotime {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appointments_are_regular_and_never_made_up_for() {
        let at = |s| Monotime::from_zero(Duration::from_secs(s));
        let mut schedule = Schedule::new(at(5), Duration::from_secs(10));
        let kept: Vec<u64> = [5, 6, 16, 24, 25, 99, 100, 109]
            .into_iter()
            .filter(|s| schedule.is_due(at(*s)))
            .collect();
        assert_eq!(kept, [5, 16, 25, 99, 109]);
        assert_eq!(schedule.next(), at(119));
    }
}
