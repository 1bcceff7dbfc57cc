//! Outcome of a tap and its line in the trace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::base::clock::Monotime;
use crate::base::trace::{TraceFile, milliseconds};

/// Outcome of a tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Durable in the ledger.
    Counted,
    /// The card had been counted shortly before.
    Repeat,
    /// The card cannot identify anybody.
    Refused,
    /// It could not be read or not be stored.
    Failed,
}

impl Outcome {
    /// The word in trace and ledger.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Repeat => "repeat",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// A tap that has been dealt with.
#[derive(Debug)]
pub struct TapRecord<'a> {
    /// When the card answered.
    pub answered: Monotime,
    /// Upper-case hex; empty if the card could not be read.
    pub uid: &'a str,
    /// Name of the reader.
    pub reader: &'a str,
    /// The outcome.
    pub outcome: Outcome,
    /// From the card's answer until it was durable; none if nothing was stored.
    pub durable: Option<Duration>,
    /// From the card's answer until the feedback was given.
    pub feedback: Duration,
}

/// Writes a line for each tap.
#[derive(Debug, Default)]
pub struct TapTrace {
    file: Arc<TraceFile>,
    taps: AtomicU64,
}

impl TapTrace {
    /// Writes to `file` from now on.
    #[must_use]
    pub fn new(file: Arc<TraceFile>) -> Self {
        Self {
            file,
            taps: AtomicU64::new(0),
        }
    }

    /// A tap has been dealt with.
    pub fn tap(&self, tap: &TapRecord) {
        self.file.with(|file| {
            let line = json!({
                "tap": self.taps.fetch_add(1, Ordering::Relaxed) + 1,
                "t": file.seconds(tap.answered),
                "uid": tap.uid,
                "reader": tap.reader,
                "outcome": tap.outcome.word(),
                "durable_ms": tap.durable.map(milliseconds),
                "feedback_ms": milliseconds(tap.feedback),
            });
            file.write(&line);
            file.flush();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_tap_has_its_line_at_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let start = Monotime::from_zero(Duration::from_secs(1));
        let trace = TapTrace::new(Arc::new(TraceFile::create(file.path(), start).unwrap()));
        trace.tap(&TapRecord {
            answered: start + Duration::from_millis(1200),
            uid: "04A1",
            reader: "R",
            outcome: Outcome::Counted,
            durable: Some(Duration::from_micros(4100)),
            feedback: Duration::from_micros(4300),
        });
        let line: Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
        assert_eq!(
            line,
            json!({"tap": 1, "t": 1.2, "uid": "04A1", "reader": "R", "outcome": "counted",
                "durable_ms": 4.1, "feedback_ms": 4.3})
        );
    }
}
