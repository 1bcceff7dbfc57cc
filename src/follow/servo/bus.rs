//! Exchanges on the servo bus: one instruction, its answers, bounded in time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Clock;

use super::fault::{Fault, why_not};
use super::steps::Steps;
use super::sts::{self, register};
use super::wire::Wire;

/// How long an answer may take. A servo answers within 2 ms at 1 Mbaud; USB adapters collect for up to
/// 16 ms, and a busy machine needs its time too.
pub const ANSWER: Duration = Duration::from_millis(50);
/// An acknowledgement carries nothing that is needed, so it is waited for less long.
const ACKNOWLEDGED: Duration = Duration::from_millis(25);
/// After so much silence a servo that has answered says nothing more. USB adapters collect for up to 16 ms.
const QUIET: Duration = Duration::from_millis(20);
/// More than an answer and an echo can be; beyond it is noise.
const MOST_BYTES: usize = 512;
/// Bytes that are read of an axis: position, speed, load, voltage, temperature, a flag, status.
const AXIS: u8 = 10;
/// So many more, by turns: an answer that comes too late has another length than the one that is waited for then.
const AXIS_TURNS: u8 = 5;
/// No servo stands farther from the left end than this; two turns either way can be had by an offset (register 31).
const FARTHEST: i32 = 8192;

/// What a servo reports about its movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Where it stands.
    pub position: Steps,
    /// Register 60, as it is.
    pub load: u16,
    /// Tenths of a volt.
    pub voltage: u8,
    /// Degrees Celsius.
    pub temperature: u8,
    /// Status bits, of the answer and of register 65.
    pub status: u8,
}

impl Reading {
    /// From an answer with registers 56 to 65 at least; none if no servo can say so.
    #[must_use]
    pub fn parse(status: u8, bytes: &[u8]) -> Option<Self> {
        let [p0, p1, _, _, l0, l1, voltage, temperature, _, bits, ..] = *bytes else {
            return None;
        };
        // Bit 15 is the sign.
        let position = sts::signed(sts::word(p0, p1), 15);
        (-FARTHEST..=FARTHEST).contains(&position).then_some(Self {
            position: Steps(position),
            load: sts::word(l0, l1),
            voltage,
            temperature,
            status: status | bits,
        })
    }
}

/// Whether a servo is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It answers.
    Clear,
    /// Something comes, but no answer.
    Garbled,
    /// Nothing comes.
    Absent,
}

/// The answer of an axis, or why there is none that can be used.
pub type Answer = Result<Reading, Fault>;

/// What came within the time that one servo was given for its answer.
#[derive(Debug, Default)]
pub struct Heard {
    /// The answers without fault, in their order.
    pub readings: Vec<Reading>,
    /// Whether an answer to an earlier question was among it.
    pub late: bool,
    /// What came besides, at most a few bytes of it.
    pub broken: Vec<u8>,
}

/// A bus with servos on it.
pub struct Bus<W: Wire> {
    wire: W,
    clock: Arc<dyn Clock>,
    /// Servos that answer reads but do not acknowledge writes (register 8 is 0).
    unacknowledging: Vec<u8>,
    /// How many bytes more than needed the last question about an axis asked for.
    turn: u8,
}

impl<W: Wire> Bus<W> {
    /// A bus on this line.
    pub fn new(wire: W, clock: Arc<dyn Clock>) -> Self {
        Self {
            wire,
            clock,
            unacknowledging: Vec::new(),
            turn: 0,
        }
    }

    /// The line's name for people.
    pub fn name(&self) -> &str {
        self.wire.name()
    }

