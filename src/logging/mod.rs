//! Logging: one line an event, in the format that people grep, in files that never outgrow their limit.
//!
//! `flexi_logger` filters and dispatches; the file itself is written by [`rotating`], because the
//! library's own file writer lets a file outgrow its limit by a line, and without limit once a rotation
//! fails. [`writer`] also shows every line on standard error, for a terminal or the journal, but never
//! waits for it.

mod format;
pub(crate) mod rotating;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use flexi_logger::{LogSpecification, Logger, LoggerHandle};
use log::LevelFilter;

use crate::config::{self, Level};
use rotating::RotatingFile;
use writer::Writer;

/// Lines of this target mean that the process is about to end; `log` itself has no such level.
pub const CRITICAL: &str = "critical";

/// Logs at level CRITICAL: the process is about to end.
#[macro_export]
macro_rules! critical {
    ($($arg:tt)+) => { log::error!(target: $crate::logging::CRITICAL, $($arg)+) };
}

/// The running logger.
#[derive(Clone)]
pub struct Logging {
    handle: Arc<LoggerHandle>,
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
        let file = RotatingFile::new(path, settings.max_mb, settings.keep);
        let trouble = file.open().err();
        let handle = Logger::with(specification(settings.level))
            .log_to_writer(Box::new(Writer { file }))
            // The library's own complaints go to standard error, which may be gone.
            .panic_if_error_channel_is_broken(false)
            .start()
            .context("cannot start logging")?;
        if let Some(trouble) = trouble {
            log::error!("{trouble:#}");
        }
        Ok(Self {
            handle: Arc::new(handle),
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

    /// Everything logged so far is in the file when this returns.
    pub fn flush(&self) {
        self.handle.flush();
    }
}
