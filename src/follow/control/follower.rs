//! What the mount does: homing, resting, following, holding.

use std::time::Duration;

use super::axis::{AxisControl, Bounds, Goal, Heard};
use super::each::{Axis, Each};
use super::estimator::Assumed;
use super::latency::News;
use super::locator::Locator;
use super::messages::{Action, Feedback, Mode, Observation};
use super::profile::{Motion, Range};
use super::rest::Stillness;
use super::sight::Sight;
use crate::base::clock::Monotime;
use crate::config;
use crate::follow::pose::{Gaze, Pose};

/// A face that is missed is followed by prediction for this long.
const COAST: Duration = Duration::from_millis(300);
/// So much time the axes have to arrive at home after their set point; a blocked one may never.
const HOME_PATIENCE: Duration = Duration::from_secs(3);
/// Home is reached within this many degrees.
const HOME_REACHED: f64 = 1.5;
/// A face that is lost while the camera's delay is doubted is waited for no longer than this.
const THROWN_OUT: Duration = Duration::from_secs(1);
/// After a longer pause between two ticks the servos have come to rest at their goal.
const PAUSE: Duration = Duration::from_millis(100);
/// A face has moved when it is so many dead zones away: what an axis leaves its rest for.
const MOVED: f64 = 1.5;
/// What is assumed of faces. Two eyes are near to each other, so their inclination is far noisier than where they are.
const DIRECTION: Assumed = Assumed {
    noise: 0.15,
    unrest: 500.0,
    first_speed: 15.0,
    top_speed: 120.0,
};
/// Its speed is of no use.
const INCLINATION: Assumed = Assumed {
    noise: 2.0,
    unrest: 40.0,
    first_speed: 5.0,
    top_speed: 0.0,
};
/// A face that is not seen is predicted by so much beyond the delay of the camera, in seconds, and in all by no more than
/// this: people change their mind.
const COASTING: f64 = 0.27;
const FARTHEST: f64 = 0.6;

/// A picture that is older shows nothing of now.
const STALE: Duration = Duration::from_secs(1);
/// A face counts as centred up to this offset in degrees.
pub const ON_TARGET: f64 = 2.0;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, 1e9))
}

/// After how long, and within how many degrees, a face has not moved.
fn motionless(tracking: &config::Tracking) -> (Duration, f64) {
    // With no dead zone at all, what a detector's box trembles.
    let tolerance = MOVED * tracking.dead_zone_degrees.max(0.5);
    (seconds(tracking.rest_after), tolerance)
}

/// What the configuration says of an axis.
fn bounds(axis: Axis, tracking: &config::Tracking, axes: &config::Axes) -> Bounds {
    let (axis, dead_zone) = match axis {
        Axis::Pan => (Some(&axes.pan), tracking.dead_zone_degrees),
        Axis::Roll => (axes.roll.as_ref(), tracking.dead_zone_roll_degrees),
        Axis::Tilt => (Some(&axes.tilt), tracking.dead_zone_degrees),
    };
    Bounds {
        // One that does not exist stays at 0.
        range: Range {
            low: axis.map_or(0.0, |a| a.min),
            high: axis.map_or(0.0, |a| a.max),
        },
        dead_zone,
        motion: Motion::new(
            tracking.max_speed_degrees,
            tracking.max_acceleration_degrees,
            tracking.gain,
        ),
    }
}

/// Turns what the camera sees into what the servos do. Pure: it neither waits nor reads a clock.
///
/// The vision thread reports pictures with [`observe`](Self::observe), the servo thread asks at a steady
/// pace with [`tick`](Self::tick).
#[derive(Debug)]
pub struct Follower {
    locator: Locator,
    home_after: Duration,
    axes: Each<AxisControl>,
    mode: Mode,
    ticked: Option<Monotime>,
    heard: Option<Monotime>,
    /// When a face was last seen since the mount is there.
    face: Option<Monotime>,
    /// Whether it moves.
    stillness: Stillness,
    /// Whether the mount rests before a face that does not.
    rests_before_it: bool,
    /// The newest picture that no command has used yet.
    unused: Option<u64>,
}

