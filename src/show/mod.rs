//! Show: what is it doing, for those who look?
//!
//! ```text
//!   board   facts of now, from snapshots        words   what is written of them
//!   scene   draws both on a canvas              window  the thread that shows it
//! ```
//!
//! Stands above `follow`, `attend` and `watch`, which do not know that somebody looks: pictures come by
//! [`crate::follow::preview`], the rest from what is shared anyway. [`x11`] alone knows the display server.

pub mod board;
mod canvas;
mod fonts;
mod lettering;
mod pace;
mod scene;
#[cfg(test)]
mod scene_tests;
mod screen;
pub mod window;
mod words;
mod x11;
