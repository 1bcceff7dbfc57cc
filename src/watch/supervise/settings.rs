//! What is asked of a watchman.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::say;

/// Longest pause before a start.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How the service is started.
    pub command: Vec<OsString>,
    /// Where monitor.log, PID files and lock lie, if there are to be any.
    pub folder: Option<PathBuf>,
    /// Time between two looks.
    pub interval: Duration,
    /// Resident memory in MB above which the service is started again.
    pub memory_mb: u64,
    /// So long log and health file may stay as they are.
    pub silent: Duration,
    /// The service's log.
    pub log: Option<PathBuf>,
    /// Pause before a start that follows a short run; it doubles up to [`LONGEST_PAUSE`].
    pub pause: Duration,
}

/// Another watchman is at work in the folder.
#[derive(Debug)]
pub(super) struct Taken(pub PathBuf);

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let folder = self.0.display();
        f.write_str(&say!(
            "another watchman is at work in {folder}; see facetap supervise --status --folder {folder}",
            "{folder} では別の監視が動作中です。facetap supervise --status --folder {folder} で確認してください"
        ))
    }
}

impl std::error::Error for Taken {}

/// The log that a command names by `--log-file`, as `facetap run` does.
#[must_use]
pub fn log_of(command: &[OsString]) -> Option<PathBuf> {
    let mut words = command.iter();
    while let Some(word) = words.next() {
        if word == "--log-file" {
            return words.next().map(PathBuf::from);
        }
        if let Some(file) = word.as_bytes().strip_prefix(b"--log-file=") {
            return Some(OsStr::from_bytes(file).into());
        }
    }
    None
}

/// A path that stays right when the folder of work changes.
///
/// # Errors
/// There is no folder of work any more.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot tell where {} is", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_the_one_that_the_command_names() {
        for (command, log) in [
            ("facetap run --log-file a.log", Some("a.log")),
            ("facetap run --log-file=b.log --no-display", Some("b.log")),
            ("facetap run --log-file", None),
            ("facetap run", None),
        ] {
            let words: Vec<OsString> = command.split(' ').map(OsString::from).collect();
            assert_eq!(log_of(&words), log.map(PathBuf::from), "{command}");
        }
    }
}
