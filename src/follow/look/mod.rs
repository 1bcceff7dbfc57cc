//! Look: which pictures are looked at, where, and how closely.
//!
//! A [`Looker`] shows each picture to a detector in the ways that its schedule decides on, settles what a small look has
//! missed in the same picture, and tells where everybody is, detected or predicted.

mod candidates;
#[cfg(test)]
mod clip_tests;
mod looker;
#[cfg(test)]
mod looker_tests;
mod motion;
mod roll;
mod schedule;

pub use looker::{Looker, Seen};
pub use schedule::Plan;
