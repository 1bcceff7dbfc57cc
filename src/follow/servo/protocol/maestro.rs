//! Pololu Maestro: a controller of up to 24 hobby servos, in its compact protocol. An id is a channel.
//!
//! Positions are quarter microseconds of the pulse that is sent; where the shaft stands nobody knows. A target of 0 ends the
//! pulses, which lets the servo go. Answers are bare bytes: only their number tells what they are. So every order is followed by
//! the question for errors, whose answer acknowledges it.
//!
//! Source: Pololu, "Maestro Servo Controller User's Guide", chapter 5.

use super::maestro_frame::{command, crc, pololu, sevens};
use super::{
    Abilities, Held, Limits, Permanent, Places, Protocol, Query, Reading, Reply, Settings, Write,
    names,
};
use crate::follow::servo::steps::{MARGIN, Scale, Steps};
use crate::say;

/// The pulses of a channel as delivered, 992 to 2000 µs.
const GOALS: (i32, i32) = (992 * 4, 2000 * 4);
/// Quarter microseconds of a degree: a servo of the usual kind turns 90 degrees in 1000 µs.
pub(super) const PER_DEGREE: f64 = 4000.0 / 90.0;
/// Straight ahead, 1500 µs.
pub(super) const CENTRE: i32 = 1500 * 4;
/// No pulse is shorter or longer, whatever a channel is set to.
const PULSES: std::ops::RangeInclusive<u16> = 64 * 4..=4096 * 4 - 1;
/// Device number as delivered.
const DEVICE: u8 = 12;
/// Error bits.
const BITS: [(u16, &str); 9] = [
    (0x001, "serial signal"),
    (0x002, "serial overrun"),
    (0x004, "serial buffer full"),
    (0x008, "serial CRC"),
    (0x010, "serial protocol"),
    (0x020, "serial timeout"),
    (0x040, "script stack"),
    (0x080, "script call stack"),
    (0x100, "script program counter"),
];

/// A Maestro.
#[derive(Debug)]
pub struct Maestro {
    /// Whether it is set to want a CRC behind every command.
    crc: bool,
}

impl Maestro {
    /// As delivered.
    pub const PLAIN: Self = Self { crc: false };
    /// Set to want a CRC.
    pub const WITH_CRC: Self = Self { crc: true };

    /// A command, with its CRC where one is wanted.
    fn command(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if self.crc {
            bytes.push(crc(&bytes));
        }
        bytes
    }

    fn errors(&self) -> Vec<u8> {
        self.command(&[command::ERRORS])
    }

    fn target(&self, channel: u8, goal: Steps) -> Vec<u8> {
        let [low, high] = goal_of(goal);
        self.command(&[command::TARGET, channel, low, high])
    }

    /// The channels that a question is about.
    fn channels<'a>(&self, query: &'a Query) -> impl Iterator<Item = u8> + 'a {
        let length = if self.crc { 3 } else { 2 };
        let commands = query.bytes.chunks(length);
        commands.map_while(|bytes| match bytes {
            [command::POSITION, channel, ..] => Some(*channel),
            _ => None,
        })
    }
}

fn goal_of(goal: Steps) -> [u8; 2] {
    sevens(goal.0.clamp(GOALS.0, GOALS.1) as u16)
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs.iter().map(|pair| u16::from_le_bytes(*pair))
}

