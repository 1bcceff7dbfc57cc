//! Dynamixel, protocol 2.0: the X series and MX with protocol 2.0, which share one memory table; 4096 steps a turn.
//!
//! Source: ROBOTIS, control tables of XL430-W250 and XM430-W350, and the maker's package.

use super::dynamixel_frame::{self as frame, instruction};
use super::table::{Kind, Offset, Place, Table};
use super::{
    Abilities, Held, Limits, Permanent, Places, Protocol, Query, Reading, Reply, Settings, Write,
    names,
};
use crate::follow::servo::steps::{MARGIN, STS, Scale, Steps};

/// Addresses of the control table.
pub mod register {
    /// The id.
    pub const ID: u16 = 7;
    /// Code of the bit rate.
    pub const BAUD: u16 = 8;
    /// Drive mode: bit 0 turns directions round, bit 2 makes limits of speed times.
    pub const DRIVE_MODE: u16 = 10;
    /// Operating mode.
    pub const MODE: u16 = 11;
    /// What is added to the measured position, four bytes.
    pub const OFFSET: u16 = 20;
    /// The strongest current, two bytes.
    pub const CURRENT_LIMIT: u16 = 38;
    /// The largest goal, four bytes.
    pub const HIGHEST_GOAL: u16 = 48;
    /// The smallest goal, four bytes.
    pub const LOWEST_GOAL: u16 = 52;
    /// Torque: 1 on, 0 off. With 1 the addresses before this one cannot be written.
    pub const TORQUE: u16 = 64;
    /// Status return level: 2 where everything is answered.
    pub const REPLY_LEVEL: u16 = 68;
    /// Status bits.
    pub const HARDWARE_ERROR: u16 = 70;
    /// Profile acceleration, four bytes; profile velocity, four bytes, follows.
    pub const PROFILE: u16 = 108;
    /// Goal position, four bytes.
    pub const GOAL_POSITION: u16 = 116;
    /// Present load or current, two bytes; velocity and position, four bytes each, follow.
    pub const PRESENT_LOAD: u16 = 126;
    /// Input voltage, two bytes; temperature, one byte, follows.
    pub const VOLTAGE: u16 = 144;
}

/// Where a question about movement begins, by turns. All end behind the position; each begins with a value of its own.
const FIRST: [u16; 5] = [register::PRESENT_LOAD, 124, 123, 122, 120];
/// Behind the position.
const END: u16 = 136;
/// Load, velocity, position.
const AXIS: usize = 10;
/// From the model to the limits.
const SETTINGS: u16 = register::LOWEST_GOAL + 4;
/// From the torque to the goal.
const HELD: u16 = register::GOAL_POSITION + 4 - register::TORQUE;
/// One turn.
const TURN: (i32, i32) = (0, 4095);
/// The position mode.
const POSITION: u8 = 3;
/// No servo is farther away than its 256 turns either way.
const FARTHEST: i32 = 256 * 4096;
/// Degrees a second of a unit of velocity: 0.229 turns a minute.
const VELOCITY: f64 = 0.229 * 6.0;
/// Degrees a second squared of a unit of acceleration: 214.577 turns a minute squared.
const ACCELERATION: f64 = 214.577 / 10.0;
/// The largest limit of velocity or acceleration.
const TOP: f64 = 32767.0;
/// Models that tell their load at address 126; all others tell their current.
const TELLS_LOAD: [u16; 6] = [30, 1060, 1070, 1080, 1090, 1160];
/// Models of the MX series with protocol 2.0.
const MX: [u16; 3] = [30, 311, 321];
/// The X series.
const X: std::ops::Range<u16> = 1000..2000;
/// Bit rates and their codes.
const BAUDS: &[(u32, u8)] = &[
    (9_600, 0),
    (57_600, 1),
    (115_200, 2),
    (1_000_000, 3),
    (2_000_000, 4),
    (3_000_000, 5),
    (4_000_000, 6),
];
/// Bit of an answer: there are status bits.
const ALERT: u16 = 0x80;
/// Status bits.
const BITS: [(u16, &str); 5] = [
    (0x01, "voltage"),
    (0x04, "temperature"),
    (0x08, "sensor"),
    (0x10, "electrical shock"),
    (0x20, "overload"),
];
/// Overload: only a new start gives torque back.
const OVERLOAD: u16 = 0x20;

