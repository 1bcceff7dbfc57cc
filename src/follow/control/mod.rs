//! Control: where the face is becomes where the servos go.
//!
//! Decisions here are pure functions of the time and their inputs; `servo` acts on them. A picture
//! becomes a direction ([`sight`]), by the pose of its moment an angle of the room ([`optics`]), an
//! estimate of where that is now ([`estimator`]), and a set point that moves there within limits
//! ([`profile`], [`end_stop`]). By how much the camera is late is learned ([`latency`]), so that [`locator`]
//! knows where a face was, and whether it moves at all is watched ([`rest`]); [`axis`] joins these for one
//! axis, [`follower`] decides for the mount.

pub mod axis;
pub mod each;
pub mod end_stop;
pub mod estimator;
pub mod follower;
pub mod latency;
pub mod locator;
pub mod messages;
pub mod profile;
pub mod rest;
pub mod sight;

#[cfg(test)]
mod closed_loop_tests;
#[cfg(test)]
mod follower_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod simulation;

pub use axis::AxisFeedback;
pub use each::{Axis, Each};
pub use follower::Follower;
pub use messages::{Action, Feedback, Mode, Observation};
