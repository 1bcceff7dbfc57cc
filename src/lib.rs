//! FaceTap follows a visitor's face with servos and records card taps.
//!
//! ```text
//!   camera -> detect -> track -> control -> servo        reader -> ledger -> uplink
//!      ^                                      |                      |
//!      +---------- turns the camera ----------+                  indicator
//!
//!   beside both: monitor, crash, health, logging, trace;   below: base, config, text, stats
//! ```
//!
//! Every arrow of the picture is a bounded hand-over between two threads; every box is a module, and the
//! module that drives a piece of hardware is the only one that knows its crate. `service` puts them
//! together, `cli` is what people type.

pub mod allocations;
pub mod base;
pub mod camera;
pub mod cli;
pub mod config;
pub mod control;
pub mod crash;
pub mod detect;
pub mod doctor;
pub mod fault;
pub mod health;
pub mod indicator;
pub mod ledger;
pub mod logging;
pub mod monitor;
pub mod reader;
pub mod reloads;
pub mod report;
pub mod service;
pub mod servo;
pub mod signals;
pub mod soak;
pub mod spreadsheet;
pub mod standing;
pub mod stats;
pub mod summary;
pub mod symbols;
pub mod text;
pub mod theil_sen;
pub mod track;
pub mod uplink;
pub mod vision;
