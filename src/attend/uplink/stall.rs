//! Detects that deliveries have stalled although one is due. Pure.

use std::time::Duration;

use crate::base::clock::Monotime;

/// How long no attempt may begin or end though one is due. An attempt itself takes a few seconds at most.
pub(super) const STALLED: Duration = Duration::from_secs(300);

/// Watches over attempts.
#[derive(Debug, Default)]
pub(super) struct Stall {
    /// Since when an attempt has been due without one beginning or ending.
    since: Option<Monotime>,
}

impl Stall {
    /// An attempt has begun or ended.
    pub fn moved(&mut self) {
        self.since = None;
    }

    /// `due`: an attempt should begin or end now. True if that has been so for too long.
    pub fn look(&mut self, due: bool, now: Monotime) -> bool {
        if !due {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        now.since(since) >= STALLED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Monotime {
        Monotime::from_zero(Duration::from_secs(s))
    }

    #[test]
    fn five_minutes_without_an_attempt_that_is_due_are_a_stall() {
        let mut stall = Stall::default();
        assert!(!stall.look(true, at(10)));
        assert!(!stall.look(true, at(309)));
        assert!(stall.look(true, at(310)));
    }

    #[test]
    fn whoever_moves_or_has_nothing_to_do_does_not_stall() {
        let mut stall = Stall::default();
        for second in 0..1000 {
            stall.moved();
            assert!(!stall.look(true, at(second)));
        }
        assert!(!stall.look(false, at(1000)));
        assert!(!stall.look(true, at(9000)), "due from now on");
        assert!(!stall.look(true, at(9299)));
        assert!(!stall.look(false, at(9299)));
        assert!(!stall.look(true, at(9300)));
    }
}
