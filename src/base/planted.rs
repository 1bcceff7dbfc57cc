//! Fault injection points of the loops. The module `fault` sets the faults, this one holds and triggers them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::stop::{Stop, lock};

/// Environment variable with the path of the file.
pub const VARIABLE: &str = "FACETAP_FAULTS";

/// How long a slow tap takes: longer than anybody waits, shorter than a hang.
pub const SLOW: Duration = Duration::from_secs(12);

/// Whether [`PLANTED`] holds anything, so that a loop's turn costs one look at a flag.
static ANY: AtomicBool = AtomicBool::new(false);
static PLANTED: Mutex<Vec<(String, FaultKind)>> = Mutex::new(Vec::new());
static SLOW_TAPS: AtomicBool = AtomicBool::new(false);
static LOST_TAPS: AtomicBool = AtomicBool::new(false);

/// What happens to a loop or a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It panics.
    Panic,
    /// It hangs for ever.
    Hang,
    /// It hangs for this long and ignores the order to stop.
    Stall(Duration),
}

/// Called by the loop or call of this name; triggers the fault that was planted for it.
pub fn point(name: &str) {
    if !ANY.load(Ordering::Relaxed) {
        return;
    }
    let mut planted = lock(&PLANTED);
    let Some(at) = planted.iter().position(|(loop_name, _)| loop_name == name) else {
        return;
    };
    let (_, kind) = planted.swap_remove(at);
    ANY.store(!planted.is_empty(), Ordering::Relaxed);
    drop(planted);
    match kind {
        FaultKind::Panic => panic!("planted in the loop \"{name}\" ({VARIABLE})"),
        // Ignores the order to stop, as a real hang would.
        FaultKind::Hang => loop {
            std::thread::park();
        },
        FaultKind::Stall(time) => {
            let _ = Stop::new().wait(time);
        }
    }
}

/// Whether every tap is to take [`SLOW`].
#[must_use]
pub fn taps_are_slow() -> bool {
    SLOW_TAPS.load(Ordering::Relaxed)
}

/// Whether taps are to be confirmed without being recorded.
#[must_use]
pub fn taps_are_lost() -> bool {
    LOST_TAPS.load(Ordering::Relaxed)
}

/// At its next turn, this happens to the loop of this name.
pub fn in_loop(name: String, kind: FaultKind) {
    lock(&PLANTED).push((name, kind));
    ANY.store(true, Ordering::Relaxed);
}

/// Every tap takes [`SLOW`] from now on.
pub fn slow_taps() {
    SLOW_TAPS.store(true, Ordering::Relaxed);
}

/// From now on taps are confirmed without being recorded.
pub fn lost_taps() {
    LOST_TAPS.store(true, Ordering::Relaxed);
}
