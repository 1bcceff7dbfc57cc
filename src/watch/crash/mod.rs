//! Crash: whatever ends the process leaves a trace first.
//!
//! ```text
//!   fatal signal -> fatal -> report (raw) -> crash.log -> parse -> review -> log, status, doctor
//!   panic        -> panics ---^    |
//!                                  +- unwind, registers, others, recent
//! ```
//!
//! A fatal signal is reported where nothing may be allocated and no lock be taken ([`raw`] says what is allowed), so
//! the report has addresses only. Their functions are named later, by a child process ([`crate::watch::symbols`]): at the
//! next start, after a panic at once.

mod cores;
mod describe;
mod fatal;
mod file;
mod frame;
mod key;
mod others;
mod panics;
mod parse;
mod raw;
pub mod recent;
mod registers;
mod report;
mod review;
mod stacks;
mod state;
mod time;
mod trap;
mod unwind;

pub use cores::{Cores, Destination, cores};
pub use file::{file_beside, places, reported};
pub use others::show_first;
pub use review::{LastCrash, explain, last, review};
pub use stacks::pthread_create;
pub use trap::{look_after, reopen, trap};
