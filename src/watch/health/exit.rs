//! Why the run before ended: kept beside the ledger, told at the start.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use log::{debug, info, warn};
use serde::{Deserialize, Serialize};

use crate::base::beat::Beat;
use crate::base::clock::{Clock, Monotime, rfc3339};
use crate::base::files::replace;
use crate::base::limited::Limited;
use crate::base::proc;
use crate::base::stop::Stop;
use crate::watch::crash::LastCrash;
use crate::{say, say_info};

/// The file's name in the data folder.
const NAME: &str = "last-exit.json";
/// How often it is noted that the process is alive; after a power cut its end is known to this precision. On an SD card
/// this is 3 MB a day.
const NOTE_EVERY: Duration = Duration::from_secs(300);

/// How long the disk is waited for. After that the writing goes on, and nobody waits for it.
const PATIENCE: Duration = Duration::from_millis(500);

/// One run of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The kernel's number of the boot.
    pub boot_id: String,
    /// Process.
    pub pid: u32,
    /// When the kernel started it, in ticks since boot.
    #[serde(default)]
    pub pid_started: u64,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it was last known to be alive, RFC 3339.
    pub alive: String,
    /// Why it ended; none while it runs, and where it could not tell any more.
    #[serde(default)]
    pub reason: Option<String>,
    /// Whether it ended because of its memory.
    #[serde(default)]
    pub memory: bool,
}

/// How a run ended, as the one after it sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastExit {
    /// For people, in one line.
    pub reason: String,
    /// When, or when it was last known to be alive, RFC 3339.
    pub at: String,
    /// The kernel's number of that boot.
    pub boot_id: String,
    /// Whether it ended because of its memory.
    pub memory: bool,
    /// Whether it said itself why.
    pub clean: bool,
    /// When that run began, RFC 3339.
    #[serde(default)]
    pub started: String,
    /// The crash that ended it, if there was one.
    pub crash: Option<String>,
}

impl LastExit {
    /// The same with the crash that explains it: one that was later than the start of that run, in the same boot.
    #[must_use]
    pub fn explained(mut self, crash: Option<LastCrash>) -> Self {
        let began = self.started.parse::<Timestamp>();
        let its_own = |crash: &LastCrash| {
            let at = crash.at.parse::<Timestamp>();
            crash.boot_id == self.boot_id
                && matches!((&began, at), (Ok(began), Ok(at)) if at >= *began)
        };
        if let Some(crash) = crash.filter(|c| its_own(c) && is_fatal(c)) {
            let what = format!("{} ({})", crash.what, crash.thread);
            if !self.clean {
                self.reason = say!("crashed: {what}", "クラッシュ: {what}");
                self.at = crash.at;
            }
            self.crash = Some(what);
        }
        self
    }
}

/// Whether this ends a process: a panic does so in the first thread alone. Loops are begun again after one, and the run
/// says so itself when that is of no use.
fn is_fatal(crash: &LastCrash) -> bool {
    !crash.what.starts_with("[UNCAUGHT_EXCEPTION]") || crash.thread.starts_with("facetap (")
}

/// Judges the record of a run that is over.
#[must_use]
pub fn judge(run: &Run, boot_id: &str) -> LastExit {
    let (reason, clean) = match &run.reason {
        Some(reason) => (reason.clone(), true),
        None if run.boot_id == boot_id => (
            say!(
                "killed or crashed: it could not say why",
                "強制終了またはクラッシュ（理由は記録されていません）"
            ),
            false,
        ),
        None => (
            say!("the board lost power or was restarted", "停電または再起動"),
            false,
        ),
    };
    LastExit {
        reason,
        at: run.alive.clone(),
        boot_id: run.boot_id.clone(),
        memory: run.memory,
        clean,
        started: run.started.clone(),
        crash: None,
    }
}

/// Keeps the record of this run.
#[derive(Debug)]
pub struct Keeper {
    /// None where another process keeps its record there.
    file: Option<PathBuf>,
    run: Run,
    noted: Monotime,
    /// What feeds the watchdog keeps the record, so it must not wait for the disk.
    disk: Limited<()>,
}

impl Keeper {
    /// Begins the record in `data_dir`, and tells how the run before ended, if there was one.
    pub fn begin(data_dir: &Path, boot_id: &str, clock: &dyn Clock) -> (Self, Option<LastExit>) {
        let file = data_dir.join(NAME);
        let before = read(&file);
        let taken = before
            .as_ref()
            .is_some_and(|run| run.reason.is_none() && run.boot_id == boot_id && is_another(run));
        let last = before.filter(|_| !taken).map(|run| judge(&run, boot_id));
        let now = rfc3339(&clock.wall());
        let keeper = Self {
            file: (!taken).then_some(file),
            run: Run {
                boot_id: boot_id.to_owned(),
                pid: std::process::id(),
                pid_started: proc::started(std::process::id()).unwrap_or(0),
                started: now.clone(),
                alive: now,
                reason: None,
                memory: false,
            },
            noted: clock.now(),
            disk: Limited::new("last-exit", &Stop::new(), &Beat::default()),
        };
        keeper.write();
        (keeper, last)
    }

    /// Notes now and then that the process is alive.
    pub fn note(&mut self, clock: &dyn Clock) {
        let now = clock.now();
        if now.since(self.noted) >= NOTE_EVERY {
            self.noted = now;
            self.run.alive = rfc3339(&clock.wall());
            self.write();
        }
    }

