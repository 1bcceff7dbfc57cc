//! `health.json`: how the running service is, for `facetap status`, scripts and whoever looks in.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::exit::LastExit;
use crate::base::card_status::{Queues, Troubled};
use crate::base::clock::{Clock, SystemClock};
use crate::base::files::{self, replace};
use crate::base::proc::{self, Presence};
pub use crate::base::stats::Counters;

/// The file's name.
const NAME: &str = "health.json";
/// The file may be this much older than its own rhythm.
const LATE_S: f64 = 10.0;
/// Where the unit makes its folder (`RuntimeDirectory=facetap`).
const SYSTEM: &str = "/run/facetap";

/// A longer file is not the service's.
const MOST_BYTES: u64 = 1 << 20;

/// How the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Not ready yet.
    #[default]
    Starting,
    /// At work.
    Ready,
    /// About to end.
    Stopping,
}

/// Everything in the file. A program that reads it should ignore what it does not know.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Of FaceTap.
    pub version: String,
    /// Process.
    pub pid: u32,
    /// When the kernel started it, in ticks since boot: tells it from a later process of the same number.
    pub pid_started: u64,
    /// How it is.
    pub state: Phase,
    /// Since when, RFC 3339.
    pub started: String,
    /// When this was written, RFC 3339.
    pub updated: String,
    /// The kernel's number of the boot.
    pub boot_id: String,
    /// Seconds since the start.
    pub uptime_s: f64,
    /// How many seconds may pass until it is written again.
    pub every_s: u64,
    /// The configuration file; none for the built-in defaults.
    pub config: Option<PathBuf>,
    /// Ledger and state.
    pub data_dir: PathBuf,
    /// The current log file.
    pub log_file: PathBuf,
    /// Where crashes leave their trace.
    pub crash_file: PathBuf,
    /// The loops by name.
    pub loops: BTreeMap<String, LoopState>,
    /// What was counted since the start.
    pub counters: Counters,
    /// What waits.
    pub queues: Queues,
    /// Taps that do not get to the server as others do.
    pub troubled: Troubled,
    /// What is connected.
    pub devices: Devices,
    /// Memory of the process.
    pub memory: Memory,
    /// How often the configuration was read again, and what came of it.
    pub reloads: u64,
    /// See `reloads`.
    pub last_reload: Option<String>,
    /// Why this run has ended; none while it goes on.
    pub ended: Option<String>,
    /// How the run before ended; none for the first.
    pub last_exit: Option<LastExit>,
    /// Seconds since the boot when this was written: its age by a clock that nobody sets. None from versions before.
    pub updated_boot_s: Option<f64>,
}

impl State {
    /// Seconds since it was written. Not by the wall clock, which the first answer of a time server may set by a year;
    /// only a file of a version that did not say more is judged by that. None where it is of another boot.
    #[must_use]
    pub fn age_s(&self, boot_id: &str, clock: &dyn Clock) -> Option<f64> {
        match self.updated_boot_s {
            Some(_) if self.boot_id != boot_id => None,
            Some(at) => Some((clock.boottime().as_secs_f64() - at).max(0.0)),
            None => {
                let updated = self.updated.parse::<jiff::Timestamp>().ok()?;
                Some(
                    clock
                        .wall()
                        .timestamp()
                        .duration_since(updated)
                        .as_secs_f64(),
                )
            }
        }
    }

    /// What can be seen of its process.
    #[must_use]
    pub fn presence(&self) -> Presence {
        proc::presence(self.pid, self.pid_started)
    }

    /// Whether its process runs. One that is hidden does if it has written not long ago: nobody else writes here.
    #[must_use]
    pub fn lives(&self) -> bool {
        match self.presence() {
            Presence::Running => true,
            Presence::Gone => false,
            Presence::Hidden => {
                let age = self.age_s(&proc::boot_id(), &SystemClock);
                age.is_some_and(|age| !self.is_late(age))
            }
        }
    }

    /// Whether it is older than it may be.
    #[must_use]
    pub fn is_late(&self, age_s: f64) -> bool {
        #[allow(clippy::cast_precision_loss)] // a minute
        let every = self.every_s as f64;
        age_s > every + LATE_S
    }
}

/// One loop.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LoopState {
    /// Whether it goes on.
    pub alive: bool,
    /// Seconds without a sign of life.
    pub silent_s: f64,
    /// Seconds after which it counts as hung.
    pub limit_s: f64,
    /// How often it was begun again after a panic.
    pub restarts: u64,
}

