//! Feetech SCS (SCS0009, SCS15 and their kin): big endian, 1024 steps.
//!
//! The frames are those of STS, the registers are not: the lock is another one, there is no acceleration and no mode, and both
//! limits at 0 mean speed mode. No servo of this family knows sync read. Source: Feetech, "SCS15 & SCS115 Manual" 1.02, and the
//! maker's package.

use super::feetech::{
    BROADCAST, ping, query, read, read_back_query, replies, reply, signed, sync_write_bytes, who,
    write_query,
};
use super::sts::BAUDS;
use super::table::{Kind, Place, Table};
use super::{
    Abilities, Held, Limits, Permanent, Places, Protocol, Query, Reading, Reply, Settings, Write,
    names,
};
use crate::follow::servo::steps::{MARGIN, Scale, Steps};
use crate::say;

/// Addresses of the memory table.
pub mod register {
    /// The family: not 0 where values are big endian.
    pub const FAMILY: u8 = 2;
    /// Version of the servo, two bytes.
    pub const MODEL: u8 = 3;
    /// The id.
    pub const ID: u8 = 5;
    /// Code of the bit rate.
    pub const BAUD: u8 = 6;
    /// Status return level.
    pub const REPLY_LEVEL: u8 = 8;
    /// The smallest goal, two bytes.
    pub const LOWEST_GOAL: u8 = 9;
    /// The largest, two bytes. Where both are 0 the servo turns at a speed.
    pub const HIGHEST_GOAL: u8 = 11;
    /// Torque: 1 on, 0 off.
    pub const TORQUE: u8 = 40;
    /// Goal position, two bytes.
    pub const GOAL_POSITION: u8 = 42;
    /// Time to the goal, two bytes; the speed follows, two bytes. With a time of 0 the speed is the limit.
    pub const GOAL_TIME: u8 = 44;
    /// Lock of the permanent memory: 0 is open.
    pub const LOCK: u8 = 48;
    /// Present position, two bytes; speed, load, voltage, temperature, a flag and the status follow.
    pub const PRESENT_POSITION: u8 = 56;
}

/// Bytes that are read of an axis, from the position to the status.
const AXIS: u8 = 10;
/// From the firmware to the limits.
const SETTINGS: u8 = register::HIGHEST_GOAL + 2;
/// From the limits to the goal.
const HELD: u8 = register::GOAL_POSITION + 2 - register::LOWEST_GOAL;
/// Where goals can be.
const GOALS: (i32, i32) = (0, 1023);
/// [`Settings::mode`] where both limits are 0.
const SPEED_MODE: u8 = 1;
/// 1024 steps are 300 degrees on an SCS0009. Of an SCS15, whose steps are smaller, the mount turns by a third less than it is
/// told, never by more.
const PER_DEGREE: f64 = 1024.0 / 300.0;
/// Status bits of an answer, which are those of its alarms (register 19).
const BITS: [(u16, &str); 3] = [(0x01, "voltage"), (0x04, "temperature"), (0x20, "overload")];

/// Memory of an SCS15 and its kin.
static TABLE: Table = Table {
    family: "scs",
    reads: &[(0, 40), (40, 10)],
    model: Place::new(register::MODEL as u16, 2, Kind::Big),
    models: &[],
    firmware: Place::byte(0),
    minor: Some(Place::byte(1)),
    id: Place::byte(register::ID as u16),
    last_id: 253,
    baud: Place::byte(register::BAUD as u16),
    level: (Place::byte(register::REPLY_LEVEL as u16), 1),
    level_is_permanent: true,
    limits: (
        Place::new(register::LOWEST_GOAL as u16, 2, Kind::Big),
        Place::new(register::HIGHEST_GOAL as u16, 2, Kind::Big),
    ),
    usual_limits: (20, 1003),
    offset: None,
    mode: None,
    turns: None,
    reversed: None,
    volts: (Place::byte(15), Place::byte(14)),
    // 48 is the lock here; its strongest torque (16) is permanent memory.
    strength: None,
    torque: Place::byte(register::TORQUE as u16),
    lock: Some(Place::byte(register::LOCK as u16)),
};

