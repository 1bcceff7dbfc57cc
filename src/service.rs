//! The service: which threads there are, what connects them, and in what order they end.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use log::{error, info};

use crate::base::clock::Clock;
use crate::base::slot::Slot;
use crate::base::stop::{Reason, Stop};
use crate::base::threads::Threads;
use crate::camera::capture::{Capture, CaptureFeedback};
use crate::camera::source::{self, SourceKind};
use crate::config::{self, Config, Protocol};
use crate::control::Follower;
use crate::control::pose::Pose;
use crate::indicator::{self, Panel};
use crate::ledger::Ledger;
use crate::ledger::keeper::{self, Keeper};
use crate::ledger::roster::Roster;
use crate::ledger::store::Store;
use crate::ledger::upkeep::Upkeep;
use crate::monitor::{Latest, Live, Monitor, peak_rss_bytes};
use crate::reader::selection::Selection;
use crate::reader::watch::Watch;
use crate::servo::{self, ServoLoop, SimulatedServos};
use crate::standing::{self, Standing};
use crate::stats::Stats;
use crate::summary::Summary;
use crate::trace::Tracer;
use crate::track::presence::Presence;
use crate::uplink::Uplink;
use crate::vision::Vision;
use crate::{health, reader, say, uplink};

/// The promise is a stop within a second; what is not done by then is named and left behind.
const STOP_WITHIN: Duration = Duration::from_millis(800);

/// Everything that a run needs from outside.
pub struct Service {
    /// The configuration, with the options applied.
    pub config: Config,
    /// What `camera.source` is; none without a camera.
    pub camera: Option<SourceKind>,
    /// Folder of ledger and state.
    pub data_dir: PathBuf,
    /// Where the monitor leaves its newest sample.
    pub latest: Arc<Latest>,
    /// The trace.
    pub tracer: Arc<Tracer>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
    /// Stop by itself after this time.
    pub duration: Option<Duration>,
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

/// Where the mount stands, for whoever looks through the simulated camera.
type PoseNow = Arc<dyn Fn() -> Pose + Send + Sync>;

impl Service {
    /// Starts every thread, serves until the order to stop, and ends them all.
    ///
    /// # Errors
    /// Something without which there is no service cannot be had: the ledger, the simulated servos, a
    /// thread.
    pub fn run(self, mut threads: Threads) -> Result<Ended> {
        health::starting();
        let start = self.clock.now();
        let stats = Arc::new(Stats::default());
        if let Err(e) = self.start_all(&mut threads, &stats) {
            // What was started already has to end as well.
            self.stop.request(Reason::Failure(format!("{e:#}")));
            threads.join(&self.clock, STOP_WITHIN);
            return Err(e);
        }
        info!(
            "[SERVER_START] {}",
            say!("the service is ready", "サービスの準備ができました")
        );
        health::ready();

        match self.duration {
            Some(limit) => {
                if !self.clock.wait(&self.stop, limit) {
                    self.stop.request(Reason::Duration);
                }
            }
            None => self.stop.wait_forever(),
        }

        health::stopping();
        let stuck = threads.join(&self.clock, STOP_WITHIN);
        self.tracer.finish();
        let elapsed = self.clock.now().since(start);
        Ok(Ended {
            reason: self.stop.reason().unwrap_or(Reason::Duration),
            summary: Summary::new(&stats, elapsed, peak_rss_bytes()),
            stuck,
        })
    }

    fn start_all(&self, threads: &mut Threads, stats: &Arc<Stats>) -> Result<()> {
        let standing = Arc::new(Standing::default());
        self.start_monitor(threads, stats, &standing)?;
        let presence = Arc::new(Presence::default());
        if self.config.cards.enabled {
            self.start_cards(threads, stats, &presence, standing)?;
        }
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
        let follower = Arc::new(Mutex::new(follower));
        let pose = self.start_servos(threads, stats, &follower)?;
        if let Some(kind) = &self.camera {
            self.start_camera(threads, stats, kind.clone(), follower, presence, pose)?;
        }
        Ok(())
    }

    fn start_monitor(
        &self,
        threads: &mut Threads,
        stats: &Arc<Stats>,
        standing: &Arc<Standing>,
    ) -> Result<()> {
        let log_file = config::log_file(&self.config.log.file, &|name| std::env::var(name).ok());
        let monitor = Monitor {
            config: self.config.monitor.clone(),
            memory: self.config.memory_monitor.clone(),
            readings: Box::new(Live::new(Path::new("/"), &log_file, &self.data_dir)),
            log_file,
            log: self.config.log.clone(),
            sites: None,
            stats: Arc::clone(stats),
            standing: Arc::clone(standing),
            latest: Arc::clone(&self.latest),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
        };
        threads.start("monitor", &self.stop, move || monitor.run())
    }

