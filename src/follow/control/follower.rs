//! What the mount does: homing, resting, following, holding.

use std::time::Duration;

use crate::base::clock::Monotime;
use crate::config;
use crate::follow::detect::Face;

use super::axis::{AxisControl, AxisFeedback, Goal, Heard};
use super::each::{Axis, Each};
use super::profile::Motion;
use super::sight::Sight;
use crate::follow::optics::{Optics, to_room};
use crate::follow::pose::{Pose, PoseHistory};

/// What was seen in one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Number of the captured frame.
    pub frame: u64,
    /// When it was captured.
    pub captured: Monotime,
    /// When its result is handed over.
    pub now: Monotime,
    /// Width of the picture in pixels.
    pub width: u32,
    /// Height of the picture in pixels.
    pub height: u32,
    /// The face that is followed, if it was found.
    pub face: Option<Face>,
}

/// What the axes reported.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Feedback {
    /// When it was measured.
    pub at: Monotime,
    /// None for an axis that does not exist or does not answer.
    pub axes: Each<Option<AxisFeedback>>,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Action {
    /// Whether the servos are to hold themselves. When this becomes true, `command` is the measured
    /// pose: it has to be their goal before their torque is switched on.
    pub torque: bool,
    /// The goal; none while the torque is off.
    pub command: Option<Pose>,
    /// The newest picture that went into the command, told once.
    pub uses_frame: Option<u64>,
    /// The axis that was just found to press against its mechanical end.
    pub pressing: Option<Axis>,
}

/// What the mount is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// No axis reports.
    Absent,
    /// On the way straight ahead; the set point has stood still since.
    Homing {
        /// Since when; none while it moves.
        still: Option<Monotime>,
    },
    /// Straight ahead with the torque off.
    Resting,
    /// After the face, or its prediction where it was missed.
    Following {
        /// When the face was last seen.
        seen: Monotime,
    },
    /// Standing where the face was lost.
    Holding {
        /// When the face was last seen.
        seen: Monotime,
    },
}

/// A face that is missed is followed by prediction for this long.
const COAST: Duration = Duration::from_millis(300);
/// So much time the axes have to arrive at home after their set point; a blocked one may never.
const HOME_PATIENCE: Duration = Duration::from_secs(3);
/// Home is reached within this many degrees.
const HOME_REACHED: f64 = 1.5;
/// After a longer pause between two ticks the servos have come to rest at their goal.
const PAUSE: Duration = Duration::from_millis(100);
/// A picture that is older shows nothing of now.
const STALE: Duration = Duration::from_secs(1);
/// A face counts as centred up to this offset in degrees.
pub const ON_TARGET: f64 = 2.0;

/// Turns what the camera sees into what the servos do. Pure: it neither waits nor reads a clock.
///
/// The vision thread reports pictures with [`observe`](Self::observe), the servo thread asks at a steady
/// pace with [`tick`](Self::tick).
#[derive(Debug)]
pub struct Follower {
    optics: Optics,
    home_after: Duration,
    axes: Each<AxisControl>,
    history: PoseHistory,
    mode: Mode,
    ticked: Option<Monotime>,
    heard: Option<Monotime>,
    /// When a face was last seen since the mount is there.
    face: Option<Monotime>,
    /// The newest picture that no command has used yet.
    unused: Option<u64>,
    /// Whether the pictures come from a recording.
    recording: bool,
}

