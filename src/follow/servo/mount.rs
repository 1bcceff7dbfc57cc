//! The axes on the bus: which of them answer, and how they are set up.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use log::debug;

use crate::base::clock::{Clock, Monotime};
use crate::base::stats::Stats;
use crate::base::stop::Stop;
use crate::config;
use crate::follow::control::{Axis, AxisFeedback, Each, Feedback};
use crate::follow::pose::Pose;

use super::bus::{Bus, Fault, Reading};
use super::health::{Health, Servo};
use super::steps::{self, Mounting};
use super::sts::register;
use super::wire::Wire;

/// An absent axis is looked for again after this time.
const RETRY: Duration = Duration::from_secs(3);
/// So often one of the axes is asked whether its torque is still what it was set to: a servo that lost
/// its power for a moment answers as before, but without torque.
const CHECK_TORQUE: Duration = Duration::from_secs(1);
/// Longer than what control overlooks (a quarter of a second), so that it starts such an axis anew.
const LETTING_GO: Duration = Duration::from_millis(400);

/// Safety limits inside the servos, above those of the set point.
#[derive(Debug, Clone, Copy)]
struct Caps {
    acceleration: u8,
    speed: u16,
}

/// The servos of the mount. Dropping it releases them.
pub struct Mount<W: Wire> {
    bus: Bus<W>,
    servos: Vec<Servo>,
    caps: Caps,
    /// The goal while the torque is on.
    held: Option<Pose>,
    next_check: Monotime,
    checked: usize,
    clock: Arc<dyn Clock>,
    stats: Arc<Stats>,
}

