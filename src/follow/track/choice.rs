//! Who is followed.

use std::time::Duration;

use crate::base::clock::Monotime;

use super::one::Track;

/// Another face has to be this much larger (in area), for [`SWITCH_AFTER`], to be followed instead.
const CLEARLY_LARGER: f32 = 1.5;
/// So that two faces of nearly the same size do not take turns.
const SWITCH_AFTER: Duration = Duration::from_secs(1);
/// Nobody stands like a portrait for so long. Such a face is left for one that moves, and never taken for its size.
const PORTRAIT_AFTER: Duration = Duration::from_secs(10);
/// A face moves while it last did within this time.
const MOVING: Duration = Duration::from_secs(2);
/// A face is followed from its second detection on: what shows in one picture only is a mistake or somebody's wave.
const CONFIRMED: u32 = 2;

/// The largest is followed first, then the same one for as long as it is seen, unless another is clearly the one to follow.
#[derive(Debug, Clone, Copy, Default)]
pub enum Choice {
    /// Nobody.
    #[default]
    Nobody,
    /// This one.
    Following {
        /// Its number.
        id: u64,
        /// Who should be followed instead, and since when.
        rival: Option<(u64, Monotime)>,
    },
}

impl Choice {
    /// The number of the one who is followed.
    #[must_use]
    pub const fn followed(&self) -> Option<u64> {
        match self {
            Self::Nobody => None,
            Self::Following { id, .. } => Some(*id),
        }
    }

    /// Chooses anew, after a picture.
    pub fn choose(&mut self, now: Monotime, tracks: &[Track]) {
        let current = match *self {
            Self::Following { id, rival } => tracks
                .iter()
                .find(|t| t.id == id)
                .map(|followed| (followed, rival)),
            Self::Nobody => None,
        };
        let Some((followed, rival)) = current else {
            // No followed face, or it is lost. A portrait is better than nobody.
            let largest = |portraits: bool| {
                largest(tracks, |t| {
                    t.detections >= CONFIRMED
                        && !t.hidden
                        && t.still_for(now, PORTRAIT_AFTER) == portraits
                })
            };
            *self = match largest(false).or_else(|| largest(true)) {
                Some(t) => Self::Following {
                    id: t.id,
                    rival: None,
                },
                None => Self::Nobody,
            };
            return;
        };
        let better = largest(tracks, |t| {
            t.id != followed.id
                && t.detections >= CONFIRMED
                && better(now, t, followed, rival.is_some_and(|(id, _)| id == t.id))
        });
        *self = match (better, rival) {
            (Some(better), Some((id, since))) if better.id == id => {
                if better.detected && now.since(since) >= SWITCH_AFTER {
                    Self::Following { id, rival: None }
                } else {
                    *self
                }
            }
            (better, _) => Self::Following {
                id: followed.id,
                rival: better.map(|t| (t.id, now)),
            },
        };
    }
}

/// Whether somebody else should be followed rather than this one. Who is a rival already remains one in doubt.
fn better(now: Monotime, other: &Track, followed: &Track, rival: bool) -> bool {
    let (portrait, of_paper) = (
        followed.still_for(now, PORTRAIT_AFTER),
        other.still_for(now, PORTRAIT_AFTER),
    );
    let larger = other.face.area() > followed.face.area() * CLEARLY_LARGER && !of_paper;
    larger || (portrait && (other.moved_within(now, MOVING) || (rival && !of_paper)))
}

fn largest(tracks: &[Track], which: impl Fn(&Track) -> bool) -> Option<&Track> {
    tracks
        .iter()
        .filter(|t| which(t))
        .max_by(|a, b| a.face.area().total_cmp(&b.face.area()))
}
