//! What happens in the thread that logs: the line is formatted, noted and put into the queue.

use std::io;
use std::sync::{Arc, OnceLock};

use flexi_logger::writers::LogWriter;
use flexi_logger::{DeferredNow, FlexiLoggerError};
use log::Record;

use super::format;
use super::line::Severity;
use super::shared::Shared;
use crate::base::clock::Clock;

static NOTE: OnceLock<fn(&str)> = OnceLock::new();

/// From now on `note` is called with every line, in the thread that logs it and before it is written: what is
/// noted is there even if the process dies in the next moment. Only the first call has an effect.
pub fn on_line(note: fn(&str)) {
    let _ = NOTE.set(note);
}

/// Hands lines to the thread `log`.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<dyn Clock>,
}

impl LogWriter for Writer {
    fn write(&self, _: &mut DeferredNow, record: &Record) -> io::Result<()> {
        let line = format::line(&self.clock.wall(), self.clock.now(), record);
        if let Some(note) = NOTE.get() {
            note(&line.text);
        }
        let critical = line.severity == Severity::Critical;
        self.shared.line(line);
        if critical {
            // The process may not live to write it later.
            self.shared.flush();
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.shared.flush();
        Ok(())
    }

    fn reopen_output(&self) -> Result<(), FlexiLoggerError> {
        let reopened = self.shared.reopen();
        reopened.map_err(|e| io::Error::other(format!("{e:#}")).into())
    }

    /// When the last [`Logging`](super::Logging) is dropped.
    fn shutdown(&self) {
        self.shared.finish();
    }
}
