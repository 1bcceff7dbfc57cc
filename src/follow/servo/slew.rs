//! The last limit before the bus: no goal is farther from the one before it than the speed limit allows.
//!
//! The set point keeps to the limits of speed by itself. Here they hold for the bytes, whatever decides, however late its
//! thread was woken, and however far the position is off from which it began.

use std::time::Duration;

use super::steps::Steps;
use crate::base::clock::Monotime;

/// A pause between two goals counts as no longer than this: a thread that was not woken for a while has no step to make
/// up for.
const LONGEST: Duration = Duration::from_millis(100);

/// The goal that may be sent at `now` after `last`, which was sent `then`, on the way to `wanted` at `speed` steps a second;
/// and the time from which the next one counts. A step that is begun before its time is up is taken off the next one.
#[must_use]
pub fn next(
    (then, last): (Monotime, Steps),
    now: Monotime,
    wanted: Steps,
    speed: f64,
) -> (Monotime, Steps) {
    let elapsed = now.since(then).min(LONGEST);
    let reach = (speed * elapsed.as_secs_f64()).ceil() as i32;
    let goal = Steps(wanted.0.clamp(last.0 - reach, last.0 + reach));
    let took = Duration::from_secs_f64(f64::from((goal.0 - last.0).abs()) / speed.max(1.0));
    (now.max(then) + took.saturating_sub(elapsed), goal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPEED: f64 = 2048.0;

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn after(ms: u64, wanted: i32) -> i32 {
        let (_, Steps(next)) = next((at(0), Steps(2000)), at(ms), Steps(wanted), SPEED);
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
        fn whatever_is_wanted_no_way_is_faster(
            goals in prop::collection::vec((0u64..300, 0i32..4096), 1..60),
            // Also where a step is a third of a degree.
            speed in prop_oneof![Just(SPEED), Just(61.4)],
        ) {
            let mut last = (at(0), Steps(2048));
            let mut ms = 0;
            for (pause, wanted) in goals {
                ms += pause;
                let sent = next(last, at(ms), Steps(wanted), speed);
                let most = speed * ms as f64 / 1e3 + 1.001;
                prop_assert!(f64::from((sent.1.0 - 2048).abs()) <= most);
                prop_assert!((sent.1.0 - wanted).abs() <= (last.1.0 - wanted).abs());
                last = sent;
            }
        }
    }
}
