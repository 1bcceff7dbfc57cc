//! What every law has to be.

use super::camera::Picture;
use super::mount::Caps;
use crate::follow::detect::Face;
use crate::follow::pose::{Gaze, Pose};

/// What decides: it is shown pictures, and asked fifty times a second. Times are in ms.
pub(super) trait Controller {
    /// What it sets the limits inside the servos to.
    fn caps(&self) -> Caps;
    /// Where the camera looked when the picture was taken, as far as it can tell.
    fn gaze(&self, _: &Picture) -> Gaze {
        Gaze::Unknown
    }
    /// The result of a picture, with the face that is followed.
    fn see(&mut self, picture: &Picture, face: Option<Face>);
    /// The goal for a mount that reports `measured`; none for torque off.
    fn tick(&mut self, ms: u64, measured: Pose) -> Option<Pose>;
}
