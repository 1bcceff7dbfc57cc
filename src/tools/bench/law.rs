//! Who decides: the controller of the service, and what it is compared with.

use std::time::Duration;

use super::at;
use super::camera::Picture;
use super::controller::Controller;
use super::mount::{ACCELERATION, Caps, SPEED};
use super::old_law::OldLaw;
use super::scenario::Scenario;
use crate::config::Config;
use crate::follow::control::{AxisFeedback, Each, Feedback, Follower, Observation};
use crate::follow::detect::Face;
use crate::follow::pose::{Gaze, Pose};
use crate::follow::servo::steps::{STEPS_PER_DEGREE, acceleration_limit, speed_limit};
use crate::follow::view::PICTURE;

/// A law of control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// The service's own: of a picture's age it knows what has passed since its arrival, and learns the rest.
    Ours,
    /// The service's own, which has learned the camera's delay in another run.
    Learned,
    /// The old tracker's PD on pixels.
    Old,
    /// The service's own, which takes every picture for one of this moment.
    Uncompensated,
    /// The service's own, told when each picture was exposed.
    Told,
    /// The servos themselves, told where the face is as soon as a picture shows it.
    Bound,
}

impl Law {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ours,
        Self::Learned,
        Self::Old,
        Self::Uncompensated,
        Self::Told,
        Self::Bound,
    ];
    /// Those that are tried unless others are asked for.
    pub const COMPARED: [Self; 3] = [Self::Ours, Self::Old, Self::Uncompensated];

    /// The name at the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Learned => "learned",
            Self::Old => "old",
            Self::Uncompensated => "uncompensated",
            Self::Told => "told",
            Self::Bound => "bound",
        }
    }

    /// The one with this name.
    ///
    /// # Errors
    /// There is none; the message lists them.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|l| l.name() == text)
            .ok_or_else(|| format!("choose one of: {}", Self::ALL.map(Self::name).join(", ")))
    }

    pub(super) fn controller(
        self,
        config: &Config,
        scenario: &'static Scenario,
        delay_ms: u32,
    ) -> Box<dyn Controller> {
        let follower = || Follower::new(&config.tracking, &config.camera, &config.servo.axes);
        let ours = |time, follower| {
            Ours {
                follower,
                time,
                caps: Caps {
                    speed: f64::from(speed_limit(config.tracking.max_speed_degrees)),
                    // The register counts hundreds.
                    acceleration: 100.0
                        * f64::from(acceleration_limit(config.tracking.max_acceleration_degrees)),
                },
            }
        };
        match self {
            Self::Ours => Box::new(ours(|p: &Picture| p.arrived, follower())),
            Self::Learned => {
                let delay = Duration::from_millis(u64::from(delay_ms));
                let learned = follower().with_learned_delay(delay);
                Box::new(ours(|p: &Picture| p.arrived, learned))
            }
            Self::Uncompensated => Box::new(ours(
                |p: &Picture| p.ready,
                follower().with_certain_delay(Duration::ZERO),
            )),
            Self::Told => Box::new(ours(
                |p: &Picture| p.exposed,
                follower().with_certain_delay(Duration::ZERO),
            )),
            Self::Old => Box::new(OldLaw::default()),
            Self::Bound => Box::new(Bound {
                scenario,
                seen: None,
                goal: None,
            }),
        }
    }
}

/// The controller of the service.
struct Ours {
    follower: Follower,
    /// When it takes a picture to have been made.
    time: fn(&Picture) -> u64,
    caps: Caps,
}

impl Controller for Ours {
    fn caps(&self) -> Caps {
        self.caps
    }

    fn gaze(&self, picture: &Picture) -> Gaze {
        self.follower.gaze(at((self.time)(picture)))
    }

    fn see(&mut self, picture: &Picture, face: Option<Face>) {
        self.follower.observe(Observation {
            frame: picture.frame,
            captured: at((self.time)(picture)),
            now: at(picture.ready),
            width: PICTURE.0,
            height: PICTURE.1,
            face,
        });
    }

    fn tick(&mut self, ms: u64, measured: Pose) -> Option<Pose> {
        let angle = Each::from(measured);
        let report = Feedback {
            at: at(ms),
            axes: Each::new(|axis| {
                Some(AxisFeedback {
                    angle: angle[axis],
                    load: 0.0,
                })
            }),
        };
        self.follower.tick(at(ms), &report).command
    }
}

/// What no law can do better: it knows the room, and is as fast as the servos. Only who is there it has to see.
struct Bound {
    scenario: &'static Scenario,
    /// When a picture last showed the face, once one did.
    seen: Option<u64>,
    goal: Option<Pose>,
}

/// What shaft and tick cost together, in seconds: the goal is where the face will be then.
const AHEAD: f64 = 0.04;
/// Where a face was not seen for longer than this it may be anywhere, in ms.
const LOST: u64 = 1000;
/// It goes home after as long as the service does, in ms.
const HOME: u64 = 10_000;

impl Controller for Bound {
    fn caps(&self) -> Caps {
        Caps {
            speed: SPEED * STEPS_PER_DEGREE,
            acceleration: ACCELERATION * STEPS_PER_DEGREE,
        }
    }

    fn see(&mut self, picture: &Picture, face: Option<Face>) {
        if face.is_some() {
            self.seen = Some(picture.ready);
        }
    }

    fn tick(&mut self, ms: u64, _: Pose) -> Option<Pose> {
        let missed = ms - self.seen?;
        if missed <= LOST {
            let ahead = self.scenario.subject(ms as f64 / 1e3 + AHEAD);
            self.goal = ahead.or(self.goal);
        } else if missed > HOME {
            self.goal = Some(Pose::HOME);
        }
        self.goal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_law_has_a_name_of_its_own() {
        for law in Law::ALL {
            assert_eq!(Law::parse(law.name()), Ok(law));
        }
        let names = Law::parse("pid").unwrap_err();
        assert!(
            names.contains("ours, learned, old, uncompensated"),
            "{names}"
        );
    }
}
