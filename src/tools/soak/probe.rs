//! What a process uses, seen from outside.

use std::path::{Path, PathBuf};

use nix::unistd::{SysconfVar, sysconf};

use crate::base::proc;

const MIB: f64 = 1024.0;

/// A look at a process.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// Resident memory in MiB.
    pub rss_mb: f64,
    /// Of this, what is not a file's and only the process can give back, in MiB.
    pub anonymous_mb: f64,
    /// Open descriptors.
    pub descriptors: u32,
    /// Threads.
    pub threads: u32,
    /// Processor time since its start, in seconds.
    pub cpu_s: f64,
}

/// The folder of a process in `/proc`.
pub(super) fn folder(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

/// Looks at the process of this folder; none if it is gone.
pub(super) fn look(folder: &Path) -> Option<Reading> {
    let status = std::fs::read_to_string(folder.join("status")).ok()?;
    #[allow(clippy::cast_precision_loss)] // KiB of memory
    let mib = |name| Some(proc::field(&status, name)? as f64 / MIB);
    let descriptors = std::fs::read_dir(folder.join("fd")).ok()?.count();
    Some(Reading {
        rss_mb: mib("VmRSS")?,
        anonymous_mb: mib("RssAnon")?,
        descriptors: u32::try_from(descriptors).ok()?,
        threads: proc::field(&status, "Threads")?.try_into().ok()?,
        cpu_s: cpu_s(&std::fs::read_to_string(folder.join("stat")).ok()?)?,
    })
}

/// User and system time out of `/proc/PID/stat`.
fn cpu_s(stat: &str) -> Option<f64> {
    let mut fields = proc::stat_words(stat)?.skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    let ticks = next()? + next()?;
    let a_second = sysconf(SysconfVar::CLK_TCK).ok()??;
    #[allow(clippy::cast_precision_loss)] // 100
    Some(ticks / a_second as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_at_this_process_is_plausible() {
        let before = look(&folder(std::process::id())).unwrap();
        assert!(
            before.rss_mb > 1.0 && before.anonymous_mb > 0.1,
            "{before:?}"
        );
        assert!(
            before.anonymous_mb <= before.rss_mb && before.threads >= 1,
            "{before:?}"
        );
        let held: Vec<_> = (0..200)
            .map(|_| std::fs::File::open("/dev/null").unwrap())
            .collect();
        let with = look(&folder(std::process::id())).unwrap();
        // Other tests of this process open and close files too, but not by the hundred.
        assert!(
            with.descriptors >= before.descriptors + 150,
            "{before:?} {with:?}"
        );
        drop(held);
    }

    #[test]
    fn nobody_and_garbage_are_nothing() {
        // Above the largest number of a process that Linux gives.
        assert_eq!(look(&folder(1 << 30)), None);
        assert_eq!(cpu_s("1 (a) b) S 1 2 3"), None);
        assert!(cpu_s("1 (a) b) S 1 1 1 0 -1 1 1 0 0 0 150 50 0 0").is_some_and(|s| s > 0.0));
    }
}