impl Follower {
    /// A follower for this camera on this mount.
    #[must_use]
    pub fn new(tracking: &config::Tracking, camera: &config::Camera, axes: &config::Axes) -> Self {
        let (rest_after, tolerance) = motionless(tracking);
        let assumed = |axis| match axis {
            Axis::Roll => INCLINATION,
            Axis::Pan | Axis::Tilt => DIRECTION,
        };
        Self {
            locator: Locator::new(camera),
            home_after: seconds(tracking.home_after),
            axes: Each::new(|axis| AxisControl::new(bounds(axis, tracking, axes), assumed(axis))),
            mode: Mode::Absent,
            ticked: None,
            heard: None,
            face: None,
            stillness: Stillness::new(rest_after, tolerance),
            rests_before_it: false,
            unused: None,
        }
    }

    /// Takes another configuration over; what is known of faces and mount stays.
    pub fn retune(&mut self, tracking: &config::Tracking, axes: &config::Axes) {
        let (rest_after, tolerance) = motionless(tracking);
        self.home_after = seconds(tracking.home_after);
        self.stillness.retune(rest_after, tolerance);
        for axis in Axis::ALL {
            self.axes[axis].retune(bounds(axis, tracking, axes));
        }
    }

    /// The pictures are a recording, which does not answer to the mount: what is right in them stays
    /// right however the mount is inclined, and the speed of a face in the room cannot be told.
    #[must_use]
    pub fn watching_a_recording(mut self) -> Self {
        self.locator.watch_a_recording();
        self
    }

    /// Pictures are later than their time stamps by so much, whatever happens: nothing is learned, and nothing doubted.
    #[must_use]
    pub fn with_certain_delay(mut self, delay: Duration) -> Self {
        self.locator.latency.be_certain(delay);
        self
    }

    /// Begins with a delay that was learned before; one that the configuration names has precedence.
    #[must_use]
    pub fn with_learned_delay(mut self, delay: Duration) -> Self {
        self.recall(delay);
        self
    }

    /// Takes over what another run has learned, unless the delay is known already. True if it is used.
    pub fn recall(&mut self, delay: Duration) -> bool {
        let recalled = self.locator.latency.recall(delay);
        if recalled {
            self.forget_face();
        }
        recalled
    }

    /// Takes the result of a picture. True if the face is within [`ON_TARGET`] degrees of its middle.
    ///
    /// The face is placed in the room by the pose that the mount had when the picture was taken, so that
    /// neither the camera's nor the detector's delay makes the mount overshoot.
    pub fn observe(&mut self, seen: Observation) -> bool {
        let sight = seen
            .face
            .and_then(|face| Sight::of(&face, self.locator.optics(), seen.width, seen.height));
        let captured = self
            .locator
            .steady(seen.frame, seen.captured.min(seen.now))
            .min(seen.now);
        self.unused = Some(seen.frame);
        let Some(sight) = sight else {
            return false;
        };
        if seen.now.since(captured) <= STALE && self.mode != Mode::Absent {
            self.locate(&sight, captured, seen.now);
        }
        sight.centred(ON_TARGET)
    }

    fn locate(&mut self, sight: &Sight, captured: Monotime, now: Monotime) {
        let Some(told) = self.locator.see(sight, captured) else {
            return;
        };
        let gone = self.face.is_none_or(|last| now.since(last) > COAST);
        self.face = Some(now);
        if gone || told.relearned {
            self.forget_face();
        }
        let Some(placed) = told.placed else {
            return;
        };
        if placed.alone {
            self.forget_face();
        }
        let (taken, room, blur) = (placed.taken, placed.room, placed.blur);
        self.stillness.see(now, [room.pan, room.tilt]);
        self.axes.pan.see(taken, room.pan, blur.pan);
        self.axes.tilt.see(taken, room.tilt, blur.tilt);
        if sight.inclination.is_some() {
            self.axes.roll.see(taken, room.roll, blur.roll);
        }
    }

