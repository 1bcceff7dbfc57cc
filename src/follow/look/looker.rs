//! Takes the looks that the schedule decides on, and makes tracks of what they show.

use anyhow::Result;

use crate::base::clock::Monotime;
use crate::follow::camera::Picture;
use crate::follow::detect::{Detector, Face, Look, Scores, Square, clip};
use crate::follow::optics::Optics;
use crate::follow::pose::Gaze;
use crate::follow::track::{MOST_FACES, Track, TrackedFace, Tracks, View, usable};

use super::candidates::Candidates;
use super::motion::Motion;
use super::roll::Roll;
use super::schedule::{Outline, Plan, Schedule, is_small};

/// Side of a part, in sizes of the face; more for one that moves, by its speed in widths a second, up to this much more.
const SIDE: f32 = 2.2;
/// The same for the second look at a face that the first one has not shown well: what one scale hides another shows.
const CLOSER_SIDE: f32 = 1.6;
const MOST_WIDER: f32 = 0.5;
/// A pose may be off by so many seconds of the mount's movement.
const JITTER: f64 = 0.015;
/// A smoothed score below this by so much above `weak` is worth a closer part.
const UNSURE: f32 = 0.1;

/// What is known after a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Width and height of the picture in pixels.
    pub size: (u32, u32),
    /// What was looked at last in it.
    pub plan: Plan,
}

impl Seen {
    /// Whether faces were looked for.
    #[must_use]
    pub const fn looked(&self) -> bool {
        !matches!(self.plan, Plan::Skip | Plan::Glance)
    }
}

/// Decides for each picture what to look at, and knows who is where.
#[derive(Debug)]
pub struct Looker {
    optics: Optics,
    scores: Scores,
    least: f32,
    has_parts: bool,
    /// Whether it matters how the followed head leans.
    wants_roll: bool,
    sees_lean: bool,
    schedule: Schedule,
    tracks: Tracks,
    candidates: Candidates,
    motion: Motion,
    roll: Roll,
    size: (u32, u32),
    /// What looks have found in the present picture, and which of it is somebody's.
    found: Vec<Face>,
    taken: Vec<bool>,
    due: Vec<u64>,
    shown: Vec<TrackedFace>,
}