/// Memory of the X series.
static TABLE: Table = Table {
    family: "dynamixel",
    reads: &[(0, 64), (64, 64)],
    model: Place::new(0, 2, Kind::Plain),
    models: &[
        (30, "MX-28"),
        (311, "MX-64"),
        (321, "MX-106"),
        (1000, "XH430-W350"),
        (1010, "XH430-W210"),
        (1020, "XM430-W350"),
        (1030, "XM430-W210"),
        (1060, "XL430-W250"),
        (1070, "XC430-W150"),
        (1080, "XC430-W240"),
        (1090, "2XL430-W250"),
        (1120, "XM540-W270"),
        (1130, "XM540-W150"),
        (1190, "XL330-M077"),
        (1200, "XL330-M288"),
    ],
    firmware: Place::byte(6),
    minor: None,
    id: Place::byte(register::ID),
    last_id: 252,
    baud: Place::byte(register::BAUD),
    level: (Place::byte(register::REPLY_LEVEL), 2),
    level_is_permanent: false,
    limits: (
        Place::new(register::LOWEST_GOAL, 4, Kind::Twos),
        Place::new(register::HIGHEST_GOAL, 4, Kind::Twos),
    ),
    usual_limits: TURN,
    offset: Some(Offset {
        place: Place::new(register::OFFSET, 4, Kind::Twos),
        // In position mode more is ignored.
        most: 1024,
        sign: 1,
        turn: None,
    }),
    mode: Some(Place::byte(register::MODE)),
    turns: None,
    reversed: Some((Place::byte(register::DRIVE_MODE), 0)),
    volts: (
        Place::new(34, 2, Kind::Plain),
        Place::new(32, 2, Kind::Plain),
    ),
    // The goal of the PWM, which is a limit in position mode.
    strength: Some((Place::new(100, 2, Kind::Plain), 885)),
    torque: Place::byte(register::TORQUE),
    lock: None,
};

/// Dynamixel servos.
#[derive(Debug)]
pub struct Dynamixel;

fn query(bytes: Vec<u8>, count: u16) -> Query {
    Query {
        bytes,
        count: count.into(),
    }
}