    /// Whether a servo is there: it answers a ping, or a read where an echo hides the answer to it.
    ///
    /// # Errors
    /// The line failed.
    pub fn presence(&mut self, id: u8) -> Result<Presence, Fault> {
        let pinged = self.exchange(&sts::ping(id), id, 0, ANSWER).map(|_| ());
        let read = match pinged {
            Ok(()) => return Ok(Presence::Clear),
            Err(fault) if fault.is_line() => return Err(fault),
            Err(_) => self.read_axis(id),
        };
        match read {
            Ok(_) => Ok(Presence::Clear),
            Err(fault) if fault.is_line() => Err(fault),
            Err(Fault::Silent { .. }) => Ok(Presence::Absent),
            Err(_) => Ok(Presence::Garbled),
        }
    }

    /// Reads `count` bytes from `register` on; with the status bits of the answer.
    ///
    /// # Errors
    /// The servo does not answer properly in time, or the line failed.
    pub fn read(&mut self, id: u8, register: u8, count: u8) -> Result<(u8, Vec<u8>), Fault> {
        self.exchange(&sts::read(id, register, count), id, count.into(), ANSWER)
    }

    /// Position, load and status in one read.
    ///
    /// # Errors
    /// As [`read`](Self::read); also a position that no servo can have.
    pub fn read_axis(&mut self, id: u8) -> Result<Reading, Fault> {
        let count = self.count();
        let (status, bytes) = self.read(id, register::PRESENT_POSITION, count)?;
        Reading::parse(status, &bytes).ok_or(Fault::Garbled { id, bytes })
    }

    /// The same of several servos by one question. The answers, or why there is none, in the order of `ids`.
    ///
    /// # Errors
    /// The line failed.
    pub fn read_axes(&mut self, ids: &[u8]) -> Result<Vec<Answer>, Fault> {
        let count = self.count();
        let frame = sts::sync_read(register::PRESENT_POSITION, count, ids);
        let whole = |bytes: &[u8], id: u8| {
            sts::find_reply(bytes, &frame, id, count.into())
                .map(|found| Reading::parse(found.kind, found.parameters))
        };
        let bytes = self.ask(&frame, ANSWER, ANSWER, |bytes| {
            ids.iter().all(|id| whole(bytes, *id).is_some())
        })?;
        Ok(ids
            .iter()
            .map(|id| match whole(&bytes, *id) {
                Some(Some(reading)) => Ok(reading),
                Some(None) | None => Err(why_not(&bytes, &frame, *id)),
            })
            .collect())
    }

    /// Asks one servo where it stands, and listens until nobody says anything more: to hear whether it answers more than
    /// once, or garbled.
    ///
    /// # Errors
    /// The line failed.
    pub fn listen(&mut self, id: u8) -> Result<Heard, Fault> {
        let count = self.count();
        let frame = sts::read(id, register::PRESENT_POSITION, count);
        let bytes = self.ask(&frame, ANSWER, QUIET, |_| false)?;
        let mut heard = Heard::default();
        let rest = sts::after_echo(&bytes, &frame);
        let mut good = 0;
        for found in sts::answers(rest, id) {
            if found.parameters.len() != usize::from(count) {
                heard.late = true;
                good += found.parameters.len() + sts::SHORTEST;
            } else if let Some(reading) = Reading::parse(found.kind, found.parameters) {
                heard.readings.push(reading);
                good += usize::from(count) + sts::SHORTEST;
            }
        }
        // A byte or two may be noise of the adapter, whose line changes its direction.
        let spare = rest.len() - good;
        if spare >= sts::SHORTEST || (spare > 0 && heard.readings.is_empty() && !heard.late) {
            heard.broken = rest[..rest.len().min(16)].to_vec();
        }
        Ok(heard)
    }

    /// How many bytes to ask of an axis now.
    fn count(&mut self) -> u8 {
        self.turn = (self.turn + 1) % AXIS_TURNS;
        AXIS + self.turn
    }

