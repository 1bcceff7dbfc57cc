//! How often a servo that has latched an overload is started anew.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::clock::Monotime;

/// So often at most in so long: what overloads it is not mended by that, and each time it pushes again.
const MOST: usize = 3;
const WITHIN: Duration = Duration::from_secs(300);

/// When a servo was started anew.
#[derive(Debug, Default)]
pub struct Reboots(VecDeque<Monotime>);

impl Reboots {
    /// Those that are known of.
    pub fn since(times: impl Iterator<Item = Monotime>) -> Self {
        Self(times.collect())
    }

    /// When it was.
    pub fn times(&self) -> impl Iterator<Item = Monotime> + '_ {
        self.0.iter().copied()
    }

    /// Whether it may be started anew now; that it is, is remembered.
    pub fn allow(&mut self, now: Monotime) -> bool {
        self.0.retain(|at| now.since(*at) < WITHIN);
        let may = self.0.len() < MOST;
        if may {
            self.0.push_back(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_times_in_five_minutes_and_no_more() {
        let mut reboots = Reboots::default();
        let mut allow =
            |seconds: u64| reboots.allow(Monotime::from_zero(Duration::from_secs(seconds)));
        let first: Vec<bool> = [10, 20, 40, 80, 309].into_iter().map(&mut allow).collect();
        assert_eq!(first, [true, true, true, false, false]);
        // The first one is five minutes old, the second one is not.
        assert!(allow(310) && !allow(311) && allow(320));
    }
}
