//! Report: logs read back, ours and those of the three old programs.
//!
//! ```text
//!   files -> lines -> line (stamp, value, event) -> follow (clock, run, gap, figures) -> Report
//! ```
//!
//! Each log is read once, line by line, and what is kept of it is bounded: series are thinned, runs,
//! gaps and marks counted beyond a number. What a series looks like, and whether it leaks, is [`crate::watch::trend`]'s
//! to say. A damaged line says nothing; it never stops anything.

mod clock;
pub mod event;
mod figures;
mod files;
mod follow;
mod gap;
pub mod html;
mod line;
mod lines;
pub mod listing;
pub mod resource;
mod run;
mod sheet;
mod stamp;
mod thin;
mod value;
mod words;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

pub use figures::Figures;
use files::Part;
use follow::Follow;
pub use follow::{MOST_RUNS, Source};
pub use gap::{Gap, MOST as MOST_GAPS};
use lines::Lines;
use resource::{Resource, Resources};
pub use run::{End, Run};
use sheet::Sheet;
pub use stamp::show as show_time;

/// What logs told.
pub struct Report {
    resources: Resources,
    /// The logs in order of time.
    pub sources: Vec<Source>,
    /// Files that could not be read, or not to their end, and why.
    pub unread: Vec<String>,
    sheet: Option<Sheet>,
}

impl Report {
    /// Reads the logs; `-` is the standard input. With `rows` every reading is kept in a temporary file
    /// for [`write_rows`](Self::write_rows).
    ///
    /// # Errors
    /// The temporary file cannot be written. A log that cannot be read is told in `unread`.
    pub fn read(logs: &[PathBuf], rows: bool) -> Result<Self> {
        let mut report = Self {
            resources: Resources::default(),
            sources: Vec::new(),
            unread: Vec::new(),
            sheet: rows.then(Sheet::new),
        };
        let mut parts = Vec::new();
        for path in once_each(logs) {
            match Part::open(path) {
                Ok(part) => parts.push(part),
                Err(e) => report.unread.push(format!("{}: {e}", path.display())),
            }
        }
        for log in files::group(parts) {
            report.follow(log)?;
        }
        Ok(report)
    }

    fn follow(&mut self, log: Vec<Part>) -> Result<()> {
        let name = log
            .iter()
            .map(|p| p.name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        if let Some(sheet) = &mut self.sheet {
            sheet.begin(&name)?;
        }
        let mut follow = Follow::default();
        for mut part in log {
            let done = part.read().map_err(anyhow::Error::from).and_then(|from| {
                let mut lines = Lines::new(from);
                while let Some(text) = lines.next()? {
                    follow.line(&text, &mut self.resources, &mut |wall, values| {
                        match &mut self.sheet {
                            // Not the log's fault: told apart by this wrapping.
                            Some(sheet) => sheet.row(wall, values).map_err(|e| anyhow!(Spool(e))),
                            None => Ok(()),
                        }
                    })?;
                }
                Ok(())
            });
            match done.map_err(anyhow::Error::downcast::<Spool>) {
                Ok(()) => {}
                Err(Ok(Spool(e))) => return Err(e),
                Err(Err(e)) => self.unread.push(format!("{}: {e}", part.name)),
            }
        }
        self.sources.extend(follow.finish(name, &self.resources));
        Ok(())
    }

    /// Whether any line of any log was one that only the known programs write.
    #[must_use]
    pub fn tells_something(&self) -> bool {
        self.sources.iter().any(|s| s.telling > 0)
    }

    /// The columns.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        self.resources.list()
    }

    /// Writes a row for each reading, as CSV. Only once, and only if [`read`](Self::read) was told so.
    ///
    /// # Errors
    /// `out` or the temporary file cannot be used.
    pub fn write_rows(&mut self, out: &mut dyn Write) -> Result<()> {
        match self.sheet.take() {
            Some(sheet) => sheet.finish(self.resources.list(), out),
            None => Ok(()),
        }
    }
}

/// The temporary file of the rows failed.
#[derive(Debug)]
struct Spool(anyhow::Error);

impl std::fmt::Display for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Spool {}

/// A file that is named twice (`*.log facetap.log`) is read once.
fn once_each(logs: &[PathBuf]) -> Vec<&Path> {
    let mut seen = std::collections::HashSet::new();
    logs.iter()
        .filter(|path| seen.insert(std::fs::canonicalize(path).unwrap_or_else(|_| (*path).clone())))
        .map(PathBuf::as_path)
        .collect()
}
