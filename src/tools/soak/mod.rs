//! Soak: the stress run. The real service as a child with simulated devices, requests one after the other for hours, a
//! verdict in the end.
//!
//! ```text
//! requests --cards (FIFO)--> the service --trace (FIFO)--> seen
//!                             |       |
//!                          health   taps --> the run's own attendance server
//!                             |
//!               watch: watchdog, resources from /proc, log
//! ```
//!
//! [`plan`] is what is asked for, [`verdict`] what came of it, [`fault`] what can be planted to see it turn red.

mod child;
#[cfg(test)]
mod days;
pub mod fault;
mod http;
mod log;
mod notify;
pub mod plan;
pub mod probe;
mod requests;
pub mod resources;
mod run;
mod screen;
mod server;
pub mod setting;
pub mod tally;
pub mod taps;
mod trace;
pub mod verdict;
mod watch;
mod watchdog;

pub use log::Marks;
pub use run::{Failed, Soak};
pub use watchdog::Ends;
