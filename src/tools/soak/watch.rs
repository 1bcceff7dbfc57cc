//! The thread that is the service's manager and looks at it from outside.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use log::debug;

use super::child::{self, Launch, Service};
use super::log::{Log, Marks};
use super::notify::Notify;
use super::probe;
use super::resources::Resources;
use super::trace::Seen;
use super::watchdog::{Ends, Event, Watchdog};
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::{Stop, lock};
use crate::watch::health::state;
use crate::watch::supervise::End;

/// How soon anything is noticed.
const LISTEN: Duration = Duration::from_millis(100);
/// Time between two looks at the resources.
const LOOK: Duration = Duration::from_secs(1);
/// The service promises to end within a second; a busy machine gets more, as from systemd (`TimeoutStopSec=`).
const GOODBYE: Duration = Duration::from_secs(10);

/// A service whose first picture does not come is taken for at work after this time all the same.
const FIRST_PICTURE: Duration = Duration::from_secs(10);

/// How far the service has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Readiness {
    /// No process has been at work yet.
    #[default]
    Starting,
    /// It is at work.
    Ready,
    /// It does not start; why, and whether because of its configuration.
    Failed(String, bool),
}

/// What has been seen of the service.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub readiness: Readiness,
    pub ends: Ends,
    pub marks: Marks,
    pub resources: Resources,
    pub loop_restarts: u64,
    /// Use of the processor since the look before, in per cent of one core.
    pub cpu_percent: f64,
}

impl Watched {
    pub fn new(warm_up: Duration) -> Self {
        Self {
            readiness: Readiness::default(),
            ends: Ends::default(),
            marks: Marks::default(),
            resources: Resources::new(warm_up),
            loop_restarts: 0,
            cpu_percent: 0.0,
        }
    }
}

/// The thread's parts.
pub(super) struct Watch {
    watchdog: Watchdog<Service>,
    launch: Arc<Launch>,
    notify: Notify,
    log: Log,
    loops: LoopRestarts,
    health: PathBuf,
    warm_up: Duration,
    seen: Arc<Mutex<Watched>>,
    /// Where pictures are seen; none where there is no camera.
    work: Option<Arc<Seen>>,
    clock: Arc<dyn Clock>,
    /// The order to end the service.
    end: Stop,
    /// Last look: process, moment, its processor time.
    last: Option<(u32, Monotime, f64)>,
    /// Since when the process is at work.
    at_work: Option<(u32, Monotime)>,
}

impl Watch {
    pub fn new(
        launch: Launch,
        notify: Notify,
        warm_up: Duration,
        seen: &Arc<Mutex<Watched>>,
        work: Option<Arc<Seen>>,
        clock: &Arc<dyn Clock>,
        end: &Stop,
    ) -> Self {
        let launch = Arc::new(launch);
        let start = Arc::clone(&launch);
        Self {
            watchdog: Watchdog::new(move || start.start()),
            notify,
            log: Log::new(launch.scratch.log()),
            loops: LoopRestarts::default(),
            health: launch.scratch.run_dir().join("health.json"),
            warm_up,
            seen: Arc::clone(seen),
            work,
            clock: Arc::clone(clock),
            end: end.clone(),
            last: None,
            at_work: None,
            launch,
        }
    }

    /// Looks after the service until the order to end it.
    pub fn run(mut self) {
        let mut looked = None;
        while !self.end.requested() {
            let heard = self.notify.hear(LISTEN);
            let now = self.clock.now();
            let event = self.watchdog.step(now, &heard);
            let mut seen = lock(&self.seen);
            match event {
                Ok(Some(Event::Ready)) => {
                    seen.resources.another();
                }
                Ok(Some(Event::Ended(end))) if seen.readiness != Readiness::Ready => {
                    let why = format!("{end}\n{}", child::text(&self.launch.said));
                    seen.readiness = Readiness::Failed(why, end == End::Status(2));
                    return;
                }
                Ok(_) => {}
                Err(e) if seen.readiness != Readiness::Ready => {
                    seen.readiness = Readiness::Failed(format!("{e:#}"), false);
                    return;
                }
                // No process, no memory: tried again after the pause.
                Err(e) => debug!("{e:#}"),
            }
            let starting = seen.readiness == Readiness::Starting;
            drop(seen);
            if starting || looked.is_none_or(|at| now.since(at) >= LOOK) {
                looked = Some(now);
                self.look(now);
            }
        }
        self.finish();
    }

