//! Who is who, and who is followed.

use std::time::Duration;

use crate::base::clock::Monotime;
use crate::follow::detect::Face;

use super::TrackedFace;

/// A face that is not detected for this long is lost; blinks and turned heads are shorter.
const MEMORY: Duration = Duration::from_millis(500);
/// Another face has to be this much larger (in area), for [`SWITCH_AFTER`], to be followed instead.
const CLEARLY_LARGER: f32 = 1.5;
/// So that two faces of nearly the same size do not take turns.
const SWITCH_AFTER: Duration = Duration::from_secs(1);
/// A face is the same if its centre moved by less than this many box sizes since the last frame.
const GATE: f64 = 1.2;
/// Widening of the gate for every second that the face was not seen.
const GATE_GROWTH: f64 = 2.0;
/// A face does not grow or shrink by more than this (in area) from one detection to the next.
const AREA_RATIO: f32 = 4.0;
/// Where one face alone was in the picture before, and one alone is in this one, it may have moved by any distance if no
/// longer than this lies between, and its area has changed by no more than this: nobody else comes so fast.
const ALONE: Duration = Duration::from_millis(300);
const ALONE_AREA_RATIO: f32 = 1.5;
/// More faces than this are a fault of the detector; the largest are kept.
const MOST_FACES: usize = 64;

/// Gives faces their identity and chooses the one to follow: the largest first, then the same one for as
/// long as it is seen. Pure: time comes in with each call.
#[derive(Debug)]
pub struct Tracker {
    next_id: u64,
    tracks: Vec<Track>,
    choice: Choice,
}

#[derive(Debug, Clone, Copy)]
struct Track {
    id: u64,
    face: Face,
    seen: Monotime,
}

/// Who is followed.
#[derive(Debug, Clone, Copy)]
enum Choice {
    Nobody,
    Following {
        id: u64,
        /// Who has been clearly larger, and since when.
        rival: Option<(u64, Monotime)>,
    },
}

impl Default for Tracker {
    fn default() -> Self {
        Self::new()
    }
}

