//! One line of the log, and what decides about its way into the file.

use crate::base::clock::Monotime;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Debug,
    Info,
    Warning,
    Error,
    /// The process is about to end.
    Critical,
}

impl Severity {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

/// A formatted line, without its line end.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) text: String,
    /// Where time and module, level and message lie in `text`: the byte after the time.
    pub(super) head: usize,
    /// The first byte of the message.
    pub(super) message: usize,
    pub(super) severity: Severity,
    /// One of the lines that people count or look for one by one; never collapsed.
    pub(super) counted: bool,
    /// When it was logged.
    pub(super) at: Monotime,
    /// Lines between the one before and this one that found no room in the queue.
    pub(super) lost_before: u64,
}

impl Line {
    /// ` - module - LEVEL - `.
    pub(super) fn head(&self) -> &str {
        &self.text[self.head..self.message]
    }

    pub(super) fn message(&self) -> &str {
        &self.text[self.message..]
    }

    /// Begins with a mark such as `[RESOURCE_MONITOR]`.
    pub(super) fn marked(&self) -> bool {
        self.message().starts_with('[')
    }

    /// A line for tests.
    #[cfg(test)]
    pub(super) fn test(at: std::time::Duration, severity: Severity, message: &str) -> Self {
        let time = "2026-11-21 09:00:00";
        let head = format!(" - servo - {} - ", severity.name());
        Self {
            message: time.len() + head.len(),
            head: time.len(),
            text: format!("{time}{head}{message}"),
            severity,
            counted: false,
            at: Monotime::from_zero(at),
            lost_before: 0,
        }
    }
}