/// The SCS family.
#[derive(Debug)]
pub struct Scs;

/// The value of two bytes, high byte first.
const fn word(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high, low])
}

fn bytes_of(goal: Steps) -> [u8; 2] {
    (goal.0.clamp(GOALS.0, GOALS.1) as u16).to_be_bytes()
}

fn mode_of(limits: (u16, u16)) -> u8 {
    if limits == (0, 0) { SPEED_MODE } else { 0 }
}

impl Protocol for Scs {
    fn name(&self) -> &'static str {
        "Feetech SCS"
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
        Scale {
            per_degree: PER_DEGREE,
            centre: 512,
            goals: GOALS,
            top_speed: 264.0 * PER_DEGREE,
            rattle: 12.0,
        }
    }

    fn places(&self) -> Places {
        Places {
            mode: None,
            position_mode: 0,
            id: register::ID.into(),
            limits: (register::LOWEST_GOAL.into(), register::HIGHEST_GOAL.into()),
            offset: register::LOWEST_GOAL.into(),
            direction: register::LOWEST_GOAL.into(),
            reply_level: register::REPLY_LEVEL.into(),
        }
    }

    fn shortcomings(&self) -> Option<String> {
        Some(say!(
            "no acceleration limit inside the servo, no sync read (each servo is asked by itself), 1024 steps",
            "サーボ内部の加速度制限なし、一括読み取りなし（1台ずつ読み取り）、分解能 1024 ステップ"
        ))
    }

    fn ping(&self, id: u8) -> Query {
        query(ping(id), 0)
    }

    fn movement(&self, ids: &[u8], turn: u8) -> Option<Query> {
        let [id] = ids else {
            return None;
        };
        let count = AXIS + turn;
        Some(query(read(*id, register::PRESENT_POSITION, count), count))
    }

    fn settings(&self, id: u8) -> Query {
        query(read(id, 0, SETTINGS), SETTINGS)
    }

    fn held(&self, id: u8) -> Option<Query> {
        Some(query(read(id, register::LOWEST_GOAL, HELD), HELD))
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
        let scale = self.scale();
        let speed = (scale.speed(limits.speed) * MARGIN).round();
        let [high, low] = (speed.clamp(1.0, scale.top_speed) as u16).to_be_bytes();
        vec![Write::new(register::GOAL_TIME, &[0, 0, high, low])]
    }

    fn table(&self) -> Option<&'static Table> {
        Some(&TABLE)
    }

    fn ping_all(&self) -> Option<Query> {
        Some(query(ping(BROADCAST), 0))
    }

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
        Some(Reading {
            position: Steps(word(p0, p1).into()),
            off: false,
            load: signed(word(l0, l1) & 0x7FF, 10),
            voltage: Some(voltage.into()),
            temperature: Some(temperature),
            status: reply.status | u16::from(bits),
            alert: false,
        })
    }

    /// Not every firmware has the family where it belongs; what is no limit of this family tells it then.
    fn parse_settings(&self, _: u8, data: &[u8]) -> Option<Settings> {
        if data.len() != usize::from(SETTINGS) {
            return None;
        }
        let byte = |at: u8| data[usize::from(at)];
        let word = |at: u8| word(byte(at), byte(at + 1));
        let limits = (word(register::LOWEST_GOAL), word(register::HIGHEST_GOAL));
        let family = byte(register::FAMILY);
        let possible = i32::from(limits.0.max(limits.1)) <= GOALS.1;
        Some(Settings {
            id: byte(register::ID),
            model: word(register::MODEL),
            firmware: byte(0),
            foreign: (family == 0 && !possible).then_some(family.into()),
            limits: (limits.0.into(), limits.1.into()),
            offset: 0,
            mode: mode_of(limits),
            limits_speed: true,
            full_load: 1000,
        })
    }

    fn parse_held(&self, data: &[u8]) -> Option<Held> {
        if data.len() != usize::from(HELD) {
            return None;
        }
        let byte = |register: u8| data[usize::from(register - register::LOWEST_GOAL)];
        let word = |at: u8| word(byte(at), byte(at + 1));
        Some(Held {
            mode: mode_of((word(register::LOWEST_GOAL), word(register::HIGHEST_GOAL))),
            torque: byte(register::TORQUE) != 0,
            goal: Steps(word(register::GOAL_POSITION).into()),
        })
    }

    fn mode(&self, mode: u8) -> Option<&'static str> {
        Some(if mode == SPEED_MODE {
            "speed"
        } else {
            "position"
        })
    }

    fn complaints(&self, status: u16) -> Vec<&'static str> {
        names(&BITS, status)
    }

    fn unfit(&self) -> u16 {
        0x04 | 0x20
    }

    fn overload(&self) -> u16 {
        0x20
    }
}

