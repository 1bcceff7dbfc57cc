//! Where in the room a face was, told from its picture: when that was taken, and where the mount stood then.

use std::time::Duration;

use super::each::Each;
use super::latency::Latency;
use super::latency::cadence::Cadence;
use super::sight::Sight;
use crate::base::clock::Monotime;
use crate::config;
use crate::follow::optics::{Optics, to_room};
use crate::follow::pose::{Gaze, Pose, PoseHistory};

/// By so much the time of a picture may be off, in seconds; while the mount moves that makes an angle.
const JITTER: f64 = 0.012;
/// Degrees a second from which on it is better to wait for the end of the movement than to believe what is seen in it.
const FAST: f64 = 100.0;

/// By how many degrees a picture may be off that was taken at this speed of the mount.
fn blur(speed: f64) -> f64 {
    speed.abs() * JITTER * (1.0 + (speed / FAST).powi(2))
}

/// A face in the room.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    /// When its picture was taken.
    pub taken: Monotime,
    /// The pose that would centre it upright.
    pub room: Each<f64>,
    /// By how many degrees that may be off, as the mount was moving.
    pub blur: Each<f64>,
    /// It has nothing to do with what was placed before, as far as its speed is concerned.
    pub alone: bool,
}

/// What a picture has told.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// The delay is another one than before: nothing that was placed until now counts.
    pub relearned: bool,
    /// Where the face was; none where that cannot be told.
    pub placed: Option<Placed>,
}

/// Knows the lens, the poses of the last seconds, and the delay of the camera.
#[derive(Debug)]
pub struct Locator {
    optics: Optics,
    cadence: Cadence,
    /// By how much the camera is late.
    pub latency: Latency,
    /// Where the mount was.
    pub history: PoseHistory,
    recording: bool,
}

impl Locator {
    /// Through this camera.
    #[must_use]
    pub fn new(camera: &config::Camera) -> Self {
        Self {
            optics: Optics::new(camera),
            cadence: Cadence::default(),
            latency: Latency::new(camera.latency_ms),
            history: PoseHistory::default(),
            recording: false,
        }
    }

    /// The pictures do not answer to the mount, so there is nothing to learn from them.
    pub fn watch_a_recording(&mut self) {
        self.recording = true;
        self.latency.be_certain(Duration::ZERO);
    }

    /// The projection of the camera.
    #[must_use]
    pub const fn optics(&self) -> &Optics {
        &self.optics
    }

    /// When the picture with this number was taken, which is stamped with `at`, but for the delay.
    pub fn steady(&mut self, number: u64, at: Monotime) -> Monotime {
        if self.recording {
            return at;
        }
        self.cadence.steady(number, at)
    }

    /// Finds where in the room that is. None before the mount has told where it stands.
    pub fn see(&mut self, sight: &Sight, captured: Monotime) -> Option<Told> {
        let rolled = self.rolled(captured)?;
        let level = to_room(Pose::HOME, rolled, sight.direction, 0.0);
        let relearned = self
            .latency
            .see(captured, [level.pan, level.tilt], &self.history);
        let placed = self.place(sight, captured, rolled);
        Some(Told { relearned, placed })
    }

    fn place(&self, sight: &Sight, captured: Monotime, rolled: f64) -> Option<Placed> {
        let (taken, always) = self.latency.moment(captured, &self.history)?;
        let pose = self.history.at(taken)?;
        let inclination = sight.inclination.unwrap_or(0.0);
        Some(Placed {
            taken,
            room: to_room(pose, rolled, sight.direction, inclination).into(),
            blur: Each::from(self.history.speed(taken)).map(blur),
            // A face that stands still in a recording seems to run ahead of the mount: its speed there is the mount's own,
            // and to follow it would be to flee from oneself. And where only some of the pictures count, they tell of no
            // speed.
            alone: self.recording || !always,
        })
    }

    /// How the picture was rolled.
    fn rolled(&self, captured: Monotime) -> Option<f64> {
        if self.recording {
            return Some(0.0);
        }
        let delay = self.latency.known().unwrap_or_default();
        self.history.at(captured - delay).map(|pose| pose.roll)
    }

    /// Where the camera looked when a picture with this time stamp was taken.
    #[must_use]
    pub fn gaze(&self, captured: Monotime) -> Gaze {
        if self.recording {
            return Gaze::Fixed;
        }
        let taken = self.latency.moment(captured, &self.history);
        let known = taken.and_then(|(taken, _)| Some((self.history.at(taken)?, taken)));
        known.map_or(Gaze::Unknown, |(pose, taken)| {
            let speed = self.history.speed(taken);
            let speed = speed.pan.abs().max(speed.tilt.abs()).max(speed.roll.abs());
            Gaze::Known { pose, speed }
        })
    }

    /// The connection to the servos is lost.
    pub fn disconnected(&mut self) {
        self.history.clear();
        self.latency.disconnected();
    }
}
