//! A model of one STS servo: its memory, and a shaft that moves.

use std::time::Duration;

use crate::base::clock::Monotime;

use super::protocol::sts::{self, instruction, register};
use super::shaft::{Limits, Shaft};

/// Size of the memory table.
const MEMORY: usize = 256;
/// The fastest an STS3215 turns, in steps/s.
const TOP_SPEED: f64 = 3000.0;
/// Acceleration in steps/s^2 where the register sets no limit.
const TOP_ACCELERATION: f64 = 25_400.0;
/// Time constant of the shaft behind its regulator, in seconds.
const LAG: f64 = 0.03;
/// Steps beyond the centre at which the mount meets its mechanical end, about 70 degrees.
const END: f64 = 800.0;
/// Integration step in seconds.
const STEP: f64 = 0.002;
/// Longer pauses are not integrated: by then it has arrived.
const LONGEST_STEP: Duration = Duration::from_secs(5);
/// Load in 0.1 % while moving at full speed, and when pressing against an end.
const LOAD_MOVING: f64 = 300.0;
const LOAD_PRESSING: f64 = 950.0;

/// A servo that answers frames.
#[derive(Debug, Clone)]
pub struct Model {
    id: u8,
    memory: [u8; MEMORY],
    now: Monotime,
    shaft: Shaft,
    /// Status bits that it answers with.
    status: u8,
}

impl Model {
    /// A servo that stands at `position` steps with its torque off.
    #[must_use]
    pub fn new(id: u8, position: f64, now: Monotime) -> Self {
        let mut memory = [0; MEMORY];
        memory[usize::from(register::ID)] = id;
        // As delivered: one turn, speed 0 is no limit, position mode.
        memory[11..13].copy_from_slice(&4095u16.to_le_bytes());
        memory[usize::from(register::PHASE)] = 12;
        // An STS3215 with firmware 3.10 that acknowledges everything, for 4 to 8 V, with all of its strength, locked.
        memory[..2].copy_from_slice(&[3, 10]);
        memory[3..5].copy_from_slice(&777u16.to_le_bytes());
        memory[usize::from(register::REPLY_LEVEL)] = 1;
        memory[14..16].copy_from_slice(&[80, 40]);
        memory[16..18].copy_from_slice(&1000u16.to_le_bytes());
        memory[48..50].copy_from_slice(&1000u16.to_le_bytes());
        memory[usize::from(register::LOCK)] = 1;
        // 7.4 V, 30 degrees.
        memory[62] = 74;
        memory[63] = 30;
        let mut model = Self {
            id,
            memory,
            now,
            shaft: Shaft::at(position),
            status: 0,
        };
        model.set_word(register::GOAL_POSITION, position as u16);
        model.report();
        model
    }

    /// Where the shaft is, in steps from 0 to 4095.
    #[must_use]
    pub const fn position(&self) -> f64 {
        self.shaft.position()
    }

    /// Its id.
    #[cfg(test)]
    pub const fn id(&self) -> u8 {
        self.id
    }

    /// What is in a register.
    #[cfg(test)]
    pub const fn register(&self, at: u8) -> u8 {
        self.memory[at as usize]
    }

    /// Sets a register, as a person with the maker's program would.
    #[cfg(test)]
    pub const fn set_register(&mut self, at: u8, value: u8) {
        self.memory[at as usize] = value;
    }

    /// Sets the status bits; an overload takes the torque away.
    #[cfg(test)]
    pub const fn set_status(&mut self, status: u8) {
        self.status = status;
        self.memory[register::STATUS as usize] = status;
        if status & sts::OVERLOAD != 0 {
            self.memory[register::TORQUE as usize] = 0;
        }
    }

    /// Turns the shaft by hand.
    #[cfg(test)]
    pub fn turn_to(&mut self, position: f64) {
        self.shaft = Shaft::at(position);
        self.report();
    }

