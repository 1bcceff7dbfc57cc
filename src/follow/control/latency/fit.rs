//! By how much the pictures are late, told from how they answer to the mount.
//!
//! What stands in the room at `a` is seen at `a - pose(t - d)`, where `d` is the delay. So what was seen is held against the
//! pose of every delay that there may be: the right one leaves nothing over but noise, a wrong one leaves the mount's own
//! movement. A face that walks at a steady pace is allowed for, and one that sways slowly; one that moves in any other way leaves
//! something over at every delay, and then nothing is told. A field of view that is not the one of the configuration makes all
//! movements larger or smaller. That is allowed for only where the face is known to stand still: somebody who sways before a
//! mount that follows could otherwise be explained by a wrong size and a wrong delay together.
//!
//! As long as the mount goes along with a face, what it does and what the face does cannot be told apart: a face that sways,
//! before a mount that sways after it, looks as if it stood, at some wrong delay. So the mount has to have stood in some of the
//! pictures, if that is the delay: what moves in those is the face, and it has to be explained as well there.

use super::sums::{Moments, Path, Sums};
use crate::base::parabola::extremum;

/// From one candidate to the next, in seconds.
pub const STEP: f64 = 0.02;
/// Candidates, from 0 to 0.72 s.
pub const CANDIDATES: usize = 37;
/// Pan and tilt.
pub const AXES: usize = 2;
/// One angle for each of the axes, in degrees.
pub type Angles = [f64; AXES];

/// A step of the room for a step of the mount is 1, but for what the field of view is off.
const RATIO: (f64, f64) = (0.7, 1.4);
/// What is left over at the right delay, root of the mean square, is at most this, in degrees, and this part of the movement
/// (as the times of the pictures are not exact).
const LEFT: f64 = 0.3;
const LEFT_OF_MOVEMENT: f64 = 0.06;
/// The same of pictures of a mount that stands, for which their time does not matter.
const LEFT_STANDING: f64 = 0.35;
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
/// Fewer pictures tell nothing; nor do fewer of a face that sways.
const LEAST: f64 = 6.0;
const LEAST_SWAYING: f64 = 20.0;
/// The mount has to have stood for so many seconds.
const STOOD: f64 = 0.25;
/// It stands where it has turned by no more than this in two steps, in degrees: a step of the servo is 0.09.
const STANDS: f64 = 0.2;
/// No gap between two pictures counts for more, in seconds.
const MOST: f64 = 0.25;

/// What pictures say against a delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refutation {
    /// Nothing.
    None,
    /// Another one looks right; but the mount has not stood, and the face may have moved along with it.
    Vague,
    /// Another one explains what they show.
    Plain,
}

/// Sums of one candidate: of all pictures, and of those of a mount that stands.
#[derive(Debug, Clone, Copy, Default)]
struct Candidate {
    all: [Sums; AXES],
    standing: [Sums; AXES],
    times: Moments,
    stood: f64,
}

/// The pictures of a second or two, as sums: nothing is allocated, and nothing is gone through again.
#[derive(Debug, Clone)]
pub struct Fit {
    times: Moments,
    candidates: [Candidate; CANDIDATES],
    last: f64,
    /// What the first picture showed: sums of small numbers lose no places.
    origin: Option<(f64, Angles, Angles)>,
}

impl Default for Fit {
    fn default() -> Self {
        Self {
            times: Moments::default(),
            candidates: [Candidate::default(); CANDIDATES],
            last: 0.0,
            origin: None,
        }
    }
}

/// What each candidate leaves over.
struct Left {
    /// How the face is taken to move.
    path: Path,
    /// Sums of squared degrees, and the ratios at which they are least.
    left: [f64; CANDIDATES],
    ratios: [Angles; CANDIDATES],
    /// Which axes have moved, and how far they have together, root of the mean square.
    told_by: [bool; AXES],
    moved: f64,
}