/// What is connected.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Devices {
    /// Whether pictures come; none where the camera is turned off.
    pub camera: Option<bool>,
    /// Whether the servos answer; none where they are turned off.
    pub servo: Option<bool>,
    /// Readers that can be used; none where cards are turned off.
    pub readers: Option<u32>,
    /// The server: `none`, `unknown`, `up` or `down`.
    pub server: String,
    /// Faces in view; none where no camera can tell.
    pub faces: Option<u32>,
}

/// Memory of the process.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Resident, in MiB.
    pub rss_mb: f64,
    /// At which it restarts itself.
    pub limit_mb: f64,
}

/// Folders in which the file may lie, the first choice first.
#[must_use]
pub fn folders(data_dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let named = env("RUNTIME_DIRECTORY")
        .as_deref()
        .and_then(|d| d.split(':').next())
        .filter(|d| !d.is_empty())
        .map(PathBuf::from);
    match named {
        Some(folder) => vec![folder, data_dir.to_owned()],
        None => {
            let session = env("XDG_RUNTIME_DIR").filter(|d| !d.is_empty());
            let session = session.map(|d| Path::new(&d).join("facetap"));
            let mut folders = vec![PathBuf::from(SYSTEM)];
            folders.extend(session);
            folders.push(data_dir.to_owned());
            folders
        }
    }
}

/// The file that this process is to write: the first of [`folders`] that can be written and is not another living
/// process's.
#[must_use]
pub fn choose(data_dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    folders(data_dir, env).into_iter().find_map(|folder| {
        let file = folder.join(NAME);
        let ours = !read(&file).is_ok_and(|state| is_another(&state));
        // A probe of its own: the permissions do not tell of a read-only disk.
        (ours && replace(&file, b"{}").is_ok()).then_some(file)
    })
}

fn is_another(state: &State) -> bool {
    state.pid != 0 && state.pid != std::process::id() && state.lives()
}

/// A file of this name in one of the folders that tells of no process, running or ended.
#[must_use]
pub fn damaged_file(data_dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let mut files = folders(data_dir, env).into_iter().map(|f| f.join(NAME));
    files.find(|file| file.exists() && !read(file).is_ok_and(|s| s.pid != 0))
}

/// Whether this is the service of that data folder.
#[must_use]
pub fn is_of(state: &State, data_dir: &Path) -> bool {
    same_folder(&state.data_dir, data_dir)
}