    /// Reader, ledger, indicator and uplink, from the end of the line to its beginning. The ledger is
    /// opened first: without it there is nothing to promise at the door, and the start fails.
    fn start_cards(
        &self,
        threads: &mut Threads,
        stats: &Arc<Stats>,
        presence: &Arc<Presence>,
        standing: Arc<Standing>,
    ) -> Result<()> {
        let store = Arc::new(Store::open(&self.data_dir)?);
        store.look(self.clock.as_ref());
        let ledger = Ledger::of(Arc::clone(&store))?;
        let panel = indicator::start(threads, &self.config, &self.clock, &self.stop, &standing)?;
        let bell = self.start_uplink(threads, stats, &store, &panel, &standing)?;

        let roster = self.roster();
        let upkeep = Upkeep {
            store,
            roster: roster.clone(),
            keep_days: self.config.attendance.keep_days,
            bell: bell.clone(),
            standing: Arc::clone(&standing),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
        };
        threads.start("upkeep", &self.stop, move || upkeep.run())?;

        let cards = &self.config.cards;
        let (queue, taps) = keeper::queue();
        let keeper = Keeper {
            taps,
            ledger,
            repeat: Duration::from_secs_f64(cards.repeat_seconds),
            presence: Arc::clone(presence),
            require_face: self.config.attendance.require_face,
            roster,
            panel: panel.clone(),
            standing: Arc::clone(&standing),
            bell,
            tracer: Arc::clone(&self.tracer),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
            stats: Arc::clone(stats),
        };
        threads.start("ledger", &self.stop, move || keeper.run())?;

        let watch = Watch {
            open: reader::open(cards, &self.clock, &self.stop),
            selection: Selection::new(&cards.readers),
            taps: queue,
            panel,
            standing,
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
            stats: Arc::clone(stats),
            usb: reader::usb::root(cards),
        };
        threads.start("reader", &self.stop, move || watch.run())
    }

    /// The roster, read once before the first tap.
    fn roster(&self) -> Option<Roster> {
        let roster = Roster::new(self.config.attendance.roster.clone()?);
        roster.refresh(self.clock.now());
        Some(roster)
    }

    /// The uplink, if there is a server; the bell tells it that a tap was recorded.
    fn start_uplink(
        &self,
        threads: &mut Threads,
        stats: &Arc<Stats>,
        store: &Arc<Store>,
        panel: &Panel,
        standing: &Arc<Standing>,
    ) -> Result<Option<Arc<Slot<()>>>> {
        let Some((server, terminal_id)) = uplink::server(&self.config, &self.data_dir, &self.stop)?
        else {
            return Ok(None);
        };
        standing.set_server(standing::Server::Unknown);
        let bell = Arc::new(Slot::default());
        Uplink {
            server,
            store: Arc::clone(store),
            terminal_id,
            longest_pause: Duration::from_secs_f64(self.config.retry_interval),
            bell: Arc::clone(&bell),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
            stats: Arc::clone(stats),
            panel: panel.clone(),
            standing: Arc::clone(standing),
        }
        .start(threads)?;
        Ok(Some(bell))
    }

    /// The servo loop, and the simulated servos if they are asked for. Tells where the mount stands for
    /// the simulated camera.
    fn start_servos(
        &self,
        threads: &mut Threads,
        stats: &Arc<Stats>,
        follower: &Arc<Mutex<Follower>>,
    ) -> Result<PoseNow> {
        let ahead: PoseNow = Arc::new(|| Pose::HOME);
        let mut config = self.config.servo.clone();
        if !config.enabled {
            return Ok(ahead);
        }
        if config.protocol != Protocol::Sts {
            error!(
                "{}",
                say!(
                    "servo.protocol: only \"sts\" is there in this version, the servos stay off",
                    "サーボ: servo.protocol はこのバージョンでは \"sts\" のみです。サーボは動作しません"
                )
            );
            return Ok(ahead);
        }
        let mut pose = ahead;
        if config.port == servo::SIMULATED {
            let clock = Arc::clone(&self.clock);
            let servos = SimulatedServos::start(&config.axes, clock, &self.stop, threads)?;
            config.port = servos.path().display().to_string();
            let handle = servos.pose();
            pose = Arc::new(move || handle.now());
        }
        let servo_loop = ServoLoop {
            config,
            tracking: self.config.tracking.clone(),
            follower: Arc::clone(follower),
            tracer: Arc::clone(&self.tracer),
            stats: Arc::clone(stats),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
        };
        threads.start("servo", &self.stop, move || servo_loop.run())?;
        Ok(pose)
    }

    fn start_camera(
        &self,
        threads: &mut Threads,
        stats: &Arc<Stats>,
        kind: SourceKind,
        follower: Arc<Mutex<Follower>>,
        presence: Arc<Presence>,
        pose: PoseNow,
    ) -> Result<()> {
        let slot = Arc::new(Slot::default());
        let feedback = Arc::new(CaptureFeedback::new(Arc::clone(stats)));
        let env = source::Env {
            clock: Arc::clone(&self.clock),
            pose,
            stop: self.stop.clone(),
        };
        let camera = self.config.camera.clone();
        let capture = Capture {
            open: Box::new(move || source::open(&kind, &camera, &env)),
            camera: self.config.camera.clone(),
            slot: Arc::clone(&slot),
            stats: Arc::clone(stats),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
            feedback: Arc::clone(&feedback),
        };
        threads.start("camera", &self.stop, move || capture.run())?;

        let vision = Vision {
            config: self.config.detector.clone(),
            data_dir: self.data_dir.clone(),
            slot,
            feedback,
            follower,
            presence,
            tracer: Arc::clone(&self.tracer),
            stats: Arc::clone(stats),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
        };
        threads.start("vision", &self.stop, move || vision.run())
    }
}
