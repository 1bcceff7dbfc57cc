//! What a servo is: family, model and everything in its memory that matters. Only reading.

use std::time::Duration;

use crate::follow::servo::bus::Bus;
use crate::follow::servo::fault::Fault;
use crate::follow::servo::protocol::Protocol;
use crate::follow::servo::protocol::scs::Scs;
use crate::follow::servo::protocol::sts::Sts;
use crate::follow::servo::protocol::table::Place;
use crate::follow::servo::protocol::table::Table;
use crate::follow::servo::survey::{Found, Voice, survey};
use crate::follow::servo::wire::Wire;

/// How late an answer may be.
const PATIENCE: Duration = Duration::from_millis(250);
/// Attempts to read what noise spoils.
const ATTEMPTS: usize = 5;

/// A servo, as it was found.
#[derive(Debug, Clone)]
pub struct Servo {
    /// What it speaks.
    pub protocol: &'static dyn Protocol,
    /// The memory of its family.
    pub table: &'static Table,
    /// Its id.
    pub id: u8,
    /// The bit rate at which it answers.
    pub rate: u32,
    /// Where it stands and how it is.
    pub found: Found,
    /// Its memory from register 0 on.
    pub memory: Vec<u8>,
    /// Whether it answers too late to be driven.
    pub late: bool,
}

/// What was found at an id.
#[derive(Debug, Clone)]
pub enum Sight {
    /// A servo.
    Servo(Box<Servo>),
    /// Several servos: their answers differ, or are broken.
    Several,
    /// A Dynamixel with protocol 1, whose pings and reads are those of a Feetech.
    OldDynamixel,
    /// One that answers pings only: the register that says so.
    OnlyPings(u16),
    /// One of no known model of its family: what tells so.
    Unknown(u16),
}

/// Something at an id.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The id.
    pub id: u8,
    /// The bit rate.
    pub rate: u32,
    /// What is spoken.
    pub protocol: &'static dyn Protocol,
    /// What it is.
    pub sight: Sight,
}

impl Seen {
    /// Whether both speak by the same frames.
    #[must_use]
    pub fn same_kind(&self, other: &Self) -> bool {
        self.protocol.ping(1) == other.protocol.ping(1)
    }

    /// The servo, if it is one.
    #[must_use]
    pub fn servo(&self) -> Option<&Servo> {
        match &self.sight {
            Sight::Servo(servo) => Some(servo),
            _ => None,
        }
    }
}

impl Servo {
    /// The bit rate that it is set to.
    #[must_use]
    pub fn set_rate(&self) -> Option<u32> {
        self.table
            .rate(&self.memory, self.protocol.permanent()?.bauds)
    }

    /// Whether it has torque.
    #[must_use]
    pub fn has_torque(&self) -> bool {
        self.table.torque.of(&self.memory) == Some(1)
    }

    /// Lowest and highest supply voltage in tenths of a volt, if it knows them.
    #[must_use]
    pub fn volts(&self) -> Option<(i32, i32)> {
        let (low, high) = (
            self.table.volts.0.of(&self.memory)?,
            self.table.volts.1.of(&self.memory)?,
        );
        (high > low).then_some((low, high))
    }

    /// Its firmware for people.
    #[must_use]
    pub fn firmware(&self) -> String {
        let of = |place: Place| place.of(&self.memory).unwrap_or_default();
        match self.table.minor {
            Some(minor) => format!("{}.{}", of(self.table.firmware), of(minor)),
            None => of(self.table.firmware).to_string(),
        }
    }
}

/// Which of the two families of Feetech a servo is of, by its first 13 registers.
///
/// # Errors
/// It is of neither; what it is then.
pub fn family(memory: &[u8], id: u8) -> Result<&'static dyn Protocol, Sight> {
    if memory.get(5) != Some(&id) && memory.get(3) == Some(&id) {
        return Err(Sight::OldDynamixel);
    }
    let within = |protocol: &dyn Protocol, most: i32| {
        let table = protocol.table();
        let (low, high) = table.map_or((None, None), |t| {
            (t.limits.0.of(memory), t.limits.1.of(memory))
        });
        low.is_some_and(|v| v.abs() <= most) && high.is_some_and(|v| v.abs() <= most)
    };
    match memory.get(2) {
        // Not every SCS has its family there. Limits of several turns are possible.
        Some(0) if within(&Sts, 4095) || !within(&Scs, 1023) => Ok(&Sts),
        Some(_) if within(&Scs, 1023) => Ok(&Scs),
        Some(other) => Err(Sight::Unknown((*other).into())),
        None => Err(Sight::Unknown(0)),
    }
}

