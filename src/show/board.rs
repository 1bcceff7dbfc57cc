//! What is shown: a plain copy of how things stand at one moment.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::attend::last_tap::{LastTap, TapShown};
use crate::base::card_status::{CardStatus, Server};
use crate::base::clock::Monotime;
use crate::base::stop::lock;
use crate::follow::control::{Each, Follower, Mode};
use crate::follow::optics::{Direction, Optics};
use crate::follow::pose::Pose;
use crate::follow::preview::Shown;
use crate::watch::monitor::Latest;

/// A warning of the monitor is shown for so long; what it is about may be over.
const WARNED: Duration = Duration::from_secs(600);

/// Where it is copied from.
pub struct Sources {
    /// What the mount does.
    pub follower: Arc<Mutex<Follower>>,
    /// The last tap.
    pub last_tap: Arc<LastTap>,
    /// The monitor's warnings.
    pub latest: Arc<Latest>,
    /// Taps and the server.
    pub card_status: Arc<CardStatus>,
    /// The lens.
    pub optics: Optics,
    /// The dead zone of pan and tilt, in degrees to each side.
    pub dead_zone_degrees: f64,
    /// Whether there is a camera by the configuration.
    pub camera: bool,
    /// Whether there are servos by the configuration.
    pub servos: bool,
}

/// How things stand.
#[derive(Debug, Clone)]
pub struct Board {
    /// The newest picture; none where none has come lately.
    pub shown: Option<Arc<Shown>>,
    /// Half the width and half the height of the dead zone, in pixels of that picture.
    pub dead_zone: (f64, f64),
    /// Whether there is a camera by the configuration.
    pub camera: bool,
    /// Whether there are servos by the configuration.
    pub servos: bool,
    /// What the mount does.
    pub mode: Mode,
    /// Where it stands; none without servos.
    pub pose: Option<Pose>,
    /// Load of each axis, from -1 to 1.
    pub loads: Each<Option<f64>>,
    /// The last tap, and how long ago it was.
    pub tap: Option<(TapShown, Duration)>,
    /// The monitor's warnings of the last minutes, the newest first.
    pub warnings: Vec<String>,
    /// The server.
    pub server: Server,
    /// Taps that the server does not have yet.
    pub waiting: u64,
    /// Taps that the server has rejected or that are held up.
    pub troubled: u64,
}

impl Sources {
    /// How things stand `now`, with the picture that is to be shown.
    #[must_use]
    pub fn board(&self, now: Monotime, shown: Option<Arc<Shown>>) -> Board {
        let dead_zone = shown
            .as_ref()
            .map_or((0.0, 0.0), |s| self.dead_zone(s.size));
        // Held for three copies, no longer.
        let (mode, pose, loads) = {
            let follower = lock(&self.follower);
            (follower.mode(), follower.measured(), follower.loads(now))
        };
        let warnings = self.latest.warnings().into_iter();
        Board {
            shown,
            dead_zone,
            camera: self.camera,
            servos: self.servos,
            mode,
            pose: pose.filter(|_| mode != Mode::Absent),
            loads,
            tap: self.last_tap.get().map(|tap| {
                let ago = now.since(tap.at);
                (tap, ago)
            }),
            warnings: warnings
                .filter(|w| now.since(w.at) < WARNED)
                .map(|w| w.text)
                .collect(),
            server: self.card_status.server(),
            waiting: self.card_status.waiting(),
            troubled: self.card_status.rejected() + self.card_status.held_up(),
        }
    }

    fn dead_zone(&self, (width, height): (u32, u32)) -> (f64, f64) {
        let (width, height) = (f64::from(width), f64::from(height));
        let corner = Direction {
            right: self.dead_zone_degrees,
            up: -self.dead_zone_degrees,
        };
        self.optics
            .pixel(corner, width, height)
            .map_or((0.0, 0.0), |(x, y)| (x - width / 2.0, y - height / 2.0))
    }
}
