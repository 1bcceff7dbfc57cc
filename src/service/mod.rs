//! The service: which threads there are, what connects them, and in what order they end.

mod cards;
mod following;
pub mod reloads;
pub mod summary;
mod vitals;
mod window;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use log::{info, warn};

use crate::attend::last_tap::LastTap;
use crate::base::beat::{Beat, Beats};
use crate::base::card_status::CardStatus;
use crate::base::clock::{Clock, rfc3339};
use crate::base::limited;
use crate::base::presence::Presence;
use crate::base::proc;
use crate::base::stats::Stats;
use crate::base::stop::{Reason, Stop, lock};
use crate::base::threads::Threads;
use crate::base::trace::TraceFile;
use crate::config::{Config, Live};
use crate::follow::camera::source::SourceKind;
use crate::follow::control::Follower;
use crate::follow::preview::Preview;
use crate::follow::trace::FrameTrace;
use crate::service::reloads::Reloads;
use crate::service::summary::Summary;
use crate::watch::health::exit::{self, LastExit};
use crate::watch::health::restart::{FIRST_REST, NEXT_REST};
use crate::watch::health::state::State;
use crate::watch::health::{self, Health};
use crate::watch::monitor::{self, Latest, Monitor, Patient, peak_rss_bytes};
use crate::{say, watch::allocations, watch::crash, watch::fault};
use vitals::LiveVitals;

/// The promise is a stop within a second; what is not done by then is named and left behind.
const STOP_WITHIN: Duration = Duration::from_millis(800);

/// A loop that gives no sign of life for so long has hung. What may take longer or for ever (a device, a file, a name
/// server) is waited for under a limit, which is announced ([`crate::base::limited`]).
const HUNG: Duration = Duration::from_secs(15);
/// The same for loops that write to the disk, of which an SD card may take many seconds of its own accord.
const HUNG_ON_DISK: Duration = Duration::from_secs(28);

/// Everything that a run needs from outside.
pub struct Service {
    /// The configuration, with the options applied.
    pub config: Config,
    /// The same, with what was changed since.
    pub live: Live,
    /// The file that it came from; none for the built-in defaults.
    pub config_file: Option<PathBuf>,
    /// What `camera.source` is; none without a camera.
    pub camera: Option<SourceKind>,
    /// Folder of ledger and state.
    pub data_dir: PathBuf,
    /// The current log file.
    pub log_file: PathBuf,
    /// Where crashes leave their trace.
    pub crash_file: PathBuf,
    /// `health.json`; none where it cannot be written.
    pub health_file: Option<PathBuf>,
    /// The trace.
    pub trace: Arc<TraceFile>,
    /// Outcome of the last SIGHUP reload.
    pub reloads: Arc<Reloads>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
    /// Stop by itself after this time.
    pub duration: Option<Duration>,
    /// Whether a window shows what is done.
    pub window: bool,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// Why.
    pub reason: Reason,
    /// What it did.
    pub summary: Summary,
    /// Threads that would not end.
    pub stuck: Vec<String>,
}

/// What several loops share.
#[derive(Clone)]
struct Shared {
    stats: Arc<Stats>,
    card_status: Arc<CardStatus>,
    latest: Arc<Latest>,
    presence: Arc<Presence>,
    preview: Arc<Preview>,
    last_tap: Arc<LastTap>,
    follower: Arc<Mutex<Follower>>,
    frame_trace: Arc<FrameTrace>,
    beats: Beats,
}

impl Service {
    /// Starts every thread, serves until the order to stop, and ends them all.
    ///
    /// # Errors
    /// Something without which there is no service cannot be had: the ledger, the simulated servos, a
    /// thread.
    pub fn run(self, mut threads: Threads) -> Result<Ended> {
        health::starting();
        let start = self.clock.now();
        let boot_id = proc::boot_id();
        let (record, last_exit) =
            exit::Keeper::begin(&self.data_dir, &boot_id, self.clock.as_ref());
        let last_exit = last_exit.map(|last| last.explained(crash::last(&self.crash_file)));
        exit::tell(last_exit.as_ref(), &boot_id);
        let record = Arc::new(Mutex::new(record));
        let ready = Arc::new(AtomicBool::new(false));
        let shared = self.shared();
        let health = self.health(&shared, boot_id, last_exit, &record, &ready);
        if let Err(e) = self.start_all(&mut threads, &shared, health) {
            // What was started already has to end as well.
            self.stop.request(Reason::Failure(format!("{e:#}")));
            threads.join(&self.clock, STOP_WITHIN);
            lock(&record).end(&format!("{e:#}"), false, self.clock.as_ref());
            return Err(e);
        }
        info!(
            "[SERVER_START] {}",
            say!("the service is ready", "サービスの準備ができました")
        );
        ready.store(true, Ordering::Relaxed);
        health::ready();
        self.review_crash(&mut threads);

        match self.duration {
            Some(limit) => {
                if !self.clock.wait(&self.stop, limit) {
                    self.stop.request(Reason::Duration);
                }
            }
            None => self.stop.wait_forever(),
        }

        health::stopping();
        let reason = self.stop.reason().unwrap_or(Reason::Duration);
        let memory = matches!(reason, Reason::Restart { memory: true, .. });
        // The disk counts as well.
        let ending = self.clock.now() + STOP_WITHIN;
        lock(&record).end(&reason.to_string(), memory, self.clock.as_ref());
        let left = ending.since(self.clock.now());
        let mut stuck = threads.join(&self.clock, left);
        let left = ending.since(self.clock.now());
        let calls = limited::wait_for_all(self.clock.as_ref(), left);
        stuck.extend(calls.into_iter().map(str::to_owned));
        shared.frame_trace.finish();
        let elapsed = self.clock.now().since(start);
        Ok(Ended {
            reason,
            summary: Summary::new(&shared.stats, elapsed, peak_rss_bytes()),
            stuck,
        })
    }

