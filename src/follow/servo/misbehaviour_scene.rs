//! A scene for servos that misbehave: the loop that drives them in virtual time, judged by the bytes that leave it.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::clock::{Clock, ManualClock, Monotime};
use crate::base::stats::Stats;
use crate::base::stop::{Stop, lock};
use crate::config::Config;
use crate::follow::control::{Axis, Follower, Observation};
use crate::follow::optics::Optics;
use crate::follow::pose::Pose;
use crate::follow::view;

use super::bus::Bus;
use super::drive::PERIOD;
use super::health::Health;
use super::model::Model;
use super::mount::Mount;
use super::protocol::sts::{self, Sts, instruction, register};
use super::script::{Script, Sent};
use super::steps::{self, STEPS_PER_DEGREE};

/// What becomes of the answers to a frame.
pub type Spoil = Box<dyn FnMut(&[u8], Vec<Vec<u8>>) -> io::Result<Vec<Vec<u8>>> + Send>;

/// Three servos, the loop that drives them, and a face that walks to and fro; in virtual time.
pub struct Scene {
    pub config: Config,
    pub clock: Arc<ManualClock>,
    pub models: Arc<Mutex<Vec<Model>>>,
    pub spoil: Arc<Mutex<Spoil>>,
    pub late: Arc<Mutex<Duration>>,
    /// The frames and, as what a servo had told before them, its position.
    pub seen: Arc<Mutex<Vec<Sight>>>,
    pub mount: Option<Mount<Script>>,
    pub follower: Follower,
    pub stats: Arc<Stats>,
    /// Why a connection ended.
    pub ends: Vec<String>,
}

/// A frame on the line, and what the servos told last.
pub struct Sight {
    pub at: Monotime,
    pub frame: Vec<u8>,
    pub told: HashMap<u8, i32>,
}

impl Scene {
    pub fn new(change: impl Fn(&mut Vec<Model>)) -> Self {
        let clock = ManualClock::shared(Duration::from_secs(100));
        let mut models: Vec<Model> = (1..=3)
            .map(|id| Model::new(id, 2048.0, clock.now()))
            .collect();
        change(&mut models);
        let config = Config::default();
        Self {
            follower: Follower::new(&config.tracking, &config.camera, &config.servo.axes)
                .with_certain_delay(Duration::ZERO),
            config,
            clock,
            models: Arc::new(Mutex::new(models)),
            spoil: Arc::new(Mutex::new(Box::new(|_, answers| Ok(answers)))),
            late: Arc::default(),
            seen: Arc::default(),
            mount: None,
            stats: Arc::default(),
            ends: Vec::new(),
        }
    }

    pub fn spoiled(
        self,
        spoil: impl FnMut(&[u8], Vec<Vec<u8>>) -> io::Result<Vec<Vec<u8>>> + Send + 'static,
    ) -> Self {
        *lock(&self.spoil) = Box::new(spoil);
        self
    }

    pub fn connect(&mut self) -> anyhow::Result<Mount<Script>> {
        let (models, spoil, seen) = (
            Arc::clone(&self.models),
            Arc::clone(&self.spoil),
            Arc::clone(&self.seen),
        );
        let clock = Arc::clone(&self.clock);
        let mut told = HashMap::new();
        let mut script = Script::new(&self.clock, move |sent| {
            let now = clock.now();
            lock(&seen).push(Sight {
                at: now,
                frame: sent.to_vec(),
                told: told.clone(),
            });
            let frame = sts::find(sent, |_, _| true).expect("a frame that is none was sent");
            let answers = lock(&models)
                .iter_mut()
                .filter_map(|m| m.answer(now, frame.id, frame.kind, frame.parameters))
                .collect();
            let answers = lock(&spoil)(sent, answers)?;
            for answer in answers
                .iter()
                .filter(|a| asks_position(sent) && a.len() > 10)
            {
                told.insert(answer[2], sts::signed(sts::word(answer[5], answer[6]), 15));
            }
            Ok(answers)
        });
        script.late = Arc::clone(&self.late);
        script.sent = Sent::default();
        Mount::connect(
            Bus::new(script, &Sts, Arc::clone(&self.clock) as Arc<dyn Clock>),
            &self.config.servo.axes,
            &self.config.tracking,
            Arc::clone(&self.clock) as Arc<dyn Clock>,
            Arc::clone(&self.stats),
        )
    }

    /// Where the camera looks.
    pub fn pose(&self) -> Pose {
        let models = lock(&self.models);
        let of = |i: usize| (models[i].position() - 2048.0) / STEPS_PER_DEGREE;
        Pose {
            pan: of(0),
            roll: of(1),
            tilt: of(2),
        }
    }

