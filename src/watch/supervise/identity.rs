//! Knows a process again. A PID alone is soon somebody else's, so a process is remembered by its PID, the boot, and its
//! start in that boot; not by its program, which a script may replace (exec).

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::base::{files, proc};

/// A process that a file tells of, and that is still there. A zombie still is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub pid: u32,
    /// When the kernel started it, in ticks since boot.
    pub started: u64,
}

/// Writes down which process this is.
///
/// # Errors
/// The file cannot be written.
pub(super) fn remember(pid: u32, file: &Path) -> Result<()> {
    let started = proc::started(pid).map(|ticks| ticks.to_string());
    let started = started.unwrap_or_default();
    let boot = proc::boot_id();
    let text = format!("pid={pid}\nstart={started}\nboot={boot}\n");
    files::replace(file, text.as_bytes())
}

/// The value of a key in a file of lines `key=value`.
pub(super) fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

/// The process of the file, if that very one is still there.
pub(super) fn recall(file: &Path) -> Option<Known> {
    let text = fs::read_to_string(file).ok()?;
    let known = Known {
        pid: value(&text, "pid")?.parse().ok()?,
        started: value(&text, "start")?.parse().ok()?,
    };
    (value(&text, "boot")? == proc::boot_id() && known.is_there()).then_some(known)
}

impl Known {
    pub fn is_there(self) -> bool {
        proc::is_running(self.pid, self.started)
    }
}

/// Whether it has ended, and nobody has asked for its end yet.
pub(super) fn is_zombie(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| proc::stat_words(&stat).and_then(|mut words| words.next()) == Some("Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_known_again_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("facetap.pid");
        assert_eq!(recall(&file), None);
        remember(std::process::id(), &file).unwrap();
        let known = recall(&file).unwrap();
        assert_eq!(known.pid, std::process::id());
        assert!(!is_zombie(known.pid));
        let text = fs::read_to_string(&file).unwrap();
        let start = format!("start={}\n", known.started);
        for fake in [
            text.replace(&start, "start=1\n"),
            text.replace(&start, ""),
            text.replace("boot=", "boot=0"),
            text.replace("pid=", "pid=-"),
            String::new(),
        ] {
            fs::write(&file, &fake).unwrap();
            assert_eq!(recall(&file), None, "{fake}");
        }
    }
}