impl Left {
    /// The candidate that leaves least over.
    fn lowest(&self) -> (usize, f64) {
        let each = self.left.iter().copied().enumerate();
        each.min_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap_or((0, f64::INFINITY))
    }
}

impl Fit {
    /// A picture that came at `at` (seconds) shows the face in direction `seen`; `poses` are those of the mount, for each
    /// candidate at the time at which the picture was taken if that is the delay.
    pub fn add(&mut self, at: f64, seen: Angles, poses: &[Angles; CANDIDATES]) {
        let (t0, y0, p0) = *self.origin.get_or_insert((at, seen, poses[0]));
        let t = at - t0;
        let passed = (t - self.last).min(MOST);
        self.last = t;
        self.times.add(t);
        for (i, candidate) in self.candidates.iter_mut().enumerate() {
            let (later, earlier) = (
                poses[i.saturating_sub(1)],
                poses[(i + 1).min(CANDIDATES - 1)],
            );
            let stands = (0..AXES).all(|axis| (later[axis] - earlier[axis]).abs() <= STANDS);
            if stands {
                candidate.stood += passed;
                candidate.times.add(t);
            }
            for axis in 0..AXES {
                let (y, p) = (seen[axis] - y0[axis], poses[i][axis] - p0[axis]);
                candidate.all[axis].add(t, y, p);
                if stands {
                    candidate.standing[axis].add(t, y, p);
                }
            }
        }
    }

    /// Pictures so far.
    #[must_use]
    pub const fn pictures(&self) -> f64 {
        self.times.count()
    }

    /// Seconds from the first picture to `at`; 0 before there is one.
    #[must_use]
    pub fn age(&self, at: f64) -> f64 {
        self.origin.map_or(0.0, |(first, ..)| at - first)
    }

    /// The largest movement of an axis that any candidate has, if that is one.
    fn movement(&self, axis: usize, path: &Path) -> Option<f64> {
        let moved = self
            .candidates
            .iter()
            .map(|c| path.rest(&c.all[axis]).moved);
        let most = moved.fold(0.0, f64::max);
        ((most / self.pictures()).sqrt() >= MOVED).then_some(most)
    }

    /// None while the mount has hardly moved.
    fn left_over(&self, still: bool, swaying: bool) -> Option<Left> {
        let least = if swaying { LEAST_SWAYING } else { LEAST };
        if self.pictures() < least {
            return None;
        }
        let path = if swaying {
            self.times.swaying()
        } else {
            self.times.steady()
        }?;
        let mut made = Left {
            path,
            left: [0.0; CANDIDATES],
            ratios: [[1.0; AXES]; CANDIDATES],
            told_by: [false; AXES],
            moved: 0.0,
        };
        for axis in 0..AXES {
            let Some(most) = self.movement(axis, &path) else {
                continue;
            };
            made.told_by[axis] = true;
            made.moved += most;
            for (i, candidate) in self.candidates.iter().enumerate() {
                let rest = path.rest(&candidate.all[axis]);
                let ratio = if still && rest.moved > 0.0 {
                    rest.ratio().clamp(RATIO.0, RATIO.1)
                } else {
                    1.0
                };
                made.ratios[i][axis] = ratio;
                made.left[i] += rest.left(ratio);
            }
        }
        if made.moved <= 0.0 {
            return None;
        }
        made.moved = (made.moved / self.pictures()).sqrt();
        Some(made)
    }

    /// Whether the pictures answer to the mount as they do if this is the delay. Without an answer a delay that is longer than
    /// the movement is ago explains everything.
    fn answers(&self, candidate: usize, made: &Left) -> bool {
        (0..AXES).filter(|axis| made.told_by[*axis]).all(|axis| {
            let most = self.movement(axis, &made.path).unwrap_or(0.0);
            let rest = made.path.rest(&self.candidates[candidate].all[axis]);
            rest.moved >= ANSWERED * most && (RATIO.0..=RATIO.1).contains(&rest.ratio())
        })
    }

