//! Allocations: what the live memory of this process was allocated by, in Rust and in OpenCV's C++ alike.
//!
//! ```text
//!   malloc, free, ... (interpose)  ->  one in 256 KiB (sampling)  ->  who calls (stack)  ->  live table (live)
//!                                                                                                |
//!                                            the log  <-  file and line or function (sites)  <---+
//! ```
//!
//! It is off until [`start`]. What it costs then, and why it is not jemalloc: docs/allocations.md.

#[doc(hidden)]
pub mod interpose;
mod live;
mod sampling;
mod sites;
mod stack;
mod tuning;

use std::ffi::{CStr, c_void};
use std::sync::Once;

use anyhow::{Result, bail};
use nix::libc;

pub use sites::Site;
pub use tuning::{trim, tune};

use crate::say;
use interpose::LIVE;

/// Live memory, as far as it was allocated while recording was on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Bytes that are live now.
    pub current_bytes: u64,
    /// The most that were live at a time since recording began.
    pub peak_bytes: u64,
}

/// Begins to record allocations. What was allocated before is not seen.
///
/// # Errors
/// The program was built without [`record_allocations!`](crate::record_allocations), or its libraries go past it.
pub fn start() -> Result<()> {
    static FORKS: Once = Once::new();
    FORKS.call_once(|| {
        // SAFETY: the handler only stores to a variable. It can fail for want of memory alone; then a child that
        // never calls exec could wait for itself, and this program makes none.
        unsafe { libc::pthread_atfork(None, None, Some(interpose::child_after_fork)) };
    });
    if interpose::recording() {
        return Ok(());
    }
    interpose::begin();
    if !reaches(c"malloc") {
        interpose::end();
        bail!(
            "{}",
            say!(
                "allocations cannot be recorded: this program was built without it",
                "このプログラムはメモリ割り当ての記録に対応していません"
            )
        );
    }
    // Forgets what the trial recorded, and begins for good.
    interpose::end();
    interpose::begin();
    Ok(())
}

/// Ends recording and forgets what was recorded.
pub fn stop() {
    if interpose::recording() {
        interpose::end();
    }
}

/// Whether the function that libraries find under this name records.
fn reaches(name: &CStr) -> bool {
    // SAFETY: a look-up of a name.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    if found.is_null() {
        return false;
    }
    // SAFETY: the C library says what the function of this name takes and gives.
    let malloc: extern "C" fn(usize) -> *mut c_void = unsafe { std::mem::transmute(found) };
    // So large that its chance not to be recorded is below one in a billion. It is never written to, so the kernel
    // gives no memory for it.
    let trial = malloc(32 * sampling::MEAN as usize);
    let reached = LIVE.may_have(trial as usize);
    // SAFETY: allocated two lines above.
    unsafe { libc::free(trial) };
    reached
}

/// How much is live; none while recording is off.
#[must_use]
pub fn totals() -> Option<Totals> {
    interpose::recording().then(|| {
        let sums = LIVE.sums();
        Totals {
            current_bytes: sums.current.max(0.0) as u64,
            peak_bytes: sums.peak as u64,
        }
    })
}

/// The `n` places that have allocated the most of what is live, the largest first. It takes a child process and up to
/// a second when a place is named for the first time, else milliseconds.
///
/// # Errors
/// The symbols could not be read; the next call tries again.
pub fn largest(n: usize) -> Result<Vec<Site>> {
    sites::largest(&LIVE.all(), n)
}