    /// Notes why the process ends.
    pub fn end(&mut self, reason: &str, memory: bool, clock: &dyn Clock) {
        self.run.alive = rfc3339(&clock.wall());
        self.run.reason = Some(reason.to_owned());
        self.run.memory = memory;
        self.write();
    }

    /// A full, missing or frozen disk must not keep the service from its work.
    fn write(&self) {
        let Some(file) = self.file.clone() else {
            return;
        };
        let run = self.run.clone();
        let done = self.disk.run(PATIENCE, move || write(&file, &run));
        match done {
            Ok(Ok(())) => {}
            Ok(Err(e)) => debug!("{e:#}"),
            Err(why) => debug!("{NAME}: {why}"),
        }
    }
}

fn is_another(run: &Run) -> bool {
    run.pid != std::process::id() && proc::is_running(run.pid, run.pid_started)
}

/// The record of the last run, as it is.
#[must_use]
pub fn read(file: &Path) -> Option<Run> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

/// The record in this data folder.
#[must_use]
pub fn file(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

fn write(file: &Path, run: &Run) -> Result<()> {
    replace(
        file,
        &serde_json::to_vec(run).context("cannot be written as JSON")?,
    )
}

/// Logs how the run before ended.
pub fn tell(last: Option<&LastExit>, boot_id: &str) {
    match last {
        None => say_info!(
            "boot {boot_id}; no run before this one",
            "起動ID: {boot_id}（以前の実行記録なし）"
        ),
        Some(LastExit {
            reason, at, clean, ..
        }) => {
            let line = say!(
                "boot {boot_id}; the run before ended at {at}: {reason}",
                "起動ID: {boot_id}、前回の終了: {at}: {reason}"
            );
            if *clean {
                info!("{line}");
            } else {
                warn!("{line}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::ManualClock;
    use jiff::Timestamp;

    #[test]
    fn the_next_run_knows_how_this_one_ended() {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(Duration::ZERO, Timestamp::UNIX_EPOCH);
        let (mut first, before) = Keeper::begin(folder.path(), "boot-1", &clock);
        assert_eq!(before, None);
        clock.advance(NOTE_EVERY);
        first.note(&clock);
        let (_, killed) = Keeper::begin(folder.path(), "boot-1", &clock);
        let killed = killed.unwrap();
        assert!(
            killed.reason.contains("killed") && !killed.clean,
            "{killed:?}"
        );
        assert!(killed.at.starts_with("1970-01-01T00:05"), "{killed:?}");
        let (mut last, power) = Keeper::begin(folder.path(), "boot-2", &clock);
        assert!(power.unwrap().reason.contains("power"));
        last.end("SIGTERM", false, &clock);
        let (_, clean) = Keeper::begin(folder.path(), "boot-2", &clock);
        assert_eq!(
            clean.map(|c| (c.reason, c.clean)),
            Some(("SIGTERM".to_owned(), true))
        );
    }

    fn killed_run() -> Run {
        Run {
            boot_id: "b".to_owned(),
            pid: 1,
            pid_started: 1,
            started: "2026-11-21T09:00:00+09:00".to_owned(),
            alive: "2026-11-21T09:05:00+09:00".to_owned(),
            reason: None,
            memory: false,
        }
    }

    fn crash(at: &str, boot_id: &str) -> LastCrash {
        LastCrash {
            at: at.to_owned(),
            what: "SIGSEGV".to_owned(),
            thread: "vision (7)".to_owned(),
            place: None,
            frames: Vec::new(),
            boot_id: boot_id.to_owned(),
        }
    }

    #[test]
    fn a_panic_that_was_survived_explains_no_end() {
        let panic = |thread: &str| LastCrash {
            what: "[UNCAUGHT_EXCEPTION] panic at a.rs:1:1: x".to_owned(),
            thread: thread.to_owned(),
            ..crash("2026-11-21T00:01:00Z", "b")
        };
        let told = |thread| judge(&killed_run(), "b").explained(Some(panic(thread)));
        let survived = told("camera (9)");
        assert!(survived.reason.contains("killed"), "{survived:?}");
        assert_eq!(survived.crash, None);
        assert!(told("facetap (1)").reason.starts_with("crashed: "));
    }

    #[test]
    fn a_crash_explains_the_run_that_it_ended_and_no_other() {
        let run = killed_run();
        let told = |at, boot_id| judge(&run, "b").explained(Some(crash(at, boot_id))).reason;
        assert_eq!(
            told("2026-11-21T00:06:00Z", "b"),
            "crashed: SIGSEGV (vision (7))"
        );
        assert!(told("2026-11-20T23:59:59Z", "b").contains("killed"));
        assert!(told("2026-11-21T00:06:00Z", "c").contains("killed"));
    }

    #[test]
    fn garbage_and_missing_folders_are_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(Duration::ZERO, Timestamp::UNIX_EPOCH);
        std::fs::write(file(folder.path()), b"\0\xff{").unwrap();
        assert_eq!(Keeper::begin(folder.path(), "b", &clock).1, None);
        assert_eq!(
            Keeper::begin(Path::new("/proc/no/such/folder"), "b", &clock).1,
            None
        );
    }
}
