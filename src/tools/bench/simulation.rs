//! One run: a law, a mount and a camera in virtual time, millisecond by millisecond.

use std::collections::VecDeque;

use super::at;
use super::camera::{Camera, Picture};
use super::controller::Controller;
use super::law::Law;
use super::mount::Mount;
use super::scenario::Scenario;
use crate::config::Config;
use crate::follow::control::Each;
use crate::follow::optics::Optics;
use crate::follow::pose::Pose;
use crate::follow::servo::drive::PERIOD;
use crate::follow::servo::steps::Steps;
use crate::follow::track::{Tracker, View};
use crate::follow::view::PICTURE;

/// Time between two samples of a recording, in ms.
pub const SAMPLE_MS: u64 = 10;
/// The camera's field of view in degrees.
const FIELD_OF_VIEW: f64 = 65.0;

/// What was so at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Seconds since the start.
    pub seconds: f64,
    /// Where the face that is to be followed truly is; none while nobody is there.
    pub face: Option<Pose>,
    /// Where the camera truly looks.
    pub camera: Pose,
    /// Where the shafts of the servos are.
    pub shafts: Pose,
    /// The goals of the servos in steps; none where the torque is off.
    pub goals: Option<Each<Steps>>,
}

/// A run, sampled every [`SAMPLE_MS`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recording {
    /// From the start to the end.
    pub samples: Vec<Sample>,
    /// How often another person was followed than before.
    pub switches: u32,
}

fn config() -> Config {
    let mut config = Config::default();
    config.camera.fov_degrees = FIELD_OF_VIEW;
    config
}

/// Makes a run.
#[must_use]
pub fn run(scenario: &'static Scenario, delay_ms: u32, law: Law, seed: u64) -> Recording {
    let config = config();
    let controller = law.controller(&config, scenario, delay_ms);
    play(scenario, delay_ms, seed, &config, controller)
}

/// Who is followed, person by person.
struct Attention {
    tracker: Tracker,
    optics: Optics,
    person: Option<usize>,
    switches: u32,
}

impl Attention {
    /// Shows a picture to the tracker as the service does, and the face that it follows to the controller.
    fn take(&mut self, picture: &Picture, controller: &mut dyn Controller) {
        let faces: Vec<_> = picture.faces.iter().map(|(_, face)| *face).collect();
        let gaze = controller.gaze(picture);
        let view = View::new(self.optics, PICTURE, gaze);
        let tracked = self
            .tracker
            .update(at(picture.ready), &faces, view, !gaze.moves());
        let followed = tracked.iter().find(|f| f.followed).map(|f| f.face);
        let person = picture
            .faces
            .iter()
            .find(|(_, face)| Some(*face) == followed)
            .map(|(person, _)| *person);
        if let Some(person) = person {
            let before = self.person.replace(person);
            self.switches += u32::from(before.is_some_and(|b| b != person));
        }
        controller.see(picture, followed);
    }
}

pub(super) fn play(
    scenario: &'static Scenario,
    delay_ms: u32,
    seed: u64,
    config: &Config,
    mut controller: Box<dyn Controller>,
) -> Recording {
    let mut camera = Camera::new(scenario, &config.camera, delay_ms, seed);
    let mut mount = Mount::new(&config.servo.axes, controller.caps());
    let mut attention = Attention {
        tracker: Tracker::default(),
        optics: Optics::new(&config.camera),
        person: None,
        switches: 0,
    };
    let mut on_the_way: VecDeque<Picture> = VecDeque::new();
    let mut goals = None;
    let mut samples = Vec::new();
    let period = PERIOD.as_millis() as u64;
    for ms in 0..u64::from(scenario.seconds) * 1000 {
        mount.step(1e-3);
        on_the_way.extend(camera.look(ms, mount.camera()));
        while on_the_way.front().is_some_and(|p| p.ready <= ms) {
            if let Some(picture) = on_the_way.pop_front() {
                attention.take(&picture, controller.as_mut());
            }
        }
        if ms % period == 0 {
            let goal = controller.tick(ms, mount.measured());
            goals = goal.map(|pose| mount.goals(pose));
            mount.aim(goals);
        }
        if ms % SAMPLE_MS == 0 {
            let seconds = ms as f64 / 1e3;
            samples.push(Sample {
                seconds,
                face: scenario.subject(seconds),
                camera: mount.camera(),
                shafts: mount.shafts(),
                goals,
            });
        }
    }
    Recording {
        samples,
        switches: attention.switches,
    }
}