impl Follower {
    /// A follower for this camera on this mount.
    #[must_use]
    pub fn new(tracking: &config::Tracking, camera: &config::Camera, axes: &config::Axes) -> Self {
        let motion = Motion::new(
            tracking.max_speed_degrees,
            tracking.max_acceleration_degrees,
            tracking.gain,
        );
        let of = |axis| match axis {
            Axis::Pan => Some(&axes.pan),
            Axis::Roll => axes.roll.as_ref(),
            Axis::Tilt => Some(&axes.tilt),
        };
        let dead_zone = |axis| match axis {
            Axis::Roll => tracking.dead_zone_roll_degrees,
            Axis::Pan | Axis::Tilt => tracking.dead_zone_degrees,
        };
        Self {
            optics: Optics::new(camera),
            home_after: Duration::from_secs_f64(tracking.home_after.clamp(0.0, 1e9)),
            axes: Each::new(|axis| AxisControl::new(of(axis), dead_zone(axis), motion)),
            history: PoseHistory::default(),
            mode: Mode::Absent,
            ticked: None,
            heard: None,
            face: None,
            unused: None,
            recording: false,
        }
    }

    /// The pictures are a recording, which does not answer to the mount: what is right in them stays
    /// right however the mount is inclined, and the speed of a face in the room cannot be told.
    #[must_use]
    pub fn watching_a_recording(mut self) -> Self {
        self.recording = true;
        self
    }

    /// Takes the result of a picture. True if the face is within [`ON_TARGET`] degrees of its middle.
    ///
    /// The face is placed in the room by the pose that the mount had when the picture was taken, so that
    /// neither the camera's nor the detector's delay makes the mount overshoot.
    pub fn observe(&mut self, seen: Observation) -> bool {
        let sight = seen
            .face
            .and_then(|face| Sight::of(&face, &self.optics, seen.width, seen.height));
        let captured = seen.captured.min(seen.now);
        self.unused = Some(seen.frame);
        let Some(sight) = sight else {
            return false;
        };
        if let (Some(pose), true) = (
            self.history.at(captured),
            seen.now.since(captured) <= STALE && self.mode != Mode::Absent,
        ) {
            let gone = self.face.is_none_or(|last| seen.now.since(last) > COAST);
            // A face that stands still in a recording seems to run ahead of the mount: its speed there
            // is the mount's own, and to follow it would be to flee from oneself.
            if gone || self.recording {
                for axis in Axis::ALL {
                    self.axes[axis].forget_face();
                }
            }
            let inclination = sight.inclination.unwrap_or(0.0);
            let rolled = if self.recording { 0.0 } else { pose.roll };
            let room = Each::from(to_room(pose, rolled, sight.direction, inclination));
            self.axes.pan.see(captured, room.pan);
            self.axes.tilt.see(captured, room.tilt);
            if sight.inclination.is_some() {
                self.axes.roll.see(captured, room.roll);
            }
            self.face = Some(seen.now);
        }
        sight.centred(ON_TARGET)
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
        self.mode = self.next(now);
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
                Mode::Following { .. } => Goal::Face,
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
        Action {
            torque: true,
            command: Some(Each::new(|axis| self.axes[axis].set_point()).into()),
            uses_frame: self.unused.take(),
            pressing,
        }
    }

    /// The connection to the servos is lost. Nothing of before is continued when it is back.
    pub fn disconnected(&mut self) {
        self.mode = Mode::Absent;
        self.history.clear();
        self.face = None;
        self.ticked = None;
        for axis in Axis::ALL {
            self.axes[axis].forget();
        }
    }

    /// The last measured pose; none without servos.
    #[must_use]
    pub fn measured(&self) -> Option<Pose> {
        self.history.latest()
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
            self.history.push(at, pose.into());
        }
        heard
    }

    /// The mode that follows from the present one.
    fn next(&self, now: Monotime) -> Mode {
        let alive = |axis: &Axis| self.axes[*axis].alive(now);
        if !Axis::ALL.iter().any(alive) {
            return Mode::Absent;
        }
        if let Some(seen) = self.face
            && now.since(seen) <= COAST
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
            Mode::Resting => Mode::Resting,
            Mode::Following { seen } | Mode::Holding { seen } => {
                if now.since(seen) >= self.home_after {
                    Mode::Homing { still: None }
                } else {
                    Mode::Holding { seen }
                }
            }
        }
    }
}
