//! The mount: three servos with limits, lag, steps and play between their gears.

use crate::config;
use crate::follow::control::{Axis, Each};
use crate::follow::pose::Pose;
use crate::follow::servo::shaft::{Limits, Shaft};
use crate::follow::servo::steps::{Mounting, STEPS_PER_DEGREE, STS, Steps};

/// Highest speed of a servo in degrees a second.
pub(super) const SPEED: f64 = 180.0;
/// Highest acceleration of a servo in degrees a second squared.
pub(super) const ACCELERATION: f64 = 1000.0;
/// The shaft follows its regulator with this time constant, in seconds.
const LAG: f64 = 0.03;
/// How far the camera can be turned while the shaft stands, in degrees from one end of the play to the other.
const BACKLASH: f64 = 0.3;
/// Steps from the centre to the mechanical ends, about 70 degrees.
const END: f64 = 800.0;

/// What a law writes into the registers of speed and acceleration, in steps/s and steps/s^2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Caps {
    pub speed: f64,
    pub acceleration: f64,
}

/// The goals of the servos in steps; none where the torque is off.
pub(super) type Goals = Option<Each<Steps>>;

#[derive(Debug, Clone, Copy)]
struct Servo {
    mounting: Mounting,
    shaft: Shaft,
    /// Where the camera is, in steps.
    camera: f64,
}

/// Three servos that carry a camera.
#[derive(Debug)]
pub(super) struct Mount {
    servos: Each<Servo>,
    limits: Limits,
    goals: Goals,
}

impl Mount {
    /// A mount that stands straight ahead with its torque off.
    pub fn new(axes: &config::Axes, caps: Caps) -> Self {
        let servo = |axis| {
            let config = match axis {
                Axis::Pan => &axes.pan,
                Axis::Roll => axes.roll.as_ref().unwrap_or(&axes.pan),
                Axis::Tilt => &axes.tilt,
            };
            let mounting = Mounting::new(config, STS);
            let centre = f64::from(mounting.steps(0.0).0);
            Servo {
                mounting,
                shaft: Shaft::at(centre),
                camera: centre,
            }
        };
        Self {
            servos: Each::new(servo),
            limits: Limits {
                speed: caps.speed.min(SPEED * STEPS_PER_DEGREE),
                acceleration: caps.acceleration.min(ACCELERATION * STEPS_PER_DEGREE),
                lag: LAG,
                ends: (2048.0 - END, 2048.0 + END),
            },
            goals: None,
        }
    }

    /// How an angle becomes steps.
    pub fn goals(&self, pose: Pose) -> Each<Steps> {
        let angle = Each::from(pose);
        Each::new(|axis| self.servos[axis].mounting.steps(angle[axis]))
    }

    /// Takes new goals.
    pub fn aim(&mut self, goals: Goals) {
        self.goals = goals;
    }

    /// Lets `h` seconds pass.
    pub fn step(&mut self, h: f64) {
        let play = BACKLASH / 2.0 * STEPS_PER_DEGREE;
        for axis in Axis::ALL {
            let goal = self.goals.map(|goals| f64::from(goals[axis].0));
            let servo = &mut self.servos[axis];
            servo.shaft.step(h, goal, self.limits);
            // The shaft takes the camera along where the play ends.
            let shaft = servo.shaft.position();
            servo.camera = servo.camera.clamp(shaft - play, shaft + play);
        }
    }

    /// What the servos report: whole steps of their shafts.
    pub fn measured(&self) -> Pose {
        self.pose(|servo| servo.shaft.position().round())
    }

    /// Where the shafts are.
    pub fn shafts(&self) -> Pose {
        self.pose(|servo| servo.shaft.position())
    }

    /// Where the camera looks.
    pub fn camera(&self) -> Pose {
        self.pose(|servo| servo.camera)
    }

