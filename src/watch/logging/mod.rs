//! Logging: one line an event, in the format that people grep, in files that never outgrow their limit.
//!
//! ```text
//!   any thread: format, note for the crash trace        thread "log": collapse repeats, keep to the budget
//!   Writer ------------> Queue (1 MiB, ERROR kept) ------------> Worker ----> RotatingFile, standard error
//! ```
//!
//! `flexi_logger` filters and dispatches. Its own writers are not used: its file outgrows its limit once a rotation
//! fails, and its queue has no bound, so a disk that stands still would eat the memory. Here a line that finds no
//! room is counted, and the count is written as soon as that is possible. docs/logging.md tells users.

mod budget;
mod folder;
mod format;
mod line;
#[cfg(test)]
mod memory;
mod queue;
mod repeats;
pub(crate) mod rotating;
mod screen;
mod shared;
mod worker;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use flexi_logger::{LogSpecification, Logger, LoggerHandle};
use log::LevelFilter;

use crate::base::clock::{Clock, SystemClock};
use crate::config::{self, Level};
pub use folder::keep_newest;
pub use queue::waiting;
use rotating::RotatingFile;
use shared::Shared;
use worker::{FileAndScreen, Worker};
use writer::Writer;
pub use writer::on_line;

/// Lines of this target mean that the process is about to end; `log` itself has no such level.
pub const CRITICAL: &str = "critical";

/// Logs at level CRITICAL: the process is about to end.
#[macro_export]
macro_rules! critical {
    ($($arg:tt)+) => { log::error!(target: $crate::watch::logging::CRITICAL, $($arg)+) };
}

/// As [`say_error!`](crate::say_error), at level CRITICAL.
#[macro_export]
macro_rules! say_critical {
    ($($text:tt)+) => { $crate::critical!("{}", $crate::say!($($text)+)) };
}

/// The running logger.
#[derive(Clone)]
pub struct Logging {
    handle: Arc<LoggerHandle>,
    shared: Arc<Shared>,
    file: PathBuf,
}

impl std::fmt::Debug for Logging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logging")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Debug => LevelFilter::Debug,
        Level::Info => LevelFilter::Info,
        Level::Warning => LevelFilter::Warn,
        Level::Error | Level::Critical => LevelFilter::Error,
    }
}

fn specification(level: Level) -> LogSpecification {
    LogSpecification::builder()
        // Libraries speak up only when something is wrong.
        .default(filter(level).min(LevelFilter::Warn))
        .module("facetap", filter(level))
        .build()
}

impl Logging {
    /// Starts logging to the file at `path` with the limits of `settings`. A file that cannot be written does not
    /// keep the service from starting: the lines then go to standard error alone, and it is said there.
    ///
    /// # Errors
    /// A logger is already running.
    pub fn start(path: &Path, settings: &config::Log) -> Result<Self> {
        let mut file = RotatingFile::new(path, settings.max_mb, settings.keep);
        let trouble = file.open().err();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let worker = Worker::new(Box::new(FileAndScreen(file)), Arc::clone(&clock));
        let shared = Arc::new(Shared::new(worker, Arc::clone(&clock)));
        let writer = Writer {
            shared: Arc::clone(&shared),
            clock,
        };
        let handle = Logger::with(specification(settings.level))
            .log_to_writer(Box::new(writer))
            // The library's own complaints go to standard error, which may be gone.
            .panic_if_error_channel_is_broken(false)
            .start()
            .context("cannot start logging")?;
        if let Err(slow) = shared.start() {
            // Every line is then written by whoever logs it.
            log::error!("{slow:#}");
        }
        if let Some(trouble) = trouble {
            log::error!("{trouble:#}");
        }
        Ok(Self {
            handle: Arc::new(handle),
            shared,
            file: path.to_owned(),
        })
    }

    /// The current log file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Writes this level and what is more severe from now on.
    pub fn set_level(&self, level: Level) {
        self.handle.set_new_spec(specification(level));
    }

    /// Opens the log file again, after somebody has moved it away.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn reopen(&self) -> Result<()> {
        self.handle
            .reopen_output()
            .with_context(|| format!("cannot open the log file {} again", self.file.display()))
    }

    /// Everything logged so far is in the file when this returns, unless the disk does not take it within half a
    /// second.
    pub fn flush(&self) {
        self.shared.flush();
    }

    /// Ends the thread that writes, after everything logged so far and the counts of repeats; within half a second
    /// if the disk does not take them. Lines that are logged later are written by whoever logs them. Happens by
    /// itself when the last clone is dropped.
    pub fn finish(&self) {
        self.shared.finish();
    }
}
