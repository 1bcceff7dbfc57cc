//! What a crash report needs, prepared at the start: nothing of it can be got in a signal handler.

use std::cell::UnsafeCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};
use std::sync::{Mutex, OnceLock};

use jiff::Zoned;
use nix::libc;

use super::file::CrashFile;
use super::raw;
use super::unwind::{Loaded, Scratch};
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
    /// Everything but an open file.
    pub fn prepared(path: &Path) -> Self {
        let loaded = Loaded::now();
        let id = loaded.modules.first().and_then(|m| m.build_id.clone());
        let program = format!(
            "program: facetap {} {}, build id {}\nboot id: {}\n",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::ARCH,
            id.as_deref().unwrap_or("?"),
            proc::boot_id()
        );
        Self {
            file: CrashFile::none(),
            path: Mutex::new(path.to_owned()),
            loaded: AtomicPtr::new(Box::into_raw(Box::new(loaded))),
            scratch: UnsafeCell::new(Scratch::new()),
            program,
            started: raw::milliseconds(libc::CLOCK_BOOTTIME),
            offset: AtomicI32::new(Zoned::now().offset().seconds()),
        }
    }

    /// What is loaded, as of the start or of [`reopen`].
    pub fn loaded(&self) -> &'static Loaded {
        // SAFETY: made from a leaked box that is never freed.
        unsafe { &*self.loaded.load(Ordering::Acquire) }
    }

    /// Where the reports go.
    pub fn path(&self) -> PathBuf {
        lock(&self.path).clone()
    }

    /// The crash file is another one from now on.
    pub fn set_path(&self, path: &Path) {
        path.clone_into(&mut lock(&self.path));
    }

    /// Looks again at what is loaded and at the time zone.
    pub fn refresh(&self) {
        self.offset
            .store(Zoned::now().offset().seconds(), Ordering::Relaxed);
        let now = Loaded::now();
        if now.modules.len() != self.loaded().modules.len() {
            // The old one may be in use in a handler, so it is never freed; libraries are loaded a few times at most.
            self.loaded
                .store(Box::into_raw(Box::new(now)), Ordering::Release);
        }
    }
}