    fn forget_face(&mut self) {
        for axis in Axis::ALL {
            self.axes[axis].forget_face();
        }
    }

    /// Decides what to do now. To be called at a steady pace, with the newest report of the axes.
    pub fn tick(&mut self, now: Monotime, feedback: &Feedback) -> Action {
        let dt = match self.ticked.replace(now) {
            Some(last) if now.since(last) <= PAUSE => now.since(last).as_secs_f64(),
            Some(_) => {
                for axis in Axis::ALL {
                    self.axes[axis].halt();
                }
                0.0
            }
            None => 0.0,
        };
        let heard = self.hear(now, feedback);
        let pressing = heard
            .iter()
            .find(|(_, heard)| **heard == Heard::Pressing)
            .map(|(axis, _)| axis);
        let held = self.torque();
        let mode = self.next(now);
        let from_face = matches!(self.mode, Mode::Following { .. } | Mode::Holding { .. });
        self.rests_before_it = mode == Mode::Resting && (self.rests_before_it || from_face);
        self.mode = mode;
        if !self.torque() {
            return Action {
                torque: false,
                command: None,
                uses_frame: None,
                pressing,
            };
        }
        if held {
            let goal = match self.mode {
                Mode::Following { .. } => Goal::Face {
                    reach: self.reach(),
                },
                Mode::Homing { .. } => Goal::Home,
                Mode::Holding { .. } | Mode::Absent | Mode::Resting => Goal::Stand,
            };
            for axis in Axis::ALL {
                // An axis that has just come back is where it is; it moves with the next tick.
                if heard[axis] != Heard::Return {
                    self.axes[axis].advance(now, dt, goal);
                }
            }
        } else {
            // The measured position is the first set point; movement begins with the next tick.
            for axis in Axis::ALL {
                self.axes[axis].rest_where_it_is();
            }
        }
        self.watch(now);
        Action {
            torque: true,
            command: Some(Each::new(|axis| self.axes[axis].set_point()).into()),
            uses_frame: self.unused.take(),
            pressing,
        }
    }

    /// By how many seconds the face is predicted at most.
    fn reach(&self) -> f64 {
        let delay = self.locator.latency.known().unwrap_or_default();
        (delay.as_secs_f64() + COASTING).min(FARTHEST)
    }

    /// Looks whether the mount swings.
    fn watch(&mut self, now: Monotime) {
        if !matches!(self.mode, Mode::Following { .. }) {
            self.locator.latency.interrupt();
        } else if self
            .locator
            .latency
            .watch(now, [self.axes.pan.set_point(), self.axes.tilt.set_point()])
        {
            self.forget_face();
        }
    }

