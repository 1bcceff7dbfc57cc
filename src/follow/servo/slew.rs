//! The last limit before the bus: no goal is farther from the one before it than the speed limit allows.
//!
//! The set point keeps to the limits of speed by itself. Here they hold for the bytes, whatever decides, however late its
//! thread was woken, and however far the position is off from which it began.

use std::time::Duration;

use super::steps::Steps;

/// A pause between two goals counts as no longer than this: a thread that was not woken for a while has no step to make
/// up for.
const LONGEST: Duration = Duration::from_millis(100);

/// The goal that may be sent so long after `last`, on the way to `wanted`, at `speed` steps a second.
#[must_use]
pub fn next(last: Steps, elapsed: Duration, wanted: Steps, speed: f64) -> Steps {
    let reach = (speed * elapsed.min(LONGEST).as_secs_f64()).ceil() as i32;
    Steps(wanted.0.clamp(last.0 - reach, last.0 + reach))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPEED: f64 = 2048.0;

    fn after(ms: u64, wanted: i32) -> i32 {
        let Steps(next) = next(Steps(2000), Duration::from_millis(ms), Steps(wanted), SPEED);
        next
    }

    #[test]
    fn a_goal_within_the_limit_is_sent_as_it_is() {
        assert_eq!(after(20, 2040), 2040);
        assert_eq!(after(20, 1960), 1960);
        assert_eq!(after(0, 2000), 2000);
    }

    #[test]
    fn a_jump_becomes_a_step_of_the_time_that_has_passed() {
        assert_eq!(after(20, 4095), 2041);
        assert_eq!(after(20, 0), 1959);
        assert_eq!(after(0, 4095), 2000);
        // After a second without a goal as well.
        assert_eq!(after(1000, 4095), 2205);
    }

    proptest! {
        #[test]
        fn whatever_is_wanted_no_way_is_faster(goals in prop::collection::vec((0u64..300, 0i32..4096), 1..60)) {
            let mut last = Steps(2048);
            let (mut ms, mut steps) = (0, 0);
            for (pause, wanted) in goals {
                let sent = next(last, Duration::from_millis(pause), Steps(wanted), SPEED);
                ms += pause;
                // Each may be rounded up by a step.
                steps += 1;
                let most = SPEED * ms as f64 / 1e3 + f64::from(steps);
                prop_assert!(f64::from((sent.0 - 2048).abs()) <= most);
                prop_assert!((sent.0 - wanted).abs() <= (last.0 - wanted).abs());
                last = sent;
            }
        }
    }
}
