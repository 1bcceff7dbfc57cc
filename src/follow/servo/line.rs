//! The servos on one line: how they come into service and leave it. A servo is looked at, gets its limits, then where it
//! stands as its goal, then torque.

use std::sync::Arc;

use anyhow::{Result, bail};
use log::debug;

use crate::base::clock::Clock;
use crate::base::stats::Stats;

use super::bus::Bus;
use super::fault::{Fault, all_broken};
use super::health::{Health, Servo};
use super::port::holder_of;
use super::protocol::Limits;
use super::survey::{Found, survey};
use super::unfit::Unfit;
use super::wire::Wire;

/// The servos on one line.
pub struct Line<W: Wire> {
    pub(super) bus: Bus<W>,
    pub(super) servos: Vec<Servo>,
    /// Limits of the set point; those inside the servos lie above them.
    pub(super) limits: Limits,
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
        let echo = faults
            .iter()
            .all(|fault| matches!(fault, Some(Fault::Echo { .. })));
        for (i, fault) in faults.into_iter().enumerate() {
            match fault {
                None => {}
                Some(Fault::Foreign { value, .. }) => self.take_out(i, Unfit::Foreign(value))?,
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
            if echo {
                bail!(
                    "no servo answers on {name} (ids {ids}): only what is sent comes back. The adapter echoes, so its line works: \
                     check the servos' power, the ids, and the wire on which answers come"
                );
            }
            // Answers go to whoever reads first.
            if let Some(program) = holder_of(name) {
                bail!(
                    "no servo answers on {name} (ids {ids}): another program has the port open as well, {program}; end it"
                );
            }
            if all_broken {
                bail!(
                    "every servo on {name} answers with broken bytes (ids {ids}): check \"servo.baud\", the cable, and that no two \
                     servos have one id"
                );
            }
            bail!(
                "no servo answers on {name} (ids {ids}): check their power, the cable, \"servo.baud\", \"servo.protocol\" and \
                 the ids"
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
            Err(Fault::Foreign { value, .. }) => self.take_out(i, Unfit::Foreign(value)),
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
        let protocol = self.bus.protocol();
        let mut found = survey(&mut self.bus, id, first)?;
        self.servos[i].place(&mut found.reading);
        if let Some(why) = found.unfit(protocol, id, self.servos[i].mounting.range()) {
            if why == Unfit::Complains(protocol.overload()) {
                self.reboot(i)?;
            }
            return self.take_out(i, why);
        }
        for order in protocol.limits(&self.limits, &found.settings) {
            match self.bus.write(id, &order) {
                // A safety net that another make of servo may not have; the set point keeps the limits.
                Err(fault @ Fault::Refused { .. }) => debug!("{fault}"),
                other => other?,
            }
        }
        self.look_again(i, found, first)
    }

    /// Starts a servo anew that has latched an overload and knows such an order, but not for ever.
    fn reboot(&mut self, i: usize) -> Result<(), Fault> {
        let id = self.servos[i].id;
        if self.bus.protocol().reboot(id).is_some() && self.servos[i].may_reboot(self.clock.now()) {
            self.bus.reboot(id)?;
        }
        Ok(())
    }

    /// A position that is to be the first goal has to be told twice.
    fn look_again(&mut self, i: usize, found: Found, first: bool) -> Result<(), Fault> {
        let id = self.servos[i].id;
        let began = self.clock.now();
        let mut reading = self.bus.read_axis(id)?;
        self.servos[i].place(&mut reading);
        let now = self.clock.now();
        let (from, to) = (found.reading.position, reading.position);
        let scale = self.servos[i].mounting.scale;
        if !scale.within_reach(from, to, now.since(began).as_secs_f64()) {
            return Err(Fault::Jumps { id, from, to });
        }
        if !first && !self.holding {
            self.bus.torque(id, false)?;
        }
        let protocol = self.bus.protocol();
        self.servos[i].found(&Found { reading, ..found }, protocol, now, first);
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
            let armed = self.bus.held(id).and_then(|held| {
                let protocol = self.bus.protocol();
                match held {
                    Some(held) if !protocol.takes_positions(held.mode) => {
                        return Ok(Some(Unfit::Mode(held.mode)));
                    }
                    Some(held) if held.goal == goal => {}
                    _ => self.bus.write(id, &protocol.goal(goal))?,
                }
                self.bus.torque(id, true)?;
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
        let protocol = self.bus.protocol();
        if self.servos[i].is_unfit(why, protocol, self.clock.now()) {
            self.stats.servo_faults.increment();
        }
        for _ in 0..3 {
            let id = self.servos[i].id;
            if self.bus.let_go(id)? {
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
}
