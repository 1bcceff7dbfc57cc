//! Feetech STS (STS3215 and its kin): little endian, 4096 steps a turn.
//!
//! Source: the STS3215 memory table.

pub use super::feetech::*;
use super::table::{Kind, Offset, Place, Table};
use super::{
    Abilities, Held, Limits, Permanent, Places, Protocol, Query, Reading, Reply, Settings, Write,
    names,
};
use crate::follow::servo::steps::{self, Scale, Steps};

/// Addresses of the STS3215 memory table.
pub mod register {
    /// Firmware, two bytes.
    pub const FIRMWARE: u8 = 0;
    /// The family: 0 where values are little endian.
    pub const FAMILY: u8 = 2;
    /// Model number, two bytes.
    pub const MODEL: u8 = 3;
    /// The id, the first of the settings that outlive a loss of power.
    pub const ID: u8 = 5;
    /// Code of the bit rate.
    pub const BAUD: u8 = 6;
    /// Status return level: 0 where only pings and reads are answered.
    pub const REPLY_LEVEL: u8 = 8;
    /// The smallest goal that the servo takes, two bytes.
    pub const LOWEST_GOAL: u8 = 9;
    /// The largest, two bytes. Where both are 0 there are no limits.
    pub const HIGHEST_GOAL: u8 = 11;
    /// Phase: directions and units; bit 4 for positions beyond one turn.
    pub const PHASE: u8 = 18;
    /// What is taken off the measured position, two bytes with the sign in bit 11.
    pub const OFFSET: u8 = 31;
    /// Operating mode: 0 position, 1 speed, 2 PWM, 3 steps.
    pub const MODE: u8 = 33;
    /// Torque: 1 on, 0 off.
    pub const TORQUE: u8 = 40;
    /// Acceleration in units of 100 steps/s^2; 0 for no limit.
    pub const ACCELERATION: u8 = 41;
    /// Goal position, two bytes.
    pub const GOAL_POSITION: u8 = 42;
    /// Speed on the way to the goal in steps/s, two bytes.
    pub const GOAL_SPEED: u8 = 46;
    /// Lock of the permanent memory: 0 is open.
    pub const LOCK: u8 = 55;
    /// Present position, two bytes; speed, load, voltage and temperature follow.
    pub const PRESENT_POSITION: u8 = 56;
    /// Status bits, as in an answer.
    pub const STATUS: u8 = 65;
}

/// Bytes that are read of an axis: position, speed, load, voltage, temperature, a flag, status.
const AXIS: u8 = 10;
/// No servo stands farther from the left end than this; two turns either way can be had by an offset (register 31).
const FARTHEST: i32 = 8192;
/// From the firmware to the operating mode.
const SETTINGS: u8 = register::MODE + 1;
/// Where goals can be: one turn.
const TURN: (i32, i32) = (0, 4095);
/// Bit rates and their codes in register 6.
pub const BAUDS: &[(u32, u8)] = &[
    (1_000_000, 0),
    (500_000, 1),
    (250_000, 2),
    (128_000, 3),
    (115_200, 4),
    (76_800, 5),
    (57_600, 6),
    (38_400, 7),
];
/// Names of the status bits.
const BITS: [(u16, &str); 5] = [
    (0x01, "voltage"),
    (0x02, "sensor"),
    (0x04, "temperature"),
    (0x08, "current"),
    (0x20, "overload"),
];
/// Overload.
pub const OVERLOAD: u8 = 0x20;

/// Memory of the STS3215 and its kin.
static TABLE: Table = Table {
    family: "sts",
    reads: &[(0, 40), (40, 16)],
    model: Place::new(register::MODEL as u16, 2, Kind::Plain),
    models: &[(777, "STS3215"), (2825, "STS3250")],
    firmware: Place::byte(0),
    minor: Some(Place::byte(1)),
    id: Place::byte(register::ID as u16),
    last_id: 253,
    baud: Place::byte(register::BAUD as u16),
    level: (Place::byte(register::REPLY_LEVEL as u16), 1),
    level_is_permanent: true,
    limits: (
        Place::new(register::LOWEST_GOAL as u16, 2, Kind::Sign(15)),
        Place::new(register::HIGHEST_GOAL as u16, 2, Kind::Sign(15)),
    ),
    usual_limits: TURN,
    offset: Some(Offset {
        place: Place::new(register::OFFSET as u16, 2, Kind::Sign(11)),
        most: 2047,
        sign: -1,
        turn: Some(4096),
    }),
    mode: Some(Place::byte(register::MODE as u16)),
    turns: Some((Place::byte(register::PHASE as u16), 4)),
    reversed: None,
    volts: (Place::byte(15), Place::byte(14)),
    strength: Some((Place::new(48, 2, Kind::Plain), 1000)),
    torque: Place::byte(register::TORQUE as u16),
    lock: Some(Place::byte(register::LOCK as u16)),
};