    /// Lets the loop run, as [`super::ServoLoop`] does.
    pub fn run(&mut self, seconds: u64) {
        let stop = Stop::new();
        let end = self.clock.now() + Duration::from_secs(seconds);
        let optics = Optics::new(&self.config.camera);
        for frame in 0.. {
            let now = self.clock.now();
            if now >= end {
                return;
            }
            let t = now.seconds_since(Monotime::from_zero(Duration::ZERO));
            let room = Pose {
                pan: 25.0 * (t * 1.3).sin(),
                tilt: 10.0 * (t * 0.7).cos(),
                roll: 10.0 * t.sin(),
            };
            self.follower.observe(Observation {
                frame,
                captured: now,
                now,
                width: 640,
                height: 480,
                face: view::face(&optics, self.pose(), room, 100.0),
            });
            if let Err(e) = self.tick(&stop) {
                self.ends.push(format!("{e:#}"));
                self.mount = None;
                self.follower.disconnected();
                self.clock.advance(Duration::from_millis(500));
            }
            let spent = self.clock.now().since(now);
            self.clock.advance(PERIOD.saturating_sub(spent));
        }
    }

    pub fn tick(&mut self, stop: &Stop) -> anyhow::Result<()> {
        if self.mount.is_none() {
            self.mount = Some(self.connect()?);
        }
        let Some(mount) = &mut self.mount else {
            return Ok(());
        };
        let feedback = mount.feedback(stop)?;
        match self.follower.tick(self.clock.now(), &feedback).command {
            Some(command) => {
                mount.hold(command)?;
            }
            None if mount.line.holding => mount.release()?,
            None => {}
        }
        Ok(())
    }

    pub fn health(&self, axis: Axis) -> Option<Health> {
        let servos = &self.mount.as_ref()?.line.servos;
        servos.iter().find(|s| s.axis == axis).map(|s| s.health)
    }

    pub fn serves(&self, axis: Axis) -> bool {
        matches!(self.health(axis), Some(Health::Answering { .. }))
    }

    pub fn unfit(&self, axis: Axis) -> bool {
        matches!(self.health(axis), Some(Health::Unfit { .. }))
    }

    /// How often torque was given to a servo.
    pub fn armed(&self, id: u8) -> usize {
        let seen = lock(&self.seen);
        let on = sts::write(id, register::TORQUE, &[1]);
        seen.iter().filter(|sight| sight.frame == on).count()
    }

    /// The goals of a servo.
    pub fn goals(&self, id: u8) -> Vec<i32> {
        let seen = lock(&self.seen);
        seen.iter()
            .flat_map(|sight| goals(&sight.frame))
            .filter(|(i, _)| *i == id)
            .map(|(_, goal)| goal)
            .collect()
    }

    /// No goal is a step beyond the limit of speed, and the first one is where the servo has just told that it stands.
    pub fn judge(&self) {
        let speed = steps::STS.speed(self.config.tracking.max_speed_degrees);
        let mut last: HashMap<u8, (Monotime, i32)> = HashMap::new();
        let mut said = 0;
        for sight in lock(&self.seen).iter() {
            if sight.frame[4] == instruction::WRITE
                && sight.frame[5] == register::TORQUE
                && sight.frame[6] == 0
            {
                last.remove(&sight.frame[2]);
            }
            for (id, goal) in goals(&sight.frame) {
                said += 1;
                let told = sight.told.get(&id).copied();
                assert!((0..=4095).contains(&goal), "servo {id} to {goal}");
                let within = last.get(&id).is_some_and(|(then, before)| {
                    let most = speed * sight.at.seconds_since(*then) + 1.0;
                    f64::from((goal - before).abs()) <= most
                });
                assert!(
                    within || told == Some(goal),
                    "servo {id} from {:?} to {goal} at {:?}, stands at {told:?}",
                    last.get(&id),
                    sight.at
                );
                last.insert(id, (sight.at, goal));
            }
        }
        assert!(said > 0, "no goal at all");
    }
}

/// The goals in a frame.
pub fn goals(frame: &[u8]) -> Vec<(u8, i32)> {
    let word = |at: &[u8]| i32::from(sts::word(at[0], at[1]));
    match (frame[4], frame[5]) {
        (instruction::WRITE, register::GOAL_POSITION) => vec![(frame[2], word(&frame[6..]))],
        (instruction::SYNC_WRITE, register::GOAL_POSITION) => frame[7..frame.len() - 1]
            .chunks(3)
            .map(|entry| (entry[0], word(&entry[1..])))
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether an answer is one of servo `id` to a question about its position.
pub fn tells_position(sent: &[u8], answer: &[u8], id: u8) -> bool {
    asks_position(sent) && answer.len() > 10 && answer[2] == id
}

pub fn asks_position(sent: &[u8]) -> bool {
    [instruction::READ, instruction::SYNC_READ].contains(&sent[4])
        && sent[5] == register::PRESENT_POSITION
}

/// The same answer with another position.
pub fn moved(answer: &[u8], position: i32) -> Vec<u8> {
    let mut data = answer[5..answer.len() - 1].to_vec();
    let sign = if position < 0 { 0x8000 } else { 0 };
    data[..2].copy_from_slice(&(position.unsigned_abs() as u16 | sign).to_le_bytes());
    sts::frame(answer[2], answer[4], &data)
}