/// What sets a servo to turn at a speed, and what sets it back: its limits, in permanent memory.
#[must_use]
pub fn set_limits(low: u16, high: u16) -> Write {
    let [low, high] = [low.to_be_bytes(), high.to_be_bytes()];
    Write::new(register::LOWEST_GOAL, &[low, high].concat())
}

#[cfg(test)]
mod tests {
    use super::super::feetech::{frame, hex};
    use super::*;

    #[test]
    fn frames_are_exact() {
        let memory = Scs.permanent().unwrap();
        let goal = Write::new(register::GOAL_POSITION, &[2, 0, 0, 0, 3, 0xE8]);
        for (id, order, want) in [
            (1, goal, "FF FF 01 09 03 2A 02 00 00 00 03 E8 DB"),
            (1, memory.unlock.unwrap(), "FF FF 01 04 03 30 00 C7"),
            (1, Scs.set_id(2).unwrap(), "FF FF 01 04 03 05 02 F0"),
            (2, memory.lock.unwrap(), "FF FF 02 04 03 30 01 C5"),
            (1, set_limits(0, 0), "FF FF 01 07 03 09 00 00 00 00 EB"),
            (1, Scs.torque(false).unwrap(), "FF FF 01 04 03 28 00 CF"),
        ] {
            assert_eq!(Scs.write(id, &order).bytes, hex(want));
        }
        let goals = Scs.goals(&[(1, Steps(512)), (2, Steps(1023))]);
        assert_eq!(goals, hex("FF FF FE 0A 83 2A 02 01 02 00 02 03 FF 41"));
    }

    #[test]
    fn values_are_big_endian_and_nobody_is_asked_together() {
        let query = Scs.movement(&[1], 0).unwrap();
        assert_eq!(query.bytes, hex("FF FF 01 04 02 38 0A B6"));
        assert_eq!(Scs.movement(&[1, 2], 0), None);
        let bytes = frame(1, 0, &[0x03, 0xFF, 0, 0, 0x04, 0x52, 74, 30, 0, 0x20]);
        let reading = Scs.reading(&Scs.reply(&bytes, &query, 1).unwrap()).unwrap();
        assert_eq!((reading.position, reading.load), (Steps(1023), -82));
        assert_eq!(Scs.complaints(reading.status), ["overload"]);
    }

    #[test]
    fn both_limits_at_zero_are_speed_mode_and_an_sts_is_known_by_its_limits() {
        let of = |family: u8, limits: [u8; 4]| {
            let mut data = [0, 0, family, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0];
            data[9..].copy_from_slice(&limits);
            Scs.parse_settings(1, &data).unwrap()
        };
        let usual = of(1, [0, 20, 3, 0xEB]);
        assert_eq!(
            (usual.limits, usual.mode, usual.foreign),
            ((20, 1003), 0, None)
        );
        assert!(!Scs.takes_positions(of(1, [0; 4]).mode));
        assert_eq!(of(0, [0, 20, 3, 0xEB]).foreign, None);
        assert_eq!(of(0, [0, 0, 0xFF, 0x0F]).foreign, Some(0));
    }
}