    fn small(&self, left: f64, moved: f64) -> bool {
        (left / self.pictures()).sqrt() <= LEFT + LEFT_OF_MOVEMENT * moved
    }

    /// Whether the pictures of a mount that stands are explained as well, if this is the delay.
    fn small_standing(&self, candidate: usize, made: &Left) -> bool {
        let of = &self.candidates[candidate];
        let ratio = |axis: usize| made.ratios[candidate][axis];
        (0..AXES).filter(|axis| made.told_by[*axis]).all(|axis| {
            let left = made
                .path
                .left_in(&of.all[axis], ratio(axis), &of.standing[axis], &of.times);
            (left / of.times.count().max(1.0)).sqrt() <= LEFT_STANDING
        })
    }

    /// The delay in seconds at which these pictures show a face that stands still or walks at a steady pace, however little
    /// worse others may be. None where there is none, or the mount has hardly moved.
    #[must_use]
    pub fn explained(&self) -> Option<f64> {
        let made = self.left_over(false, false)?;
        let (best, least) = made.lowest();
        self.small(least, made.moved).then_some(best as f64 * STEP)
    }

    /// Whether these pictures show that the delay is not this one, in seconds: with another the face stands still or walks at
    /// a steady pace, and with this one it would move along with the mount.
    #[must_use]
    pub fn refutes(&self, delay: f64) -> Refutation {
        let Some(made) = self.left_over(false, false) else {
            return Refutation::None;
        };
        let (best, least) = made.lowest();
        let at = (delay / STEP).round() as usize;
        let around = at.saturating_sub(1)..=at + 1;
        let left = made
            .left
            .iter()
            .enumerate()
            .filter(|(i, _)| around.contains(i))
            .fold(f64::INFINITY, |least, (_, left)| least.min(*left));
        let small = |left| self.small(left, made.moved);
        let wrong = best.abs_diff(at) >= APART && small(least) && !small(left);
        if !wrong || !self.clearly_more(left, least) {
            Refutation::None
        } else if self.candidates[best].stood >= STOOD {
            Refutation::Plain
        } else if self.clear(&made) && self.answers(best, &made) {
            Refutation::Vague
        } else {
            Refutation::None
        }
    }

    /// Whether all other delays leave over clearly more than the best one.
    fn clear(&self, made: &Left) -> bool {
        let (best, least) = made.lowest();
        made.left
            .iter()
            .enumerate()
            .filter(|(i, _)| i.abs_diff(best) >= APART)
            .all(|(_, left)| self.clearly_more(*left, least))
    }

    /// Whether one candidate leaves over so much more than another that this is no chance.
    fn clearly_more(&self, left: f64, least: f64) -> bool {
        let floor = self.pictures() * PLAY * PLAY;
        left + floor >= (least + floor) * (CONTRAST + FEW / self.pictures())
    }

    /// The delay in seconds, where these pictures tell it. `still` says that the face is known not to move.
    #[must_use]
    pub fn delay(&self, still: bool) -> Option<f64> {
        let made = self.left_over(still, false)?;
        let (_, least) = made.lowest();
        if self.small(least, made.moved) {
            return self.judge(&made);
        }
        self.judge(&self.left_over(false, true)?)
    }

    fn judge(&self, made: &Left) -> Option<f64> {
        let (best, least) = made.lowest();
        let stood = self.candidates[best].stood >= STOOD && self.small_standing(best, made);
        // At the far end it may be later still.
        let within = best + 1 < CANDIDATES;
        if !(self.clear(made)
            && stood
            && within
            && self.small(least, made.moved)
            && self.answers(best, made))
        {
            return None;
        }
        let part = best.checked_sub(1).map_or(0.0, |before| {
            extremum(made.left[before], least, made.left[best + 1])
        });
        Some((best as f64 + part) * STEP)
    }
}