fn long(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn goal_of(goal: Steps) -> i32 {
    goal.0.clamp(TURN.0, TURN.1)
}

impl Protocol for Dynamixel {
    fn name(&self) -> &'static str {
        "Dynamixel 2.0"
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
        // As many steps in a turn as an STS, with the same middle.
        STS
    }

    fn places(&self) -> Places {
        Places {
            mode: Some(register::MODE),
            position_mode: POSITION,
            id: register::ID,
            limits: (register::LOWEST_GOAL, register::HIGHEST_GOAL),
            offset: register::OFFSET,
            direction: register::DRIVE_MODE,
            reply_level: register::REPLY_LEVEL,
        }
    }

    fn ping(&self, id: u8) -> Query {
        query(frame::frame(id, instruction::PING, &[]), 3)
    }

    fn movement(&self, ids: &[u8], turn: u8) -> Option<Query> {
        let first = FIRST[usize::from(turn) % FIRST.len()];
        let count = END - first;
        let bytes = match ids {
            [id] => frame::read(*id, first, count),
            ids => frame::sync_read(first, count, ids),
        };
        Some(query(bytes, count))
    }

    fn settings(&self, id: u8) -> Query {
        query(frame::read(id, 0, SETTINGS), SETTINGS)
    }

    fn supply(&self, id: u8) -> Option<Query> {
        Some(query(frame::read(id, register::VOLTAGE, 3), 3))
    }

    fn held(&self, id: u8) -> Option<Query> {
        Some(query(frame::read(id, register::TORQUE, HELD), HELD))
    }

    fn alerts(&self, id: u8) -> Option<Query> {
        Some(query(frame::read(id, register::HARDWARE_ERROR, 1), 1))
    }

    fn write(&self, id: u8, order: &Write) -> Query {
        query(frame::write(id, order.register, &order.data), 0)
    }

    fn read_back(&self, id: u8, order: &Write) -> Option<Query> {
        let count = u16::try_from(order.data.len()).ok()?;
        Some(query(frame::read(id, order.register, count), count))
    }

    fn goals(&self, goals: &[(u8, Steps)]) -> Vec<u8> {
        let values: Vec<_> = goals
            .iter()
            .map(|(id, goal)| (*id, goal_of(*goal)))
            .collect();
        frame::sync_write(register::GOAL_POSITION, &values)
    }

    fn reboot(&self, id: u8) -> Option<Query> {
        Some(query(frame::frame(id, instruction::REBOOT, &[]), 0))
    }

    fn torque(&self, on: bool) -> Option<Write> {
        Some(Write::new(register::TORQUE, &[on.into()]))
    }

    fn goal(&self, goal: Steps) -> Write {
        Write::new(register::GOAL_POSITION, &goal_of(goal).to_le_bytes())
    }

    fn limits(&self, limits: &Limits, settings: &Settings) -> Vec<Write> {
        if !settings.limits_speed {
            return Vec::new();
        }
        let of = |value: f64, unit: f64| {
            ((value * MARGIN / unit).ceil().clamp(1.0, TOP) as u32).to_le_bytes()
        };
        let acceleration = of(limits.acceleration, ACCELERATION);
        let velocity = of(limits.speed, VELOCITY);
        vec![Write::new(
            register::PROFILE,
            &[acceleration, velocity].concat(),
        )]
    }

    fn answer_all(&self) -> Option<Write> {
        Some(Write::new(register::REPLY_LEVEL, &[2]))
    }

    fn table(&self) -> Option<&'static Table> {
        Some(&TABLE)
    }

    fn ping_all(&self) -> Option<Query> {
        Some(self.ping(frame::BROADCAST))
    }

    fn permanent(&self) -> Option<Permanent> {
        Some(Permanent {
            unlock: None,
            lock: None,
            baud: register::BAUD,
            bauds: BAUDS,
        })
    }

    fn set_id(&self, new: u8) -> Option<Write> {
        Some(Write::new(register::ID, &[new]))
    }

    /// In position mode offsets of more than a quarter of a turn are ignored.
    fn set_offset(&self, steps: i32) -> Option<Write> {
        let fits = (-1024..=1024).contains(&steps);
        fits.then(|| Write::new(register::OFFSET, &steps.to_le_bytes()))
    }

    fn reply(&self, bytes: &[u8], query: &Query, id: u8) -> Option<Reply> {
        let fits = |reply: &Reply| reply.count == query.count || self.refusal(reply).is_some();
        frame::replies(bytes, id).into_iter().find(fits)
    }

    fn replies(&self, bytes: &[u8], _: &Query, id: u8) -> Vec<Reply> {
        frame::replies(bytes, id)
    }

    fn head(&self, id: u8) -> Vec<u8> {
        frame::head(id)
    }

    fn reading(&self, reply: &Reply) -> Option<Reading> {
        let data = &reply.data[reply.data.len().checked_sub(AXIS)?..];
        let position = long(data, 6)?;
        (-FARTHEST..=FARTHEST)
            .contains(&position)
            .then_some(Reading {
                position: Steps(position),
                off: false,
                load: word(data, 0)?.cast_signed().into(),
                voltage: None,
                temperature: None,
                status: 0,
                alert: reply.status & ALERT != 0,
            })
    }

    fn parse_settings(&self, _: u8, data: &[u8]) -> Option<Settings> {
        if data.len() != usize::from(SETTINGS) {
            return None;
        }
        let byte = |at: u16| data[usize::from(at)];
        let long = |at: u16| long(data, at.into());
        let model = word(data, 0)?;
        let limits = (long(register::LOWEST_GOAL)?, long(register::HIGHEST_GOAL)?);
        let mode = byte(register::MODE);
        let full = word(data, register::CURRENT_LIMIT.into())?;
        Some(Settings {
            id: byte(register::ID),
            model,
            firmware: byte(6),
            foreign: (!X.contains(&model) && !MX.contains(&model)).then_some(model),
            // The modes with several turns know no limits.
            limits: if mode == POSITION { limits } else { TURN },
            offset: long(register::OFFSET)?,
            mode,
            limits_speed: byte(register::DRIVE_MODE) & 4 == 0,
            full_load: if TELLS_LOAD.contains(&model) {
                1000
            } else {
                full.into()
            },
        })
    }

    fn parse_supply(&self, data: &[u8]) -> Option<(u16, u8)> {
        Some((word(data, 0)?, *data.get(2)?))
    }

    /// The mode cannot be changed while there is torque.
    fn parse_held(&self, data: &[u8]) -> Option<Held> {
        let goal = usize::from(register::GOAL_POSITION - register::TORQUE);
        Some(Held {
            mode: POSITION,
            torque: *data.first()? != 0,
            goal: Steps(long(data, goal)?),
        })
    }

    fn refusal(&self, reply: &Reply) -> Option<&'static str> {
        Some(match reply.status & !ALERT {
            0 => return None,
            1 => "it failed (1)",
            2 => "it does not know the instruction (2)",
            3 => "the CRC was wrong (3)",
            4 => "the value is out of range (4)",
            5 => "the length is wrong (5)",
            6 => "the value is beyond its limits (6)",
            7 => "the register cannot be written now (7)",
            _ => "unknown",
        })
    }

    /// Also those with several turns, and with a limit of current.
    fn takes_positions(&self, mode: u8) -> bool {
        matches!(mode, 3..=5)
    }

    fn mode(&self, mode: u8) -> Option<&'static str> {
        Some(match mode {
            0 => "current",
            1 => "velocity",
            3 => "position",
            4 => "extended position",
            5 => "current-based position",
            16 => "PWM",
            _ => return None,
        })
    }

    fn complaints(&self, status: u16) -> Vec<&'static str> {
        names(&BITS, status)
    }

    fn unfit(&self) -> u16 {
        0x04 | 0x08 | 0x10 | OVERLOAD
    }

    fn overload(&self) -> u16 {
        OVERLOAD
    }
}

