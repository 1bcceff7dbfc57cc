//! Who is in view now: where the two loops meet. Vision tells it, a tap records it.

use std::sync::Mutex;
use std::time::Duration;

use super::TrackedFace;
use crate::base::clock::Monotime;
use crate::base::stop::lock;

/// A picture older than this says nothing about now.
const FRESH: Duration = Duration::from_secs(2);

/// The faces in view at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InView {
    /// How many.
    pub faces: u32,
    /// For how long the nearest of them, the largest, had been in view; none where there is no face.
    pub nearest: Option<Duration>,
}

/// The faces of the last picture.
#[derive(Debug, Default)]
pub struct Presence(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the last picture was worked on.
    seen: Option<Monotime>,
    /// Each face in it: its number, its area in pixels, since when it is in view.
    faces: Vec<(u64, f32, Monotime)>,
}

impl Presence {
    /// These faces are in view at `now`.
    pub fn update(&self, now: Monotime, faces: &[TrackedFace]) {
        let mut state = lock(&self.0);
        let known = std::mem::take(&mut state.faces);
        state.faces.extend(faces.iter().map(|f| {
            let since = known
                .iter()
                .find(|(id, ..)| *id == f.id)
                .map_or(now, |(.., since)| *since);
            (f.id, f.face.area(), since)
        }));
        state.seen = Some(now);
    }

    /// Who is in view at `now`; none where no camera can tell: there is none, or it delivers nothing.
    #[must_use]
    pub fn at(&self, now: Monotime) -> Option<InView> {
        let state = lock(&self.0);
        if now.since(state.seen?) > FRESH {
            return None;
        }
        let nearest = state.faces.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        Some(InView {
            faces: u32::try_from(state.faces.len()).unwrap_or(u32::MAX),
            nearest: nearest.map(|(.., since)| now.since(*since)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Face, Point};

    fn face(id: u64, size: f32) -> TrackedFace {
        TrackedFace {
            id,
            face: Face {
                x: 0.0,
                y: 0.0,
                w: size,
                h: size,
                left_eye: Point { x: 0.0, y: 0.0 },
                right_eye: Point { x: 0.0, y: 0.0 },
                score: 1.0,
            },
            followed: false,
        }
    }

    fn at(seconds: u64) -> Monotime {
        Monotime::from_zero(Duration::from_secs(seconds))
    }

    #[test]
    fn the_nearest_face_has_been_there_since_it_came() {
        let presence = Presence::default();
        assert_eq!(presence.at(at(0)), None, "no picture yet");
        presence.update(at(10), &[face(1, 50.0)]);
        presence.update(at(12), &[face(1, 50.0), face(2, 90.0)]);
        let seconds = |s| Some(Duration::from_secs(s));
        let seen = |faces, nearest| Some(InView { faces, nearest });
        assert_eq!(presence.at(at(13)), seen(2, seconds(1)));
        presence.update(at(13), &[face(1, 50.0)]);
        assert_eq!(presence.at(at(14)), seen(1, seconds(4)));
        presence.update(at(14), &[]);
        assert_eq!(presence.at(at(14)), seen(0, None));
    }

    #[test]
    fn an_old_picture_says_nothing() {
        let presence = Presence::default();
        presence.update(at(10), &[face(1, 50.0)]);
        assert_eq!(presence.at(at(13)), None);
    }
}
