//! Whether a service is well, as far as that can be seen from outside: is it there, does its memory stay within the limit,
//! does it give signs of life.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

use super::identity::{is_zombie, value};
use crate::base::clock::Monotime;
use crate::base::{files, proc};

/// More is no health file.
const LONGEST_HEALTH: u64 = 1 << 20;

/// What is wrong with a service, as monitor.log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    Gone,
    Zombie(u32),
    Memory { is: u64, limit: u64 },
    Silent { seconds: u64, last: String },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the process is gone"),
            Self::Zombie(pid) => write!(f, "the process {pid} is a zombie"),
            Self::Memory { is, limit } => write!(f, "memory: {is} MB, more than {limit} MB"),
            Self::Silent { seconds, last } => {
                write!(f, "no sign of life for {seconds} s ({last})")
            }
        }
    }
}

/// Looks at a service from time to time.
#[derive(Debug)]
pub(super) struct Look {
    pub memory_mb: u64,
    pub silent: Duration,
    /// Its log and its health file; where there is neither there is nothing to go by.
    pub log: Option<PathBuf>,
    pub health: Option<PathBuf>,
    /// Remembers the signs of life for looks of other processes.
    pub memory: Option<PathBuf>,
    /// The signs at the last look, and since when they are the same.
    pub signs: Option<(String, Monotime)>,
}

impl Look {
    /// What is wrong with the process, if anything is.
    pub fn at(&mut self, pid: u32, now: Monotime) -> Option<Wrong> {
        if is_zombie(pid) {
            return Some(Wrong::Zombie(pid));
        }
        if let Some(is) = resident_mb(pid).filter(|is| *is > self.memory_mb) {
            let limit = self.memory_mb;
            return Some(Wrong::Memory { is, limit });
        }
        let last = self.signs_of_life(pid)?;
        let quiet = now.since(self.unchanged_since(&format!("{pid} {last}"), now));
        (quiet >= self.silent).then_some(Wrong::Silent {
            seconds: quiet.as_secs(),
            last,
        })
    }

    /// What changes while the service is well: its health file where it writes one, else its log.
    fn signs_of_life(&self, pid: u32) -> Option<String> {
        let health = self.health.as_deref().filter(|file| is_of(file, pid));
        let health = health.and_then(|file| state_of("health", file));
        health.or_else(|| state_of("log", self.log.as_deref()?))
    }

    fn unchanged_since(&mut self, signs: &str, now: Monotime) -> Monotime {
        let before = self.signs.take().or_else(|| self.recall());
        match before.filter(|(before, since)| before == signs && *since <= now) {
            Some(same) => self.signs.insert(same).1,
            None => {
                self.remember(signs, now);
                self.signs = Some((signs.to_owned(), now));
                now
            }
        }
    }

    fn recall(&self) -> Option<(String, Monotime)> {
        let text = fs::read_to_string(self.memory.as_deref()?).ok()?;
        let since = value(&text, "since")?.parse().ok()?;
        let since = Monotime::from_zero(Duration::from_secs(since));
        Some((value(&text, "signs")?.to_owned(), since))
    }

    fn remember(&self, signs: &str, now: Monotime) {
        if let Some(file) = &self.memory {
            let since = now.since_zero().as_secs();
            // Without it, looks of other processes begin to count anew.
            let _ = fs::write(file, format!("signs={signs}\nsince={since}\n"));
        }
    }
}

/// Whether a health file tells of this process.
fn is_of(file: &Path, pid: u32) -> bool {
    let health = files::read(file, LONGEST_HEALTH).ok();
    let health = health.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    health.is_some_and(|health: serde_json::Value| health["pid"] == pid)
}

/// A text that changes whenever the file does.
fn state_of(kind: &str, file: &Path) -> Option<String> {
    let is = fs::metadata(file).ok()?;
    let nanoseconds = i32::try_from(is.mtime_nsec()).ok()?;
    let time = Timestamp::new(is.mtime(), nanoseconds).ok()?;
    let time = time.to_zoned(TimeZone::system());
    let time = time.strftime("%Y-%m-%d %H:%M:%S.%9f %z");
    Some(format!("{kind} {} {time} {}", is.ino(), is.len()))
}

/// Resident memory of a process.
pub(super) fn resident_mb(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(proc::field(&status, "VmRSS")? / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotime {
        Monotime::from_zero(Duration::from_secs(seconds))
    }

    fn look(folder: &Path) -> Look {
        Look {
            memory_mb: 1_000_000,
            silent: Duration::from_secs(600),
            log: Some(folder.join("log")),
            health: Some(folder.join("health.json")),
            memory: Some(folder.join("monitor.state")),
            signs: None,
        }
    }

    #[test]
    fn silence_is_counted_over_looks_of_different_processes() {
        let folder = tempfile::tempdir().unwrap();
        let pid = std::process::id();
        let log = folder.path().join("log");
        assert_eq!(look(folder.path()).at(pid, at(0)), None);
        assert_eq!(
            look(folder.path()).at(pid, at(9000)),
            None,
            "nothing to go by"
        );
        fs::write(&log, "a line\n").unwrap();
        for (second, silent) in [
            (1000, None),
            (1599, None),
            (1600, Some(600)),
            // Another boot, whose clock is younger.
            (20, None),
            (619, None),
            (620, Some(600)),
        ] {
            let wrong = look(folder.path()).at(pid, at(second));
            let seconds = wrong.map(|wrong| match wrong {
                Wrong::Silent { seconds, last } => {
                    assert!(last.starts_with("log ") && last.ends_with(" 7"), "{last}");
                    seconds
                }
                other => panic!("{other}"),
            });
            assert_eq!(seconds, silent, "at {second}");
        }
        fs::write(&log, "a line\nanother\n").unwrap();
        assert_eq!(look(folder.path()).at(pid, at(5000)), None);
    }

    #[test]
    fn a_health_file_counts_only_if_it_is_that_of_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let pid = std::process::id();
        let signs = |health: &str| {
            fs::write(folder.path().join("health.json"), health).unwrap();
            look(folder.path()).signs_of_life(pid)
        };
        let own = signs(&format!("{{\"pid\":{pid},\"new key\":[1]}}"));
        assert!(own.unwrap().starts_with("health "));
        for other in ["{\"pid\": 1}", "{\"pid\"", "[]", ""] {
            assert_eq!(signs(other), None, "{other}");
        }
    }

    #[test]
    fn the_limit_of_memory_is_in_megabytes() {
        let folder = tempfile::tempdir().unwrap();
        let mut look = look(folder.path());
        let pid = std::process::id();
        look.memory_mb = 1;
        let wrong = look.at(pid, at(0)).unwrap().to_string();
        assert!(
            wrong.starts_with("memory: ") && wrong.ends_with(" MB, more than 1 MB"),
            "{wrong}"
        );
        assert!((2..1000).contains(&resident_mb(pid).unwrap()));
    }
}
