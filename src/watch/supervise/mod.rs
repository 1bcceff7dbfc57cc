//! Supervise: what keeps a process running.

mod supervisor;

#[cfg(test)]
pub(crate) use supervisor::tests as fakes;
pub use supervisor::{Change, End, Pauses, Process, Supervisor};
