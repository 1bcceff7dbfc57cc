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
use crate::{say, say_warn};

use super::bus::{Answer, Bus};
use super::fault::Fault;
use super::health::Servo;
use super::line::Line;
use super::protocol::Limits;
use super::slew;
use super::steps::{Mounting, Steps};
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
        limits: impl Into<Limits>,
        clock: Arc<dyn Clock>,
        stats: Arc<Stats>,
    ) -> Result<Self> {
        let now = clock.now();
        let scale = bus.protocol().scale();
        let servos = configured(axes)
            .map(|(axis, config)| Servo::new(axis, config.id, Mounting::new(config, scale), now))
            .collect();
        let mut mount = Self {
            line: Line {
                bus,
                servos,
                limits: limits.into(),
                holding: false,
                clock: Arc::clone(&clock),
                stats,
            },
            sync: Some(0),
            next_check: now + CHECK,
            checked: 0,
            clock,
        };
        mount.greet()?;
        mount.line.set_all_up()?;
        Ok(mount)
    }

    /// Greets a controller that wants it; what had gone wrong there before is told.
    fn greet(&mut self) -> Result<()> {
        let bus = &mut self.line.bus;
        let Some(status) = bus.greet()? else {
            let port = bus.name();
            bail!(say!(
                "no Maestro answers on {port}: set its serial mode to \"USB Dual Port\" in the Maestro Control Center (as \
                 delivered it ignores commands by USB), or check the wires and \"servo.baud\"",
                "{port} で Maestro が応答しません。Maestro Control Center でシリアルモードを \"USB Dual Port\" に設定してください\
                 （初期設定では USB からの命令を無視します）。配線と \"servo.baud\" も確認してください"
            ));
        };
        let what = bus.protocol().complaints(status).join(", ");
        if !what.is_empty() {
            let name = bus.protocol().name();
            say_warn!(
                "{name} had stopped its pulses because of: {what}; that is cleared now",
                "{name} は次の理由でパルスを停止していました（解除しました）: {what}"
            );
        }
        Ok(())
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
            let speed = servo.mounting.scale.speed(self.line.limits.speed);
            let (counts, next) = slew::next((then, last), now, wanted, speed);
            if next != asked {
                sent[servo.axis] = servo.mounting.degrees(next);
            }
            if next != last {
                servo.goal = Some((counts, next));
                goals.push((servo.id, next));
            } else if wanted == last {
                // It rests at its goal: what it may move begins to count now.
                servo.goal = Some((counts, last));
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
                let off = self.line.bus.let_go(servo.id)?;
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
        let mut answers: Vec<(usize, Answer)> = Vec::new();
        let mut together = self.sync.is_some() && ids.len() > 1;
        if together {
            match self.line.bus.read_axes(&ids)? {
                Some(heard) => answers = places.iter().copied().zip(heard).collect(),
                None => together = false,
            }
        }
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
        let mut reading = match answer {
            Ok(reading) => reading,
            Err(fault) => return self.line.missed(i, fault),
        };
        let protocol = self.line.bus.protocol();
        // With any error such a controller sends its channels home: off, or to a position.
        let can = protocol.abilities();
        let stopped = can.answers && (reading.off || (!can.measures && reading.status != 0));
        if stopped && self.line.servos[i].goal.is_some() {
            return self.stopped(reading.status);
        }
        let servo = &mut self.line.servos[i];
        servo.place(&mut reading);
        match servo.heard(&reading, protocol, now) {
            Err(fault) => self.line.missed(i, fault),
            Ok(Some(why)) => self.line.take_out(i, why),
            Ok(None) => {
                axes[servo.axis] = Some(AxisFeedback {
                    angle: servo.mounting.degrees(reading.position),
                    load: servo.mounting.load(reading.load, servo.full_load),
                });
                Ok(())
            }
        }
    }

    /// A controller has ended its pulses, those of all axes at once. It is asked why, unless it has said so.
    fn stopped(&mut self, mut status: u16) -> Result<(), Fault> {
        if status == 0 {
            status = self.line.bus.errors(0)?;
        }
        let why = self.line.bus.protocol().complaints(status);
        let retry = self.clock.now() + LETTING_GO;
        for servo in self.line.servos.iter_mut().filter(|s| s.goal.is_some()) {
            servo.stopped(&why, retry);
        }
        self.line.stats.servo_faults.increment();
        Ok(())
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
        let held = match self.line.bus.held(id) {
            Ok(Some(held)) => held,
            // A goal that was lost on the way is not noticed: it is said again.
            Ok(None) => return self.line.bus.write_goals(&[(id, goal)]),
            Err(fault) if fault.is_line() => return Err(fault),
            Err(_) => {
                self.line.stats.servo_faults.increment();
                return Ok(());
            }
        };
        if !self.line.bus.protocol().takes_positions(held.mode) {
            return self.line.take_out(i, Unfit::Mode(held.mode));
        }
        if !held.torque {
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