#[cfg(test)]
mod tests {
    use super::super::feetech::hex;
    use super::*;

    fn settings(change: impl Fn(&mut [u8])) -> Settings {
        let mut data = [0; SETTINGS as usize];
        // An XL430 as delivered.
        data[..2].copy_from_slice(&1060u16.to_le_bytes());
        (data[7], data[8], data[11]) = (1, 1, 3);
        data[48..52].copy_from_slice(&4095i32.to_le_bytes());
        change(&mut data);
        Dynamixel.parse_settings(1, &data).unwrap()
    }

    #[test]
    fn the_larger_limit_stands_before_the_smaller_one() {
        let read = settings(|d| d[52] = 100);
        assert_eq!(
            (read.limits, read.foreign, read.full_load),
            ((100, 4095), None, 1000)
        );
        // An XM430 tells its current.
        let current = settings(|d| {
            d[..2].copy_from_slice(&1020u16.to_le_bytes());
            d[38..40].copy_from_slice(&1193u16.to_le_bytes());
        });
        assert_eq!((current.full_load, current.foreign), (1193, None));
        // An XL-320 has another table.
        assert_eq!(
            settings(|d| d[..2].copy_from_slice(&350u16.to_le_bytes())).foreign,
            Some(350)
        );
        let turns = settings(|d| (d[11], d[52]) = (4, 100));
        assert_eq!(turns.limits, TURN);
        assert!(Dynamixel.takes_positions(4) && !Dynamixel.takes_positions(1));
    }

    #[test]
    fn each_turn_asks_for_another_number_of_bytes() {
        let mut counts: Vec<usize> = (0..5)
            .map(|turn| Dynamixel.movement(&[1], turn).unwrap().count)
            .collect();
        counts.sort_unstable();
        counts.dedup();
        assert_eq!(counts, [10, 12, 13, 14, 16]);
    }

    #[test]
    fn an_alert_is_no_error_and_an_error_is_an_answer() {
        let query = Dynamixel.movement(&[1], 0).unwrap();
        let mut data = vec![0x80, 0x18, 0xFC, 0, 0, 0, 0];
        data.extend((-5i32).to_le_bytes());
        let alert = frame::frame(1, 0x55, &data);
        let reply = Dynamixel.reply(&alert, &query, 1).unwrap();
        let reading = Dynamixel.reading(&reply).unwrap();
        assert_eq!(
            (reading.position, reading.load, reading.alert),
            (Steps(-5), -1000, true)
        );
        assert_eq!(Dynamixel.refusal(&reply), None);
        let error = frame::frame(1, 0x55, &[0x87]);
        let reply = Dynamixel.reply(&error, &query, 1).unwrap();
        assert!(Dynamixel.refusal(&reply).unwrap().contains("(7)"));
    }

    #[test]
    fn orders_are_exact() {
        let limits = Limits {
            speed: 180.0,
            acceleration: 1000.0,
        };
        let [profile] = &Dynamixel.limits(&limits, &settings(|_| ()))[..] else {
            panic!("not one order");
        };
        // 270 degrees a second are 197 units, 1500 degrees a second squared are 70.
        assert_eq!(
            (profile.register, &profile.data[..]),
            (108, &[70, 0, 0, 0, 197, 0, 0, 0][..])
        );
        assert!(
            Dynamixel
                .limits(&limits, &settings(|d| d[10] = 4))
                .is_empty()
        );
        let reboot = Dynamixel.reboot(1).unwrap();
        assert_eq!(reboot.bytes, hex("FF FF FD 00 01 03 00 08 2F 4E"));
        assert_eq!(
            Dynamixel.set_offset(-100).unwrap().data,
            [0x9C, 0xFF, 0xFF, 0xFF]
        );
        assert_eq!(Dynamixel.set_offset(1025), None);
    }
}