/// Sync write of values, low byte first, as [`Protocol::goals`] makes it of goals.
#[cfg(test)]
pub fn sync_write(register: u8, values: &[(u8, u16)]) -> Vec<u8> {
    sync_write_bytes(
        register,
        values.iter().map(|(id, value)| (*id, value.to_le_bytes())),
    )
}

/// The STS family.
#[derive(Debug)]
pub struct Sts;

impl Protocol for Sts {
    fn name(&self) -> &'static str {
        "Feetech STS"
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            answers: true,
            ids: true,
            measures: true,
            load: true,
            reads_back: true,
        }
    }

    fn scale(&self) -> Scale {
        steps::STS
    }

    fn places(&self) -> Places {
        Places {
            mode: Some(register::MODE.into()),
            position_mode: 0,
            id: register::ID.into(),
            limits: (register::LOWEST_GOAL.into(), register::HIGHEST_GOAL.into()),
            offset: register::OFFSET.into(),
            direction: register::PHASE.into(),
            reply_level: register::REPLY_LEVEL.into(),
        }
    }

    fn ping(&self, id: u8) -> Query {
        query(ping(id), 0)
    }

    fn movement(&self, ids: &[u8], turn: u8) -> Option<Query> {
        let count = AXIS + turn;
        let bytes = match ids {
            [id] => read(*id, register::PRESENT_POSITION, count),
            ids => sync_read(register::PRESENT_POSITION, count, ids),
        };
        Some(query(bytes, count))
    }

    fn settings(&self, id: u8) -> Query {
        query(read(id, 0, SETTINGS), SETTINGS)
    }

    fn held(&self, id: u8) -> Option<Query> {
        const COUNT: u8 = register::GOAL_POSITION + 2 - register::MODE;
        Some(query(read(id, register::MODE, COUNT), COUNT))
    }

    fn write(&self, id: u8, order: &Write) -> Query {
        write_query(id, order)
    }

    fn read_back(&self, id: u8, order: &Write) -> Option<Query> {
        read_back_query(id, order)
    }

    fn goals(&self, goals: &[(u8, Steps)]) -> Vec<u8> {
        let values = goals.iter().map(|(id, goal)| (*id, bytes_of(*goal)));
        sync_write_bytes(register::GOAL_POSITION, values)
    }

    fn torque(&self, on: bool) -> Option<Write> {
        Some(Write::new(register::TORQUE, &[on.into()]))
    }

    fn goal(&self, goal: Steps) -> Write {
        Write::new(register::GOAL_POSITION, &bytes_of(goal))
    }

    fn limits(&self, limits: &Limits, _: &Settings) -> Vec<Write> {
        let acceleration = steps::acceleration_limit(limits.acceleration);
        let speed = steps::speed_limit(limits.speed);
        vec![
            Write::new(register::ACCELERATION, &[acceleration]),
            Write::new(register::GOAL_SPEED, &speed.to_le_bytes()),
        ]
    }

    fn table(&self) -> Option<&'static Table> {
        Some(&TABLE)
    }

    fn ping_all(&self) -> Option<Query> {
        Some(query(ping(BROADCAST), 0))
    }

    /// A ping that comes back is the answer of a servo with a wrong voltage, to the byte.
    fn who(&self, id: u8) -> Query {
        who(id)
    }

    fn permanent(&self) -> Option<Permanent> {
        Some(Permanent {
            unlock: Some(Write::new(register::LOCK, &[0])),
            lock: Some(Write::new(register::LOCK, &[1])),
            baud: register::BAUD.into(),
            bauds: BAUDS,
        })
    }

    fn set_id(&self, new: u8) -> Option<Write> {
        Some(Write::new(register::ID, &[new]))
    }

    fn set_offset(&self, offset: i32) -> Option<Write> {
        let word = with_sign(offset, 11)?;
        Some(Write::new(register::OFFSET, &word.to_le_bytes()))
    }

    fn reply(&self, bytes: &[u8], query: &Query, id: u8) -> Option<Reply> {
        reply(bytes, id, query.count)
    }

    fn replies(&self, bytes: &[u8], _: &Query, id: u8) -> Vec<Reply> {
        replies(bytes, id)
    }

    fn head(&self, id: u8) -> Vec<u8> {
        vec![0xFF, 0xFF, id]
    }

    fn reading(&self, reply: &Reply) -> Option<Reading> {
        let [p0, p1, _, _, l0, l1, voltage, temperature, _, bits, ..] = *reply.data else {
            return None;
        };
        // Bit 15 is the sign.
        let position = signed(word(p0, p1), 15);
        (-FARTHEST..=FARTHEST)
            .contains(&position)
            .then_some(Reading {
                position: Steps(position),
                off: false,
                load: signed(word(l0, l1) & 0x7FF, 10),
                voltage: Some(voltage.into()),
                temperature: Some(temperature),
                status: reply.status | u16::from(bits),
                alert: false,
            })
    }

    fn parse_settings(&self, _: u8, data: &[u8]) -> Option<Settings> {
        if data.len() != usize::from(SETTINGS) {
            return None;
        }
        let byte = |at: u8| data[usize::from(at)];
        let word = |at: u8| word(byte(at), byte(at + 1));
        let limits = (
            signed(word(register::LOWEST_GOAL), 15),
            signed(word(register::HIGHEST_GOAL), 15),
        );
        let family = byte(register::FAMILY);
        Some(Settings {
            id: byte(register::ID),
            model: word(register::MODEL),
            firmware: byte(register::FIRMWARE),
            foreign: (family != 0).then_some(family.into()),
            // Without limits it takes goals of several turns; we give it none beyond the first.
            limits: if limits == (0, 0) { TURN } else { limits },
            offset: signed(word(register::OFFSET) & 0xFFF, 11),
            mode: byte(register::MODE),
            limits_speed: true,
            full_load: 1000,
        })
    }

    fn parse_held(&self, data: &[u8]) -> Option<Held> {
        let at = |register: u8| data.get(usize::from(register - register::MODE)).copied();
        let goal = word(
            at(register::GOAL_POSITION)?,
            at(register::GOAL_POSITION + 1)?,
        );
        Some(Held {
            mode: at(register::MODE)?,
            torque: at(register::TORQUE)? != 0,
            goal: Steps(signed(goal, 15)),
        })
    }

    fn mode(&self, mode: u8) -> Option<&'static str> {
        Some(match mode {
            0 => "position",
            1 => "speed",
            2 => "PWM",
            3 => "steps",
            _ => return None,
        })
    }

    fn complaints(&self, status: u16) -> Vec<&'static str> {
        names(&BITS, status)
    }

    /// An encoder that fails (02) tells no position, and with too much heat (04), current (08) or load (20) it has to be left
    /// alone. A voltage (01) that does not suit it is complained of only.
    fn unfit(&self) -> u16 {
        0x02 | 0x04 | 0x08 | 0x20
    }

    fn overload(&self) -> u16 {
        OVERLOAD.into()
    }
}

