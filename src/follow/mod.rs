//! Follow: how does a picture become movement?
//!
//! ```text
//!   camera -> look (detect, track) -> control -> servo
//!      ^                                          |
//!      +------------ turns the camera ------------+
//! ```
//!
//! Knows nothing of cards. What several of these need ([`pose`], [`optics`], the frame's line in the [`trace`]) lies
//! beside them; [`vision`] is the thread from a picture to the follower, [`delay`] keeps what that learns of the camera,
//! [`preview`] hands pictures to those who look. [`view`] is for simulations: what a camera would see.

pub mod calibrate;
pub mod camera;
pub mod control;
pub mod delay;
pub mod detect;
pub mod look;
pub mod optics;
pub mod pose;
pub mod preview;
pub mod servo;
pub mod trace;
pub mod track;
pub mod view;
pub mod vision;
