//! The mini-SSC protocol, on a line that goes one way: a Maestro, or another controller of hobby servos, of which only the
//! receiving pin is wired. An id is a channel.
//!
//! Nothing is ever answered, so a reading is what was told. What the protocol lacks, an end of the pulses, is told in the
//! Maestro's own; controllers that only know mini-SSC wait for the FF of the next frame meanwhile.

use super::maestro::{CENTRE, Maestro, PER_DEGREE};
use super::maestro_frame::{MINI_SSC, command, mini_ssc, pololu};
use super::{
    Abilities, Held, Limits, Permanent, Places, Protocol, Query, Reading, Reply, Settings, Write,
};
use crate::follow::servo::steps::{Scale, Steps};
use crate::say;

/// 127 units to either side.
const GOALS: (i32, i32) = (CENTRE - 127 * MINI_SSC, CENTRE + 127 * MINI_SSC);

/// A controller that only listens.
#[derive(Debug)]
pub struct MiniSsc;

/// What is not asked, and answered by nothing.
const fn nothing() -> Query {
    Query {
        bytes: Vec::new(),
        count: 0,
    }
}

impl Protocol for MiniSsc {
    fn name(&self) -> &'static str {
        "mini-SSC"
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            answers: false,
            ..Maestro::PLAIN.abilities()
        }
    }

    fn scale(&self) -> Scale {
        Scale {
            per_degree: PER_DEGREE,
            goals: GOALS,
            ..Maestro::PLAIN.scale()
        }
    }

    fn places(&self) -> Places {
        Maestro::PLAIN.places()
    }

    fn shortcomings(&self) -> Option<String> {
        Some(say!(
            "the line goes one way: whether there is a controller at all is not known, the position is the commanded one; no load, \
             no id (\"id\" is the channel), no limits of speed inside, steps of a third of a degree; only a Maestro lets its \
             servos go",
            "一方向の通信です。コントローラーの有無は確認できず、位置は指令値です。負荷、ID（\"id\" はチャンネル番号）、内部の\
             速度制限はありません。分解能は約 1/3 度です。サーボを解放できるのは Maestro のみです"
        ))
    }

    /// Tells a Maestro the rate, and has it forget earlier errors.
    fn greetings(&self) -> Vec<(Query, &'static dyn Protocol)> {
        let bytes = pololu(12, &[command::ERRORS]);
        vec![(Query { bytes, count: 0 }, &Self)]
    }

    fn ping(&self, _: u8) -> Query {
        nothing()
    }

    fn movement(&self, ids: &[u8], _: u8) -> Option<Query> {
        (ids.len() == 1).then(nothing)
    }

    fn settings(&self, _: u8) -> Query {
        nothing()
    }

    fn held(&self, _: u8) -> Option<Query> {
        None
    }

    fn write(&self, id: u8, order: &Write) -> Query {
        let bytes = match (order.register, &order.data[..]) {
            (MINI, [target]) => vec![0xFF, id, *target],
            (register, data) => [&[register as u8, id], data].concat(),
        };
        Query { bytes, count: 0 }
    }

    fn read_back(&self, _: u8, _: &Write) -> Option<Query> {
        None
    }

    fn goals(&self, goals: &[(u8, Steps)]) -> Vec<u8> {
        let frames = goals.iter().filter_map(|(id, goal)| mini_ssc(*id, *goal));
        frames.flatten().collect()
    }

    fn torque(&self, on: bool) -> Option<Write> {
        Maestro::PLAIN.torque(on)
    }

    fn goal(&self, goal: Steps) -> Write {
        let target = mini_ssc(0, goal).map_or(127, |[_, _, target]| target);
        Write::new(MINI, &[target])
    }

    fn limits(&self, _: &Limits, _: &Settings) -> Vec<Write> {
        Vec::new()
    }

    fn permanent(&self) -> Option<Permanent> {
        None
    }

    fn reply(&self, _: &[u8], _: &Query, _: u8) -> Option<Reply> {
        Some(Reply {
            status: 0,
            data: Vec::new(),
            count: 0,
            bytes: 0,
        })
    }

    fn replies(&self, bytes: &[u8], query: &Query, id: u8) -> Vec<Reply> {
        self.reply(bytes, query, id).into_iter().collect()
    }

    fn head(&self, _: u8) -> Vec<u8> {
        Vec::new()
    }

    fn reading(&self, _: &Reply) -> Option<Reading> {
        Some(Reading {
            position: Steps(CENTRE),
            off: true,
            load: 0,
            voltage: None,
            temperature: None,
            status: 0,
            alert: false,
        })
    }

    fn parse_settings(&self, id: u8, data: &[u8]) -> Option<Settings> {
        let limits = GOALS;
        let settings = Maestro::PLAIN.parse_settings(id, data)?;
        Some(Settings { limits, ..settings })
    }

    fn parse_held(&self, _: &[u8]) -> Option<Held> {
        None
    }

    fn mode(&self, _: u8) -> Option<&'static str> {
        None
    }

    fn complaints(&self, _: u16) -> Vec<&'static str> {
        Vec::new()
    }

    fn unfit(&self) -> u16 {
        0
    }
}

/// [`Write::register`] of a mini-SSC target.
const MINI: u16 = 0xFF;

#[cfg(test)]
mod tests {
    use super::super::feetech::hex;
    use super::*;

    #[test]
    fn targets_are_mini_ssc_and_the_end_of_pulses_is_the_maestros() {
        let goals = MiniSsc.goals(&[(1, Steps(6000)), (2, Steps(7905))]);
        assert_eq!(goals, hex("FF 01 7F FF 02 FE"));
        let goal = MiniSsc.goal(Steps(4095));
        assert_eq!(MiniSsc.write(1, &goal).bytes, hex("FF 01 00"));
        let off = MiniSsc.torque(false).unwrap();
        assert_eq!(MiniSsc.write(1, &off).bytes, hex("84 01 00 00"));
        let [(greeting, _)] = &MiniSsc.greetings()[..] else {
            panic!("not one greeting");
        };
        assert_eq!(greeting.bytes, hex("AA 0C 21"));
    }
}
