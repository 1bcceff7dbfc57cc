//! Faces of whole pictures, one after the other: for whoever looks at every picture.

use crate::base::clock::Monotime;
use crate::follow::detect::Face;

use super::TrackedFace;
use super::one::Track;
use super::tracks::{MOST_FACES, Tracks, usable};
use super::view::View;

/// Gives faces their identity and chooses the one to follow: the largest first, then the same one for as
/// long as it is seen. Pure: time comes in with each call.
#[derive(Debug, Default)]
pub struct Tracker {
    tracks: Tracks,
    taken: Vec<bool>,
}

impl Tracker {
    /// A tracker without any face yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the faces of the next picture, which showed the room so, and returns them with their identities, in the order
    /// in which they came. Boxes without a finite, positive size are left out; at most one face is followed. `steady`: the
    /// camera did not turn.
    pub fn update(
        &mut self,
        now: Monotime,
        faces: &[Face],
        view: View,
        steady: bool,
    ) -> Vec<TrackedFace> {
        let mut faces: Vec<Face> = faces.iter().copied().filter(usable).collect();
        if faces.len() > MOST_FACES {
            faces.sort_by(|a, b| b.area().total_cmp(&a.area()));
            faces.truncate(MOST_FACES);
        }
        self.tracks.begin(now, view);
        self.tracks
            .assign(now, &faces, 0.0, &mut self.taken, steady);
        for (face, taken) in faces.iter().zip(&self.taken) {
            if !taken {
                self.tracks.admit(now, *face);
            }
        }
        self.tracks.hide(|_| true);
        self.tracks.choose(now);
        let mut seen: Vec<TrackedFace> = Vec::new();
        for face in faces {
            // Two may look the same to the last digit.
            let free =
                |t: &&Track| t.detected && t.face == face && seen.iter().all(|s| s.id != t.id);
            if let Some(id) = self.tracks.all().iter().find(free).map(|t| t.id) {
                seen.push(TrackedFace {
                    id,
                    face,
                    followed: self.tracks.followed() == Some(id),
                    predicted: false,
                });
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::follow::detect::Point;
    use proptest::prelude::*;

    impl Tracker {
        /// With a camera that stands.
        fn see(&mut self, now: Monotime, faces: &[Face]) -> Vec<TrackedFace> {
            self.update(now, faces, View::Flat, true)
        }
    }

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
        let first = tracker.see(at(0), &[face(100.0, 100.0, 60.0), face(400.0, 100.0, 60.0)]);
        assert_eq!((first[0].id, first[1].id), (1, 2));
        let swapped = tracker.see(
            at(33),
            &[face(390.0, 100.0, 60.0), face(120.0, 110.0, 60.0)],
        );
        assert_eq!(
            (swapped[0].id, swapped[1].id),
            (2, 1),
            "order does not matter"
        );
        tracker.see(at(300), &[]);
        let back = tracker.see(at(500), &[face(130.0, 110.0, 60.0)]);
        assert_eq!(back[0].id, 1);
        let late = tracker.see(at(1300), &[face(130.0, 110.0, 60.0)]);
        assert_eq!(late[0].id, 3, "never used again");
    }

    #[test]
    fn the_largest_is_followed_and_kept_against_a_slightly_larger_one() {
        let mut tracker = Tracker::new();
        let small = face(100.0, 100.0, 50.0);
        let seen = tracker.see(at(0), &[small, face(400.0, 100.0, 80.0)]);
        assert_eq!(followed(&seen), None, "seen once");
        let seen = tracker.see(at(10), &[small, face(400.0, 100.0, 80.0)]);
        assert_eq!(followed(&seen), Some(2));
        for i in 1..100 {
            let seen = tracker.see(
                at(i * 33),
                &[face(100.0, 100.0, 90.0), face(400.0, 100.0, 80.0)],
            );
            assert_eq!(followed(&seen), Some(2));
        }
    }

    #[test]
    fn a_clearly_larger_face_takes_over_after_a_full_second() {
        let mut tracker = Tracker::new();
        tracker.see(at(0), &[face(100.0, 100.0, 60.0)]);
        let both = [face(100.0, 100.0, 60.0), face(400.0, 100.0, 90.0)];
        assert_eq!(followed(&tracker.see(at(100), &both)), Some(1));
        assert_eq!(followed(&tracker.see(at(600), &both)), Some(1));
        // It was smaller for one frame: the second begins anew.
        tracker.see(at(700), &[both[0], face(400.0, 100.0, 60.0)]);
        tracker.see(at(800), &both);
        assert_eq!(followed(&tracker.see(at(1300), &both)), Some(1));
        assert_eq!(followed(&tracker.see(at(1800), &both)), Some(2));
    }

    #[test]
    fn a_lost_face_is_waited_for_and_then_replaced() {
        let mut tracker = Tracker::new();
        let other = face(400.0, 100.0, 60.0);
        for ms in [0, 33] {
            tracker.see(at(ms), &[face(100.0, 100.0, 70.0), other]);
        }
        for ms in [100, 300, 500, 733] {
            assert_eq!(followed(&tracker.see(at(ms), &[other])), None, "{ms}");
        }
        assert_eq!(followed(&tracker.see(at(734), &[other])), Some(2));
        assert_eq!(followed(&tracker.see(at(2000), &[])), None);
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
        tracker.see(at(0), &bad);
        let seen = tracker.see(at(33), &bad);
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].id, seen[0].followed), (1, true));
    }

    #[test]
    fn what_shows_in_one_picture_is_not_followed() {
        let mut tracker = Tracker::new();
        tracker.see(at(0), &[face(100.0, 100.0, 60.0)]);
        for i in 1..200 {
            // Every tenth picture a large face flashes up.
            let mut faces = vec![face(100.0, 100.0, 60.0)];
            if i % 10 == 0 {
                faces.push(face(400.0, 200.0, 300.0));
            }
            assert_eq!(followed(&tracker.see(at(i * 33), &faces)), Some(1));
        }
    }

    #[test]
    fn somebody_who_comes_is_preferred_to_a_portrait_and_kept_when_standing() {
        let mut tracker = Tracker::new();
        let portrait = face(100.0, 100.0, 120.0);
        for i in 0..400 {
            tracker.see(at(i * 33), &[portrait]);
        }
        assert_eq!(followed(&tracker.see(at(400 * 33), &[portrait])), Some(1));
        let mut switched = None;
        for i in 401..2000u64 {
            // A smaller face walks in, stops, and breathes.
            let x = 600.0 - 4.0 * ((i - 401).min(60) as f32) + 12.0 * (i as f32 * 0.02).sin();
            let seen = tracker.see(at(i * 33), &[portrait, face(x, 100.0, 70.0)]);
            if followed(&seen) == Some(2) {
                switched.get_or_insert(i);
            } else {
                assert_eq!(switched, None, "back to the portrait at {i}");
            }
        }
        let after = (switched.unwrap() - 401) * 33;
        assert!((900..2000).contains(&after), "{after} ms");
    }

    #[test]
    fn two_who_cross_keep_their_numbers_when_pictures_come_unsteadily() {
        for late in [[0, 0, 0, 0, 0], [0, 25, 8, 30, 2], [12, 0, 40, 5, 33]] {
            two_cross(|i| at(100 + i * 33 + late[i as usize % 5]));
        }
    }

    fn two_cross(time: impl Fn(u64) -> Monotime) {
        let mut tracker = Tracker::new();
        for i in 0..120u64 {
            let t = i as f32 * 0.033;
            let (a, b) = (100.0 + 120.0 * t, 560.0 - 110.0 * t);
            let mut faces = vec![face(b, 104.0, 66.0)];
            // The nearer one hides the other.
            if (a - b).abs() > 40.0 {
                faces.push(face(a, 100.0, 60.0));
            }
            let seen = tracker.see(time(i), &faces);
            assert_eq!(seen[0].id, 1, "{i}");
            if let Some(seen) = seen.get(1) {
                assert_eq!(seen.id, 2, "{i}");
            }
        }
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
                let seen = tracker.see(at(ms), &faces);
                prop_assert!(seen.iter().filter(|f| f.followed).count() <= 1);
                let mut ids: Vec<u64> = seen.iter().map(|f| f.id).collect();
                ids.sort_unstable();
                prop_assert!(ids.windows(2).all(|w| w[0] < w[1]));
                newest = newest.max(ids.last().copied().unwrap_or(0));
                                prop_assert!(tracker.tracks.all().len() <= 2 * MOST_FACES);
            }
        }
    }
}