/// The two bytes of a goal, low byte first.
fn bytes_of(goal: Steps) -> [u8; 2] {
    (goal.0.clamp(TURN.0, TURN.1) as u16).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(change: impl Fn(&mut [u8])) -> Settings {
        let mut bytes = [0; SETTINGS as usize];
        // As delivered: model 777, id 1, limits 0 and 4095, phase 12.
        (bytes[3], bytes[4]) = (9, 3);
        (bytes[5], bytes[11], bytes[12], bytes[18]) = (1, 0xFF, 0x0F, 12);
        change(&mut bytes);
        Sts.parse_settings(1, &bytes).unwrap()
    }

    #[test]
    fn settings_are_read_with_their_signs() {
        let read = settings(|b| {
            (b[31], b[32]) = (0x64, 0x08);
            b[33] = 3;
        });
        assert_eq!(
            (read.id, read.limits, read.offset, read.mode),
            (1, (0, 4095), -100, 3)
        );
        assert_eq!((read.model, read.foreign), (777, None));
        assert_eq!(Sts.parse_settings(1, &[0; 33]), None);
        assert_eq!(settings(|b| (b[11], b[12]) = (0, 0)).limits, TURN);
        // An SCS says so in register 2.
        assert_eq!(settings(|b| b[2] = 1).foreign, Some(1));
    }

    #[test]
    fn status_bits_have_names() {
        assert!(Sts.complaints(0).is_empty());
        assert_eq!(Sts.complaints(0x24), ["temperature", "overload"]);
    }

    #[test]
    fn permanent_memory_is_written_by_exact_bytes() {
        let memory = Sts.permanent().unwrap();
        for (id, order, want) in [
            (1, memory.unlock.unwrap(), "FF FF 01 04 03 37 00 C0"),
            (1, Sts.set_id(2).unwrap(), "FF FF 01 04 03 05 02 F0"),
            (2, memory.lock.unwrap(), "FF FF 02 04 03 37 01 BE"),
            (
                1,
                Sts.set_offset(-100).unwrap(),
                "FF FF 01 05 03 1F 64 08 6B",
            ),
        ] {
            assert_eq!(Sts.write(id, &order).bytes, hex(want));
        }
        assert_eq!(Sts.set_offset(2048), None);
    }
}