    /// Writes registers and makes sure of it: by the acknowledgement, or else by reading them back.
    ///
    /// # Errors
    /// The servo does not answer, or does not take the value; or the line failed.
    pub fn write(&mut self, id: u8, register: u8, data: &[u8]) -> Result<(), Fault> {
        let frame = sts::write(id, register, data);
        if self.unacknowledging.contains(&id) {
            self.send(&frame)?;
        } else {
            match self.exchange(&frame, id, 0, ACKNOWLEDGED) {
                Ok(_) => return Ok(()),
                Err(fault @ Fault::Line { .. }) => return Err(fault),
                Err(_) => {}
            }
        }
        // A register has fewer bytes than a length byte can tell.
        let (_, held) = self.read(id, register, data.len().min(250) as u8)?;
        if held != data {
            return Err(Fault::Refused { id, register });
        }
        if !self.unacknowledging.contains(&id) {
            self.unacknowledging.push(id);
        }
        Ok(())
    }

    /// Writes registers and waits shortly for a sign that they were taken, without insisting on it. When
    /// this returns the frame has left, so that the port may be closed. False if there was no sign.
    ///
    /// # Errors
    /// The line failed.
    pub fn write_hastily(&mut self, id: u8, register: u8, data: &[u8]) -> Result<bool, Fault> {
        let frame = sts::write(id, register, data);
        let sign = if self.unacknowledging.contains(&id) {
            self.send(&frame)?;
            let read = sts::read(id, register, data.len().min(250) as u8);
            self.exchange(&read, id, data.len(), ACKNOWLEDGED)
                .map(|(_, held)| held == data)
        } else {
            self.exchange(&frame, id, 0, ACKNOWLEDGED).map(|_| true)
        };
        match sign {
            Err(fault @ Fault::Line { .. }) => Err(fault),
            other => Ok(other.unwrap_or(false)),
        }
    }

    /// Gives several servos their goals in one frame.
    ///
    /// # Errors
    /// The line failed.
    pub fn write_goals(&mut self, goals: &[(u8, Steps)]) -> Result<(), Fault> {
        let values: Vec<(u8, u16)> = goals
            .iter()
            .map(|(id, steps)| (*id, u16::from_le_bytes(steps.register())))
            .collect();
        self.send(&sts::sync_write(register::GOAL_POSITION, &values))
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), Fault> {
        self.wire.send(frame).map_err(|e| self.line(e))
    }

    fn exchange(
        &mut self,
        frame: &[u8],
        id: u8,
        count: usize,
        limit: Duration,
    ) -> Result<(u8, Vec<u8>), Fault> {
        let reply = |bytes: &[u8]| {
            sts::find_reply(bytes, frame, id, count)
                .map(|reply| (reply.kind, reply.parameters.to_vec()))
        };
        let bytes = self.ask(frame, limit, limit, |bytes| reply(bytes).is_some())?;
        reply(&bytes).ok_or_else(|| why_not(&bytes, frame, id))
    }

    /// Sends an instruction and gathers what comes back, until it is `enough`, until it is followed by nothing for as long
    /// as `quiet`, or for as long as `limit`.
    fn ask(
        &mut self,
        frame: &[u8],
        limit: Duration,
        quiet: Duration,
        enough: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<u8>, Fault> {
        // A late answer to an earlier question must not be taken for this one.
        self.wire.discard_input().map_err(|e| self.line(e))?;
        self.send(frame)?;
        let deadline = self.clock.now() + limit;
        let mut bytes = Vec::with_capacity(128);
        loop {
            let left = deadline.since(self.clock.now());
            if left.is_zero() || bytes.len() > MOST_BYTES {
                return Ok(bytes);
            }
            let mut chunk = [0; 128];
            // Behind the echo of the instruction the answer is still to come.
            let pause = if sts::after_echo(&bytes, frame).is_empty() {
                left
            } else {
                left.min(quiet)
            };
            let n = self
                .wire
                .receive(&mut chunk, pause)
                .map_err(|e| self.line(e))?;
            bytes.extend(&chunk[..n]);
            if n == 0 || enough(&bytes) {
                return Ok(bytes);
            }
        }
    }

    fn line(&self, cause: io::Error) -> Fault {
        Fault::Line {
            name: self.wire.name().to_owned(),
            cause,
        }
    }
}
