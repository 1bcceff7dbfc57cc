//! Whether a servo does what it is told: what lies between its goal and where it stands, over time.

use std::time::Duration;

use crate::base::clock::Monotime;

use super::steps::Steps;

/// A servo that is so far from its goal and turns away from it by so much more, in degrees, has run away. While a goal
/// turns round a servo goes on for what it lags; that makes three degrees at most.
const AWAY: f64 = 12.0;
const RUN: f64 = 15.0;
/// One that is so far from its goal, in degrees, for so long, without having come nearer by so much, does not follow. A
/// mount that hangs on its servo, and backlash, make two or three degrees.
const APART: f64 = 5.0;
const PATIENCE: Duration = Duration::from_secs(2);
const PROGRESS: f64 = 1.0;
/// A pause between two positions counts as no longer than this: nobody looked meanwhile.
const LONGEST: Duration = Duration::from_millis(100);

/// What a servo does that it was not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disobedience {
    /// It turns away from its goal.
    RunsAway,
    /// It does not go to its goal.
    Stands,
}

/// Where a servo stood, on which side of its goal.
#[derive(Debug, Clone, Copy)]
struct Apart {
    /// 1 where it stands beyond the goal, -1 where it stands before it.
    side: f64,
    /// Where it stood when it was last making progress, in steps.
    at: f64,
    /// Where it stood nearest since it was far away from the goal.
    nearest: Option<f64>,
}

/// Judges one servo while its torque is on. Pure: it reads no clock.
#[derive(Debug, Clone, Copy)]
pub struct FollowingError {
    /// So many steps of its servo make a degree.
    per_degree: f64,
    apart: Option<Apart>,
    /// For how long it was far from its goal since it last came nearer, also where the goal was here and there.
    idle: Duration,
    last: Option<Monotime>,
}

impl FollowingError {
    /// Of a servo of which so many steps make a degree.
    #[must_use]
    pub const fn new(per_degree: f64) -> Self {
        Self {
            per_degree,
            apart: None,
            idle: Duration::ZERO,
            last: None,
        }
    }

    /// Takes a position, and the goal that was valid until then.
    pub fn update(&mut self, now: Monotime, goal: Steps, at: Steps) -> Option<Disobedience> {
        let passed = self.last.map_or(Duration::ZERO, |last| now.since(last));
        self.last = Some(now);
        let per_degree = self.per_degree;
        let degrees = |value: f64| value * per_degree;
        let at = f64::from(at.0);
        let error = at - f64::from(goal.0);
        let side = error.signum();
        if error.abs() < degrees(APART) {
            self.apart = None;
            return None;
        }
        let apart = match &mut self.apart {
            Some(apart) if apart.side == side => {
                self.idle += passed.min(LONGEST);
                apart
            }
            apart => apart.insert(Apart {
                side,
                at,
                nearest: None,
            }),
        };
        // How much nearer it came by its own movement: a goal that comes to meet it is no progress.
        if (apart.at - at) * side >= degrees(PROGRESS) {
            apart.at = at;
            self.idle = Duration::ZERO;
        }
        if error.abs() < degrees(AWAY) {
            apart.nearest = None;
        } else {
            let nearest = apart.nearest.get_or_insert(at);
            if (at - *nearest) * side < 0.0 {
                *nearest = at;
            }
            if (at - *nearest) * side >= degrees(RUN) {
                return Some(Disobedience::RunsAway);
            }
        }
        (self.idle >= PATIENCE).then_some(Disobedience::Stands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::servo::steps::STEPS_PER_DEGREE;

    /// Judges `goal` and `at`, in degrees, every 20 ms for `ms`; the first finding and when it came.
    fn judge(
        ms: u64,
        goal: impl Fn(f64) -> f64,
        at: impl Fn(f64) -> f64,
    ) -> Option<(u64, Disobedience)> {
        let mut error = FollowingError::new(STEPS_PER_DEGREE);
        let steps = |degrees: f64| Steps((2048.0 + degrees * STEPS_PER_DEGREE).round() as i32);
        (0..ms).step_by(20).find_map(|ms| {
            let now = Monotime::from_zero(Duration::from_millis(ms));
            let seconds = ms as f64 / 1e3;
            error
                .update(now, steps(goal(seconds)), steps(at(seconds)))
                .map(|found| (ms, found))
        })
    }

    #[test]
    fn one_that_turns_all_the_time_is_found_within_a_quarter_of_a_second() {
        for speed in [90.0, -180.0, 500.0] {
            let found = judge(5000, |_| 0.0, |t| speed * t);
            assert!(
                matches!(found, Some((ms, Disobedience::RunsAway)) if ms as f64 <= 30_000.0 / f64::abs(speed) + 40.0),
                "{speed}: {found:?}"
            );
        }
        // Also where the set point goes after it, as it does to stay near.
        let chased = judge(5000, |t| (180.0 * t - 30.0).max(0.0), |t| 180.0 * t);
        assert!(
            matches!(chased, Some((_, Disobedience::RunsAway))),
            "{chased:?}"
        );
    }

    #[test]
    fn one_that_stands_is_found_after_two_seconds() {
        let found = judge(5000, |t| (60.0 * t).min(20.0), |_| 0.0);
        // Five degrees are reached after 83 ms.
        assert_eq!(found, Some((2100, Disobedience::Stands)));
        assert_eq!(judge(10_000, |_| 4.5, |_| 0.0), None);
        // It trembles, and gets nowhere.
        let trembling = judge(5000, |_| 20.0, |t| 0.4 * (t * 40.0).sin());
        assert!(
            matches!(trembling, Some((_, Disobedience::Stands))),
            "{trembling:?}"
        );
    }

    #[test]
    fn one_that_is_slow_or_late_is_left_alone() {
        // A tenth of the speed of its goal.
        assert_eq!(
            judge(60_000, |t| (60.0 * t).min(80.0), |t| (2.0 * t).min(80.0)),
            None
        );
        // Late by a quarter of a second, on a goal that goes to and fro as fast as a mount may.
        let goal = |t: f64| 45.0 * (t * 4.0).sin();
        assert_eq!(judge(20_000, goal, |t| goal(t - 0.15)), None);
        assert_eq!(judge(20_000, goal, |t| 0.7 * goal(t - 0.25)), None);
    }

    #[test]
    fn a_goal_that_goes_to_and_fro_hides_nothing() {
        let found = judge(10_000, |t| 25.0 * (t * 3.0).sin(), |_| 0.0);
        assert!(
            matches!(found, Some((ms, Disobedience::Stands)) if ms < 3000),
            "{found:?}"
        );
    }
}
