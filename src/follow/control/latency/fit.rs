//! By how much the pictures are late, told from how they answer to the mount.
//!
//! What stands in the room at `a` is seen at `a - pose(t - d)`, where `d` is the delay. So what was seen is held against the
//! pose of every delay that there may be: the right one leaves nothing over but noise, a wrong one leaves the mount's own
//! movement. A face that walks at a steady pace is allowed for; one that moves in any other way leaves something over at every
//! delay, and then nothing is told. A field of view that is not the one of the configuration makes all movements larger or
//! smaller. That is allowed for only where the face is known to stand still: somebody who sways before a mount that follows
//! could otherwise be explained by a wrong size and a wrong delay together.

/// From one candidate to the next, in seconds.
pub const STEP: f64 = 0.02;
/// Candidates, from 0 to 0.6 s.
pub const CANDIDATES: usize = 31;
/// Pan and tilt.
pub const AXES: usize = 2;
/// One angle for each of the axes, in degrees.
pub type Angles = [f64; AXES];

/// A step of the room for a step of the mount is 1, but for what the field of view is off.
const RATIO: (f64, f64) = (0.7, 1.4);
/// What is left over at the right delay, root of the mean square, is at most this, in degrees, and this part of the movement
/// (as the times of the pictures are not exact).
const LEFT: f64 = 0.3;
const LEFT_OF_MOVEMENT: f64 = 0.1;
/// So much of the movement, squared, has to be seen in the pictures already.
const ANSWERED: f64 = 0.2;
/// An axis that has moved by less than this (root of the mean square, in degrees) tells nothing.
const MOVED: f64 = 0.4;
/// What is left over even without noise, in degrees: play of the gears, steps of the servo.
const PLAY: f64 = 0.1;
/// Candidates that are at least so many places away have to be clearly worse than the best one.
const APART: usize = 3;
/// How much worse: what they leave over, squared.
const CONTRAST: f64 = 3.0;
/// With few pictures more is asked for: this by the number of pictures.
const FEW: f64 = 20.0;
/// Fewer pictures tell nothing.
const LEAST: f64 = 6.0;

/// Sums of one axis and one candidate.
#[derive(Debug, Clone, Copy, Default)]
struct Pose {
    p: f64,
    pp: f64,
    tp: f64,
    py: f64,
}

/// Sums of one axis.
#[derive(Debug, Clone, Copy)]
struct Axis {
    y: f64,
    yy: f64,
    ty: f64,
    poses: [Pose; CANDIDATES],
}

/// The pictures of a second or so, as sums: nothing is allocated, and nothing is gone through again.
#[derive(Debug, Clone)]
pub struct Fit {
    n: f64,
    t: f64,
    tt: f64,
    axes: [Axis; AXES],
    /// What the first picture showed: sums of small numbers lose no places.
    origin: Option<(f64, Angles, Angles)>,
}

impl Default for Fit {
    fn default() -> Self {
        let axis = Axis {
            y: 0.0,
            yy: 0.0,
            ty: 0.0,
            poses: [Pose::default(); CANDIDATES],
        };
        Self {
            n: 0.0,
            t: 0.0,
            tt: 0.0,
            axes: [axis; AXES],
            origin: None,
        }
    }
}

impl Fit {
    /// A picture that came at `at` (seconds) shows the face in direction `seen`; `poses` are those of the mount, for each
    /// candidate at the time at which the picture was taken if that is the delay.
    pub fn add(&mut self, at: f64, seen: Angles, poses: &[Angles; CANDIDATES]) {
        let (t0, y0, p0) = *self.origin.get_or_insert((at, seen, poses[0]));
        let t = at - t0;
        self.n += 1.0;
        self.t += t;
        self.tt += t * t;
        for (i, axis) in self.axes.iter_mut().enumerate() {
            let y = seen[i] - y0[i];
            axis.y += y;
            axis.yy += y * y;
            axis.ty += t * y;
            for (sums, pose) in axis.poses.iter_mut().zip(poses) {
                let p = pose[i] - p0[i];
                sums.p += p;
                sums.pp += p * p;
                sums.tp += t * p;
                sums.py += p * y;
            }
        }
    }

    /// Pictures so far.
    #[must_use]
    pub const fn pictures(&self) -> f64 {
        self.n
    }

    /// Seconds from the first picture to `at`; 0 before there is one.
    #[must_use]
    pub fn age(&self, at: f64) -> f64 {
        self.origin.map_or(0.0, |(first, ..)| at - first)
    }

