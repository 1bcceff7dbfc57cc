//! When to look at what: pure decisions from time, tracks, and what looks have shown.
//!
//! Whole looks find faces, small ones keep them, and most pictures are not looked at: where everybody is in them is
//! predicted. Who moves, is seen badly or was only just found is looked at in every picture. Where nobody is, a glance at
//! a few points tells whether something moves.

use std::time::Duration;

use crate::base::clock::Monotime;
use crate::follow::pose::Gaze;
use crate::follow::track::{Track, Tracks};

/// While somebody is there: so long after the last fine look, and after the last whole one of either kind, comes the next.
const FINE_EVERY: f64 = 3.0;
const WHOLE_EVERY: f64 = 1.0;
/// How often a face is looked at.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Longest time between two detections, in pictures and in seconds.
    periods: f64,
    longest: f64,
    /// Less for one that moves: so much divided by one more than its speed in widths a second.
    by_speed: f64,
    /// In every picture until it was detected so often, and while the last prediction was wrong by more than so many widths.
    young: u32,
    wrong: f64,
}

const FOLLOWED: Pace = Pace {
    periods: 2.0,
    longest: 0.17,
    by_speed: 0.2,
    young: 3,
    wrong: 0.12,
};
/// A face that is not followed.
const OTHER: Pace = Pace {
    periods: 3.0,
    longest: 0.25,
    by_speed: 0.4,
    young: 2,
    wrong: 0.25,
};
/// It waits for a picture that is looked at for the followed one, but not longer than this after its last detection.
const WAIT: f64 = 0.35;
/// Every face is looked at in every picture while the mount turns faster than this, in degrees a second: then the follower
/// wants to know most.
const TURNING: f64 = 8.0;
/// More faces than this at once are cheaper to look at as a whole.
const MANY: usize = 4;
/// Just after a loss every picture is looked at finely for this long, as far as the credit allows.
const SEARCH: Duration = Duration::from_millis(700);
/// Then for this long every so often: finely if the last fine look is as old as that.
const VIGIL: Duration = Duration::from_secs(2);
const VIGIL_EVERY: f64 = 0.066;
const VIGIL_FINE: f64 = 0.15;
/// The same where something has moved; where it goes on moving and no face comes of it, less and less often, to this.
const STIRRED: Duration = Duration::from_millis(700);
const STIRRED_LONG: f64 = 0.5;
/// Nobody is there: a glance whether anything moves, a coarse look, a fine one.
const GLANCE_EVERY: f64 = 0.2;
const QUIET_WHOLE: f64 = 2.0;
const QUIET_FINE: f64 = 4.0;
/// A picture that is larger or smaller than the one before by this part is another scene.
const CUT: f64 = 0.1;
/// Fine looks that a search may take at once, and how many come back with each picture.
const CREDIT: f64 = 24.0;
const CREDIT_A_PICTURE: f64 = 0.06;
/// A face smaller than this, as if the picture were 320 wide, is not found by a coarse look.
pub const SMALL: f32 = 30.0;

/// What to do with a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: it is not even decoded.
    Skip,
    /// See whether anything moves.
    Glance,
    /// Look at the faces that are due.
    Parts,
    /// Look at the whole coarsely.
    Coarse,
    /// Look at the whole finely.
    Fine,
}

/// What is known of a picture before it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Outline {
    /// When it was taken.
    pub at: Monotime,
    /// Its size in bytes where that tells of its content.
    pub bytes: Option<usize>,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Where the camera looked.
    pub gaze: Gaze,
}

/// The times of looks.
#[derive(Debug, Default)]
pub struct Schedule {
    fine: Option<Monotime>,
    whole: Option<Monotime>,
    glance: Option<Monotime>,
    /// When a face was shown last, and when something has moved last, and since when without a face.
    face: Option<Monotime>,
    stirred: Option<(Monotime, Monotime)>,
    /// When a new face was found last.
    met: Option<Monotime>,
    before: Option<Monotime>,
    /// Seconds between two pictures, smoothed.
    period: f64,
    bytes: Option<usize>,
    cut: bool,
    credit: f64,
    /// A smoothed score below which a face is looked at in every picture.
    weak: f32,
    /// The next picture should be looked at as a whole: a candidate waits.
    wanted: bool,
    /// The last picture that was to be looked at could not be decoded.
    failed: bool,
}