/// The file of the service that runs with this data folder, and what is in it.
#[must_use]
pub fn find(data_dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Option<(PathBuf, State)> {
    let found: Vec<_> = folders(data_dir, env)
        .into_iter()
        .filter_map(|folder| {
            let file = folder.join(NAME);
            let state = read(&file).ok().filter(|s| s.pid != 0)?;
            Some((file, state))
        })
        .collect();
    let same = |s: &State| is_of(s, data_dir);
    let running = |s: &State| s.lives();
    let best = found
        .iter()
        .position(|(_, s)| same(s) && running(s))
        .or_else(|| found.iter().position(|(_, s)| running(s)))
        .or_else(|| found.iter().position(|(_, s)| same(s)))?;
    found.into_iter().nth(best)
}

fn same_folder(a: &Path, b: &Path) -> bool {
    let real = |p: &Path| std::fs::canonicalize(p).unwrap_or_else(|_| p.to_owned());
    real(a) == real(b)
}

/// Reads the file. A process that is not of the user whose file it is, is none of its doing: it is left out, so that
/// nobody is signalled or looked at on the word of a stranger.
///
/// # Errors
/// It is not there, is a link, or is not what it should be.
pub fn read(file: &Path) -> Result<State> {
    let about = std::fs::symlink_metadata(file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    ensure!(about.is_file(), "{} is no file", file.display());
    let bytes =
        files::read(file, MOST_BYTES).with_context(|| format!("cannot read {}", file.display()))?;
    let mut state: State =
        serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", file.display()))?;
    if owner(state.pid).is_some_and(|owner| owner != about.uid()) {
        state.pid = 0;
    }
    if !is_believed(about.uid()) {
        // What that user may not read himself, root does not read for him.
        for path in [&mut state.crash_file, &mut state.log_file] {
            let own = std::fs::symlink_metadata(&*path).is_ok_and(|file| file.uid() == about.uid());
            if !own {
                *path = PathBuf::new();
            }
        }
    }
    Ok(state)
}

/// Whether paths in a file of this owner may be followed: for root, only in its own.
#[must_use]
pub fn is_believed(owner: u32) -> bool {
    owner == 0 || !nix::unistd::geteuid().is_root()
}

/// The user of a process; none if there is no such process, or it cannot be told.
fn owner(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Writes it; whoever reads meanwhile sees the old one or the new one.
///
/// # Errors
/// The folder cannot be written.
pub fn write(file: &Path, state: &State) -> Result<()> {
    replace(
        file,
        &serde_json::to_vec_pretty(state).context("cannot be written as JSON")?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_unknown_things_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(NAME);
        let state = State {
            pid: 7,
            state: Phase::Ready,
            uptime_s: 1.5,
            ..State::default()
        };
        write(&file, &state).unwrap();
        assert_eq!(read(&file).unwrap(), state);
        std::fs::write(&file, r#"{"pid": 8, "of a later version": [1]}"#).unwrap();
        assert_eq!(read(&file).unwrap().pid, 8);
        std::fs::write(&file, r#"{"pid": "#).unwrap();
        assert!(read(&file).is_err());
    }

    #[test]
    fn nobody_else_is_meant_by_a_forged_file_and_a_link_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(NAME);
        let claim = |pid: u32| {
            let state = State {
                pid,
                ..State::default()
            };
            write(&file, &state).unwrap();
            read(&file).unwrap().pid
        };
        let own = std::process::id();
        assert_eq!(claim(own), own);
        if nix::unistd::geteuid().is_root() {
            // Of somebody else, who says that the process is his.
            claim(own);
            std::os::unix::fs::chown(&file, Some(65534), Some(65534)).unwrap();
            assert_eq!(read(&file).unwrap().pid, 0);
        } else {
            // The first process is root's.
            assert_eq!(claim(1), 0);
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(read(&link).is_err());
    }

    #[test]
    fn the_folder_is_that_of_the_service_manager_if_there_is_one() {
        let env = |name: &str| (name == "RUNTIME_DIRECTORY").then(|| "/r/a:/r/b".to_owned());
        assert_eq!(
            folders(Path::new("/d"), &env),
            [Path::new("/r/a"), Path::new("/d")]
        );
        assert_eq!(
            folders(Path::new("/d"), &|_| None),
            [Path::new(SYSTEM), Path::new("/d")]
        );
        let session = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| "/run/user/1".to_owned());
        assert_eq!(
            folders(Path::new("/d"), &session)[1],
            Path::new("/run/user/1/facetap")
        );
    }

    #[test]
    fn the_file_of_an_ended_run_elsewhere_is_not_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = folder.path().display().to_string();
        let env = move |name: &str| (name == "RUNTIME_DIRECTORY").then(|| runtime.clone());
        let here = Path::new("/nowhere/data");
        assert_eq!(damaged_file(here, &env), None);
        let file = folder.path().join(NAME);
        let ended = State {
            pid: 1 << 30,
            data_dir: PathBuf::from("/elsewhere"),
            ..State::default()
        };
        write(&file, &ended).unwrap();
        assert_eq!((find(here, &env), damaged_file(here, &env)), (None, None));
        for broken in [r#"{"pid": "#, "{}"] {
            std::fs::write(&file, broken).unwrap();
            assert_eq!(damaged_file(here, &env), Some(file.clone()));
        }
    }

    #[test]
    fn age_is_told_by_a_clock_that_nobody_sets() {
        use crate::base::clock::ManualClock;
        use std::time::Duration;
        let year = Duration::from_secs(365 * 86_400);
        let clock = ManualClock::shared(Duration::from_secs(100));
        let state = State {
            updated: crate::base::clock::rfc3339(&clock.wall()),
            updated_boot_s: Some(clock.boottime().as_secs_f64()),
            boot_id: "b".to_owned(),
            every_s: 5,
            ..State::default()
        };
        clock.advance(Duration::from_secs(3));
        // A time server sets the clock forwards by a year, then back before the epoch.
        for wall in [
            jiff::Timestamp::UNIX_EPOCH + year,
            jiff::Timestamp::UNIX_EPOCH - year,
        ] {
            clock.set_wall(wall);
            assert_eq!(state.age_s("b", clock.as_ref()), Some(3.0));
        }
        assert_eq!(state.age_s("another", clock.as_ref()), None);
        assert!(!state.is_late(15.0) && state.is_late(15.1));
        // A file of a version before.
        let old = State {
            updated_boot_s: None,
            ..state
        };
        clock.set_wall(jiff::Timestamp::UNIX_EPOCH + Duration::from_secs(7));
        assert_eq!(old.age_s("b", clock.as_ref()), Some(7.0));
    }

    #[test]
    fn a_stale_file_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = folder.path().display().to_string();
        let env = move |name: &str| (name == "RUNTIME_DIRECTORY").then(|| runtime.clone());
        let stale = State {
            // Above the largest number of a process that Linux gives.
            pid: 1 << 30,
            ..State::default()
        };
        write(&folder.path().join(NAME), &stale).unwrap();
        assert_eq!(
            choose(Path::new("/d"), &env),
            Some(folder.path().join(NAME))
        );
    }
}
