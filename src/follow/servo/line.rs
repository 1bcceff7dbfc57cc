//! The servos on one line: how they come into service and leave it. A servo is looked at, gets its limits, then where it
//! stands as its goal, then torque.

use std::sync::Arc;

use anyhow::{Result, bail};
use log::debug;

use crate::base::clock::Clock;
use crate::base::stats::Stats;
use crate::config;

use super::bus::Bus;
use super::fault::{Fault, all_broken};
use super::health::{Health, Servo};
use super::steps::{self, Steps, within_reach};
use super::sts::{self, register};
use super::survey::{Found, survey};
use super::unfit::Unfit;
use super::wire::Wire;

/// Safety limits inside the servos, above those of the set point.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    acceleration: u8,
    speed: u16,
}

impl Caps {
    /// For these limits of the set point.
    pub fn new(tracking: &config::Tracking) -> Self {
        Self {
            acceleration: steps::acceleration_limit(tracking.max_acceleration_degrees),
            speed: steps::speed_limit(tracking.max_speed_degrees),
        }
    }
}

/// The servos on one line.
pub struct Line<W: Wire> {
    pub(super) bus: Bus<W>,
    pub(super) servos: Vec<Servo>,
    pub(super) caps: Caps,
    /// Whether the torque is to be on.
    pub(super) holding: bool,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stats: Arc<Stats>,
}

impl<W: Wire> Line<W> {
    /// Looks at every axis at the start of a connection.
    pub(super) fn set_all_up(&mut self) -> Result<()> {
        let mut faults: Vec<Option<Fault>> = Vec::new();
        for i in 0..self.servos.len() {
            faults.push(match self.set_up(i, true) {
                Ok(()) => None,
                Err(fault) if fault.is_line() => return Err(fault.into()),
                Err(fault) => Some(fault),
            });
        }
        let all_broken = all_broken(faults.iter().map(Option::as_ref));
        for (i, fault) in faults.into_iter().enumerate() {
            match fault {
                None => {}
                // The line is sound: the others are heard well, or do not speak at all.
                Some(fault @ Fault::NeverWhole { .. }) if !all_broken => {
                    debug!("{fault}");
                    self.take_out(i, Unfit::Shared)?;
                }
                Some(fault) => {
                    debug!("{fault}");
                    self.missed_at_first(i, fault)?;
                }
            }
        }
        if !self.servos.iter().any(Servo::is_there) {
            let ids: Vec<String> = self.servos.iter().map(|s| s.id.to_string()).collect();
            let (name, ids) = (self.bus.name(), ids.join(", "));
            if all_broken {
                bail!(
                    "every servo on {name} answers with broken bytes (ids {ids}): check \"servo.baud\", the cable, and that no two \
                     servos have one id"
                );
            }
            bail!(
                "no servo answers on {name} (ids {ids}): check their power, the cable, \"servo.baud\" and the ids"
            );
        }
        Ok(())
    }

    fn missed_at_first(&mut self, i: usize, fault: Fault) -> Result<(), Fault> {
        // Where nobody is there at all, the port is what is told of.
        if self.servos.iter().any(Servo::is_there) {
            self.servos[i].tell_absent(Some(&fault));
        }
        self.missed(i, fault)
    }

    /// Looks at an axis that is not in service, and takes it up if it is fit.
    pub(super) fn look_at(&mut self, i: usize) -> Result<(), Fault> {
        match self.set_up(i, false) {
            Ok(()) => Ok(()),
            Err(Fault::NeverWhole { .. }) if self.others_are_clear(i) => {
                self.take_out(i, Unfit::Shared)
            }
            Err(fault) => self.missed(i, fault),
        }
    }

    fn others_are_clear(&self, i: usize) -> bool {
        let mut others = self.servos.iter().enumerate().filter(|(n, _)| *n != i);
        others.any(|(_, servo)| servo.answers())
    }

    /// Looks at an axis, gives it its safety limits and takes it up. One that is not fit loses its torque, before
    /// anything is written to it: in speed mode the limit of the speed would be its speed.
    fn set_up(&mut self, i: usize, first: bool) -> Result<(), Fault> {
        let id = self.servos[i].id;
        let found = survey(&mut self.bus, id, first)?;
        if let Some(why) = found.unfit(id, self.servos[i].mounting.range()) {
            return self.take_out(i, why);
        }
        let limits: [(u8, &[u8]); 2] = [
            (register::ACCELERATION, &[self.caps.acceleration]),
            (register::GOAL_SPEED, &self.caps.speed.to_le_bytes()),
        ];
        for (register, value) in limits {
            match self.bus.write(id, register, value) {
                // A safety net that another make of servo may not have; the set point keeps the limits.
                Err(fault @ Fault::Refused { .. }) => debug!("{fault}"),
                other => other?,
            }
        }
        self.look_again(i, found, first)
    }

