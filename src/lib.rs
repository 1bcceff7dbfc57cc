//! FaceTap follows a visitor's face with servos and records card taps.
//!
//! ```text
//!   cli          what can I type?
//!   tools        what can I hold against it from outside?
//!   service      which threads are there, in what order do they begin and end?
//!   show         what is it doing, for those who look?
//!   watch        what keeps it alive, and what does it leave behind?
//!   follow       how does a picture become movement?      camera -> detect -> track -> control -> servo
//!   attend       how does a card become a row?            reader -> ledger -> uplink, indicator
//!   config       what can be set?
//!   base         what does everything stand on?
//! ```
//!
//! A room imports what lies below it; `watch`, `follow` and `attend` stand side by side and do not know each other.
//! `tests/architecture.rs` holds that. A module that drives a piece of hardware is the only one that knows its crate.

// Scenes that unit tests share with the programs in `tests` call this crate by its name.
#[cfg(test)]
extern crate self as facetap;

pub mod attend;
pub mod base;
pub mod cli;
pub mod config;
pub mod follow;
pub mod service;
pub mod show;
pub mod tools;
pub mod watch;
