//! The fits that are under way, and when they are begun anew.

use crate::base::clock::Monotime;

use super::fit::{AXES, Angles, CANDIDATES, Fit, Refutation, STEP};
use crate::follow::pose::{Pose, PoseHistory};

/// The younger fit takes over after so many seconds, and as many pictures at least: what is judged is between one and two
/// times as old.
const TERM: f64 = 1.2;
const PICTURES: f64 = 8.0;
/// After so long a gap between two pictures, in seconds, everything begins anew.
const GAP: f64 = 1.0;
/// A face that is elsewhere by more than this, and by more than its highest speed, whatever the delay: it is another one.
const JUMP: f64 = 4.0;
/// A face stands still that stays within so many degrees for so many seconds before a mount that stands.
const STILL: f64 = 0.8;
const STILL_FOR: f64 = 0.25;
/// Degrees a second.
const FASTEST: f64 = 60.0;

/// Learns the delay from picture to picture.
#[derive(Debug, Default)]
pub struct Learner {
    older: Fit,
    younger: Fit,
    last: Option<(Monotime, Angles, [Angles; CANDIDATES])>,
    /// Since when the mount stands, and between which directions the face was seen since.
    stood: Option<(f64, Angles, Angles)>,
    /// Where the time of the fits begins.
    zero: Option<Monotime>,
}

const fn turned(pose: Pose) -> Angles {
    [pose.pan, pose.tilt]
}

impl Learner {
    /// A picture that was stamped with `at` shows the face in direction `seen`, with the camera level; the mount has stood
    /// for longer than any camera is late if `stood`. Returns the delay in seconds where that tells it.
    pub fn see(
        &mut self,
        at: Monotime,
        seen: Angles,
        stood: bool,
        history: &PoseHistory,
    ) -> Option<f64> {
        let mut poses = [Angles::default(); CANDIDATES];
        for (i, pose) in poses.iter_mut().enumerate() {
            let delay = std::time::Duration::from_secs_f64(i as f64 * STEP);
            *pose = turned(history.at(at - delay)?);
        }
        if let Some((then, before, were)) = &self.last {
            if at <= *then {
                return None;
            }
            let dt = at.seconds_since(*then);
            let moved = |k: usize| -> f64 {
                (0..AXES)
                    .map(|i| (seen[i] - before[i] + poses[k][i] - were[k][i]).abs())
                    .fold(0.0, f64::max)
            };
            let least = (0..CANDIDATES).map(moved).fold(f64::INFINITY, f64::min);
            if dt > GAP || least > JUMP + FASTEST * dt {
                self.forget();
            }
        }
        self.last = Some((at, seen, poses));
        let t = at.seconds_since(*self.zero.get_or_insert(at));
        let full = |fit: &Fit| fit.age(t) >= TERM && fit.pictures() >= PICTURES;
        if full(&self.younger) {
            std::mem::swap(&mut self.older, &mut self.younger);
            self.younger = Fit::default();
        }
        if full(&self.older) {
            self.younger.add(t, seen, &poses);
        }
        self.older.add(t, seen, &poses);
        let still = self.still(t, seen, stood);
        let of = |fit: &Fit| fit.delay(still);
        of(&self.older).or_else(|| of(&self.younger))
    }

    /// What the last pictures say against this delay, in seconds.
    #[must_use]
    pub fn refutes(&self, delay: f64) -> Refutation {
        self.older.refutes(delay)
    }

    /// The delay at which the face does not move by itself, if there is one.
    #[must_use]
    pub fn explained(&self) -> Option<f64> {
        self.older.explained()
    }

    /// Whether the face stands still, as far as a mount that stands can tell.
    fn still(&mut self, t: f64, seen: Angles, stood: bool) -> bool {
        if !stood {
            self.stood = None;
            return false;
        }
        let (since, low, high) = self.stood.get_or_insert((t, seen, seen));
        for i in 0..AXES {
            low[i] = low[i].min(seen[i]);
            high[i] = high[i].max(seen[i]);
        }
        let small = (0..AXES).all(|i| high[i] - low[i] <= STILL);
        if !small {
            (*since, *low, *high) = (t, seen, seen);
        }
        t - *since >= STILL_FOR
    }

    /// What comes next has nothing to do with what was.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}