impl Protocol for Maestro {
    fn name(&self) -> &'static str {
        "Pololu Maestro"
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            answers: true,
            ids: false,
            measures: false,
            load: false,
            reads_back: false,
        }
    }

    fn scale(&self) -> Scale {
        Scale {
            per_degree: PER_DEGREE,
            centre: CENTRE,
            goals: GOALS,
            top_speed: 264.0 * PER_DEGREE,
            rattle: 160.0,
        }
    }

    fn places(&self) -> Places {
        Places {
            mode: None,
            position_mode: 0,
            id: 0,
            limits: (0, 0),
            offset: 0,
            direction: 0,
            reply_level: 0,
        }
    }

    fn shortcomings(&self) -> Option<String> {
        Some(say!(
            "the position is the commanded one, not the shaft's; no load (mechanical ends are not noticed), no id (\"id\" is the \
             channel), no voltage or temperature; the first movement after a release is as fast as the servo",
            "位置は指令値で、実際の軸の位置ではありません。負荷（機械的な限界）、ID（\"id\" はチャンネル番号）、電圧、温度は取得\
             できません。解放後の最初の動作は速度制限が効きません"
        ))
    }

    /// The form with a device number also tells an UART its rate; two zeros end a mini-SSC frame that hangs.
    fn greetings(&self) -> Vec<(Query, &'static dyn Protocol)> {
        let plain = |bytes: Vec<u8>| (Query { bytes, count: 2 }, &Self::PLAIN as &dyn Protocol);
        let with_crc = Query {
            bytes: Self::WITH_CRC.errors(),
            count: 2,
        };
        vec![
            plain(vec![command::ERRORS]),
            plain(pololu(DEVICE, &[command::ERRORS])),
            plain(vec![0, 0, command::ERRORS]),
            (with_crc, &Self::WITH_CRC),
        ]
    }

    fn ping(&self, _: u8) -> Query {
        Query {
            bytes: self.errors(),
            count: 2,
        }
    }

    fn movement(&self, ids: &[u8], turn: u8) -> Option<Query> {
        let mut bytes: Vec<u8> = ids
            .iter()
            .flat_map(|id| self.command(&[command::POSITION, *id]))
            .collect();
        // Never twice the same number one after the other, and no more than it takes: each may be spoilt on its way.
        const ERRORS: [usize; 5] = [0, 1, 0, 1, 2];
        let times = ERRORS[usize::from(turn) % ERRORS.len()];
        bytes.extend(self.errors().repeat(times));
        Some(Query {
            bytes,
            count: 2 * (ids.len() + times),
        })
    }

    /// They cannot be read over the line; that it answers is all.
    fn settings(&self, id: u8) -> Query {
        self.ping(id)
    }

    fn held(&self, _: u8) -> Option<Query> {
        None
    }

    fn write(&self, id: u8, order: &Write) -> Query {
        let mut bytes = self.command(&[&[order.register as u8, id], &order.data[..]].concat());
        bytes.extend(self.errors());
        Query { bytes, count: 2 }
    }

    fn read_back(&self, _: u8, _: &Write) -> Option<Query> {
        None
    }

    fn goals(&self, goals: &[(u8, Steps)]) -> Vec<u8> {
        goals
            .iter()
            .flat_map(|(id, goal)| self.target(*id, *goal))
            .collect()
    }

    fn torque(&self, on: bool) -> Option<Write> {
        (!on).then(|| Write::new(command::TARGET, &[0, 0]))
    }

    fn goal(&self, goal: Steps) -> Write {
        Write::new(command::TARGET, &goal_of(goal))
    }

    fn limits(&self, limits: &Limits, _: &Settings) -> Vec<Write> {
        let of = |value: f64, unit: f64, top: f64| {
            sevens((value * PER_DEGREE * MARGIN / unit).ceil().clamp(1.0, top) as u16)
        };
        vec![
            Write::new(
                command::ACCELERATION,
                &of(limits.acceleration, 100.0 / 0.08, 255.0),
            ),
            Write::new(command::SPEED, &of(limits.speed, 100.0, 16383.0)),
        ]
    }

    fn permanent(&self) -> Option<Permanent> {
        None
    }

    fn reply(&self, bytes: &[u8], query: &Query, id: u8) -> Option<Reply> {
        if bytes.len() != query.count {
            return None;
        }
        let channels = self.channels(query).count();
        let status = words(bytes).skip(channels).fold(0, |all, bits| all | bits);
        let place = self.channels(query).position(|channel| channel == id);
        let data = match place {
            Some(n) => bytes[2 * n..2 * n + 2].to_vec(),
            None if self.is_order(query) => Vec::new(),
            None => bytes.to_vec(),
        };
        Some(Reply {
            status,
            data,
            count: bytes.len(),
            bytes: bytes.len(),
        })
    }

    fn replies(&self, bytes: &[u8], query: &Query, id: u8) -> Vec<Reply> {
        self.reply(bytes, query, id).into_iter().collect()
    }

    fn head(&self, _: u8) -> Vec<u8> {
        Vec::new()
    }

    fn reading(&self, reply: &Reply) -> Option<Reading> {
        let pulse = words(&reply.data).next()?;
        let known = pulse == 0 || PULSES.contains(&pulse);
        known.then_some(Reading {
            position: Steps(pulse.into()),
            off: pulse == 0,
            load: 0,
            voltage: None,
            temperature: None,
            status: reply.status,
            alert: false,
        })
    }

    fn parse_settings(&self, id: u8, _: &[u8]) -> Option<Settings> {
        Some(Settings {
            id,
            model: 0,
            firmware: 0,
            foreign: None,
            limits: GOALS,
            offset: 0,
            mode: 0,
            limits_speed: true,
            full_load: 1000,
        })
    }

    fn parse_held(&self, _: &[u8]) -> Option<Held> {
        None
    }

    /// An order that comes with an error was not carried out, or is undone by it: the channels go to their home setting.
    fn refusal(&self, reply: &Reply) -> Option<&'static str> {
        let found = BITS.iter().find(|(bit, _)| reply.status & bit != 0);
        found
            .filter(|_| reply.data.is_empty())
            .map(|(_, name)| *name)
    }

    fn mode(&self, _: u8) -> Option<&'static str> {
        None
    }

    fn complaints(&self, status: u16) -> Vec<&'static str> {
        names(&BITS, status)
    }

    fn unfit(&self) -> u16 {
        0
    }
}

