//! The trace: one JSON object a line for every frame and every tap (`--trace FILE`). The loops make the lines, this
//! file takes them.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::clock::Monotime;
use super::stop::lock;

/// Somebody may be watching the file grow.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// The file of the trace, or nothing where none was asked for.
#[derive(Debug, Default)]
pub struct TraceFile {
    state: Option<Mutex<State>>,
}

/// The file while the caller alone writes to it.
#[derive(Debug)]
pub struct State {
    out: BufWriter<File>,
    start: Monotime,
    /// When what was written was last handed to the system.
    flushed: Monotime,
    /// A FIFO: a program waits at its other end, and nothing of it reaches a disk.
    at_once: bool,
    failed: bool,
}

impl TraceFile {
    /// Writes to `file` from now on; `start` is the zero of its times.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(file: &Path, start: Monotime) -> Result<Self> {
        Self::write_to(file, File::create(file), start)
    }

    /// Goes on with a trace whose times began at `start`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append(file: &Path, start: Monotime) -> Result<Self> {
        Self::write_to(
            file,
            File::options().create(true).append(true).open(file),
            start,
        )
    }

    fn write_to(file: &Path, out: std::io::Result<File>, start: Monotime) -> Result<Self> {
        let out = out.with_context(|| format!("cannot write the trace to {}", file.display()))?;
        let at_once = out.metadata().is_ok_and(|m| m.file_type().is_fifo());
        Ok(Self {
            state: Some(Mutex::new(State {
                at_once,
                out: BufWriter::new(out),
                start,
                flushed: start,
                failed: false,
            })),
        })
    }

    /// Hands everything so far to the system.
    pub fn flush(&self) {
        self.with(State::flush);
    }

    /// Lets `act` write to the file, if there is one; nobody else writes meanwhile.
    pub fn with(&self, act: impl FnOnce(&mut State)) {
        if let Some(state) = &self.state {
            act(&mut lock(state));
        }
    }
}

impl State {
    /// Seconds from the zero of the trace to `at`, as its lines have them.
    #[must_use]
    pub fn seconds(&self, at: Monotime) -> Value {
        rounded(at.seconds_since(self.start), 4)
    }

    /// Hands what was written to the system now and then.
    pub fn flush_in_time(&mut self, now: Monotime) {
        if now.since(self.flushed) >= FLUSH_EVERY {
            self.flushed = now;
            self.flush();
        }
    }

    /// Adds a line.
    pub fn write(&mut self, line: &Value) {
        if self.failed {
            return;
        }
        if let Err(e) = writeln!(self.out, "{line}") {
            self.give_up(&e);
        } else if self.at_once {
            self.flush();
        }
    }

    /// Hands what was written to the system.
    pub fn flush(&mut self) {
        if !self.failed
            && let Err(e) = self.out.flush()
        {
            self.give_up(&e);
        }
    }

    /// A trace is a measuring tool; a full disk must not stop what it measures.
    fn give_up(&mut self, e: &std::io::Error) {
        self.failed = true;
        log::error!("the trace ends here, it cannot be written: {e}");
    }
}

/// A number with so many digits behind the point: the file is read by people too.
#[must_use]
pub fn rounded(value: f64, digits: i32) -> Value {
    let unit = 10f64.powi(digits);
    json!((value * unit).round() / unit)
}

/// A length of time in milliseconds, as the lines have it.
#[must_use]
pub fn milliseconds(d: Duration) -> Value {
    rounded(d.as_secs_f64() * 1e3, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_goes_on_where_it_was() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let start = Monotime::from_zero(Duration::from_secs(1));
        for trace in [
            TraceFile::create(file.path(), start).unwrap(),
            TraceFile::append(file.path(), start).unwrap(),
        ] {
            trace.with(|t| {
                let now = t.seconds(start + Duration::from_micros(12_340));
                t.write(&json!({ "t": now }));
            });
            trace.flush();
        }
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text, "{\"t\":0.0123}\n".repeat(2));
    }

    #[test]
    fn without_a_file_nothing_happens() {
        let trace = TraceFile::default();
        trace.with(|_| panic!("there is none"));
        trace.flush();
    }
}