    /// A position that is to be the first goal has to be told twice.
    fn look_again(&mut self, i: usize, found: Found, first: bool) -> Result<(), Fault> {
        let id = self.servos[i].id;
        let began = self.clock.now();
        let reading = self.bus.read_axis(id)?;
        let now = self.clock.now();
        let (from, to) = (found.reading.position, reading.position);
        if !within_reach(from, to, now.since(began).as_secs_f64()) {
            return Err(Fault::Jumps { id, from, to });
        }
        if !first && !self.holding {
            self.bus.write(id, register::TORQUE, &[0])?;
        }
        self.servos[i].found(&Found { reading, ..found }, now, first);
        Ok(())
    }

    /// Gives torque to the axes that are in service and have none. Where an axis stands becomes its goal before that,
    /// and is read back: goals are not acknowledged, and with an old one the servo would jump.
    pub(super) fn arm(&mut self) -> Result<(), Fault> {
        let now = self.clock.now();
        let waiting: Vec<usize> = (0..self.servos.len())
            .filter(|i| {
                let servo = &self.servos[*i];
                // Told in this very tick.
                let fresh = matches!(servo.health, Health::Answering { missed: 0, .. });
                servo.goal.is_none() && fresh && servo.position.is_some()
            })
            .collect();
        let goals: Vec<_> = waiting
            .iter()
            .filter_map(|i| Some((self.servos[*i].id, self.servos[*i].position?.1)))
            .collect();
        if goals.is_empty() {
            return Ok(());
        }
        self.bus.write_goals(&goals)?;
        for (i, (id, goal)) in waiting.into_iter().zip(goals) {
            let armed = self.read_held(id).and_then(|held| {
                if held.mode != 0 {
                    return Ok(Some(Unfit::Mode(held.mode)));
                }
                if held.goal != goal {
                    self.bus
                        .write(id, register::GOAL_POSITION, &goal.register())?;
                }
                self.bus.write(id, register::TORQUE, &[1])?;
                Ok(None)
            });
            match armed {
                Ok(None) => self.servos[i].goal = Some((now, goal)),
                Ok(Some(why)) => self.take_out(i, why)?,
                Err(fault) => self.missed(i, fault)?,
            }
        }
        Ok(())
    }

    /// Takes an axis out of service and its torque away.
    pub(super) fn take_out(&mut self, i: usize, why: Unfit) -> Result<(), Fault> {
        if self.servos[i].is_unfit(why, self.clock.now()) {
            self.stats.servo_faults.increment();
        }
        for _ in 0..3 {
            let id = self.servos[i].id;
            if self.bus.write_hastily(id, register::TORQUE, &[0])? {
                break;
            }
        }
        Ok(())
    }

    /// An axis did not answer, which is a fault of that axis alone unless the line failed.
    pub(super) fn missed(&mut self, i: usize, fault: Fault) -> Result<(), Fault> {
        self.stats.servo_faults.increment();
        if fault.is_line() {
            return Err(fault);
        }
        self.servos[i].missed(&fault, self.clock.now());
        Ok(())
    }

    /// What a servo is set to do.
    pub(super) fn read_held(&mut self, id: u8) -> Result<Held, Fault> {
        const COUNT: u8 = register::GOAL_POSITION + 2 - register::MODE;
        let (_, bytes) = self.bus.read(id, register::MODE, COUNT)?;
        Held::parse(&bytes).ok_or(Fault::Garbled { id, bytes })
    }
}

/// What a servo is set to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Operating mode.
    pub mode: u8,
    /// Torque: 0 is off.
    pub torque: u8,
    /// The goal.
    pub goal: Steps,
}

impl Held {
    /// From registers 33 to 43.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let at = |register: u8| bytes.get(usize::from(register - register::MODE)).copied();
        let goal = sts::word(
            at(register::GOAL_POSITION)?,
            at(register::GOAL_POSITION + 1)?,
        );
        Some(Self {
            mode: at(register::MODE)?,
            torque: at(register::TORQUE)?,
            goal: Steps(sts::signed(goal, 15)),
        })
    }
}