    fn look(&mut self, now: Monotime) {
        self.loops.look(&self.health);
        let process = self.watchdog.process();
        let reading = process.and_then(|(pid, _)| probe::look(&probe::folder(pid)));
        let age = process.and_then(|(pid, ready)| self.age(now, pid, ready?));
        let mut seen = lock(&self.seen);
        let resources = &mut seen.resources;
        let warm = age.is_some_and(|age| age >= self.warm_up);
        self.log.read(&mut |used_mb| {
            if warm {
                resources.add_gpu(used_mb);
            }
        });
        if let (Some((pid, _)), Some(age), Some(reading)) = (process, age, reading) {
            resources.add(age, reading);
            if seen.readiness == Readiness::Starting {
                seen.readiness = Readiness::Ready;
            }
            let last = self.last.replace((pid, now, reading.cpu_s));
            if let Some((_, at, cpu_s)) = last.filter(|(last, ..)| *last == pid) {
                let time = now.since(at).as_secs_f64().max(0.001);
                seen.cpu_percent = (reading.cpu_s - cpu_s) / time * 100.0;
            }
        }
        seen.ends = self.watchdog.ends.clone();
        seen.marks = self.log.marks;
        seen.loop_restarts = self.loops.sum();
    }

    /// For how long the process has been at work. Not from the moment that it was ready: on a busy machine the first
    /// picture may come much later, and with it most of the memory.
    fn age(&mut self, now: Monotime, pid: u32, ready: Monotime) -> Option<Duration> {
        let picture = match &self.work {
            Some(work) => work.frame() >= Some(ready),
            None => true,
        };
        if self.at_work.is_none_or(|(of, _)| of != pid)
            && (picture || now.since(ready) >= FIRST_PICTURE)
        {
            self.at_work = Some((pid, now));
        }
        let (of, since) = self.at_work?;
        (of == pid).then(|| now.since(since))
    }

    /// Ends the service, and takes a last look at what it left behind.
    fn finish(&mut self) {
        self.watchdog.shut_down(self.clock.now(), GOODBYE);
        while self.watchdog.process().is_some() {
            let heard = self.notify.hear(LISTEN);
            // It tells of the end alone now.
            let _ = self.watchdog.step(self.clock.now(), &heard);
        }
        self.look(self.clock.now());
    }
}

/// Restarts of loops, as `health.json` tells them, over all processes.
#[derive(Debug, Default)]
struct LoopRestarts {
    pid: u32,
    now: u64,
    before: u64,
}

impl LoopRestarts {
    fn look(&mut self, file: &std::path::Path) {
        if let Ok(state) = state::read(file) {
            self.take(state.pid, state.loops.values().map(|l| l.restarts).sum());
        }
    }

    fn take(&mut self, pid: u32, restarts: u64) {
        if pid != self.pid {
            self.before += self.now;
            self.pid = pid;
        }
        self.now = restarts;
    }

    const fn sum(&self) -> u64 {
        self.before + self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_of_loops_add_up_over_processes() {
        let mut loops = LoopRestarts::default();
        for (pid, restarts, sum) in [(5, 0, 0), (5, 2, 2), (5, 2, 2), (6, 0, 2), (6, 1, 3)] {
            loops.take(pid, restarts);
            assert_eq!(loops.sum(), sum);
        }
    }
}
