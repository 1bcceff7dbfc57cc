//! Control: where the face is becomes where the servos go.
//!
//! Decisions here are pure functions of the time and their inputs; `servo` acts on them.

pub mod optics;
pub mod pose;
