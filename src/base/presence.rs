//! Faces in view now, shared between the two loops: vision writes it, a tap records it.

use std::sync::Mutex;
use std::time::Duration;

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
pub struct Presence(Mutex<PresenceState>);

#[derive(Debug, Default)]
struct PresenceState {
    /// When the last picture was worked on.
    seen: Option<Monotime>,
    /// Each face in it: its number, its area in pixels, since when it is in view.
    faces: Vec<(u64, f32, Monotime)>,
}

impl Presence {
    /// These faces are in view at `now`: the number of each, and its area in pixels.
    pub fn update(&self, now: Monotime, faces: impl IntoIterator<Item = (u64, f32)>) {
        let mut state = lock(&self.0);
        let known = std::mem::take(&mut state.faces);
        state.faces.extend(faces.into_iter().map(|(id, area)| {
            let since = known
                .iter()
                .find(|(known, ..)| *known == id)
                .map_or(now, |(.., since)| *since);
            (id, area, since)
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

    fn at(seconds: u64) -> Monotime {
        Monotime::from_zero(Duration::from_secs(seconds))
    }

    #[test]
    fn the_nearest_face_has_been_there_since_it_came() {
        let presence = Presence::default();
        assert_eq!(presence.at(at(0)), None, "no picture yet");
        presence.update(at(10), [(1, 50.0)]);
        presence.update(at(12), [(1, 50.0), (2, 90.0)]);
        let seconds = |s| Some(Duration::from_secs(s));
        let seen = |faces, nearest| Some(InView { faces, nearest });
        assert_eq!(presence.at(at(13)), seen(2, seconds(1)));
        presence.update(at(13), [(1, 50.0)]);
        assert_eq!(presence.at(at(14)), seen(1, seconds(4)));
        presence.update(at(14), []);
        assert_eq!(presence.at(at(14)), seen(0, None));
    }

    #[test]
    fn an_old_picture_says_nothing() {
        let presence = Presence::default();
        presence.update(at(10), [(1, 50.0)]);
        assert_eq!(presence.at(at(13)), None);
    }
}
