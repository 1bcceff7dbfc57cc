//! Sets the trap, and looks after its file.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::Result;

use super::registers::Registers;
use super::state::{STATE, State};
use super::unwind::Scratch;
use super::{fatal, panics, stacks};

/// From now on a fatal signal or a panic, in any thread, leaves a report in `crash_file`; a panic is also logged
/// `[UNCAUGHT_EXCEPTION]`. Called again, it changes the file.
///
/// # Errors
/// The file cannot be written. Panics are then logged all the same, and of a fatal signal one line goes to standard
/// error.
pub fn trap(crash_file: &Path) -> Result<()> {
    let state = STATE.get_or_init(|| State::prepared(crash_file));
    state.set_path(crash_file);
    panics::install();
    // The main thread was there before it could be given a stack by `pthread_create`.
    static MAIN: OnceLock<()> = OnceLock::new();
    MAIN.get_or_init(|| {
        stacks::give();
        // Once, so that whatever is looked up at its first use is looked up already.
        if let Some(here) = Registers::here() {
            let mut scratch = Scratch::new();
            state
                .loaded()
                .trace(here, &mut scratch, |_| ControlFlow::Continue(()));
        }
        fatal::install();
    });
    state.file.open(crash_file)
}

/// Opens the crash file again, after somebody has moved it away, and looks at what is loaded and at the time zone.
///
/// # Errors
/// The file cannot be opened.
pub fn reopen() -> Result<()> {
    let Some(state) = STATE.get() else {
        return Ok(());
    };
    state.refresh();
    state.file.open(&state.path())
}

/// Opens the crash file anew if somebody has removed or moved it, or if it could not be opened before. To be called now
/// and then.
pub fn look_after() {
    let Some(state) = STATE.get() else {
        return;
    };
    let path = state.path();
    if !state.file.is_at(&path) {
        // If that fails, the next look tries again.
        let _ = state.file.open(&path);
    }
}
