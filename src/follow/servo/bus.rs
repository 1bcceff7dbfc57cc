//! Exchanges on the servo bus: one instruction, one answer, bounded in time.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Clock;

use super::steps::Steps;
use super::sts::{self, register};
use super::wire::Wire;

/// How long an answer may take. A servo answers within 2 ms at 1 Mbaud; USB adapters collect for up to
/// 16 ms, and a busy machine needs its time too.
pub const ANSWER: Duration = Duration::from_millis(50);
/// An acknowledgement carries nothing that is needed, so it is waited for less long.
const ACKNOWLEDGED: Duration = Duration::from_millis(25);
/// More than an answer and an echo can be; beyond it is noise.
const MOST_BYTES: usize = 512;

/// What went wrong in an exchange.
#[derive(Debug)]
pub enum Fault {
    /// No byte came.
    Silent {
        /// Who was asked.
        id: u8,
    },
    /// The received bytes were not the expected reply.
    Garbled {
        /// Who was asked.
        id: u8,
        /// The first bytes.
        bytes: Vec<u8>,
    },
    /// A register does not hold what was written to it.
    Refused {
        /// Who was asked.
        id: u8,
        /// The register.
        register: u8,
    },
    /// The line itself failed and is to be opened again.
    Line {
        /// Its name.
        name: String,
        /// What the system says.
        cause: io::Error,
    },
}

impl Fault {
    /// Whether the whole bus is gone, not one servo.
    #[must_use]
    pub const fn is_line(&self) -> bool {
        matches!(self, Self::Line { .. })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent { id } => write!(f, "servo {id} does not answer"),
            Self::Garbled { id, bytes } => {
                write!(f, "servo {id} answers garbled bytes:")?;
                bytes
                    .iter()
                    .take(16)
                    .try_for_each(|b| write!(f, " {b:02X}"))
            }
            Self::Refused { id, register } => {
                write!(
                    f,
                    "servo {id} does not take a value in its register {register}"
                )
            }
            Self::Line { name, cause } => write!(f, "the serial port {name} failed: {cause}"),
        }
    }
}

impl std::error::Error for Fault {}

/// What a servo reports about its movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Where it stands.
    pub position: Steps,
    /// Register 60, as it is.
    pub load: u16,
    /// Status bits of the answer.
    pub status: u8,
}

/// A bus with servos on it.
pub struct Bus<W: Wire> {
    wire: W,
    clock: Arc<dyn Clock>,
    /// Servos that answer reads but do not acknowledge writes (register 8 is 0).
    unacknowledging: Vec<u8>,
}

impl<W: Wire> Bus<W> {
    /// A bus on this line.
    pub fn new(wire: W, clock: Arc<dyn Clock>) -> Self {
        Self {
            wire,
            clock,
            unacknowledging: Vec::new(),
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
    pub fn is_there(&mut self, id: u8) -> Result<bool, Fault> {
        match self.exchange(&sts::ping(id), id, 0, ANSWER) {
            Ok(_) => Ok(true),
            Err(fault @ Fault::Line { .. }) => Err(fault),
            Err(_) => match self.read_axis(id) {
                Ok(_) => Ok(true),
                Err(fault @ Fault::Line { .. }) => Err(fault),
                Err(_) => Ok(false),
            },
        }
    }

    /// Reads `count` bytes from `register` on; with the status bits of the answer.
    ///
    /// # Errors
    /// The servo does not answer properly in time, or the line failed.
    pub fn read(&mut self, id: u8, register: u8, count: u8) -> Result<(u8, Vec<u8>), Fault> {
        self.exchange(&sts::read(id, register, count), id, count.into(), ANSWER)
    }

    /// Position and load in one read.
    ///
    /// # Errors
    /// As [`read`](Self::read); also a position that no servo can have.
    pub fn read_axis(&mut self, id: u8) -> Result<Reading, Fault> {
        let (status, bytes) = self.read(id, register::PRESENT_POSITION, 6)?;
        let [p0, p1, _, _, l0, l1] = bytes[..] else {
            return Err(Fault::Garbled { id, bytes });
        };
        // Bit 15 is the sign. Two turns either way can be had by an offset (register 31), not more.
        let position = sts::signed(sts::word(p0, p1), 15);
        if !(-8192..=8192).contains(&position) {
            return Err(Fault::Garbled { id, bytes });
        }
        Ok(Reading {
            position: Steps(position),
            load: sts::word(l0, l1),
            status,
        })
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
            .map(|(id, steps)| (*id, steps.0.clamp(0, 4095) as u16))
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
        // A late answer to an earlier question must not be taken for this one.
        self.wire.discard_input().map_err(|e| self.line(e))?;
        self.send(frame)?;
        let deadline = self.clock.now() + limit;
        let mut bytes = Vec::new();
        loop {
            let left = deadline.since(self.clock.now());
            let mut chunk = [0; 64];
            let n = if left.is_zero() || bytes.len() > MOST_BYTES {
                0
            } else {
                self.wire
                    .receive(&mut chunk, left)
                    .map_err(|e| self.line(e))?
            };
            if n == 0 {
                return Err(if bytes.is_empty() || bytes == frame {
                    Fault::Silent { id }
                } else {
                    Fault::Garbled { id, bytes }
                });
            }
            bytes.extend(&chunk[..n]);
            if let Some(reply) = sts::find_reply(&bytes, frame, id, count) {
                return Ok((reply.kind, reply.parameters.to_vec()));
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
