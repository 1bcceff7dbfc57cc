//! What the kernel tells in its text files, in the forms that several of them share.

use std::fs;

/// Tells which boot of the machine it is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The number on the line `name:  3884360 kB`, as in `/proc/meminfo` and `/proc/PID/status`.
#[must_use]
pub fn field(table: &str, name: &str) -> Option<u64> {
    let line = table
        .lines()
        .find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The words of `/proc/PID/stat` behind the name of the program, which is in brackets and may hold anything; the first
/// is the third field of proc(5).
pub fn stat_words(stat: &str) -> Option<std::str::SplitWhitespace<'_>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace())
}

/// Which boot of the machine it is. Where the kernel does not tell, every call counts as a boot: times since boot are
/// then never compared across a restart.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string(BOOT_ID)
        .map(|id| id.trim().to_owned())
        .ok()
        .filter(|id| !id.is_empty())
        .unwrap_or_else(|| format!("unknown-{:016x}", fastrand::u64(..)))
}

/// When the kernel started a process, in ticks since boot; none if there is no such process.
#[must_use]
pub fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Field 22 of proc(5), "starttime".
    stat_words(&stat)?.nth(19)?.parse().ok()
}

/// Whether a process still runs, and is the one that the kernel started then. One that is hidden counts as not running:
/// whoever may act on what this says asks [`presence`] where the difference matters.
#[must_use]
pub fn is_running(pid: u32, pid_started: u64) -> bool {
    presence(pid, pid_started) == Presence::Running
}

/// What can be seen of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It runs.
    Running,
    /// There is none of this number, or it is another one.
    Gone,
    /// There is one of this number, and `/proc` does not show it to this user (`hidepid=`).
    Hidden,
}

/// Whether a process still runs, and is the one that the kernel started then, as far as can be seen.
#[must_use]
pub fn presence(pid: u32, pid_started: u64) -> Presence {
    match started(pid) {
        _ if pid == 0 => Presence::Gone,
        Some(ticks) if ticks == pid_started => Presence::Running,
        Some(_) => Presence::Gone,
        None if exists(pid) => Presence::Hidden,
        None => Presence::Gone,
    }
}

/// Whether there is a process of this number, whatever `/proc` shows. Nothing is sent to it.
#[must_use]
pub fn exists(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().filter(|pid| *pid > 0) else {
        return false;
    };
    let asked = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None);
    matches!(asked, Ok(()) | Err(nix::errno::Errno::EPERM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let table = "MemTotalX: 1 kB\nMemTotal:  3884360 kB\nThreads:\t14\nBad: x kB\n";
        assert_eq!(field(table, "MemTotal"), Some(3_884_360));
        assert_eq!(field(table, "Threads"), Some(14));
        assert_eq!(field(table, "Bad"), None);
        assert_eq!(field(table, "Mem"), None);
    }

    #[test]
    fn the_name_of_a_program_may_hold_anything() {
        let mut words = stat_words("7 (a) b) R 1 2").unwrap();
        assert_eq!(words.next(), Some("R"));
        assert!(stat_words("no brackets").is_none());
    }

    #[test]
    fn a_process_is_there_gone_or_another() {
        let us = std::process::id();
        let began = started(us).unwrap();
        assert_eq!(presence(us, began), Presence::Running);
        assert_eq!(presence(us, began + 1), Presence::Gone);
        assert_eq!(presence(0, began), Presence::Gone);
        // Above the largest number that a kernel gives.
        assert_eq!(presence(1 << 23, 1), Presence::Gone);
        assert_eq!(presence(u32::MAX, 1), Presence::Gone);
        assert!(exists(us) && !exists(0) && !exists(u32::MAX));
    }

    #[test]
    fn one_boot_has_one_name() {
        let first = boot_id();
        assert!(first.len() >= 16);
        if !first.starts_with("unknown") {
            assert_eq!(first, boot_id());
        }
    }
}