    /// Finds the names for the crash before, if there was one. Nobody waits for it.
    fn review_crash(&self, threads: &mut Threads) {
        let file = self.crash_file.clone();
        let started = threads.start("crash-review", &self.stop, move || {
            let _ = crash::review(&file);
        });
        if let Err(e) = started {
            warn!("{e:#}");
        }
    }

    fn shared(&self) -> Shared {
        let Config {
            tracking,
            camera,
            servo,
            ..
        } = &self.config;
        let mut follower = Follower::new(tracking, camera, &servo.axes);
        if self.camera.as_ref().is_some_and(SourceKind::is_recording) {
            follower = follower.watching_a_recording();
        }
        Shared {
            stats: Arc::default(),
            card_status: Arc::default(),
            latest: Arc::default(),
            presence: Arc::default(),
            preview: Arc::default(),
            last_tap: Arc::default(),
            follower: Arc::new(Mutex::new(follower)),
            frame_trace: Arc::new(FrameTrace::new(Arc::clone(&self.trace))),
            beats: Beats::default(),
        }
    }

    /// In this order: whoever watches comes first.
    fn start_all(&self, threads: &mut Threads, shared: &Shared, mut health: Health) -> Result<()> {
        self.start_loop(threads, "health", &Beat::default(), move || health.run())?;
        fault::start(threads, &self.clock, &self.stop)?;
        self.start_monitor(threads, shared)?;
        if self.config.cards.enabled {
            self.start_cards(threads, shared)?;
        }
        let pose = self.start_servos(threads, shared)?;
        if let Some(kind) = &self.camera {
            self.start_camera(threads, shared, kind.clone(), pose)?;
        }
        if self.window {
            self.start_window(threads, shared)?;
        }
        Ok(())
    }

    /// Starts a loop that is begun again after a panic.
    fn start_loop(
        &self,
        threads: &mut Threads,
        name: &'static str,
        beat: &Beat,
        body: impl FnMut() + Send + 'static,
    ) -> Result<()> {
        threads.start_loop(name, &self.stop, &self.clock, beat, body)
    }

    fn start_monitor(&self, threads: &mut Threads, shared: &Shared) -> Result<()> {
        let beat = shared.beats.watch("monitor", HUNG_ON_DISK, &self.clock);
        let mut monitor = Monitor {
            live: self.live.clone(),
            memory: self.config.memory_monitor.clone(),
            log_file: self.log_file.clone(),
            log: self.config.log.clone(),
            readings: Box::new(Patient::new(
                "/".into(),
                self.log_file.clone(),
                self.data_dir.clone(),
                &self.stop,
                &beat,
            )),
            sites: self.allocation_sites(),
            stats: Arc::clone(&shared.stats),
            card_status: Arc::clone(&shared.card_status),
            latest: Arc::clone(&shared.latest),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
            beat: beat.clone(),
        };
        self.start_loop(threads, "monitor", &beat, move || monitor.run())
    }

    /// Where the monitor has the allocation sites from; none unless they are recorded.
    fn allocation_sites(&self) -> Option<monitor::SiteSource> {
        let memory = &self.config.memory_monitor;
        let source = |n| {
            let totals = allocations::totals().context("allocations are not recorded")?;
            Ok(monitor::Traced {
                current: totals.current_bytes,
                peak: totals.peak_bytes,
                sites: allocations::largest(n)?,
            })
        };
        (memory.enabled && memory.tracemalloc).then(|| Arc::new(source) as monitor::SiteSource)
    }

    fn health(
        &self,
        shared: &Shared,
        boot_id: String,
        last_exit: Option<LastExit>,
        record: &Arc<Mutex<exit::Keeper>>,
        ready: &Arc<AtomicBool>,
    ) -> Health {
        let again = last_exit.as_ref().is_some_and(|last| last.memory);
        Health {
            beats: shared.beats.clone(),
            vitals: Box::new(LiveVitals::new(self, shared)),
            state: State {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                pid_started: proc::started(std::process::id()).unwrap_or(0),
                started: rfc3339(&self.clock.wall()),
                boot_id,
                config: self.config_file.clone(),
                data_dir: self.data_dir.clone(),
                log_file: self.log_file.clone(),
                crash_file: self.crash_file.clone(),
                last_exit,
                ..State::default()
            },
            file: self.health_file.clone(),
            live: self.live.clone(),
            rest: if again { NEXT_REST } else { FIRST_REST },
            ready: Arc::clone(ready),
            record: Arc::clone(record),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
        }
    }
}
