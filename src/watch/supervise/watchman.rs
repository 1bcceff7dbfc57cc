//! Watches over a service: `facetap supervise`, and with it scripts/monitor.sh.
//!
//! Without a folder the service belongs to its watchman: it ends with him, however he ends. With a folder it is written
//! down there, goes on when the watchman is killed, and the next one takes it over.

mod actions;

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::{SysconfVar, sysconf};

use super::identity::{self, Known, is_zombie};
use super::launch::{Launch, Output, Service, run_folder};
use super::look::{Look, Wrong};
use super::record::Record;
use super::settings::{LONGEST_PAUSE, Settings, Taken};
use super::supervisor::{Change, End, Pauses, Process as _, Supervisor};
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::Stop;
use crate::say;

/// A run that lasted less counts as short.
const SHORT_RUN: Duration = Duration::from_secs(60);
/// The service gets this long to end after SIGTERM, and the kernel after SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon the end of the service and a signal to hand on are noticed.
const TICK: Duration = Duration::from_millis(200);
/// Silence is looked at twice: after a time asleep the machine may not have come round to the service yet.
const SECOND_LOOK: Duration = Duration::from_secs(2);
/// Another one's look, which holds the lock, is over by then.
const TURN: Duration = Duration::from_secs(3);

/// The watchman.
pub struct Watchman {
    settings: Settings,
    launch: Launch,
    look: Look,
    record: Record,
    clock: Arc<dyn Clock>,
    stop: Stop,
    reload: Arc<AtomicBool>,
}

