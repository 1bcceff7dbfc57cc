//! What comes into the decisions, and what they are.

use crate::base::clock::Monotime;
use crate::follow::detect::Face;

use super::axis::AxisFeedback;
use super::each::{Axis, Each};
use crate::follow::pose::Pose;

/// What was seen in one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Number of the captured frame.
    pub frame: u64,
    /// When it was captured.
    pub captured: Monotime,
    /// When its result is handed over.
    pub now: Monotime,
    /// Width of the picture in pixels.
    pub width: u32,
    /// Height of the picture in pixels.
    pub height: u32,
    /// The face that is followed, if it was found.
    pub face: Option<Face>,
}

/// What the axes reported.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Feedback {
    /// When it was measured.
    pub at: Monotime,
    /// None for an axis that does not exist or does not answer.
    pub axes: Each<Option<AxisFeedback>>,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Action {
    /// Whether the servos are to hold themselves. When this becomes true, `command` is the measured
    /// pose: it has to be their goal before their torque is switched on.
    pub torque: bool,
    /// The goal; none while the torque is off.
    pub command: Option<Pose>,
    /// The newest picture that went into the command, told once.
    pub uses_frame: Option<u64>,
    /// The axis that was just found to press against its mechanical end.
    pub pressing: Option<Axis>,
}

/// What the mount is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// No axis reports.
    Absent,
    /// On the way straight ahead; the set point has stood still since.
    Homing {
        /// Since when; none while it moves.
        still: Option<Monotime>,
    },
    /// With the torque off: straight ahead, or before a face that has not moved for long.
    Resting,
    /// After the face, or its prediction where it was missed.
    Following {
        /// When the face was last seen.
        seen: Monotime,
    },
    /// Standing where the face was lost.
    Holding {
        /// When the face was last seen.
        seen: Monotime,
    },
}