/// Time since then, for ever if it never was.
fn since(now: Monotime, then: Option<Monotime>) -> f64 {
    then.map_or(f64::INFINITY, |then| now.since(then).as_secs_f64())
}

impl Schedule {
    /// A schedule that has seen nothing yet; a smoothed score below `weak` is a bad one.
    #[must_use]
    pub fn new(weak: f32) -> Self {
        Self {
            weak,
            ..Self::default()
        }
    }

    /// A new picture: keeps account of time.
    pub fn begin(&mut self, picture: &Outline) {
        if let Some(before) = self.before {
            let dt = picture.at.since(before).as_secs_f64().clamp(0.0, 1.0);
            if dt > 0.0 {
                let part = if self.period == 0.0 { 1.0 } else { 0.1 };
                self.period += part * (dt - self.period);
            }
            self.credit = (self.credit + CREDIT_A_PICTURE).min(CREDIT);
        } else {
            self.credit = CREDIT;
        }
        self.before = Some(picture.at);
        let ratio = |new: usize, old: usize| (new as f64 / old.max(1) as f64 - 1.0).abs();
        self.cut = match (picture.bytes, self.bytes) {
            // While the mount turns, every picture is another one.
            (Some(new), Some(old)) => ratio(new, old) > CUT && !turning(picture),
            _ => false,
        };
        self.bytes = picture.bytes;
    }

    /// Whether so much time has passed: a little less will do, for pictures do not come exactly in time.
    fn passed(&self, now: Monotime, then: Option<Monotime>, seconds: f64) -> bool {
        since(now, then) >= seconds - 0.3 * self.period
    }

    /// What to do with this picture. `has_parts`: as [`crate::follow::detect::Detector::has_parts`].
    pub fn plan(&mut self, picture: &Outline, tracks: &Tracks, has_parts: bool) -> Plan {
        let now = picture.at;
        if std::mem::take(&mut self.failed) || self.fine.is_none() {
            return Plan::Fine;
        }
        let wanted = std::mem::take(&mut self.wanted);
        if tracks.shown().next().is_none() {
            return self.nobody(now, wanted || self.cut, has_parts);
        }
        if !has_parts || self.passed(now, self.fine, FINE_EVERY) {
            return Plan::Fine;
        }
        // Who came after somebody was lost is probably the same, elsewhere.
        let replaced = |t: &Track| self.met.is_some_and(|met| met > t.seen);
        let lost = |t: &Track| t.hidden && now.since(t.seen) <= SEARCH && !replaced(t);
        if (self.cut || wanted || tracks.all().iter().any(lost)) && self.pay() {
            return Plan::Fine;
        }
        if self.cut || self.passed(now, self.whole, WHOLE_EVERY) {
            return Plan::Coarse;
        }
        let due = tracks
            .shown()
            .filter(|t| self.due(picture, t, tracks))
            .count();
        match due {
            0 => Plan::Skip,
            _ if due <= MANY => Plan::Parts,
            _ if tracks.shown().any(|t| is_small(&t.face, picture.size)) => Plan::Fine,
            _ => Plan::Coarse,
        }
    }

