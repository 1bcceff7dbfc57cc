//! Supervise: what keeps a service running where there is no systemd.
//!
//! [`Supervisor`] decides when a process is started and how it is ended; [`Watchman`] does that for any command and looks at
//! it from outside (`facetap supervise`, scripts/monitor.sh). The stress run has a watchdog over the same supervisor.

mod identity;
mod launch;
mod look;
mod record;
mod settings;
mod supervisor;
mod watchman;

pub use settings::{LONGEST_PAUSE, Settings, absolute, log_of};
#[cfg(test)]
pub(crate) use supervisor::tests as fakes;
pub use supervisor::{Change, End, Pauses, Process, Supervisor};
pub use watchman::Watchman;