    /// How late the camera is beyond what the time stamps of its pictures tell; none while that is not known.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.locator.latency.known()
    }

    /// The same, where it was learned and not configured.
    #[must_use]
    pub fn learned_delay(&self) -> Option<Duration> {
        self.locator.latency.learned()
    }

    /// What has become known of that since the last call.
    pub fn take_news(&mut self) -> Option<News> {
        self.locator.latency.take_news()
    }

    /// The connection to the servos is lost. Nothing of before is continued when it is back.
    pub fn disconnected(&mut self) {
        self.mode = Mode::Absent;
        self.locator.disconnected();
        self.stillness.clear();
        self.face = None;
        self.ticked = None;
        for axis in Axis::ALL {
            self.axes[axis].forget();
        }
    }

    /// Where the camera looked when a picture with this time stamp was taken.
    #[must_use]
    pub fn gaze(&self, captured: Monotime) -> Gaze {
        if self.mode == Mode::Absent {
            return Gaze::Fixed;
        }
        self.locator.gaze(captured)
    }

    /// The last measured pose; none without servos.
    #[must_use]
    pub fn measured(&self) -> Option<Pose> {
        self.locator.history.latest()
    }

    /// The load of each axis, from -1 to 1; none for one that does not report.
    #[must_use]
    pub fn loads(&self, now: Monotime) -> Each<Option<f64>> {
        Each::new(|axis| self.axes[axis].load(now))
    }

    /// Whether there is a face for which servos without torque are to be woken.
    #[must_use]
    pub fn is_called(&self, now: Monotime) -> bool {
        self.face.is_some_and(|seen| now.since(seen) <= COAST) && !self.stillness.is_motionless()
    }

    /// Whether the servos are without torque since the face before them has not moved for long.
    #[must_use]
    pub const fn rests_before_a_face(&self) -> bool {
        self.rests_before_it
    }

    /// From where a picture may have been taken that is stamped with `at`: least and greatest angles; none without servos.
    #[must_use]
    pub fn views(&self, at: Monotime) -> Option<(Pose, Pose)> {
        self.locator.latency.views(at, &self.locator.history)
    }

    /// What the mount is doing.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    fn torque(&self) -> bool {
        !matches!(self.mode, Mode::Absent | Mode::Resting)
    }

    /// Takes the report of the axes; an old one again says nothing.
    fn hear(&mut self, now: Monotime, feedback: &Feedback) -> Each<Heard> {
        let at = feedback.at.min(now);
        if self.heard.is_some_and(|last| at <= last) {
            return Each::default();
        }
        self.heard = Some(at);
        let heard = Each::new(|axis| self.axes[axis].hear(at, feedback.axes[axis]));
        if Axis::ALL.iter().any(|axis| self.axes[*axis].alive(at)) {
            let pose = Each::new(|axis| self.axes[axis].measured().unwrap_or(0.0));
            self.locator.history.push(at, pose.into());
        }
        heard
    }

    /// The mode that follows from the present one.
    fn next(&self, now: Monotime) -> Mode {
        let alive = |axis: &Axis| self.axes[*axis].alive(now);
        if !Axis::ALL.iter().any(alive) {
            return Mode::Absent;
        }
        let unseen = self.face.map(|seen| now.since(seen));
        let seen_now = unseen.is_some_and(|time| time <= COAST);
        let motionless = self.stillness.is_motionless();
        if let Some(seen) = self.face
            && seen_now
            && !motionless
        {
            return Mode::Following { seen };
        }
        match self.mode {
            Mode::Absent => Mode::Homing { still: None },
            Mode::Homing { still } => {
                let moving = Axis::ALL.iter().filter(|a| alive(a));
                let at_rest = moving.clone().all(|a| self.axes[*a].at_rest());
                let home = moving
                    .clone()
                    .all(|a| self.axes[*a].near_home(HOME_REACHED));
                match (at_rest, still) {
                    (true, Some(_)) if home => Mode::Resting,
                    (true, Some(since)) if now.since(since) >= HOME_PATIENCE => Mode::Resting,
                    (true, None) => Mode::Homing { still: Some(now) },
                    (true, still) => Mode::Homing { still },
                    (false, _) => Mode::Homing { still: None },
                }
            }
            Mode::Resting
                if self.rests_before_it && unseen.is_none_or(|t| t >= self.home_after) =>
            {
                Mode::Homing { still: None }
            }
            Mode::Resting => Mode::Resting,
            Mode::Following { .. } | Mode::Holding { .. } if motionless && seen_now => {
                Mode::Resting
            }
            Mode::Following { seen } | Mode::Holding { seen } => {
                // Who goes by a wrong delay throws the face out of its picture, and waits where nobody is.
                let doubts = self.locator.latency.doubts();
                let wait = if doubts { THROWN_OUT } else { Duration::MAX };
                if now.since(seen) >= self.home_after.min(wait) {
                    Mode::Homing { still: None }
                } else {
                    Mode::Holding { seen }
                }
            }
        }
    }
}