impl Tracker {
    /// A tracker without any face yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            next_id: 1,
            tracks: Vec::new(),
            choice: Choice::Nobody,
        }
    }

    /// Takes the faces of the next picture and returns them with their identities, in the order in which
    /// they came. Boxes without a finite, positive size are left out; at most one face is followed.
    pub fn update(&mut self, now: Monotime, faces: &[Face]) -> Vec<TrackedFace> {
        let mut faces: Vec<Face> = faces.iter().copied().filter(usable).collect();
        if faces.len() > MOST_FACES {
            faces.sort_by(|a, b| b.area().total_cmp(&a.area()));
            faces.truncate(MOST_FACES);
        }
        self.tracks.retain(|t| now.since(t.seen) <= MEMORY);
        let ids = self.identify(now, &faces);
        self.bound();
        self.choose(now);
        ids.into_iter()
            .zip(faces)
            .map(|(id, face)| TrackedFace {
                id,
                face,
                followed: matches!(self.choice, Choice::Following { id: f, .. } if f == id),
            })
            .collect()
    }

    /// The identity of each face: nearest pairs first, what remains is new.
    fn identify(&mut self, now: Monotime, faces: &[Face]) -> Vec<u64> {
        if let Some(id) = self.alone(now, faces) {
            return vec![id];
        }
        let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
        for (t, track) in self.tracks.iter().enumerate() {
            for (f, face) in faces.iter().enumerate() {
                if let Some(distance) = track.distance(now, face) {
                    pairs.push((distance, t, f));
                }
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut ids = vec![None; faces.len()];
        let mut taken = vec![false; self.tracks.len()];
        for (_, t, f) in pairs {
            if !taken[t] && ids[f].is_none() {
                taken[t] = true;
                let track = &mut self.tracks[t];
                (track.face, track.seen) = (faces[f], now);
                ids[f] = Some(track.id);
            }
        }
        ids.into_iter()
            .zip(faces)
            .map(|(known, face)| known.unwrap_or_else(|| self.admit(now, *face)))
            .collect()
    }

    /// The identity of a face that is the only one now, as it was before.
    fn alone(&mut self, now: Monotime, faces: &[Face]) -> Option<u64> {
        let ([face], [track]) = (faces, self.tracks.as_mut_slice()) else {
            return None;
        };
        let ratio = face.area() / track.face.area();
        let same = now.since(track.seen) <= ALONE
            && (1.0 / ALONE_AREA_RATIO..=ALONE_AREA_RATIO).contains(&ratio);
        same.then(|| {
            (track.face, track.seen) = (*face, now);
            track.id
        })
    }

    fn admit(&mut self, now: Monotime, face: Face) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.tracks.push(Track {
            id,
            face,
            seen: now,
        });
        id
    }

    /// Forgets the ones that were seen longest ago when a detector invents faces by the hundred.
    fn bound(&mut self) {
        if self.tracks.len() > 2 * MOST_FACES {
            self.tracks.sort_by_key(|t| std::cmp::Reverse(t.seen));
            self.tracks.truncate(MOST_FACES);
        }
    }

    fn choose(&mut self, now: Monotime) {
        let current = match self.choice {
            Choice::Following { id, rival } => self
                .tracks
                .iter()
                .find(|t| t.id == id)
                .map(|track| (*track, rival)),
            Choice::Nobody => None,
        };
        let Some((followed, rival)) = current else {
            // No followed face, or it is lost: follow the largest in view.
            self.choice = match self.largest(|t| t.seen == now) {
                Some(t) => Choice::Following {
                    id: t.id,
                    rival: None,
                },
                None => Choice::Nobody,
            };
            return;
        };
        let larger = self.largest(|t| {
            t.id != followed.id && t.face.area() > followed.face.area() * CLEARLY_LARGER
        });
        self.choice = match (larger, rival) {
            (Some(larger), Some((id, since))) if larger.id == id => {
                if larger.seen == now && now.since(since) >= SWITCH_AFTER {
                    Choice::Following { id, rival: None }
                } else {
                    Choice::Following {
                        id: followed.id,
                        rival,
                    }
                }
            }
            (larger, _) => Choice::Following {
                id: followed.id,
                rival: larger.map(|t| (t.id, now)),
            },
        };
    }

    fn largest(&self, which: impl Fn(&Track) -> bool) -> Option<Track> {
        self.tracks
            .iter()
            .copied()
            .filter(which)
            .max_by(|a, b| a.face.area().total_cmp(&b.face.area()))
    }
}

impl Track {
    /// How far `face` is from where this one was, in box sizes; none if it cannot be the same.
    fn distance(&self, now: Monotime, face: &Face) -> Option<f64> {
        let (old, new) = (&self.face, face);
        let ratio = new.area() / old.area();
        if !(1.0 / AREA_RATIO..=AREA_RATIO).contains(&ratio) {
            return None;
        }
        let (a, b) = (old.centre(), new.centre());
        let moved = f64::from(a.x - b.x).hypot(f64::from(a.y - b.y));
        let size = f64::from(old.area().max(new.area())).sqrt();
        let gate = GATE + GATE_GROWTH * now.since(self.seen).as_secs_f64();
        // Not (moved <= ...) refuses a NaN too.
        (moved <= gate * size).then_some(moved / size)
    }
}