impl Maestro {
    fn is_order(&self, query: &Query) -> bool {
        let orders = [command::TARGET, command::SPEED, command::ACCELERATION];
        query
            .bytes
            .first()
            .is_some_and(|first| orders.contains(first))
    }
}

#[cfg(test)]
mod tests {
    use super::super::feetech::hex;
    use super::*;

    const PLAIN: Maestro = Maestro::PLAIN;

    #[test]
    fn commands_are_exact() {
        assert_eq!(PLAIN.target(2, Steps(6000)), hex("84 02 70 2E"));
        assert_eq!(
            Maestro::WITH_CRC.target(2, Steps(6000)),
            hex("84 02 70 2E 18")
        );
        let goals = PLAIN.goals(&[(0, Steps(6000)), (1, Steps(8000))]);
        assert_eq!(goals, hex("84 00 70 2E 84 01 40 3E"));
        let off = PLAIN.torque(false).unwrap();
        assert_eq!(PLAIN.write(2, &off).bytes, hex("84 02 00 00 A1"));
        assert_eq!(PLAIN.torque(true), None);
        let greetings: Vec<Vec<u8>> = PLAIN
            .greetings()
            .into_iter()
            .map(|(query, _)| query.bytes)
            .collect();
        assert_eq!(
            greetings[..3],
            [hex("A1"), hex("AA 0C 21"), hex("00 00 A1")]
        );
    }

    #[test]
    fn limits_are_in_its_units() {
        let limits = Limits {
            speed: 180.0,
            acceleration: 1000.0,
        };
        let settings = PLAIN.parse_settings(0, &[]).unwrap();
        // 270 degrees a second are 12,000 quarter microseconds a second, 120 in 10 ms.
        let [acceleration, speed] = &PLAIN.limits(&limits, &settings)[..] else {
            panic!("not two orders");
        };
        assert_eq!(PLAIN.write(1, speed).bytes, hex("87 01 78 00 A1"));
        assert_eq!(PLAIN.write(1, acceleration).bytes, hex("89 01 36 00 A1"));
    }

    #[test]
    fn channels_are_asked_together_and_told_apart() {
        for maestro in [Maestro::PLAIN, Maestro::WITH_CRC] {
            let query = maestro.movement(&[1, 2, 3], 1).unwrap();
            let answer = hex("70 17 00 00 40 1F 10 00");
            let of = |id: u8| {
                maestro
                    .reading(&maestro.reply(&answer, &query, id).unwrap())
                    .unwrap()
            };
            assert_eq!((of(1).position, of(3).position), (Steps(6000), Steps(8000)));
            assert!(of(2).off && !of(1).off);
            assert_eq!(maestro.complaints(of(1).status), ["serial protocol"]);
            assert_eq!(maestro.reply(&answer[..7], &query, 1), None);
        }
        let query = PLAIN.movement(&[1, 2], 0).unwrap();
        assert_eq!(query.bytes, hex("90 01 90 02"));
    }

    #[test]
    fn an_order_with_an_error_is_refused_and_a_question_is_not() {
        let order = PLAIN.write(1, &PLAIN.goal(Steps(6000)));
        let reply = PLAIN.reply(&[0x08, 0], &order, 1).unwrap();
        assert_eq!(PLAIN.refusal(&reply), Some("serial CRC"));
        let reply = PLAIN.reply(&[0, 0], &order, 1).unwrap();
        assert_eq!(PLAIN.refusal(&reply), None);
        let reply = PLAIN.reply(&[0x08, 0], &PLAIN.ping(0), 0).unwrap();
        assert_eq!(PLAIN.refusal(&reply), None);
    }
}
