//! Who is who: detections become tracks, tracks are predicted, missed and forgotten.

use std::time::Duration;

use crate::base::clock::Monotime;
use crate::follow::detect::Face;

use super::choice::Choice;
use super::one::Track;
use super::view::View;

/// A face that is not detected for this long is lost; who passes behind somebody is hidden for half a second.
const MEMORY: Duration = Duration::from_millis(700);
/// A face is the same if its middle lies within this many box sizes of where it was expected.
const GATE: f64 = 1.2;
/// Widening of the gate for every second that the face was not seen.
const GATE_GROWTH: f64 = 2.0;
/// A face does not grow or shrink by more than this (in area) from one detection to the next, or after it was missed.
const AREA_RATIO: f32 = 2.5;
const MISSED_AREA_RATIO: f32 = 4.0;
/// Who was missed may have stood still meanwhile; where they should have gone is more likely by so many box sizes.
const STAYED: f64 = 0.4;
/// Where somebody is seen and somebody else is hidden, what shows is the first one, unless the other is nearer by so many
/// box sizes: two who cross are in one place, and the times of pictures are not exact.
const HIDDEN: f64 = 0.5;
/// A doubling of the area counts as much as so many box sizes of distance.
const RESIZED: f64 = 0.35;
/// Where one face alone was in the picture before, and one alone is in this one, it may have moved by any distance if no
/// longer than this lies between, and its area has changed by no more than this: nobody else comes so fast.
const ALONE: Duration = Duration::from_millis(300);
const ALONE_AREA_RATIO: f32 = 1.5;
/// A box that overlaps by so much with one that is known is the same face.
const OVERLAP: f32 = 0.3;
/// And one that overlaps by so much with what was detected in the same picture shows nobody else.
const SAME: f32 = 0.45;
/// Detections up to which a face that is missed has to be found anew.
const YOUNG: u32 = 2;
/// More faces than this are a fault of the detector; the largest are kept.
pub const MOST_FACES: usize = 64;

/// All faces that are known.
#[derive(Debug)]
pub struct Tracks {
    next_id: u64,
    all: Vec<Track>,
    choice: Choice,
    view: View,
    pairs: Vec<(f64, usize, usize)>,
}

impl Default for Tracks {
    fn default() -> Self {
        Self {
            next_id: 1,
            all: Vec::new(),
            choice: Choice::Nobody,
            view: View::Flat,
            pairs: Vec::new(),
        }
    }
}

impl Tracks {
    /// A new picture: everybody is where they are expected to be. Forgets who was not seen for too long.
    pub fn begin(&mut self, now: Monotime, view: View) {
        let before = std::mem::replace(&mut self.view, view);
        self.all.retain_mut(|track| {
            if !before.alike(&view) {
                track.change_view(&before, &view);
            }
            now.since(track.seen) <= MEMORY && track.predict(now, &view)
        });
    }

    /// How the present picture shows the room.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Everybody, also who is not shown.
    #[must_use]
    pub fn all(&self) -> &[Track] {
        &self.all
    }