impl Watchman {
    /// `stop` ends watchman and service; `reload` is handed on to the service as SIGHUP.
    pub fn new(
        settings: Settings,
        env: &dyn Fn(&str) -> Option<String>,
        clock: Arc<dyn Clock>,
        stop: Stop,
        reload: Arc<AtomicBool>,
    ) -> Self {
        let folder = settings.folder.as_deref();
        let run = run_folder(env);
        // Without one the service keeps its health elsewhere and less often, and its log is what there is to go by.
        let output = folder.map(|folder| run.as_deref().unwrap_or(folder).join("service.out"));
        Self {
            look: Look {
                memory_mb: settings.memory_mb,
                silent: settings.silent,
                log: settings.log.clone(),
                health: run.as_ref().map(|run| run.join("health.json")),
                memory: folder.map(|folder| folder.join("monitor.state")),
                signs: None,
            },
            record: Record::new(
                folder.map(|folder| folder.join("monitor.log")).as_deref(),
                &clock,
            ),
            launch: Launch {
                command: settings.command.clone(),
                run,
                output: output.map(Output),
                outlives: folder.is_some(),
            },
            settings,
            clock,
            stop,
            reload,
        }
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.settings.folder.as_ref()?.join(name))
    }

    fn service(&self) -> Option<Known> {
        identity::recall(&self.file("facetap.pid")?)
    }

    fn watchman(&self) -> Option<Known> {
        identity::recall(&self.file("monitor.pid")?)
    }

    /// Only one watchman or look at a time in a folder: the lock ends with its process, however that ends.
    fn take_turn(&self) -> Result<Option<File>> {
        let Some(folder) = &self.settings.folder else {
            return Ok(None);
        };
        let cannot = || {
            let folder = folder.display();
            say!(
                "cannot write in {folder}; give another with --folder",
                "{folder} に書き込めません。--folder で別のフォルダーを指定してください"
            )
        };
        std::fs::create_dir_all(folder).with_context(cannot)?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("monitor.lock"))
            .with_context(cannot)?;
        let deadline = self.clock.now() + TURN;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::Error(e)) => return Err(e).with_context(cannot),
                Err(TryLockError::WouldBlock) if self.clock.now() < deadline => {
                    self.clock.wait(&self.stop, TICK);
                    if self.stop.requested() {
                        bail!(Taken(folder.clone()));
                    }
                }
                Err(TryLockError::WouldBlock) => bail!(Taken(folder.clone())),
            }
        }
    }

    /// Watches until the order to stop; then the service has ended as well.
    ///
    /// # Errors
    /// [`Taken`], or the folder cannot be written.
    pub fn run(mut self) -> Result<()> {
        let _turn = self.take_turn()?;
        if let Some(file) = self.file("monitor.pid") {
            identity::remember(std::process::id(), &file)?;
        }
        let (interval, silent) = (self.settings.interval.as_secs(), self.settings.silent);
        self.record.info(format_args!(
            "watching: every {interval} s, memory {} MB, silence {} s",
            self.settings.memory_mb,
            silent.as_secs()
        ));
        let launch = self.launch.clone();
        let pauses = Pauses::new(SHORT_RUN, self.settings.pause, LONGEST_PAUSE);
        let mut supervisor = Supervisor::new(pauses, move || launch.start());
        if let Some(known) = self.service().filter(|known| !is_zombie(known.pid)) {
            let pid = known.pid;
            self.record
                .info(format_args!("the service runs already, as process {pid}"));
            supervisor.adopt(Service::TakenOver(known), self.begin_of(known));
        }
        let never = Stop::new();
        let mut next_look = self.clock.now() + self.settings.interval;
        while !supervisor.is_over() {
            let now = self.clock.now();
            let leaving = self.stop.requested();
            if leaving {
                supervisor.shut_down(now, PATIENCE);
            }
            if self.reload.swap(false, Ordering::SeqCst)
                && let Some(process) = supervisor.process()
            {
                process.signal(Signal::SIGHUP);
            }
            self.step(&mut supervisor, now);
            reap_orphans(supervisor.process().map(Service::pid));
            if now >= next_look && !leaving {
                self.look_after(&mut supervisor);
                next_look = self.clock.now() + self.settings.interval;
            }
            let order = if leaving { &never } else { &self.stop };
            self.clock.wait(order, TICK);
        }
        self.record.info("watchman and service have ended");
        self.forget("monitor.pid");
        Ok(())
    }

    /// When a process began that was taken over. The kernel counts that since boot, with the time asleep.
    fn begin_of(&self, known: Known) -> Monotime {
        let a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten();
        let a_second = a_second.and_then(|n| u64::try_from(n).ok()).unwrap_or(100);
        let began = Duration::from_secs(known.started / a_second.max(1));
        self.clock.now() - self.clock.boottime().saturating_sub(began)
    }

    fn step(&mut self, supervisor: &mut Supervisor<Service>, now: Monotime) {
        let before = supervisor.process().map_or(0, Service::pid);
        match supervisor.step(now) {
            None => {}
            Some(Change::Started) => {
                if let Some(process) = supervisor.process() {
                    self.has_started(process);
                }
            }
            Some(Change::NotStarted { why, pause }) => {
                self.record.warn(format_args!("{why:#}"));
                self.wait_for(pause);
            }
            Some(Change::Killed) => self.was_killed(before),
            Some(Change::Ended { end, asked, pause }) => {
                if !asked {
                    let zombie = end == End::Unseen && is_zombie(before);
                    self.say_why(&if zombie {
                        Wrong::Zombie(before)
                    } else {
                        Wrong::Gone
                    });
                }
                self.forget("facetap.pid");
                if !pause.is_zero() {
                    self.wait_for(pause);
                }
            }
        }
    }

    fn look_after(&mut self, supervisor: &mut Supervisor<Service>) {
        self.trim();
        if supervisor.is_ending() {
            return;
        }
        let Some(pid) = supervisor.process().map(Service::pid) else {
            return;
        };
        if let Some(wrong) = self.what_is_wrong(pid)
            // What has ended meanwhile is told of by the next step.
            && supervisor.end(self.clock.now(), Signal::SIGTERM, PATIENCE)
        {
            self.say_why(&wrong);
        }
    }

    fn what_is_wrong(&mut self, pid: u32) -> Option<Wrong> {
        let wrong = self.look.at(pid, self.clock.now())?;
        if !matches!(wrong, Wrong::Silent { .. }) {
            return Some(wrong);
        }
        if self.clock.wait(&self.stop, SECOND_LOOK) {
            return None;
        }
        self.look.at(pid, self.clock.now())
    }

    fn say_why(&mut self, wrong: &Wrong) {
        self.record.warn(format_args!("starting again: {wrong}"));
        if *wrong == Wrong::Gone
            && let Some(said) = self.launch.output.as_ref().and_then(Output::said_last)
        {
            self.record.warn(format_args!("it said last: {said}"));
        }
    }

    fn has_started(&mut self, process: &Service) {
        let pid = process.pid();
        if let Some(file) = self.file("facetap.pid")
            && let Err(e) = identity::remember(pid, &file)
        {
            self.record.warn(format_args!("{e:#}"));
        }
        let command = self.launch.shown();
        self.record
            .info(format_args!("started as process {pid}: {command}"));
    }

    fn was_killed(&mut self, pid: u32) {
        let patience = PATIENCE.as_secs();
        self.record.warn(format_args!(
            "process {pid} did not end within {patience} s and is killed"
        ));
    }

    fn wait_for(&mut self, pause: Duration) {
        let seconds = pause.as_secs();
        self.record
            .info(format_args!("the run was short, waiting {seconds} s"));
    }

    fn trim(&self) {
        if let Some(output) = &self.launch.output {
            // There may be none yet; what cannot be done now is done after the next look.
            let _ = output.trim();
        }
    }

    fn forget(&self, name: &str) {
        if let Some(file) = self.file(name) {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// The first process of a container inherits every orphan, and nobody else asks for their ends. That of the service is
/// left to whoever looks after it.
fn reap_orphans(service: Option<u32>) {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(Some(orphan)) = waitid(Id::All, look).map(|ended| ended.pid())
        && u32::try_from(orphan.as_raw()).ok() != service
        && waitpid(orphan, Some(WaitPidFlag::WNOHANG)).is_ok()
    {}
}
