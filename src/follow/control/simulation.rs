//! The whole loop in a room of numbers: camera with latency, servos with lag, no threads.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::clock::Monotime;
use crate::config::{self, Config};
use crate::follow::detect::Face;

use super::latency::News;
use super::{Action, AxisFeedback, Each, Feedback, Follower, Observation};
use crate::follow::optics::Optics;
use crate::follow::pose::Pose;
use crate::follow::view;

pub(super) fn at(ms: u64) -> Monotime {
    // Not at the clock's zero, so that times before the start exist.
    Monotime::from_zero(Duration::from_millis(10_000 + ms))
}

pub(super) fn config(gain: f64) -> Config {
    let mut config = Config::default();
    config.tracking.gain = gain;
    config
}

pub(super) fn follower(config: &Config) -> Follower {
    Follower::new(&config.tracking, &config.camera, &config.servo.axes)
}

pub(super) fn report(at: Monotime, pose: Pose) -> Feedback {
    let angle = Each::from(pose);
    Feedback {
        at,
        axes: Each::new(|axis| {
            Some(AxisFeedback {
                angle: angle[axis],
                load: 0.0,
            })
        }),
    }
}

/// A face of `room` as a camera at `pose` sees it; none outside of the picture.
pub(super) fn picture(camera: &config::Camera, pose: Pose, room: Pose) -> Option<Face> {
    view::face(&Optics::new(camera), pose, room, 100.0)
}

/// What a run of the loop has shown.
pub(super) struct Run {
    /// Time in ms, true room pose of the face, true pose of the mount.
    pub(super) samples: Vec<(u64, Pose, Pose)>,
    pub(super) actions: Vec<Action>,
    /// What was known of the delay in the end.
    pub(super) delay: Option<Duration>,
    /// What became known of it, and when, in ms.
    pub(super) delays: Vec<(u64, News)>,
}

pub(super) struct Room {
    pub(super) config: Config,
    /// From light to result, in ms.
    pub(super) latency: u64,
    /// How much of that the camera does not tell, in ms.
    pub(super) hidden: u64,
    /// What was learned before of the hidden part, in ms.
    pub(super) learned: Option<u64>,
    /// From when on (ms) the camera is another one: latency and hidden part.
    pub(super) later: Option<(u64, u64, u64)>,
    /// The true field of view, where it is not the configured one.
    pub(super) seen_through: Option<f64>,
    /// Time between two pictures in ms, and how many of a hundred are lost.
    pub(super) every: u64,
    pub(super) lost: u32,
    /// Time constant of the servos in ms.
    pub(super) lag: f64,
    /// Largest detection noise in degrees.
    pub(super) noise: f64,
    /// By how many ms a picture comes earlier or later than it should, at most.
    pub(super) jitter: u64,
    /// Whether the pan axis turns the other way than it reports.
    pub(super) inverted: bool,
}

impl Room {
    pub(super) fn new(gain: f64, latency: u64) -> Self {
        Self {
            config: config(gain),
            latency,
            hidden: 0,
            learned: None,
            later: None,
            seen_through: None,
            every: 33,
            lost: 0,
            lag: 50.0,
            noise: 0.1,
            jitter: 0,
            inverted: false,
        }
    }

    pub(super) fn run(&self, until: u64, room: impl Fn(u64) -> Option<Pose>) -> Run {
        let mut follower = follower(&self.config);
        if let Some(ms) = self.learned {
            follower.recall(Duration::from_millis(ms));
        }
        let (mut mount, mut goal) = (Pose::HOME, None);
        let mut on_the_way: VecDeque<(u64, Observation)> = VecDeque::new();
        let mut run = Run {
            samples: Vec::new(),
            actions: Vec::new(),
            delay: None,
            delays: Vec::new(),
        };
        let mut lens = self.config.camera.clone();
        lens.fov_degrees = self.seen_through.unwrap_or(lens.fov_degrees);
        let mut random = fastrand::Rng::with_seed(7);
        for ms in 0..until {
            // 1 ms of a first-order servo.
            if let Some(goal) = goal {
                mount = mount.towards(goal, 1.0 - (-1.0 / self.lag).exp());
            }
            let (latency, hidden) = match self.later {
                Some((from, latency, hidden)) if ms >= from => (latency, hidden),
                _ => (self.latency, self.hidden),
            };
            if ms % self.every == 0 && random.u32(0..100) >= self.lost {
                let face = room(ms).and_then(|room| {
                    let mut shake = || (random.f64() * 2.0 - 1.0) * self.noise;
                    let shaken = Pose {
                        pan: room.pan + shake(),
                        tilt: room.tilt + shake(),
                        roll: room.roll + shake() * 5.0,
                    };
                    let side = if self.inverted { -1.0 } else { 1.0 };
                    let looks = Pose {
                        pan: side * mount.pan,
                        ..mount
                    };
                    picture(&lens, looks, shaken)
                });
                let late = if self.jitter > 0 {
                    random.u64(0..=2 * self.jitter)
                } else {
                    self.jitter
                };
                // Pictures do not overtake each other, nor come before they are made.
                let early = self.jitter.min(hidden);
                let (latency, hidden) = (latency + late - early, hidden + late - early);
                let before = on_the_way.back().map_or(0, |(due, _)| *due);
                let latency = latency.max(before.saturating_sub(ms));
                on_the_way.push_back((
                    ms + latency,
                    Observation {
                        frame: ms / self.every,
                        captured: at(ms + hidden),
                        now: at(ms + latency),
                        width: 640,
                        height: 480,
                        face,
                    },
                ));
            }
            while on_the_way.front().is_some_and(|(due, _)| *due <= ms) {
                if let Some((_, seen)) = on_the_way.pop_front() {
                    follower.observe(seen);
                }
            }
            if ms % 20 == 0 {
                let action = follower.tick(at(ms), &report(at(ms), mount));
                goal = action.command;
                run.actions.push(action);
                run.delays
                    .extend(follower.take_news().map(|news| (ms, news)));
            }
            if let Some(room) = room(ms) {
                run.samples.push((ms, room, mount));
            }
        }
        run.delay = follower.delay();
        run
    }
}

impl Run {
    /// Seconds after `start` from which the face stays within 2 degrees, and by how much it was passed.
    pub(super) fn settling(&self, start: u64, side: f64) -> (f64, f64) {
        let after = || self.samples.iter().filter(|(ms, ..)| *ms >= start);
        let offset = |room: &Pose, mount: &Pose| {
            (room.pan - mount.pan)
                .abs()
                .max((room.tilt - mount.tilt).abs())
        };
        let last = after()
            .filter(|(_, room, mount)| offset(room, mount) > 2.0)
            .map(|(ms, ..)| *ms)
            .max()
            .unwrap_or(start);
        let passed = after()
            .map(|(_, room, mount)| (mount.pan - room.pan) * side)
            .fold(0.0, f64::max);
        ((last - start) as f64 / 1e3, passed)
    }

    /// Root of the mean squared error in pan, in degrees, after `start`.
    pub(super) fn rms(&self, start: u64) -> f64 {
        let squares: Vec<f64> = self
            .samples
            .iter()
            .filter(|(ms, ..)| *ms >= start)
            .map(|(_, room, mount)| (room.pan - mount.pan).powi(2))
            .collect();
        (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
    }
}

pub(super) fn observation(ms: u64, face: Option<Face>) -> Observation {
    Observation {
        frame: ms / 20,
        captured: at(ms),
        now: at(ms),
        width: 640,
        height: 480,
        face,
    }
}