/// Whether a box can be reckoned with.
fn usable(face: &Face) -> bool {
    let centre = face.centre();
    let area = face.area();
    face.w > 0.0
        && face.h > 0.0
        && area.is_finite()
        && area > 0.0
        && centre.x.is_finite()
        && centre.y.is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::detect::Point;
    use proptest::prelude::*;

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn face(x: f32, y: f32, size: f32) -> Face {
        Face {
            x: x - size / 2.0,
            y: y - size / 2.0,
            w: size,
            h: size,
            left_eye: Point { x: x - 5.0, y },
            right_eye: Point { x: x + 5.0, y },
            score: 0.9,
        }
    }

    fn followed(faces: &[TrackedFace]) -> Option<u64> {
        faces.iter().find(|f| f.followed).map(|f| f.id)
    }

    #[test]
    fn identities_survive_movement_crossing_and_missed_detections() {
        let mut tracker = Tracker::new();
        let first = tracker.update(at(0), &[face(100.0, 100.0, 60.0), face(400.0, 100.0, 60.0)]);
        assert_eq!((first[0].id, first[1].id), (1, 2));
        let swapped = tracker.update(
            at(33),
            &[face(390.0, 100.0, 60.0), face(120.0, 110.0, 60.0)],
        );
        assert_eq!(
            (swapped[0].id, swapped[1].id),
            (2, 1),
            "order does not matter"
        );
        tracker.update(at(300), &[]);
        let back = tracker.update(at(500), &[face(130.0, 110.0, 60.0)]);
        assert_eq!(back[0].id, 1);
        let late = tracker.update(at(1100), &[face(130.0, 110.0, 60.0)]);
        assert_eq!(late[0].id, 3, "never used again");
    }

    #[test]
    fn the_largest_is_followed_and_kept_against_a_slightly_larger_one() {
        let mut tracker = Tracker::new();
        let small = face(100.0, 100.0, 50.0);
        let seen = tracker.update(at(0), &[small, face(400.0, 100.0, 80.0)]);
        assert_eq!(followed(&seen), Some(2));
        for i in 1..100 {
            let seen = tracker.update(
                at(i * 33),
                &[face(100.0, 100.0, 90.0), face(400.0, 100.0, 80.0)],
            );
            assert_eq!(followed(&seen), Some(2));
        }
    }

    #[test]
    fn a_clearly_larger_face_takes_over_after_a_full_second() {
        let mut tracker = Tracker::new();
        tracker.update(at(0), &[face(100.0, 100.0, 60.0)]);
        let both = [face(100.0, 100.0, 60.0), face(400.0, 100.0, 90.0)];
        assert_eq!(followed(&tracker.update(at(100), &both)), Some(1));
        assert_eq!(followed(&tracker.update(at(600), &both)), Some(1));
        // It was smaller for one frame: the second begins anew.
        tracker.update(at(700), &[both[0], face(400.0, 100.0, 60.0)]);
        tracker.update(at(800), &both);
        assert_eq!(followed(&tracker.update(at(1300), &both)), Some(1));
        assert_eq!(followed(&tracker.update(at(1800), &both)), Some(2));
    }

    #[test]
    fn a_lost_face_is_waited_for_and_then_replaced() {
        let mut tracker = Tracker::new();
        let other = face(400.0, 100.0, 60.0);
        tracker.update(at(0), &[face(100.0, 100.0, 70.0), other]);
        for ms in [100, 300, 500] {
            assert_eq!(followed(&tracker.update(at(ms), &[other])), None, "{ms}");
        }
        assert_eq!(followed(&tracker.update(at(501), &[other])), Some(2));
        assert_eq!(followed(&tracker.update(at(2000), &[])), None);
    }

    #[test]
    fn degenerate_boxes_are_left_out() {
        let mut tracker = Tracker::new();
        let good = face(100.0, 100.0, 60.0);
        let bad = [
            Face {
                w: f32::NAN,
                ..good
            },
            Face { w: 0.0, ..good },
            Face { h: -3.0, ..good },
            Face {
                x: f32::INFINITY,
                ..good
            },
            Face {
                w: f32::MAX,
                h: f32::MAX,
                ..good
            },
            good,
        ];
        let seen = tracker.update(at(0), &bad);
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].id, seen[0].followed), (1, true));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_faces_leave_one_followed_distinct_ids_and_bounded_memory(
            frames in prop::collection::vec(
                (0u64..400, prop::collection::vec((any::<f32>(), any::<f32>(), any::<f32>(), any::<f32>()), 0..90)),
                1..40,
            )
        ) {
            let mut tracker = Tracker::new();
            let mut ms = 0;
            let mut newest = 0;
            for (pause, boxes) in frames {
                ms += pause;
                let faces: Vec<Face> = boxes
                    .into_iter()
                    .map(|(x, y, w, h)| Face { x, y, w, h, ..face(0.0, 0.0, 1.0) })
                    .collect();
                let seen = tracker.update(at(ms), &faces);
                prop_assert!(seen.iter().filter(|f| f.followed).count() <= 1);
                let mut ids: Vec<u64> = seen.iter().map(|f| f.id).collect();
                ids.sort_unstable();
                prop_assert!(ids.windows(2).all(|w| w[0] < w[1]));
                newest = newest.max(ids.last().copied().unwrap_or(0));
                prop_assert_eq!(newest, newest.max(tracker.next_id - 1));
                prop_assert!(tracker.tracks.len() <= 2 * MOST_FACES);
            }
        }
    }
}
