//! The axes on the bus: what they report, what they are told.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::base::clock::{Clock, Monotime};
use crate::base::stats::Stats;
use crate::base::stop::Stop;
use crate::config;
use crate::follow::control::{Axis, AxisFeedback, Each, Feedback};
use crate::follow::pose::Pose;
use crate::say;

use super::bus::{Answer, Bus};
use super::fault::Fault;
use super::health::Servo;
use super::line::{Caps, Line};
use super::slew;
use super::steps::{self, Mounting, Steps};
use super::sts::register;
use super::unfit::Unfit;
use super::wire::Wire;

/// So often one of the axes is asked whether torque, goal and mode are still what they were set to: a servo that lost
/// its power for a moment answers as before, but without torque, and a goal that noise has spoilt is not acknowledged.
const CHECK: Duration = Duration::from_secs(1);
/// Longer than what control overlooks (a quarter of a second), so that it starts such an axis anew.
const LETTING_GO: Duration = Duration::from_millis(400);
/// Sync reads in a row that nobody, or not everybody, has answered who answers a read of his own; then each is asked by
/// itself.
const SYNC_MISSES: u32 = 3;

/// The servos of the mount. Dropping it releases them.
pub struct Mount<W: Wire> {
    pub(super) line: Line<W>,
    /// The fastest that goals may move, in steps a second.
    speed: f64,
    /// Sync reads in a row that were in vain; none once they are given up.
    sync: Option<u32>,
    next_check: Monotime,
    checked: usize,
    clock: Arc<dyn Clock>,
}

impl<W: Wire> Mount<W> {
    /// Reads every axis and sets those up that answer. Torque is left as it is, but for an axis that must not have it.
    ///
    /// # Errors
    /// The line failed, or no axis answers.
    pub fn connect(
        bus: Bus<W>,
        axes: &config::Axes,
        tracking: &config::Tracking,
        clock: Arc<dyn Clock>,
        stats: Arc<Stats>,
    ) -> Result<Self> {
        let now = clock.now();
        let servos = configured(axes)
            .map(|(axis, config)| Servo::new(axis, config.id, Mounting::new(config), now))
            .collect();
        let mut mount = Self {
            line: Line {
                bus,
                servos,
                caps: Caps::new(tracking),
                holding: false,
                clock: Arc::clone(&clock),
                stats,
            },
            speed: steps::speed(tracking.max_speed_degrees),
            sync: Some(0),
            next_check: now + CHECK,
            checked: 0,
            clock,
        };
        mount.line.set_all_up()?;
        Ok(mount)
    }

    /// The names of the axes that answer, for people.
    pub fn answering(&self) -> String {
        let names: Vec<String> = self
            .line
            .servos
            .iter()
            .filter(|s| s.is_there())
            .map(|s| {
                let (axis, id) = (s.axis.name(), s.id);
                if s.answers() {
                    format!("{axis} (id {id})")
                } else {
                    say!(
                        "{axis} (id {id}, without torque)",
                        "{axis} (id {id}、トルクオフ)"
                    )
                }
            })
            .collect();
        names.join(", ")
    }

    /// The name of the port, for people.
    pub fn port(&self) -> &str {
        self.line.bus.name()
    }

    /// Sends a goal to every axis that answers and has another one, no farther from that than the limit of speed
    /// allows. An axis without torque gets where it stands as its first goal, and then its torque. Returns the goal as it
    /// was sent.
    ///
    /// # Errors
    /// The line failed.
    pub fn hold(&mut self, goal: Pose) -> Result<Pose, Fault> {
        self.line.holding = true;
        let angle = Each::from(goal);
        let mut sent = angle;
        let now = self.clock.now();
        let mut goals = Vec::new();
        for servo in self.line.servos.iter_mut().filter(|s| s.answers()) {
            let Some((then, last)) = servo.goal else {
                continue;
            };
            let asked = servo.mounting.steps(angle[servo.axis]);
            let (low, high) = servo.limits;
            // One that stands beyond its limits comes back from there.
            let wanted = Steps(asked.0.clamp(low.min(last.0), high.max(last.0)));
            let next = slew::next(last, now.since(then), wanted, self.speed);
            if next != asked {
                sent[servo.axis] = servo.mounting.degrees(next);
            }
            if next != last {
                servo.goal = Some((now, next));
                goals.push((servo.id, next));
            } else if wanted == last {
                // It rests at its goal: what it may move begins to count now.
                servo.goal = Some((now, last));
            }
        }
        if !goals.is_empty() {
            self.line.bus.write_goals(&goals)?;
        }
        self.line.arm()?;
        Ok(sent.into())
    }

