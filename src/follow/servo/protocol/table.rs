//! Where the values lie that commissioning reads and writes: what the families differ in, as data.

use super::Write;

/// How a value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Low byte first, never negative.
    Plain,
    /// High byte first.
    Big,
    /// Low byte first, the sign in this bit.
    Sign(u32),
    /// Low byte first, two's complement of four bytes.
    Twos,
}

/// A value in the memory of a servo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its first register.
    pub at: u16,
    /// How many bytes it has, one, two or four.
    pub size: u8,
    /// How it is stored.
    pub kind: Kind,
}

impl Place {
    /// A byte.
    #[must_use]
    pub const fn byte(at: u16) -> Self {
        Self::new(at, 1, Kind::Plain)
    }

    /// A value of several bytes.
    #[must_use]
    pub const fn new(at: u16, size: u8, kind: Kind) -> Self {
        Self { at, size, kind }
    }

    /// What stands there in memory that begins with register 0; none if it does not reach so far.
    #[must_use]
    pub fn of(&self, memory: &[u8]) -> Option<i32> {
        let at = usize::from(self.at);
        let bytes = memory.get(at..at + usize::from(self.size))?;
        let low_first = |sum: u32, byte: &u8| sum << 8 | u32::from(*byte);
        let value = match self.kind {
            Kind::Big => bytes.iter().fold(0, low_first),
            _ => bytes.iter().rev().fold(0, low_first),
        };
        Some(match self.kind {
            Kind::Plain | Kind::Big => i32::try_from(value).ok()?,
            Kind::Twos => value.cast_signed(),
            Kind::Sign(bit) => {
                let magnitude = (value & ((1 << bit) - 1)).cast_signed();
                if value & 1 << bit == 0 {
                    magnitude
                } else {
                    -magnitude
                }
            }
        })
    }

    /// The order that puts a value there; none if it does not fit.
    #[must_use]
    pub fn write(&self, value: i32) -> Option<Write> {
        let raw = match self.kind {
            Kind::Twos => value.cast_unsigned(),
            Kind::Sign(bit) => {
                let sign = if value < 0 { 1 << bit } else { 0 };
                (value.unsigned_abs() < 1 << bit).then_some(value.unsigned_abs() | sign)?
            }
            Kind::Plain | Kind::Big => u32::try_from(value).ok()?,
        };
        let size = usize::from(self.size);
        if size < 4 && raw >= 1 << (8 * size) {
            return None;
        }
        let data = match self.kind {
            Kind::Big => raw.to_be_bytes()[4 - size..].to_vec(),
            _ => raw.to_le_bytes()[..size].to_vec(),
        };
        Some(Write::new(self.at, &data))
    }
}

/// The memory of a family, as far as commissioning has to do with it.
#[derive(Debug)]
pub struct Table {
    /// The family as `servo.protocol` has it.
    pub family: &'static str,
    /// How much is read at once, from where; what is read reaches from register 0 without a gap.
    pub reads: &'static [(u16, u8)],
    /// Model number.
    pub model: Place,
    /// Names of models.
    pub models: &'static [(u16, &'static str)],
    /// Firmware.
    pub firmware: Place,
    /// Firmware behind the point.
    pub minor: Option<Place>,
    /// The id.
    pub id: Place,
    /// Highest id.
    pub last_id: u8,
    /// Code of the bit rate.
    pub baud: Place,
    /// Status return level, and the value with which everything is answered.
    pub level: (Place, i32),
    /// Whether that outlives a loss of power.
    pub level_is_permanent: bool,
    /// Lowest and highest goal.
    pub limits: (Place, Place),
    /// Those as delivered.
    pub usual_limits: (i32, i32),
    /// Correction of the position.
    pub offset: Option<Offset>,
    /// Operating mode; none where the limits tell it.
    pub mode: Option<Place>,
    /// A byte, and the bit in it with which positions go on beyond one turn.
    pub turns: Option<(Place, u8)>,
    /// A byte, and the bit in it that turns directions round.
    pub reversed: Option<(Place, u8)>,
    /// Lowest and highest supply voltage, in tenths of a volt.
    pub volts: (Place, Place),
    /// Where the strength of the motor is limited until the power goes, and what is all of it.
    pub strength: Option<(Place, i32)>,
    /// Torque.
    pub torque: Place,
    /// Lock of permanent memory, 1 if it is closed; none where torque is the lock.
    pub lock: Option<Place>,
}

/// Correction of the position.
#[derive(Debug, Clone, Copy)]
pub struct Offset {
    /// Where it is.
    pub place: Place,
    /// The most that it may be, either way.
    pub most: i32,
    /// 1 where it is added to what is measured, -1 where it is taken off.
    pub sign: i32,
    /// So many steps make a turn, where positions begin again there.
    pub turn: Option<i32>,
}

impl Table {
    /// The bit rate that a servo is set to.
    #[must_use]
    pub fn rate(&self, memory: &[u8], bauds: &[(u32, u8)]) -> Option<u32> {
        let code = self.baud.of(memory)?;
        let found = bauds.iter().find(|(_, c)| i32::from(*c) == code);
        found.map(|(rate, _)| *rate)
    }

    /// The name of the model, or its number.
    #[must_use]
    pub fn model_name(&self, model: u16) -> String {
        let known = self.models.iter().find(|(number, _)| *number == model);
        known.map_or_else(|| model.to_string(), |(_, name)| (*name).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_were_written() {
        let places = [
            (Place::byte(3), 200, vec![200]),
            (Place::new(3, 2, Kind::Plain), 777, vec![9, 3]),
            (Place::new(3, 2, Kind::Big), 1003, vec![3, 0xEB]),
            (Place::new(3, 2, Kind::Sign(11)), -100, vec![0x64, 0x08]),
            (
                Place::new(3, 4, Kind::Twos),
                -5,
                vec![0xFB, 0xFF, 0xFF, 0xFF],
            ),
        ];
        for (place, value, bytes) in places {
            let order = place.write(value).unwrap();
            assert_eq!((order.register, &order.data), (3, &bytes));
            let memory = [&[0; 3], &bytes[..]].concat();
            assert_eq!(place.of(&memory), Some(value));
            assert_eq!(place.of(&memory[..3]), None);
        }
        assert_eq!(Place::byte(1).write(256), None);
        assert_eq!(Place::byte(1).write(-1), None);
        assert_eq!(Place::new(1, 2, Kind::Sign(11)).write(2048), None);
    }
}