    /// The one of this number.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Track> {
        self.all.iter().find(|t| t.id == id)
    }

    /// Who is shown.
    pub fn shown(&self) -> impl Iterator<Item = &Track> {
        self.all.iter().filter(|t| !t.hidden)
    }

    /// Who is followed.
    #[must_use]
    pub const fn followed(&self) -> Option<u64> {
        self.choice.followed()
    }

    /// Gives detections of the present picture to those whom they fit, the best pairs first; `taken` says of each whether
    /// it was. Who was missed comes back with a score of `recover` only. `steady`: the camera did not turn.
    pub fn assign(
        &mut self,
        now: Monotime,
        found: &[Face],
        recover: f32,
        taken: &mut Vec<bool>,
        steady: bool,
    ) {
        taken.clear();
        taken.resize(found.len(), false);
        // An earlier look at this picture has shown some of them.
        for (face, taken) in found.iter().zip(taken.iter_mut()) {
            let shows = |t: &Track| t.detected && t.face.overlap(face) > SAME;
            *taken = self.all.iter().any(shows);
        }
        if self.alone(now, found, steady) {
            taken[0] = true;
            return;
        }
        let mut pairs = std::mem::take(&mut self.pairs);
        pairs.clear();
        for (t, track) in self.all.iter().enumerate().filter(|(_, t)| !t.detected) {
            for (f, face) in found.iter().enumerate() {
                if taken[f] || (track.hidden && face.score < recover) {
                    continue;
                }
                if let Some(distance) = distance(now, track, face) {
                    pairs.push((distance, t, f));
                }
            }
        }
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        for &(_, t, f) in &pairs {
            if !taken[f] && !self.all[t].detected {
                taken[f] = true;
                self.all[t].correct(now, &self.view, found[f], steady);
            }
        }
        self.pairs = pairs;
    }

    /// Whether a face is the only one now, as its track was before.
    fn alone(&mut self, now: Monotime, found: &[Face], steady: bool) -> bool {
        let ([face], [track]) = (found, self.all.as_mut_slice()) else {
            return false;
        };
        let ratio = face.area() / track.face.area();
        let same = !track.detected
            && now.since(track.seen) <= ALONE
            && (1.0 / ALONE_AREA_RATIO..=ALONE_AREA_RATIO).contains(&ratio);
        if same {
            if distance(now, track, face).is_some() {
                track.correct(now, &self.view, *face, steady);
            } else {
                track.resume(now, &self.view, *face);
            }
        }
        same
    }

    /// Whether a detection shows a face that is known.
    #[must_use]
    pub fn knows(&self, face: &Face) -> bool {
        self.shown().any(|t| t.face.overlap(face) > OVERLAP)
    }

    /// A new face, with a number of its own.
    pub fn admit(&mut self, now: Monotime, face: Face) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.all.push(Track::new(id, now, &self.view, face));
        if self.all.len() > 2 * MOST_FACES {
            // Forgets the ones that were seen longest ago when a detector invents faces by the hundred.
            self.all.sort_by_key(|t| std::cmp::Reverse(t.seen));
            self.all.truncate(MOST_FACES);
        }
        id
    }

    /// Does not show those any more who were looked for and not found.
    pub fn hide(&mut self, which: impl Fn(&Track) -> bool) {
        for track in &mut self.all {
            if !track.detected && which(track) {
                track.hidden = true;
                // What showed once or twice and is gone was perhaps never there.
                if track.detections <= YOUNG {
                    track.detections = 0;
                }
            }
        }
    }

    /// Decides who is followed, at the end of a picture.
    pub fn choose(&mut self, now: Monotime) {
        self.choice.choose(now, &self.all);
    }

    /// Forgets everybody, as when the camera is another one.
    pub fn clear(&mut self) {
        self.all.clear();
    }
}

/// How far a face is from where this one is expected, in box sizes; none if it cannot be the same.
fn distance(now: Monotime, track: &Track, face: &Face) -> Option<f64> {
    let ratio = face.area() / track.face.area();
    let most = if track.hidden {
        MISSED_AREA_RATIO
    } else {
        AREA_RATIO
    };
    if !(1.0 / most..=most).contains(&ratio) {
        return None;
    }
    let size = f64::from(track.face.area().max(face.area())).sqrt();
    let to = face.centre();
    let from = |old: &Face| {
        let centre = old.centre();
        f64::from(centre.x - to.x).hypot(f64::from(centre.y - to.y)) / size
    };
    let gate = GATE + GATE_GROWTH * now.since(track.seen).as_secs_f64();
    let mut moved = from(&track.face);
    if track.hidden {
        moved = moved.min(from(&track.stayed) + STAYED);
    }
    let behind = if track.hidden { HIDDEN } else { 0.0 };
    // Not (moved <= ...) refuses a NaN too.
    (moved <= gate).then(|| moved + behind + RESIZED * f64::from(ratio).log2().abs())
}

/// Whether a box can be reckoned with, and can be a face's.
#[must_use]
pub fn usable(face: &Face) -> bool {
    /// Width by height of what detectors take for faces, with much to spare.
    const SHAPES: std::ops::RangeInclusive<f32> = 0.3..=2.2;
    let centre = face.centre();
    let area = face.area();
    face.w > 0.0
        && face.h > 0.0
        && area.is_finite()
        && area > 0.0
        && centre.x.is_finite()
        && centre.y.is_finite()
        && SHAPES.contains(&(face.w / face.h))
}
