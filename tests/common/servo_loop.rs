//! The servo loop at a port, and pictures with a face: one scene for the tests with our own servos
//! (`src/follow/servo/loop_tests.rs`) and for those with servos of another program (`tests/devices/servo_bus.rs`).

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use facetap::base::beat::Beat;
use facetap::base::clock::{Clock, SystemClock};
use facetap::base::limited::Limited;
use facetap::base::stats::Stats;
use facetap::base::stop::{Reason, Stop, lock};
use facetap::base::threads::Threads;
use facetap::config::{Config, Live};
use facetap::follow::control::{Follower, Mode, Observation};
use facetap::follow::detect::{Face, Point};
use facetap::follow::servo::ServoLoop;
use facetap::follow::trace::FrameTrace;

/// Far longer than anything here takes, even on a busy machine.
const LONG: Duration = Duration::from_secs(60);
/// The time from one picture to the next.
const FRAME: Duration = Duration::from_millis(33);

/// A follower with the default configuration, and what its loop shares with the service.
pub struct Service {
    pub config: Config,
    pub follower: Arc<Mutex<Follower>>,
    pub stats: Arc<Stats>,
    pub clock: Arc<dyn Clock>,
    pub stop: Stop,
    pub threads: Threads,
}

impl Service {
    pub fn new() -> Self {
        let config = Config::default();
        let follower = Follower::new(&config.tracking, &config.camera, &config.servo.axes);
        Self {
            config,
            follower: Arc::new(Mutex::new(follower)),
            stats: Arc::default(),
            clock: Arc::new(SystemClock),
            stop: Stop::new(),
            threads: Threads::default(),
        }
    }

    /// Starts the loop with the servos at `port`.
    pub fn drive(&mut self, port: &Path) {
        self.drive_by(Arc::clone(&self.clock), port);
    }

    /// As [`Self::drive`], with a clock of its own for the loop.
    pub fn drive_by(&mut self, clock: Arc<dyn Clock>, port: &Path) {
        let mut config = self.config.servo.clone();
        config.port = port.to_string_lossy().into_owned();
        let servos = ServoLoop {
            config,
            live: Live::new(self.config.clone()),
            follower: Arc::clone(&self.follower),
            trace: Arc::new(FrameTrace::default()),
            stats: Arc::clone(&self.stats),
            clock,
            stop: self.stop.clone(),
            beat: Beat::default(),
            port: Limited::new("servo-port", &self.stop, &Beat::default()),
        };
        self.threads
            .start("servos", &self.stop, move || servos.run())
            .unwrap();
    }

    /// Waits until `done`, doing `meanwhile` for each picture, which is numbered.
    pub fn until(
        &self,
        what: &str,
        mut meanwhile: impl FnMut(u64),
        mut done: impl FnMut() -> bool,
    ) {
        let start = self.clock.now();
        for frame in 0.. {
            meanwhile(frame);
            if done() {
                return;
            }
            let waited = self.clock.now().since(start);
            assert!(waited < LONG, "waited in vain: {what}");
            self.clock.wait(&Stop::new(), FRAME);
        }
    }

    /// A picture of 640x480 with this face.
    pub fn see(&self, frame: u64, face: Option<Face>) {
        let now = self.clock.now();
        lock(&self.follower).observe(Observation {
            frame,
            captured: now,
            now,
            width: 640,
            height: 480,
            face,
        });
    }

    pub fn mode(&self) -> Mode {
        lock(&self.follower).mode()
    }

    pub fn end(self) {
        self.stop.request(Reason::Duration);
        assert!(self.threads.join(&self.clock, LONG).is_empty());
    }
}

/// A face whose eyes are at the height of its middle, which is at pixel (x, y).
pub fn face_at(x: f32, y: f32) -> Face {
    Face {
        x: x - 40.0,
        y: y - 40.0,
        w: 80.0,
        h: 80.0,
        left_eye: Point { x: x - 20.0, y },
        right_eye: Point { x: x + 20.0, y },
        score: 0.9,
    }
}
