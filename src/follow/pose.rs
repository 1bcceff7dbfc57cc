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

    /// The largest of the three angles.
    #[must_use]
    pub fn largest(self) -> f64 {
        self.pan.max(self.tilt).max(self.roll)
    }

    /// The pose `part` (0 to 1) of the way to `other`.
    #[must_use]
    pub fn towards(self, other: Self, part: f64) -> Self {
        self.zip(other, |a, b| a + (b - a) * part)
    }
}

/// Where the camera looked when a picture was taken, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Gaze {
    /// What the mount does does not show in the pictures: there is none, or they are a recording.
    #[default]
    Fixed,
    /// It shows, and how late the camera is is known.
    Known {
        /// The pose of the mount.
        pose: Pose,
        /// How fast the axis that moved fastest did, in degrees a second.
        speed: f64,
    },
    /// It shows, but cannot be told.
    Unknown,
}

/// Degrees a second up to which the mount counts as standing.
const STANDS: f64 = 2.0;

impl Gaze {
    /// Whether the picture may have moved because the mount did.
    #[must_use]
    pub fn moves(self) -> bool {
        match self {
            Self::Fixed => false,
            Self::Known { speed, .. } => speed > STANDS,
            Self::Unknown => true,
        }
    }
}

/// The measured poses of the last seconds: a picture is judged by the pose at the time it was taken, not
/// by the one when its result is ready.
#[derive(Debug, Default)]
pub struct PoseHistory {
    measured: VecDeque<(Monotime, Pose)>,
}

/// Longer than a picture may be old and its camera late together.
const REMEMBERED: Duration = Duration::from_secs(4);

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

    /// How fast the axes moved at a time, in degrees a second.
    #[must_use]
    pub fn speed(&self, time: Monotime) -> Pose {
        /// Two measurements and a little, to either side.
        const AROUND: Duration = Duration::from_millis(25);
        let (Some(before), Some(after)) = (self.at(time - AROUND), self.at(time + AROUND)) else {
            return Pose::HOME;
        };
        after.zip(before, |after, before| {
            (after - before) / (2.0 * AROUND.as_secs_f64())
        })
    }

    /// By how many degrees the axis that moved most has moved between two times; none before the first measurement.
    #[must_use]
    pub fn spread(&self, from: Monotime, to: Monotime) -> Option<f64> {
        let (low, high) = self.range(from, to)?;
        Some(high.zip(low, |high, low| high - low).largest())
    }

    /// The least and the greatest angle of each axis between two times; none before the first measurement.
    #[must_use]
    pub fn range(&self, from: Monotime, to: Monotime) -> Option<(Pose, Pose)> {
        let (first, last) = (self.at(from)?, self.at(to)?);
        let between = self.measured.partition_point(|(t, _)| *t <= from);
        let (mut low, mut high) = (first.zip(last, f64::min), first.zip(last, f64::max));
        for (_, pose) in self.measured.range(between..).take_while(|(t, _)| *t <= to) {
            low = low.zip(*pose, f64::min);
            high = high.zip(*pose, f64::max);
        }
        Some((low, high))
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
    fn spread_is_that_of_the_axis_that_moved_most_within_the_time() {
        let mut history = PoseHistory::default();
        assert_eq!(history.spread(at(0), at(9)), None);
        for (ms, pan, tilt) in [
            (0, 0.0, 5.0),
            (100, 10.0, 5.0),
            (200, 0.0, 6.0),
            (300, 0.0, 6.0),
        ] {
            let pose = Pose {
                pan,
                tilt,
                roll: 0.0,
            };
            history.push(at(ms), pose);
        }
        assert_eq!(history.spread(at(0), at(300)), Some(10.0));
        assert_eq!(history.spread(at(50), at(90)), Some(4.0));
        assert_eq!(history.spread(at(190), at(900)), Some(1.0));
        assert_eq!(history.spread(at(200), at(300)), Some(0.0));
    }

    #[test]
    fn stays_bounded() {
        let mut history = PoseHistory::default();
        for ms in 0..100_000 {
            history.push(at(ms), Pose::HOME);
        }
        assert!(history.measured.len() <= 4002);
    }
}
