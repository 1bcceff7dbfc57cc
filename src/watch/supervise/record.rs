//! What the watchman says: on standard error, and in monitor.log where there is a folder for it.

use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::base::clock::Clock;
use crate::watch::logging::rotating::RotatingFile;

/// Limit of monitor.log in MiB; one older file is kept.
const MOST_MB: f64 = 1.0;
const KEEP: usize = 1;

pub(super) struct Record {
    file: Option<RotatingFile>,
    clock: Arc<dyn Clock>,
}

impl Record {
    pub fn new(file: Option<&Path>, clock: &Arc<dyn Clock>) -> Self {
        Self {
            file: file.map(|file| RotatingFile::new(file, MOST_MB, KEEP)),
            clock: Arc::clone(clock),
        }
    }

    pub fn info(&mut self, text: impl fmt::Display) {
        self.put("INFO", &text);
    }

    pub fn warn(&mut self, text: impl fmt::Display) {
        self.put("WARNING", &text);
    }

    /// Neither a full disk nor a closed terminal must stop a watchman.
    fn put(&mut self, level: &str, text: &dyn fmt::Display) {
        let time = self.clock.wall();
        let time = time.strftime("%Y-%m-%d %H:%M:%S");
        let line = format!("{time} - monitor - {level} - {text}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
        if let Some(file) = &mut self.file {
            let _ = file.put(line.as_bytes());
        }
    }
}