    /// Variance of what was seen on an axis, of the pose of a candidate, and of both together, without what a steady walk
    /// explains; all times the number of pictures.
    fn centred(&self, axis: &Axis, candidate: usize) -> (f64, f64, f64) {
        let pose = &axis.poses[candidate];
        let stt = self.tt - self.t * self.t / self.n;
        let sty = axis.ty - self.t * axis.y / self.n;
        let stp = pose.tp - self.t * pose.p / self.n;
        let seen = axis.yy - axis.y * axis.y / self.n - sty * sty / stt;
        let moved = pose.pp - pose.p * pose.p / self.n - stp * stp / stt;
        let both = pose.py - pose.p * axis.y / self.n - stp * sty / stt;
        (seen.max(0.0), moved.max(0.0), both)
    }

    /// The largest movement of an axis that any candidate has, if that is one.
    fn movement(&self, axis: &Axis) -> Option<f64> {
        let moved = (0..CANDIDATES).map(|i| self.centred(axis, i).1);
        let most = moved.fold(0.0, f64::max);
        ((most / self.n).sqrt() >= MOVED).then_some(most)
    }

    /// What each candidate leaves over: sums of squared degrees; and how far the mount has moved, root of the mean square. None
    /// while it has hardly moved.
    fn left_over(&self, still: bool) -> Option<([f64; CANDIDATES], f64)> {
        if self.n < LEAST || self.tt - self.t * self.t / self.n <= 0.0 {
            return None;
        }
        let mut left = [0.0; CANDIDATES];
        let mut all = 0.0;
        for axis in &self.axes {
            let Some(most) = self.movement(axis) else {
                continue;
            };
            all += most;
            for (i, left) in left.iter_mut().enumerate() {
                let (seen, moved, both) = self.centred(axis, i);
                let ratio = if still && moved > 0.0 {
                    (-both / moved).clamp(RATIO.0, RATIO.1)
                } else {
                    1.0
                };
                *left += (seen + ratio * (2.0 * both + ratio * moved)).max(0.0);
            }
        }
        (all > 0.0).then_some((left, (all / self.n).sqrt()))
    }

    /// Whether the pictures answer to the mount as they do if this is the delay. Without an answer a delay that is longer than
    /// the movement is ago explains everything.
    fn answers(&self, candidate: usize) -> bool {
        self.axes.iter().all(|axis| {
            let Some(most) = self.movement(axis) else {
                return true;
            };
            let (_, moved, both) = self.centred(axis, candidate);
            moved >= ANSWERED * most && (RATIO.0..=RATIO.1).contains(&(-both / moved))
        })
    }

    fn small(&self, left: f64, moved: f64) -> bool {
        (left / self.n).sqrt() <= LEFT + LEFT_OF_MOVEMENT * moved
    }

    /// The delay in seconds at which these pictures show a face that stands still or walks at a steady pace, however little
    /// worse others may be. None where there is none, or the mount has hardly moved.
    #[must_use]
    pub fn explained(&self) -> Option<f64> {
        let (left, moved) = self.left_over(false)?;
        let (best, least) = lowest(&left)?;
        self.small(least, moved).then_some(best as f64 * STEP)
    }

    /// The delay in seconds, where these pictures tell it. `still` says that the face is known not to move.
    #[must_use]
    pub fn delay(&self, still: bool) -> Option<f64> {
        let (left, moved) = self.left_over(still)?;
        let (best, least) = lowest(&left)?;
        let floor = self.n * PLAY * PLAY;
        let enough = (least + floor) * (CONTRAST + FEW / self.n);
        let clear = left
            .iter()
            .enumerate()
            .filter(|(i, _)| i.abs_diff(best) >= APART)
            .all(|(_, l)| l + floor >= enough);
        let small = self.small(least, moved);
        // At the far end it may be later still.
        if !clear || !small || !self.answers(best) || best + 1 == CANDIDATES {
            return None;
        }
        // The lowest point of the parabola through three neighbours.
        let part = match best.checked_sub(1).map(|i| left[i]) {
            Some(before) => {
                let after = left[best + 1];
                let curve = before - 2.0 * least + after;
                if curve > 0.0 {
                    ((before - after) / (2.0 * curve)).clamp(-0.5, 0.5)
                } else {
                    0.0
                }
            }
            None => 0.0,
        };
        Some((best as f64 + part) * STEP)
    }
}

/// The candidate that leaves least over.
fn lowest(left: &[f64; CANDIDATES]) -> Option<(usize, f64)> {
    let each = left.iter().copied().enumerate();
    each.min_by(|a, b| a.1.total_cmp(&b.1))
}
