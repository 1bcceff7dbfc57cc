//! Track: faces keep their identity from picture to picture, and one of them is followed.
//!
//! [`Tracks`] holds who is known, each a [`Track`] with place and speed, in angles of the room where it is known where the
//! camera looked ([`View`]); `choice` decides who is followed.

mod choice;
mod one;
mod tracker;
mod tracks;
mod view;

pub use one::Track;
pub use tracker::Tracker;
pub use tracks::{MOST_FACES, Tracks, usable};
pub use view::{Place, View};

use crate::follow::detect::Face;

/// A face with the identity that it keeps while it is in view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackedFace {
    /// Its number, from 1, never used again.
    pub id: u64,
    /// The face.
    pub face: Face,
    /// Whether it is the one that is followed.
    pub followed: bool,
    /// Whether it was not looked for in this picture, but is where it should be after the ones before.
    pub predicted: bool,
}