    fn nobody(&mut self, now: Monotime, wanted: bool, has_parts: bool) -> Plan {
        let vigil = since(now, self.face) <= VIGIL.as_secs_f64();
        let searching = since(now, self.face) <= SEARCH.as_secs_f64();
        if !has_parts && vigil {
            return Plan::Fine;
        }
        if (wanted || searching) && self.pay() {
            return Plan::Fine;
        }
        let every = match self.stirred {
            _ if vigil => Some(VIGIL_EVERY),
            Some((last, first)) if now.since(last) <= STIRRED => {
                Some((now.since(first).as_secs_f64() / 20.0).clamp(VIGIL_EVERY, STIRRED_LONG))
            }
            _ => None,
        };
        let (whole, fine) = match every {
            Some(every) => (every, VIGIL_FINE.max(2.0 * every)),
            None => (QUIET_WHOLE, QUIET_FINE),
        };
        if self.passed(now, self.fine, fine) {
            return Plan::Fine;
        }
        if self.passed(now, self.whole, whole) {
            return if has_parts { Plan::Coarse } else { Plan::Fine };
        }
        if !vigil && self.passed(now, self.glance, GLANCE_EVERY) {
            Plan::Glance
        } else {
            Plan::Skip
        }
    }

    /// Takes a fine look from the credit; false if there is none left.
    fn pay(&mut self) -> bool {
        let paid = self.credit >= 1.0;
        if paid {
            self.credit -= 1.0;
        }
        paid
    }

    /// Whether a face is to be looked at in this picture. One that is not followed waits for a picture that has to be
    /// decoded for the one that is.
    #[must_use]
    pub fn due(&self, picture: &Outline, track: &Track, tracks: &Tracks) -> bool {
        let followed = tracks.followed().and_then(|id| tracks.get(id));
        match followed {
            Some(followed) if followed.id != track.id => {
                let waits = !followed.hidden
                    && since(picture.at, Some(track.seen)) < WAIT
                    && !self.due_at(picture, followed, FOLLOWED);
                !waits && self.due_at(picture, track, OTHER)
            }
            _ => self.due_at(picture, track, FOLLOWED),
        }
    }

    fn due_at(&self, picture: &Outline, track: &Track, pace: Pace) -> bool {
        if track.detections < pace.young
            || track.error > pace.wrong
            || track.score < self.weak
            || turning(picture)
            || over_edge(track, picture.size)
        {
            return true;
        }
        let interval = (pace.periods * self.period)
            .min(pace.longest)
            .min(pace.by_speed / (track.speed() + 1.0));
        self.passed(picture.at, Some(track.seen), interval)
    }

    /// Something has moved where nobody was.
    pub fn stirred(&mut self, now: Monotime) {
        let first = match self.stirred {
            Some((last, first)) if now.since(last) <= STIRRED => first,
            _ => now,
        };
        self.stirred = Some((now, first));
    }

    /// A look was taken.
    pub fn looked(&mut self, now: Monotime, plan: Plan) {
        match plan {
            Plan::Fine => (self.fine, self.whole) = (Some(now), Some(now)),
            Plan::Coarse => self.whole = Some(now),
            Plan::Glance => self.glance = Some(now),
            Plan::Parts | Plan::Skip => {}
        }
    }

    /// A face is shown in this picture.
    pub fn saw_face(&mut self, now: Monotime) {
        self.face = Some(now);
        self.stirred = None;
    }

    /// Somebody new was found in this picture.
    pub fn met(&mut self, now: Monotime) {
        self.met = Some(now);
    }

    /// The next picture is to be looked at as a whole.
    pub fn want_whole(&mut self) {
        self.wanted = true;
    }

    /// The picture could not be looked at.
    pub fn failed(&mut self) {
        self.failed = true;
    }

    /// Nothing of before counts.
    pub fn forget(&mut self) {
        *self = Self::new(self.weak);
    }
}

fn turning(picture: &Outline) -> bool {
    matches!(picture.gaze, Gaze::Known { speed, .. } if speed > TURNING)
}

/// Whether a coarse look may miss it for its size.
#[must_use]
pub fn is_small(face: &crate::follow::detect::Face, (width, height): (u32, u32)) -> bool {
    face.w * 320.0 / (width.max(height).max(1) as f32) < SMALL
}

fn over_edge(track: &Track, (width, height): (u32, u32)) -> bool {
    let face = &track.face;
    face.x < 0.0
        || face.y < 0.0
        || face.x + face.w > width as f32
        || face.y + face.h > height as f32
}
