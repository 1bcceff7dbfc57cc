//! Track: faces keep their identity from frame to frame, and one of them is followed.

mod tracker;

pub use tracker::Tracker;

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
}
