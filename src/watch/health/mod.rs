//! Health: whether every loop goes on, who is told so, and when the service restarts of its own accord.
//!
//! One thread looks once a second. While every loop gives its sign of life ([`crate::base::beat`]) the service manager's
//! watchdog is fed; a loop that has hung is named in the log, and the process ends by an abort, which leaves the traces
//! of all threads ([`crate::watch::crash`]). [`restart`] decides on restarts, [`state`] is the file for people and programs,
//! [`exit`] remembers why a run ended.

mod disk;
pub mod exit;
mod notify;
pub mod restart;
pub mod state;
mod watch;

pub use notify::{is_supervised, ready, starting, stopping};
pub use watch::{Health, Vitals};
