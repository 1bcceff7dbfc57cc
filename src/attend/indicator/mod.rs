//! Indicator: what the person at the reader sees and hears.
//!
//! The other threads show an [`Event`] on a [`Panel`], which never blocks. Behind it are small threads,
//! each with a bounded queue of its own, so that none waits for another's device: [`Display`] for buzzer
//! and LEDs ([`gpio`]), [`lcd`], and the reader's own lamp ([`crate::attend::reader::acr122`]). What is shown for
//! which event is decided without a device ([`pattern`], [`player`], [`lcd::screen`]).

pub mod attachment;
mod display;
pub mod gpio;
pub mod lcd;
pub mod none;
pub mod pattern;
pub mod player;
mod start;

pub use crate::attend::notice::{Event, Notice, Panel, panel};
pub use display::{Display, Outputs, open, probe};
pub use start::start;
