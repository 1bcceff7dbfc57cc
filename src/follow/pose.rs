//! Angles of the camera mount.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::clock::Monotime;

/// The angles of pan, tilt and roll in degrees; 0 is straight ahead.
///
/// Positive is: pan to the right, tilt up, roll clockwise, all as seen in the camera's picture. A face
/// right of the middle is reached by a larger pan.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pose {
    /// Left (-) and right (+).
    pub pan: f64,
    /// Down (-) and up (+).
    pub tilt: f64,
    /// Counter-clockwise (-) and clockwise (+).
    pub roll: f64,
}

impl Pose {
    /// Straight ahead.
    pub const HOME: Self = Self {
        pan: 0.0,
        tilt: 0.0,
        roll: 0.0,
    };

    /// Applies `f` to each angle of two poses.
    #[must_use]
    pub fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            pan: f(self.pan, other.pan),
            tilt: f(self.tilt, other.tilt),
            roll: f(self.roll, other.roll),
        }
    }

    /// The pose `part` (0 to 1) of the way to `other`.
    #[must_use]
    pub fn towards(self, other: Self, part: f64) -> Self {
        self.zip(other, |a, b| a + (b - a) * part)
    }
}

/// The measured poses of the last second: a picture is judged by the pose at the time it was taken, not
/// by the one when its result is ready.
#[derive(Debug, Default)]
pub struct PoseHistory {
    measured: VecDeque<(Monotime, Pose)>,
}

/// Longer than any camera's latency.
const REMEMBERED: Duration = Duration::from_secs(1);

impl PoseHistory {
    /// Adds a measurement; times must not go backwards.
    pub fn push(&mut self, at: Monotime, pose: Pose) {
        while self
            .measured
            .front()
            .is_some_and(|(t, _)| at.since(*t) > REMEMBERED)
        {
            self.measured.pop_front();
        }
        self.measured.push_back((at, pose));
    }

    /// The newest measurement.
    #[must_use]
    pub fn latest(&self) -> Option<Pose> {
        self.measured.back().map(|(_, pose)| *pose)
    }

    /// The pose at a time, between two measurements by interpolation, beyond the ends the nearest one.
    #[must_use]
    pub fn at(&self, time: Monotime) -> Option<Pose> {
        let after = self.measured.partition_point(|(t, _)| *t <= time);
        match (
            after.checked_sub(1).map(|i| self.measured[i]),
            self.measured.get(after),
        ) {
            (Some((t0, a)), Some(&(t1, b))) => {
                let part = time.seconds_since(t0) / t1.seconds_since(t0).max(1e-9);
                Some(a.towards(b, part.clamp(0.0, 1.0)))
            }
            (Some((_, pose)), None) | (None, Some(&(_, pose))) => Some(pose),
            (None, None) => None,
        }
    }

    /// Forgets everything, as after a reconnection.
    pub fn clear(&mut self) {
        self.measured.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    #[test]
    fn interpolates_and_holds_at_the_ends() {
        let mut history = PoseHistory::default();
        assert_eq!(history.at(at(5)), None);
        history.push(
            at(100),
            Pose {
                pan: 10.0,
                ..Pose::HOME
            },
        );
        history.push(
            at(200),
            Pose {
                pan: 20.0,
                ..Pose::HOME
            },
        );
        assert_eq!(history.at(at(0)).unwrap().pan, 10.0);
        assert_eq!(history.at(at(150)).unwrap().pan, 15.0);
        assert_eq!(history.at(at(900)).unwrap().pan, 20.0);
    }

    #[test]
    fn stays_bounded() {
        let mut history = PoseHistory::default();
        for ms in 0..100_000 {
            history.push(at(ms), Pose::HOME);
        }
        assert!(history.measured.len() <= 1002);
    }
}