    fn pose(&self, steps: impl Fn(&Servo) -> f64) -> Pose {
        let angle = |axis: Axis| {
            let servo = &self.servos[axis];
            servo.mounting.exact_degrees(steps(servo))
        };
        Each::new(angle).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const UNLIMITED: Caps = Caps {
        speed: 1e9,
        acceleration: 1e9,
    };

    fn mount(caps: Caps) -> Mount {
        Mount::new(&Config::default().servo.axes, caps)
    }

    fn pan(pan: f64) -> Pose {
        Pose { pan, ..Pose::HOME }
    }

    /// The most that speed and acceleration of pan reach, with goals that change each 20 ms.
    fn fastest(caps: Caps, goal: impl Fn(u32) -> f64) -> (f64, f64) {
        let mut mount = mount(caps);
        let (mut speed, mut acceleration) = (0.0_f64, 0.0_f64);
        let (mut before, mut was) = (0.0, 0.0);
        for ms in 0..10_000 {
            if ms % 20 == 0 {
                mount.aim(Some(mount.goals(pan(goal(ms)))));
            }
            mount.step(1e-3);
            let now = mount.shafts().pan;
            let speed_now = (now - before) / 1e-3;
            speed = speed.max(speed_now.abs());
            acceleration = acceleration.max((speed_now - was).abs() / 1e-3);
            (before, was) = (now, speed_now);
        }
        (speed, acceleration)
    }

    #[test]
    fn never_faster_than_180_degrees_a_second_nor_1000_a_second_squared() {
        let mut random = fastrand::Rng::with_seed(3);
        let any: Vec<f64> = (0..500).map(|_| random.f64() * 100.0 - 50.0).collect();
        let goals: [&dyn Fn(u32) -> f64; 4] = [
            &|_| 50.0,
            &|ms| if ms / 1000 % 2 == 0 { 50.0 } else { -50.0 },
            &|ms| if ms / 100 % 2 == 0 { 50.0 } else { -50.0 },
            &|ms| any[ms as usize / 20],
        ];
        for goal in goals {
            let (speed, acceleration) = fastest(UNLIMITED, goal);
            assert!(speed <= SPEED + 1e-3, "{speed}");
            assert!(acceleration <= ACCELERATION + 0.1, "{acceleration}");
            assert!(
                acceleration > 900.0,
                "{acceleration}: the limit is not used"
            );
        }
        // There and back over 100 degrees the full speed is reached.
        assert!(fastest(UNLIMITED, goals[1]).0 > 179.0);
    }

    #[test]
    fn a_law_may_ask_for_less() {
        let caps = Caps {
            speed: 200.0,
            acceleration: 500.0,
        };
        let (speed, acceleration) = fastest(caps, |ms| if ms < 5000 { 50.0 } else { -50.0 });
        assert!((speed - 200.0 / STEPS_PER_DEGREE).abs() < 0.01, "{speed}");
        assert!(
            acceleration <= 500.0 / STEPS_PER_DEGREE + 0.1,
            "{acceleration}"
        );
    }

    #[test]
    fn the_camera_hangs_behind_by_the_play_and_comes_to_rest_on_a_step() {
        let mut mount = mount(UNLIMITED);
        for (goal, side) in [(20.0, -1.0), (-20.0, 1.0)] {
            mount.aim(Some(mount.goals(pan(goal))));
            (0..2000).for_each(|_| mount.step(1e-3));
            let (shaft, camera) = (mount.shafts().pan, mount.camera().pan);
            assert!(
                (shaft - goal).abs() < 0.5 / STEPS_PER_DEGREE + 1e-3,
                "{shaft}"
            );
            assert!(
                (camera - shaft - side * BACKLASH / 2.0).abs() < 1e-3,
                "{camera} {shaft}"
            );
            let step = mount.measured().pan * STEPS_PER_DEGREE;
            assert!((step - step.round()).abs() < 1e-9, "{step}");
        }
    }

    #[test]
    fn without_torque_nothing_moves_any_more() {
        let mut mount = mount(UNLIMITED);
        mount.aim(Some(mount.goals(pan(40.0))));
        (0..150).for_each(|_| mount.step(1e-3));
        mount.aim(None);
        let before = mount.camera();
        (0..1000).for_each(|_| mount.step(1e-3));
        assert_eq!(mount.camera(), before);
        assert!(before.pan > 1.0 && before.pan < 39.0);
    }
}