/// Looks at what is at an id. None if nobody answers there after all. One that answers too late for the service is waited for.
///
/// # Errors
/// The line failed.
pub fn look<W: Wire>(bus: &mut Bus<W>, id: u8, rate: u32) -> Result<Option<Seen>, Fault> {
    let mut sight = sight(bus, id, rate, false);
    if sight
        .as_ref()
        .is_err_and(|f| f.is_silence() || matches!(f, Fault::Late { .. }))
    {
        bus.drain(PATIENCE)?;
        bus.be_patient(PATIENCE);
        sight = self::sight(bus, id, rate, true);
    }
    let sight = match sight {
        Ok(sight) => sight,
        Err(fault) if fault.is_line() => return Err(fault),
        Err(fault) if fault.is_silence() => {
            bus.be_patient(Duration::ZERO);
            return Ok(None);
        }
        Err(Fault::OnlyPings { register, .. }) => Sight::OnlyPings(register),
        Err(Fault::Foreign { value, .. }) => Sight::Unknown(value),
        Err(_) => Sight::Several,
    };
    let protocol = bus.protocol();
    Ok(Some(Seen {
        id,
        rate,
        protocol,
        sight,
    }))
}

fn sight<W: Wire>(bus: &mut Bus<W>, id: u8, rate: u32, late: bool) -> Result<Sight, Fault> {
    if bus.protocol().ping(1) == Sts.ping(1) {
        match reads(bus, id, 0, 13) {
            Ok(memory) => match family(&memory, id) {
                Ok(protocol) => bus.speak(protocol),
                Err(sight) => return Ok(sight),
            },
            Err(fault) if fault.is_line() => return Err(fault),
            // The survey says what is wrong.
            Err(_) => {}
        }
    }
    let found = survey(bus, id, true)?;
    let protocol = bus.protocol();
    let Some(table) = protocol.table() else {
        return Err(Fault::Silent { id });
    };
    Ok(if found.voice == Voice::Two {
        Sight::Several
    } else if let Some(value) = found.settings.foreign {
        Sight::Unknown(value)
    } else {
        let memory = memory(bus, table, id)?;
        Sight::Servo(Box::new(Servo {
            protocol,
            table,
            id,
            rate,
            found,
            memory,
            late,
        }))
    })
}

/// The memory of a servo from register 0 on.
///
/// # Errors
/// It does not answer, or the line failed.
pub fn memory<W: Wire>(bus: &mut Bus<W>, table: &Table, id: u8) -> Result<Vec<u8>, Fault> {
    let mut all = Vec::new();
    for (from, count) in table.reads {
        all.extend(reads(bus, id, *from, *count)?);
    }
    Ok(all)
}

fn reads<W: Wire>(bus: &mut Bus<W>, id: u8, from: u16, count: u8) -> Result<Vec<u8>, Fault> {
    let mut read = bus.read(id, from, count);
    for _ in 1..ATTEMPTS {
        match read {
            Err(ref fault) if !fault.is_line() => read = bus.read(id, from, count),
            _ => break,
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_is_told_by_what_stands_in_the_first_registers() {
        let of = |family_byte: u8, id: u8, limits: [u8; 4]| {
            let mut memory = [3, 10, family_byte, 9, 3, id, 0, 0, 1, 0, 0, 0, 0];
            memory[9..].copy_from_slice(&limits);
            family(&memory, 1)
                .map(|p| p.name())
                .map_err(|s| format!("{s:?}"))
        };
        assert_eq!(of(0, 1, [0, 0, 0xFF, 0x0F]), Ok("Feetech STS"));
        assert_eq!(of(0, 1, [0; 4]), Ok("Feetech STS"));
        assert_eq!(of(1, 1, [0, 20, 3, 0xEB]), Ok("Feetech SCS"));
        // Not every SCS has the family where it belongs.
        assert_eq!(of(0, 1, [0, 20, 3, 0xEB]), Ok("Feetech SCS"));
        assert!(
            of(7, 1, [0, 0, 0xFF, 0x0F])
                .unwrap_err()
                .contains("Unknown(7)")
        );
        // An AX-12: model, firmware, id, rate, delay.
        let ax = family(&[12, 0, 24, 1, 1, 250, 0, 0, 255, 3, 0, 70, 60], 1);
        assert!(matches!(ax, Err(Sight::OldDynamixel)));
    }
}