    /// Whether its torque is on.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.memory[register::TORQUE as usize] == 1
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Monotime) {
        let passed = now.since(self.now).min(LONGEST_STEP).as_secs_f64();
        self.now = self.now.max(now);
        let steps = (passed / STEP).ceil();
        for _ in 0..steps as u32 {
            self.step(passed / steps);
        }
        self.report();
    }

    fn step(&mut self, h: f64) {
        let limit = |value: f64, top: f64| if value > 0.0 { value.min(top) } else { top };
        let units = f64::from(self.memory[usize::from(register::ACCELERATION)]);
        let limits = Limits {
            speed: limit(f64::from(self.word(register::GOAL_SPEED)), TOP_SPEED),
            acceleration: limit(units * 100.0, TOP_ACCELERATION),
            lag: LAG,
            ends: (2048.0 - END, 2048.0 + END),
        };
        let speed = f64::from(sts::signed(self.word(register::GOAL_SPEED), 15));
        // In speed mode the limit of the speed is the speed.
        let goal = match self.memory[usize::from(register::MODE)] {
            1 => self.position() + 10.0 * speed,
            _ => f64::from(self.word(register::GOAL_POSITION)),
        };
        let goal = self.holds().then_some(goal);
        self.shaft.step(h, goal, limits);
    }

    /// Brings the present values in the memory up to date.
    fn report(&mut self) {
        let signed = |value: f64, bit: u32| {
            let sign = if value < 0.0 { 1u16 << bit } else { 0 };
            (value.abs().round() as u16).min((1 << bit) - 1) | sign
        };
        let (at, speed) = self.shaft.regulator();
        let shaft = self.position();
        let pushed = at - shaft;
        let load = if !self.holds() {
            0.0
        } else if (shaft - 2048.0).abs() >= END && pushed.abs() > 20.0 {
            LOAD_PRESSING.copysign(pushed)
        } else {
            LOAD_MOVING * speed / TOP_SPEED
        };
        self.set_word(register::PRESENT_POSITION, signed(shaft, 15));
        self.set_word(register::PRESENT_POSITION + 2, signed(speed, 15));
        self.set_word(register::PRESENT_POSITION + 4, signed(load, 10));
        self.memory[66] = u8::from(speed.abs() > 1.0);
    }

    /// Takes an instruction and returns the reply, if it is to be answered.
    pub fn answer(
        &mut self,
        now: Monotime,
        id: u8,
        kind: u8,
        parameters: &[u8],
    ) -> Option<Vec<u8>> {
        self.advance(now);
        let addressed = id == self.id;
        match (kind, parameters) {
            (instruction::PING, []) if addressed || id == sts::BROADCAST => {
                Some(sts::frame(self.id, self.status, &[]))
            }
            (instruction::READ, [from, count]) if addressed => self.read(*from, *count),
            (instruction::SYNC_READ, [from, count, ids @ ..])
                if id == sts::BROADCAST && ids.contains(&self.id) =>
            {
                self.read(*from, *count)
            }
            (instruction::WRITE, [from, data @ ..]) if addressed || id == sts::BROADCAST => {
                self.write(usize::from(*from), data);
                addressed.then(|| sts::frame(self.id, self.status, &[]))
            }
            (instruction::SYNC_WRITE, [from, width, values @ ..]) if id == sts::BROADCAST => {
                for entry in values.chunks_exact(usize::from(*width) + 1) {
                    if entry[0] == self.id {
                        self.write(usize::from(*from), &entry[1..]);
                    }
                }
                None
            }
            _ => None,
        }
    }

    fn read(&self, from: u8, count: u8) -> Option<Vec<u8>> {
        let from = usize::from(from);
        let data = self.memory.get(from..from + usize::from(count))?;
        Some(sts::frame(self.id, self.status, data))
    }

    fn write(&mut self, from: usize, data: &[u8]) {
        if let Some(place) = self.memory.get_mut(from..from + data.len()) {
            place.copy_from_slice(data);
        }
    }

    fn word(&self, at: u8) -> u16 {
        let at = usize::from(at);
        sts::word(self.memory[at], self.memory[at + 1])
    }

    fn set_word(&mut self, at: u8, value: u16) {
        self.write(usize::from(at), &value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn write(model: &mut Model, ms: u64, register: u8, data: &[u8]) {
        let mut parameters = vec![register];
        parameters.extend(data);
        let reply = model.answer(at(ms), 1, instruction::WRITE, &parameters);
        assert_eq!(reply, Some(vec![0xFF, 0xFF, 1, 2, 0, 0xFC]));
    }

    #[test]
    fn moves_to_its_goal_only_with_torque() {
        let mut model = Model::new(1, 2048.0, at(0));
        write(
            &mut model,
            0,
            register::GOAL_POSITION,
            &2400u16.to_le_bytes(),
        );
        model.advance(at(1000));
        assert_eq!(model.position(), 2048.0);
        write(&mut model, 1000, register::TORQUE, &[1]);
        model.advance(at(1050));
        let first = model.position();
        assert!(first > 2048.0 && first < 2400.0);
        model.advance(at(3000));
        assert!((model.position() - 2400.0).abs() < 1.0);
        let reply = model.answer(at(3000), 1, instruction::READ, &[56, 2]);
        assert_eq!(reply.unwrap()[5..7], [0x60, 0x09]);
    }

    #[test]
    fn its_registers_limit_the_speed() {
        let mut model = Model::new(1, 2048.0, at(0));
        write(&mut model, 0, register::GOAL_SPEED, &100u16.to_le_bytes());
        write(&mut model, 0, register::TORQUE, &[1]);
        write(
            &mut model,
            0,
            register::GOAL_POSITION,
            &2400u16.to_le_bytes(),
        );
        model.advance(at(1000));
        assert!(
            (model.position() - 2148.0).abs() < 10.0,
            "{}",
            model.position()
        );
    }

    #[test]
    fn presses_against_its_end_with_a_high_load() {
        let mut model = Model::new(1, 2048.0, at(0));
        write(&mut model, 0, register::TORQUE, &[1]);
        write(
            &mut model,
            0,
            register::GOAL_POSITION,
            &4000u16.to_le_bytes(),
        );
        model.advance(at(4000));
        let reply = model
            .answer(at(4000), 1, instruction::READ, &[60, 2])
            .unwrap();
        assert_eq!(model.position(), 2848.0);
        assert_eq!(sts::signed(sts::word(reply[5], reply[6]), 10), 950);
    }

    #[test]
    fn in_speed_mode_the_limit_of_the_speed_is_the_speed() {
        let mut model = Model::new(1, 2048.0, at(0));
        model.set_register(register::MODE, 1);
        write(&mut model, 0, register::GOAL_SPEED, &500u16.to_le_bytes());
        model.advance(at(1000));
        assert_eq!(model.position(), 2048.0);
        write(&mut model, 1000, register::TORQUE, &[1]);
        model.advance(at(2000));
        assert!(
            (model.position() - 2548.0).abs() < 50.0,
            "{}",
            model.position()
        );
    }

    #[test]
    fn several_are_read_by_one_question() {
        let mut model = Model::new(2, -300.0, at(0));
        let question = [register::PRESENT_POSITION, 2, 1, 2];
        let reply = model.answer(at(0), sts::BROADCAST, instruction::SYNC_READ, &question);
        assert_eq!(reply, Some(sts::frame(2, 0, &[0x2C, 0x81])));
        let others = [register::PRESENT_POSITION, 2, 1, 3];
        let reply = model.answer(at(0), sts::BROADCAST, instruction::SYNC_READ, &others);
        assert_eq!(reply, None);
    }

    #[test]
    fn others_are_not_answered_for() {
        let mut model = Model::new(1, 2048.0, at(0));
        assert_eq!(model.answer(at(0), 2, instruction::PING, &[]), None);
        assert_eq!(model.answer(at(0), 1, instruction::READ, &[250, 20]), None);
        let values = [42, 2, 2, 0, 0, 1, 0, 9];
        assert_eq!(
            model.answer(at(0), sts::BROADCAST, instruction::SYNC_WRITE, &values),
            None
        );
        assert_eq!(model.word(register::GOAL_POSITION), 0x0900);
    }
}