    /// Switches the torque off, insisting on it no longer than it takes.
    ///
    /// # Errors
    /// The line failed.
    pub fn release(&mut self) -> Result<(), Fault> {
        self.line.holding = false;
        for servo in &mut self.line.servos {
            servo.goal = None;
            // One that seems absent may hear all the same.
            for _ in 0..2 {
                let off = self
                    .line
                    .bus
                    .write_hastily(servo.id, register::TORQUE, &[0])?;
                if off || !servo.answers() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Reads what the axes do. Returns early, with what it has, when a stop is requested.
    ///
    /// # Errors
    /// The line failed, or no axis answers any more.
    pub fn feedback(&mut self, stop: &Stop) -> Result<Feedback> {
        let mut axes = Each::default();
        for (i, answer) in self.read_answering(stop)? {
            self.take(i, answer, &mut axes)?;
        }
        for i in 0..self.line.servos.len() {
            if !stop.requested() && self.line.servos[i].due(self.clock.now()) {
                self.line.look_at(i)?;
            }
        }
        if !self.line.servos.iter().any(Servo::is_there) {
            bail!(
                "no servo answers on {} any more: check their power and the cable",
                self.line.bus.name()
            );
        }
        self.check()?;
        Ok(Feedback {
            at: self.clock.now(),
            axes,
        })
    }

    /// Asks all axes that are in service, by one question where they understand it.
    fn read_answering(&mut self, stop: &Stop) -> Result<Vec<(usize, Answer)>, Fault> {
        let answering = |s: &Self| -> Vec<usize> {
            (0..s.line.servos.len())
                .filter(|i| s.line.servos[*i].answers())
                .collect()
        };
        let places = answering(self);
        let ids: Vec<u8> = places.iter().map(|i| self.line.servos[*i].id).collect();
        let together = self.sync.is_some() && ids.len() > 1;
        let mut answers: Vec<(usize, Answer)> = if together {
            let answers = self.line.bus.read_axes(&ids)?;
            places.iter().copied().zip(answers).collect()
        } else {
            Vec::new()
        };
        if together && answers.iter().all(|(_, answer)| answer.is_ok()) {
            self.sync = Some(0);
            return Ok(answers);
        }
        // Nobody answered, or one does not that is about to be taken for lost: perhaps it only does not know the question.
        let nobody = answers.iter().all(|(_, answer)| answer.is_err());
        let mut unheard = false;
        for (n, i) in places.into_iter().enumerate() {
            if stop.requested() {
                break;
            }
            let alone = nobody || (answers[n].1.is_err() && self.line.servos[i].nearly_lost());
            if !alone {
                continue;
            }
            let answer = match self.line.bus.read_axis(self.line.servos[i].id) {
                Err(fault) if fault.is_line() => return Err(fault),
                answer => answer,
            };
            unheard |= together && answer.is_ok();
            match answers.get_mut(n) {
                Some(place) => place.1 = answer,
                None => answers.push((i, answer)),
            }
        }
        if unheard {
            self.sync = self.sync.map(|n| n + 1).filter(|n| *n < SYNC_MISSES);
        }
        Ok(answers)
    }

    /// Takes the answer of an axis that is in service.
    fn take(
        &mut self,
        i: usize,
        answer: Answer,
        axes: &mut Each<Option<AxisFeedback>>,
    ) -> Result<(), Fault> {
        let now = self.clock.now();
        let reading = match answer {
            Ok(reading) => reading,
            Err(fault) => return self.line.missed(i, fault),
        };
        let servo = &mut self.line.servos[i];
        match servo.heard(&reading, now) {
            Err(fault) => self.line.missed(i, fault),
            Ok(Some(why)) => self.line.take_out(i, why),
            Ok(None) => {
                axes[servo.axis] = Some(AxisFeedback {
                    angle: servo.mounting.degrees(reading.position),
                    load: servo.mounting.load(reading.load),
                });
                Ok(())
            }
        }
    }

    /// Asks one of the axes whether it is still what it was set to.
    fn check(&mut self) -> Result<(), Fault> {
        let now = self.clock.now();
        if now < self.next_check || !self.line.holding {
            return Ok(());
        }
        self.next_check = now + CHECK;
        self.checked = (self.checked + 1) % self.line.servos.len();
        let i = self.checked;
        let servo = &self.line.servos[i];
        let Some((_, goal)) = servo.goal.filter(|_| servo.answers()) else {
            return Ok(());
        };
        let id = servo.id;
        let held = match self.line.read_held(id) {
            Ok(held) => held,
            Err(fault) if fault.is_line() => return Err(fault),
            Err(_) => {
                self.line.stats.servo_faults.increment();
                return Ok(());
            }
        };
        if held.mode != 0 {
            return self.line.take_out(i, Unfit::Mode(held.mode));
        }
        if held.torque == 0 {
            self.line.servos[i].let_go(now + LETTING_GO);
            self.line.stats.servo_faults.increment();
        } else if held.goal != goal {
            // Not acknowledged, so it may have been lost on the way.
            self.line.bus.write_goals(&[(id, goal)])?;
        }
        Ok(())
    }
}

impl<W: Wire> Drop for Mount<W> {
    fn drop(&mut self) {
        if self.line.holding || self.line.servos.iter().any(|s| s.goal.is_some()) {
            // Whatever ended the loop, even a panic: servos that hold for ever burn out.
            let _ = self.release();
        }
    }
}

/// The axes that exist, with their configuration.
pub fn configured(axes: &config::Axes) -> impl Iterator<Item = (Axis, &config::Axis)> {
    [
        (Axis::Pan, Some(&axes.pan)),
        (Axis::Roll, axes.roll.as_ref()),
        (Axis::Tilt, Some(&axes.tilt)),
    ]
    .into_iter()
    .filter_map(|(axis, config)| Some((axis, config?)))
}
