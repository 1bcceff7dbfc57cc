//! How crashes are told apart, in the crash file and after a restart.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::libc;

use super::raw;
use super::state::State;
use super::time::Moment;

/// What tells one crash from another.
pub(super) struct Key {
    time: Moment,
    run: Run,
    number: u32,
}

/// What tells this run of the program from all others of this boot: its number alone comes back, in a container at once.
pub(super) struct Run {
    started: u64,
}

impl Run {
    pub fn of(state: &State) -> Self {
        Self {
            started: state.started,
        }
    }

    /// Whether the crash of this key was in this run.
    pub fn owns(&self, key: &str) -> bool {
        key.contains(&format!(" {self}."))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", std::process::id(), self.started)
    }
}

impl Key {
    pub fn next(state: &State) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        Self {
            time: Moment(now()),
            run: Run::of(state),
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}Z {}.{}", self.time, self.run, self.number)
    }
}

/// Seconds since 1970, UTC.
pub(super) fn now() -> i64 {
    i64::try_from(raw::milliseconds(libc::CLOCK_REALTIME) / 1000).unwrap_or(0)
}
