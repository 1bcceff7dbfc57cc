//! What is done without staying: a look for cron, questions, the end, and a watchman in the background.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;

use super::{LONGEST_PAUSE, PATIENCE, SHORT_RUN, TICK, Watchman};
use crate::base::stop::Stop;
use crate::say;
use crate::watch::supervise::identity::{Known, is_zombie};
use crate::watch::supervise::launch::{Service, detach};
use crate::watch::supervise::look::{Wrong, resident_mb};
use crate::watch::supervise::settings::Taken;
use crate::watch::supervise::supervisor::{Change, Pauses, Process as _, Supervisor};

/// A watchman in the background has started the service by then.
const START: Duration = Duration::from_secs(10);
/// Time beside the service's own [`PATIENCE`] in which a watchman ends.
const GOODBYE: Duration = Duration::from_secs(8);

impl Watchman {
    /// Ends a service that was started by somebody else.
    fn end(&mut self, known: Known) {
        let pauses = Pauses::new(SHORT_RUN, LONGEST_PAUSE, LONGEST_PAUSE);
        let mut supervisor = Supervisor::new(pauses, || bail!("nothing is started"));
        supervisor.adopt(Service::TakenOver(known), self.begin_of(known));
        supervisor.shut_down(self.clock.now(), PATIENCE);
        let never = Stop::new();
        while !supervisor.is_over() {
            if let Some(Change::Killed) = supervisor.step(self.clock.now()) {
                self.was_killed(known.pid);
            }
            self.clock.wait(&never, TICK / 4);
        }
        self.forget("facetap.pid");
    }

    /// One look, for cron: starts the service again if it is not well. Where a watchman is at work nothing is done.
    ///
    /// # Errors
    /// The folder cannot be written, or the service cannot be started.
    pub fn once(mut self) -> Result<()> {
        let _turn = match self.take_turn() {
            Err(e) if e.is::<Taken>() => return Ok(()),
            turn => turn?,
        };
        self.trim();
        let service = self.service();
        let wrong = match service {
            Some(known) => self.what_is_wrong(known.pid),
            None => Some(Wrong::Gone),
        };
        if let Some(wrong) = wrong {
            self.say_why(&wrong);
            if let Some(known) = service {
                self.end(known);
            }
            let process = self.launch.start()?;
            self.has_started(&process);
        }
        Ok(())
    }

    /// How watchman and service are, in lines; and whether the service is well.
    #[must_use]
    pub fn status(mut self) -> (String, bool) {
        let mut lines = match self.watchman() {
            Some(known) => format!("watchman: process {}\n", known.pid),
            None => "watchman: none\n".to_owned(),
        };
        let wrong = match self.service() {
            Some(Known { pid, .. }) => {
                let megabytes = resident_mb(pid).map_or(String::new(), |mb| format!(", {mb} MB"));
                lines.push_str(&format!("service: process {pid}{megabytes}\n"));
                self.what_is_wrong(pid)
            }
            None => {
                lines.push_str("service: none\n");
                Some(Wrong::Gone)
            }
        };
        if let Some(wrong) = &wrong {
            lines.push_str(&format!("not well: {wrong}\n"));
        }
        (lines, wrong.is_none())
    }

    /// Ends watchman and service.
    ///
    /// # Errors
    /// The service cannot be ended.
    pub fn stop(mut self) -> Result<()> {
        if let Some(known) = self.watchman() {
            Service::TakenOver(known).signal(Signal::SIGTERM);
            self.wait_until(PATIENCE + GOODBYE, |watchman| watchman.watchman().is_none());
        }
        // That of a watchman who was killed, or of a look from cron.
        if let Some(known) = self.service() {
            self.end(known);
            if known.is_there() && !is_zombie(known.pid) {
                let pid = known.pid;
                bail!(say!(
                    "the service cannot be ended: process {pid}",
                    "サービスを終了できません: プロセス {pid}"
                ));
            }
        }
        Ok(())
    }

    /// Starts a watchman in the background, by the command that `program` and `arguments` are; tells of its service.
    ///
    /// # Errors
    /// [`Taken`], or there is no service after [`START`].
    pub fn start(self, mut watchman: std::process::Command) -> Result<String> {
        drop(self.take_turn()?);
        self.forget("monitor.pid");
        detach(&mut watchman);
        let mut child = watchman.spawn().context("cannot start the watchman")?;
        self.wait_until(START, |this| {
            (this.watchman().is_some() && this.service().is_some())
                || child.try_wait().is_ok_and(|ended| ended.is_some())
        });
        let log = self.file("monitor.log").unwrap_or_default();
        let log = log.display();
        match self.service().filter(|_| self.watchman().is_some()) {
            Some(Known { pid, .. }) => Ok(format!("watching process {pid}; see {log}")),
            None => bail!(say!(
                "it did not start; see {log}",
                "開始できません。{log} を確認してください"
            )),
        }
    }

    fn wait_until(&self, limit: Duration, mut reached: impl FnMut(&Self) -> bool) {
        let deadline = self.clock.now() + limit;
        while !reached(self) && self.clock.now() < deadline && !self.stop.requested() {
            self.clock.wait(&self.stop, TICK / 2);
        }
    }
}