impl<W: Wire> Mount<W> {
    /// Reads every axis and sets those up that answer. Torque is left as it is.
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
            .map(|(axis, config)| Servo {
                axis,
                id: config.id,
                mounting: Mounting::new(config),
                health: Health::Absent { retry: now },
            })
            .collect();
        let mut mount = Self {
            bus,
            servos,
            caps: Caps {
                acceleration: steps::acceleration_limit(tracking.max_acceleration_degrees),
                speed: steps::speed_limit(tracking.max_speed_degrees),
            },
            held: None,
            next_check: now + CHECK_TORQUE,
            checked: 0,
            clock,
            stats,
        };
        for i in 0..mount.servos.len() {
            match mount.set_up(i) {
                Ok(reading) => mount.servos[i].found(reading.status),
                Err(fault) => mount.missed(i, fault)?,
            }
        }
        if !mount.servos.iter().any(Servo::answers) {
            let ids: Vec<String> = mount.servos.iter().map(|s| s.id.to_string()).collect();
            bail!(
                "no servo answers on {} (ids {}): check their power, the cable, \"servo.baud\" and the ids",
                mount.bus.name(),
                ids.join(", ")
            );
        }
        for servo in mount.servos.iter().filter(|s| !s.answers()) {
            servo.tell_absent();
        }
        Ok(mount)
    }

    /// The names of the axes that answer, for people.
    pub fn answering(&self) -> String {
        let names: Vec<String> = self
            .servos
            .iter()
            .filter(|s| s.answers())
            .map(|s| format!("{} (id {})", s.axis.name(), s.id))
            .collect();
        names.join(", ")
    }

    /// The name of the port, for people.
    pub fn port(&self) -> &str {
        self.bus.name()
    }

    /// Sends a goal to every axis that answers, and switches the torque on where it is off. The first
    /// goal has to be the measured pose.
    ///
    /// # Errors
    /// The line failed.
    pub fn hold(&mut self, goal: Pose) -> Result<(), Fault> {
        let begins = self.held.is_none();
        self.held = Some(goal);
        let angle = Each::from(goal);
        let goals: Vec<_> = self
            .servos
            .iter()
            .filter(|s| s.answers())
            .map(|s| (s.id, s.mounting.steps(angle[s.axis])))
            .collect();
        if goals.is_empty() {
            return Ok(());
        }
        self.bus.write_goals(&goals)?;
        if begins {
            for i in 0..self.servos.len() {
                if self.servos[i].answers()
                    && let Err(fault) = self.bus.write(self.servos[i].id, register::TORQUE, &[1])
                {
                    self.missed(i, fault)?;
                }
            }
        }
        Ok(())
    }

    /// Switches the torque off, insisting on it no longer than it takes.
    ///
    /// # Errors
    /// The line failed.
    pub fn release(&mut self) -> Result<(), Fault> {
        self.held = None;
        for servo in &self.servos {
            // One that seems absent may hear all the same.
            for _ in 0..2 {
                if self.bus.write_hastily(servo.id, register::TORQUE, &[0])? || !servo.answers() {
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
        for i in 0..self.servos.len() {
            if stop.requested() {
                break;
            }
            let read = match self.servos[i].health {
                Health::Answering { .. } => self.bus.read_axis(self.servos[i].id),
                Health::Absent { retry } if self.clock.now() >= retry => self.look_for(i),
                Health::Absent { .. } => continue,
            };
            match read {
                Ok(reading) => {
                    self.servos[i].heard(reading.status);
                    let servo = &self.servos[i];
                    axes[servo.axis] = Some(AxisFeedback {
                        angle: servo.mounting.degrees(reading.position),
                        load: servo.mounting.load(reading.load),
                    });
                }
                Err(fault) => self.missed(i, fault)?,
            }
        }
        if !self.servos.iter().any(Servo::answers) {
            bail!(
                "no servo answers on {} any more: check their power and the cable",
                self.bus.name()
            );
        }
        self.check_torque()?;
        Ok(Feedback {
            at: self.clock.now(),
            axes,
        })
    }

    /// Reads an axis and gives it its safety limits.
    fn set_up(&mut self, i: usize) -> Result<Reading, Fault> {
        let (id, caps) = (self.servos[i].id, self.caps);
        let reading = self.bus.read_axis(id)?;
        let limits: [(u8, &[u8]); 2] = [
            (register::ACCELERATION, &[caps.acceleration]),
            (register::GOAL_SPEED, &caps.speed.to_le_bytes()),
        ];
        for (register, value) in limits {
            match self.bus.write(id, register, value) {
                // A safety net that another make of servo may not have; the set point keeps the limits.
                Err(fault @ Fault::Refused { .. }) => debug!("{fault}"),
                other => other?,
            }
        }
        Ok(reading)
    }

    /// Sets an axis up that was absent, with the torque as the others have it. What it was told before
    /// does not count: its goal is where it stands.
    fn look_for(&mut self, i: usize) -> Result<Reading, Fault> {
        let reading = self.set_up(i)?;
        let id = self.servos[i].id;
        if self.held.is_some() {
            self.bus.write_goals(&[(id, reading.position)])?;
            self.bus.write(id, register::TORQUE, &[1])?;
        } else {
            self.bus.write(id, register::TORQUE, &[0])?;
        }
        Ok(reading)
    }

    fn check_torque(&mut self) -> Result<(), Fault> {
        let now = self.clock.now();
        if now < self.next_check || self.held.is_none() {
            return Ok(());
        }
        self.next_check = now + CHECK_TORQUE;
        self.checked = (self.checked + 1) % self.servos.len();
        let servo = &self.servos[self.checked];
        if !servo.answers() {
            return Ok(());
        }
        match self.bus.read(servo.id, register::TORQUE, 1) {
            Ok((_, held)) if held == [0] => {
                servo.tell_let_go();
                self.stats.servo_faults.increment();
                // Being absent for a moment makes control start anew from where it stands.
                self.servos[self.checked].health = Health::Absent {
                    retry: now + LETTING_GO,
                };
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(fault) if fault.is_line() => Err(fault),
            Err(_) => {
                self.stats.servo_faults.increment();
                Ok(())
            }
        }
    }

    /// An axis did not answer, which is a fault of that axis alone unless the line failed.
    fn missed(&mut self, i: usize, fault: Fault) -> Result<(), Fault> {
        self.stats.servo_faults.increment();
        if fault.is_line() {
            return Err(fault);
        }
        let retry = self.clock.now() + RETRY;
        self.servos[i].missed(&fault, retry);
        Ok(())
    }
}

impl<W: Wire> Drop for Mount<W> {
    fn drop(&mut self) {
        if self.held.is_some() {
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
