//! What a crash report needs, prepared at the start: nothing of it can be got in a signal handler.

use std::cell::UnsafeCell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};
use std::sync::{Mutex, OnceLock};

use anyhow::Result;
use jiff::Zoned;
use nix::libc;

use super::file::CrashFile;
use super::registers::Registers;
use super::unwind::{Loaded, Scratch};
use super::{fatal, panics, raw, stacks};
use crate::base::proc;
use crate::base::stop::lock;

pub(super) static STATE: OnceLock<State> = OnceLock::new();

pub(super) struct State {
    pub file: CrashFile,
    path: Mutex<PathBuf>,
    loaded: AtomicPtr<Loaded>,
    /// For the thread that writes the report of a fatal signal, and nobody else.
    pub scratch: UnsafeCell<Scratch>,
    /// Lines that say which program this is.
    pub program: String,
    /// Milliseconds since boot at the start.
    pub started: u64,
    /// Seconds that the local time is ahead of UTC.
    pub offset: AtomicI32,
}

// SAFETY: everything but `scratch` may be shared, and that one is used by a single thread (see there).
unsafe impl Sync for State {}

impl State {
    /// What is loaded, as of the start or of [`reopen`].
    pub fn loaded(&self) -> &'static Loaded {
        // SAFETY: made from a leaked box that is never freed.
        unsafe { &*self.loaded.load(Ordering::Acquire) }
    }

    /// Where the reports go.
    pub fn path(&self) -> PathBuf {
        lock(&self.path).clone()
    }
}

/// From now on a fatal signal or a panic, in any thread, leaves a report in `crash_file`; a panic is also logged
/// `[UNCAUGHT_EXCEPTION]`. Called again, it changes the file.
///
/// # Errors
/// The file cannot be written. Panics are then logged all the same, and of a fatal signal one line goes to standard
/// error.
pub fn trap(crash_file: &Path) -> Result<()> {
    let state = STATE.get_or_init(|| prepared(crash_file));
    crash_file.clone_into(&mut lock(&state.path));
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
    state
        .offset
        .store(Zoned::now().offset().seconds(), Ordering::Relaxed);
    let now = Loaded::now();
    if now.modules.len() != state.loaded().modules.len() {
        // The old one may be in use in a handler, so it is never freed; libraries are loaded a few times at most.
        state
            .loaded
            .store(Box::into_raw(Box::new(now)), Ordering::Release);
    }
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

fn prepared(path: &Path) -> State {
    let loaded = Loaded::now();
    let id = loaded.modules.first().and_then(|m| m.build_id.clone());
    let program = format!(
        "program: facetap {} {}, build id {}\nboot id: {}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        id.as_deref().unwrap_or("?"),
        proc::boot_id()
    );
    State {
        file: CrashFile::none(),
        path: Mutex::new(path.to_owned()),
        loaded: AtomicPtr::new(Box::into_raw(Box::new(loaded))),
        scratch: UnsafeCell::new(Scratch::new()),
        program,
        started: raw::milliseconds(libc::CLOCK_BOOTTIME),
        offset: AtomicI32::new(Zoned::now().offset().seconds()),
    }
}