impl Looker {
    /// For this detector behind this lens. `wants_roll`: an axis turns the camera after the followed head.
    #[must_use]
    pub fn new(detector: &dyn Detector, optics: Optics, wants_roll: bool) -> Self {
        let scores = detector.scores();
        Self {
            optics,
            scores,
            least: detector.min_face() as f32,
            has_parts: detector.has_parts(),
            wants_roll,
            sees_lean: detector.sees_lean(),
            schedule: Schedule::new(scores.weak),
            tracks: Tracks::default(),
            candidates: Candidates::default(),
            motion: Motion::default(),
            roll: Roll::default(),
            size: (0, 0),
            found: Vec::new(),
            taken: Vec::new(),
            due: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// The faces of the last picture: detected, or where they should be.
    #[must_use]
    pub fn faces(&self) -> &[TrackedFace] {
        &self.shown
    }

    /// Takes the next picture, taken at `at`.
    ///
    /// # Errors
    /// It cannot be decoded, or the detector fails; there are no faces then.
    pub fn see(
        &mut self,
        detector: &mut dyn Detector,
        picture: &Picture,
        at: Monotime,
        gaze: Gaze,
    ) -> Result<Seen> {
        self.shown.clear();
        let seen = self.try_to_see(detector, picture, at, gaze);
        if seen.is_err() {
            // Whether the next one is any better is to be known at once.
            self.schedule.failed();
        }
        seen
    }

    fn try_to_see(
        &mut self,
        detector: &mut dyn Detector,
        picture: &Picture,
        at: Monotime,
        gaze: Gaze,
    ) -> Result<Seen> {
        let size = detector.show(picture)?;
        if size != self.size {
            self.size = size;
            self.tracks.clear();
            self.schedule.forget();
            self.motion.forget();
        }
        let bytes = match picture {
            Picture::Jpeg(data) => Some(data.len()),
            Picture::Raw(_) | Picture::Bgr { .. } => None,
        };
        let outline = Outline {
            at,
            bytes,
            size,
            gaze,
        };
        self.due.clear();
        self.schedule.begin(&outline);
        self.tracks.begin(at, View::new(self.optics, size, gaze));
        let mut glass = Glass {
            detector,
            picture,
            outline,
        };
        let mut plan = self.schedule.plan(&outline, &self.tracks, self.has_parts);
        if plan == Plan::Glance {
            self.schedule.looked(at, Plan::Glance);
            let (points, _) = glass.detector.brightness(picture)?;
            if self.motion.see(points) && !gaze.moves() {
                self.schedule.stirred(at);
                let next = self.schedule.plan(&outline, &self.tracks, self.has_parts);
                if matches!(next, Plan::Fine | Plan::Coarse) {
                    plan = next;
                }
            }
        }
        match plan {
            Plan::Skip | Plan::Glance => {}
            Plan::Parts => self.look_at_parts(&mut glass)?,
            Plan::Coarse => self.look_at_all(&mut glass, Look::Coarse)?,
            Plan::Fine => self.look_at_all(&mut glass, Look::Fine)?,
        }
        self.tracks.choose(at);
        self.look_at_lean(&mut glass)?;
        self.show(&outline);
        Ok(Seen { size, plan })
    }

    /// Looks at the faces that are due; whom that misses, the whole picture has to show.
    fn look_at_parts(&mut self, glass: &mut Glass<'_>) -> Result<()> {
        let outline = glass.outline;
        self.due.clear();
        let due = |t: &&Track| self.schedule.due(&outline, t, &self.tracks);
        let due = self.tracks.shown().filter(due);
        self.due.extend(due.map(|t| t.id));
        self.part_by_part(glass)?;
        if !self.misses(|_| true) {
            return Ok(());
        }
        let size = outline.size;
        if self.misses(|t| !is_small(&t.face, size)) {
            return self.look_at_all(glass, Look::Coarse);
        }
        // A coarse look does not show small faces, and a fine one costs more than to look around where they were.
        self.look_nearby(glass)?;
        // Whoever is elsewhere is looked for from the next picture on.
        let due = &self.due;
        self.tracks.hide(|t| due.contains(&t.id));
        Ok(())
    }

    /// Whether a face that was due was not found.
    fn misses(&self, which: impl Fn(&Track) -> bool) -> bool {
        let mut shown = self.tracks.shown();
        shown.any(|t| self.due.contains(&t.id) && !t.detected && which(t))
    }

    /// Looks around where those of `due` should be that were not found.
    fn look_nearby(&mut self, glass: &mut Glass<'_>) -> Result<()> {
        let outline = glass.outline;
        for n in 0..self.due.len() {
            let id = self.due[n];
            let Some(place) = self
                .tracks
                .get(id)
                .filter(|t| !t.detected)
                .map(|t| t.face.centre())
            else {
                continue;
            };
            self.found.clear();
            glass.look(Look::Nearby(place), &mut self.found)?;
            keep_best(&mut self.found);
            self.tracks.assign(
                outline.at,
                &self.found,
                self.scores.find_coarse,
                &mut self.taken,
                !outline.gaze.moves(),
            );
        }
        Ok(())
    }

    /// Looks at the parts where those of `due` should be, from more pixels where few do not show them.
    fn part_by_part(&mut self, glass: &mut Glass<'_>) -> Result<()> {
        let (at, gaze) = (glass.outline.at, glass.outline.gaze);
        for closer in [false, true] {
            self.found.clear();
            for track in self.tracks.all() {
                if track.detected || !self.due.contains(&track.id) {
                    continue;
                }
                let worth = track.score < self.scores.weak + UNSURE;
                if worth && !closer {
                    // Only once, and from more pixels.
                    continue;
                }
                let square = square(track, self.tracks.view(), at, gaze, closer);
                glass.look(Look::Part(square), &mut self.found)?;
            }
            // Parts of faces that are near each other show the same faces.
            keep_best(&mut self.found);
            if !closer {
                // The box of what is seen badly is a bad one: the second look is for these, too.
                self.found.retain(|f| f.score >= self.scores.weak);
            }
            self.tracks.assign(
                at,
                &self.found,
                self.scores.find_coarse,
                &mut self.taken,
                !gaze.moves(),
            );
        }
        Ok(())
    }

    /// Looks at the whole picture: who is known, who is new, and who is missed and so has to be looked for.
    fn look_at_all(&mut self, glass: &mut Glass<'_>, look: Look) -> Result<()> {
        let outline = glass.outline;
        let (at, steady) = (outline.at, !outline.gaze.moves());
        let coarse = look == Look::Coarse;
        self.schedule
            .looked(at, if coarse { Plan::Coarse } else { Plan::Fine });
        self.found.clear();
        glass.look(look, &mut self.found)?;
        keep_best(&mut self.found);
        let find = if coarse {
            self.scores.find_coarse
        } else {
            self.scores.find_fine
        };
        self.tracks.assign(
            at,
            &self.found,
            self.scores.find_coarse,
            &mut self.taken,
            steady,
        );
        let mut left = 0;
        for n in 0..self.found.len() {
            if !self.taken[n] {
                self.found.swap(left, n);
                left += 1;
            }
        }
        self.found.truncate(left);
        let mut news = std::mem::take(&mut self.found);
        let looked = self.look_for_missed(glass);
        std::mem::swap(&mut news, &mut self.found);
        looked?;
        self.meet(glass, find)?;
        self.tracks.hide(|_| true);
        Ok(())
    }

    /// Who was shown and is not found by a look at the whole is looked for where they should be.
    fn look_for_missed(&mut self, glass: &mut Glass<'_>) -> Result<()> {
        if !self.has_parts {
            return Ok(());
        }
        let asked = std::mem::take(&mut self.due);
        self.due.extend(
            self.tracks
                .shown()
                .filter(|t| !t.detected && !asked.contains(&t.id))
                .map(|t| t.id)
                .take(8),
        );
        if self.due.is_empty() {
            return Ok(());
        }
        self.part_by_part(glass)
    }

    /// Faces that are nobody's, in `found`: somebody new, or nothing.
    fn meet(&mut self, glass: &mut Glass<'_>, find: f32) -> Result<()> {
        let outline = glass.outline;
        let now = outline.at;
        let lost_one = self.tracks.all().iter().any(|t| !t.detected);
        let mut waiting = false;
        for n in 0..self.found.len() {
            let face = self.found[n];
            if face.w.max(face.h) < self.least || self.tracks.knows(&face) {
                continue;
            }
            let sure = face.score >= self.scores.sure
                || (face.score >= find && (lost_one || self.candidates.seen_before(now, &face)));
            let new = if sure {
                true
            } else if face.score >= find {
                self.candidates.add(now, face);
                waiting = true;
                false
            } else {
                self.has_parts && self.confirm(glass, &face)?
            };
            if new && self.tracks.all().len() < MOST_FACES {
                self.tracks.admit(now, face);
                self.schedule.met(now);
            }
        }
        if waiting {
            self.schedule.want_whole();
        }
        Ok(())
    }

    /// Whether a look of its own shows a doubtful face as well.
    fn confirm(&mut self, glass: &mut Glass<'_>, face: &Face) -> Result<bool> {
        let mut seen = std::mem::take(&mut self.candidates.looked);
        seen.clear();
        let size = face.area().sqrt();
        let square = Square {
            centre: face.centre(),
            side: SIDE * size,
            closer: true,
        };
        let looked = glass.look(Look::Part(square), &mut seen);
        let confirmed = seen
            .iter()
            .any(|s| s.score >= self.scores.confirm && s.overlap(face) > 0.3);
        self.candidates.looked = seen;
        looked.map(|()| confirmed)
    }

    /// How the followed head leans, where that is wanted and a look at it is due.
    fn look_at_lean(&mut self, glass: &mut Glass<'_>) -> Result<()> {
        if !self.wants_roll || self.sees_lean {
            return Ok(());
        }
        let Some(track) = self.tracks.followed().and_then(|id| self.tracks.get(id)) else {
            return Ok(());
        };
        let at = glass.outline.at;
        // Only in a picture that is decoded anyway.
        let small = is_small(&track.face, self.size);
        if self.roll.is_due(at, track.id, small) && track.detected {
            let face = track.face;
            let degrees = glass.detector.lean(glass.picture, &face)?;
            self.roll.looked(at, glass.outline.gaze, degrees);
        }
        Ok(())
    }

    fn show(&mut self, outline: &Outline) {
        let followed = self.tracks.followed();
        for track in self.tracks.shown() {
            let followed = followed == Some(track.id);
            let Some(face) = clip(track.face, self.size) else {
                continue;
            };
            let face = match (self.sees_lean, followed) {
                (true, _) => face,
                (false, true) => self.roll.shown(outline.at, outline.gaze, face),
                (false, false) => face.of_unknown_lean(),
            };
            self.shown.push(TrackedFace {
                id: track.id,
                face,
                followed,
                predicted: !track.detected,
            });
        }
        if !self.shown.is_empty() {
            self.schedule.saw_face(outline.at);
        }
    }
}

/// What looks need.
struct Glass<'a> {
    detector: &'a mut dyn Detector,
    picture: &'a Picture,
    outline: Outline,
}

impl Glass<'_> {
    /// Adds to `found` what a look shows and can be a face.
    fn look(&mut self, look: Look, found: &mut Vec<Face>) -> Result<()> {
        let before = found.len();
        self.detector.look(self.picture, look, found)?;
        let mut at = before;
        while at < found.len() {
            let middle = found[at].centre();
            let (width, height) = self.outline.size;
            let within =
                (0.0..width as f32).contains(&middle.x) && (0.0..height as f32).contains(&middle.y);
            if within && usable(&found[at]) {
                at += 1;
            } else {
                found.swap_remove(at);
            }
        }
        Ok(())
    }
}

/// Where to look for a face.
fn square(track: &Track, view: &View, at: Monotime, gaze: Gaze, closer: bool) -> Square {
    let size = track.face.area().sqrt();
    let dt = at.since(track.seen).as_secs_f64();
    let turned = match gaze {
        Gaze::Known { speed, .. } => speed * JITTER / track.degrees(view).unwrap_or(f64::INFINITY),
        Gaze::Fixed | Gaze::Unknown => 0.0,
    };
    let wider = ((track.speed() * dt + turned) as f32).min(MOST_WIDER);
    let side = if closer { CLOSER_SIDE } else { SIDE };
    Square {
        centre: track.face.centre(),
        side: side * size * (1.0 + wider),
        closer,
    }
}

/// Leaves the best of those that overlap, and no more than can be followed up.
fn keep_best(found: &mut Vec<Face>) {
    found.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept = 0;
    for n in 0..found.len() {
        let face = found[n];
        if !found[..kept].iter().any(|k| k.overlap(&face) > 0.4) {
            found[kept] = face;
            kept += 1;
        }
    }
    found.truncate(kept.min(MOST_FACES));
}
