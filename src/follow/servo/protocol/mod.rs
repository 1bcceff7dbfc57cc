//! What servos speak. One trait, one file for each protocol; whatever asks or drives servos knows only the trait.
//!
//! Everything here is a pure function: bytes out of questions and orders, answers out of bytes. [`super::bus`] exchanges them.
//! Positions are [`Steps`] of the protocol's own [`Scale`].

pub mod dynamixel;
pub mod feetech;
pub mod maestro;
pub mod maestro_frame;
pub mod mini_ssc;
pub mod scs;
pub mod sts;
pub mod table;

mod dynamixel_frame;

use std::fmt::Debug;

use memchr::memmem;

use super::steps::{Scale, Steps};
use crate::config;
use table::Table;

/// A question, or an order that is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What is sent.
    pub bytes: Vec<u8>,
    /// How many bytes of data the answer has, or each of the answers.
    pub count: usize,
}

/// An order: what is written where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The register; of a controller with commands instead, the command.
    pub register: u16,
    /// What is written from there on.
    pub data: Vec<u8>,
}

impl Write {
    /// Writes `data` from `register` on.
    pub fn new(register: impl Into<u16>, data: &[u8]) -> Self {
        Self {
            register: register.into(),
            data: data.to_vec(),
        }
    }
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Status bits or the error that came with it.
    pub status: u16,
    /// Its data.
    pub data: Vec<u8>,
    /// How many bytes of data it had, to be held against those of the question.
    pub count: usize,
    /// How many bytes it took on the line.
    pub bytes: usize,
}

/// What a servo reports about its movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Where it stands; where it is `off`, and its protocol cannot measure, this says nothing.
    pub position: Steps,
    /// Whether it gets no pulses, so that nobody knows where it stands. Never where the position is measured.
    pub off: bool,
    /// What its motor does, as a part of [`Settings::full_load`], with a sign.
    pub load: i32,
    /// Tenths of a volt, where that comes with the position.
    pub voltage: Option<u16>,
    /// Degrees Celsius, likewise.
    pub temperature: Option<u8>,
    /// Status bits.
    pub status: u16,
    /// Whether there are status bits that have to be asked for ([`Protocol::alerts`]).
    pub alert: bool,
}

/// The settings of a servo that outlive a loss of power, as far as they matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The id that it has.
    pub id: u8,
    /// Its model number, where it tells one.
    pub model: u16,
    /// Its firmware, where it tells that.
    pub firmware: u8,
    /// What it is, where it is not of this family: the value that tells so.
    pub foreign: Option<u16>,
    /// The goals that it takes, in steps.
    pub limits: (i32, i32),
    /// What it takes off the measured position, or adds to it, in steps.
    pub offset: i32,
    /// Its operating mode.
    pub mode: u8,
    /// Whether its limit of speed is one.
    pub limits_speed: bool,
    /// The load of its motor at its strongest.
    pub full_load: i32,
}

/// What a servo is set to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Operating mode.
    pub mode: u8,
    /// Whether torque is on.
    pub torque: bool,
    /// The goal.
    pub goal: Steps,
}

/// Limits of movement, for those inside the servos.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Degrees a second.
    pub speed: f64,
    /// Degrees a second squared.
    pub acceleration: f64,
}

impl From<&config::Tracking> for Limits {
    fn from(tracking: &config::Tracking) -> Self {
        Self {
            speed: tracking.max_speed_degrees,
            acceleration: tracking.max_acceleration_degrees,
        }
    }
}

/// What a protocol can do. Where one of these is false, that is told by the service, by `check` and in docs/servos.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Questions are answered and orders acknowledged; else the line goes one way.
    pub answers: bool,
    /// Servos have ids, so that a second one with the same id is noticed. Else a number is a channel of one controller.
    pub ids: bool,
    /// The position is measured at the shaft; else it is what was commanded.
    pub measures: bool,
    /// The load of the motor is told: mechanical ends are noticed.
    pub load: bool,
    /// What a servo is set to (mode, torque, goal) can be read.
    pub reads_back: bool,
}

/// Names of the places that messages speak of, as the maker numbers them.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// The operating mode; none where the limits tell it.
    pub mode: Option<u16>,
    /// The value of the mode that takes positions.
    pub position_mode: u8,
    /// The id.
    pub id: u16,
    /// Lowest and highest goal.
    pub limits: (u16, u16),
    /// The offset of positions.
    pub offset: u16,
    /// What turns directions round.
    pub direction: u16,
    /// The status return level.
    pub reply_level: u16,
}

/// How permanent memory is written, for commissioning.
#[derive(Debug, Clone)]
pub struct Permanent {
    /// What opens it; none where it is open while torque is off.
    pub unlock: Option<Write>,
    /// What closes it again; sent to the id that the servo has *then*.
    pub lock: Option<Write>,
    /// Where the bit rate is.
    pub baud: u16,
    /// The rates and their codes.
    pub bauds: &'static [(u32, u8)],
}

/// A protocol. Bytes are pure functions: nothing here waits, and nothing is kept.
pub trait Protocol: Debug + Send + Sync {
    /// Its name for people.
    fn name(&self) -> &'static str;
    /// What it can do.
    fn abilities(&self) -> Abilities;
    /// Its units.
    fn scale(&self) -> Scale;
    /// Where things are, for messages.
    fn places(&self) -> Places;
    /// What it cannot do, in a sentence; none if it can do all that is used here.
    fn shortcomings(&self) -> Option<String> {
        None
    }

    /// What is asked when a line has just been opened, one after the other until one is answered, and what is spoken then.
    /// None where nothing is needed.
    fn greetings(&self) -> Vec<(Query, &'static dyn Protocol)> {
        Vec::new()
    }
    /// Asks whether a servo is there.
    fn ping(&self, id: u8) -> Query;
    /// Asks about the movement of these servos; none if it cannot ask several at once. From one `turn` to the next the
    /// answers differ in their length, so that a late one is known by it.
    fn movement(&self, ids: &[u8], turn: u8) -> Option<Query>;
    /// Asks for the settings.
    fn settings(&self, id: u8) -> Query;
    /// Asks for voltage and temperature, where they do not come with the movement.
    fn supply(&self, _id: u8) -> Option<Query> {
        None
    }
    /// Asks what a servo is set to do; none where that cannot be read.
    fn held(&self, id: u8) -> Option<Query>;
    /// Asks for the status bits behind an alert.
    fn alerts(&self, _id: u8) -> Option<Query> {
        None
    }
    /// An order, and its acknowledgement.
    fn write(&self, id: u8, write: &Write) -> Query;
    /// Asks for what was written; none where that cannot be read.
    fn read_back(&self, id: u8, write: &Write) -> Option<Query>;
    /// Goals of several servos at once, which nobody acknowledges.
    fn goals(&self, goals: &[(u8, Steps)]) -> Vec<u8>;
    /// Starts the servo anew, as its power would; none where there is no such order.
    fn reboot(&self, _id: u8) -> Option<Query> {
        None
    }

    /// Torque on or off; none where the goal itself switches it on.
    fn torque(&self, on: bool) -> Option<Write>;
    /// A goal.
    fn goal(&self, goal: Steps) -> Write;
    /// Limits of speed and acceleration inside the servo, somewhat above these.
    fn limits(&self, limits: &Limits, settings: &Settings) -> Vec<Write>;
    /// Has all questions answered, where a servo answers pings only; none if that cannot be had without permanent memory.
    fn answer_all(&self) -> Option<Write> {
        None
    }
    /// Where commissioning finds things; none where nothing of the servo's memory can be read or written over the line.
    fn table(&self) -> Option<&'static Table> {
        None
    }
    /// Asks every servo on the line whether it is there, where there is such a question.
    fn ping_all(&self) -> Option<Query> {
        None
    }
    /// Asks one servo who it is, in such a way that the question itself, returned by an adapter, is no answer.
    fn who(&self, id: u8) -> Query {
        self.ping(id)
    }
    /// How permanent memory is written; none if that cannot be done over the line.
    fn permanent(&self) -> Option<Permanent>;
    /// Sets the id, in permanent memory.
    fn set_id(&self, _new: u8) -> Option<Write> {
        None
    }
    /// Sets the offset of positions, in permanent memory; none if the servo takes no such one.
    fn set_offset(&self, _steps: i32) -> Option<Write> {
        None
    }

    /// The answer of servo `id` in what came in behind the echo; also one that only tells of an error.
    fn reply(&self, bytes: &[u8], query: &Query, id: u8) -> Option<Reply>;
    /// All whole answers of servo `id`, whatever they answer.
    fn replies(&self, bytes: &[u8], query: &Query, id: u8) -> Vec<Reply>;
    /// How an answer of servo `id` begins; empty where answers have no head.
    fn head(&self, id: u8) -> Vec<u8>;
    /// What a servo tells about its movement; none if no servo can say so.
    fn reading(&self, reply: &Reply) -> Option<Reading>;
    /// Its settings; none if that is not what the bytes are.
    fn parse_settings(&self, id: u8, data: &[u8]) -> Option<Settings>;
    /// Tenths of a volt and degrees Celsius.
    fn parse_supply(&self, _data: &[u8]) -> Option<(u16, u8)> {
        None
    }
    /// What it is set to do.
    fn parse_held(&self, data: &[u8]) -> Option<Held>;
    /// Why an order was not carried out, if this answer says so.
    fn refusal(&self, _reply: &Reply) -> Option<&'static str> {
        None
    }

    /// Whether it takes positions in this mode.
    fn takes_positions(&self, mode: u8) -> bool {
        mode == self.places().position_mode
    }
    /// The name of an operating mode, if it has that.
    fn mode(&self, mode: u8) -> Option<&'static str>;
    /// Names of the status bits that are set, for people; empty if all is well.
    fn complaints(&self, status: u16) -> Vec<&'static str>;
    /// Status bits with which a servo gets no torque.
    fn unfit(&self) -> u16;
    /// The bit of a latched overload.
    fn overload(&self) -> u16 {
        0
    }
}

/// The protocol that the configuration names.
#[must_use]
pub fn of(protocol: config::Protocol) -> &'static dyn Protocol {
    match protocol {
        config::Protocol::Sts => &sts::Sts,
        config::Protocol::Scs => &scs::Scs,
        config::Protocol::Maestro => &maestro::Maestro::PLAIN,
        config::Protocol::MiniSsc => &mini_ssc::MiniSsc,
        config::Protocol::Dynamixel => &dynamixel::Dynamixel,
    }
}

/// One protocol of each kind of frame whose servos have ids.
#[must_use]
pub fn with_ids() -> [&'static dyn Protocol; 2] {
    [&sts::Sts, &dynamixel::Dynamixel]
}

/// What came in after the echo of `sent`, if the adapter returned one: those that connect both directions to the one wire of
/// the servos return everything.
#[must_use]
pub fn after_echo<'a>(bytes: &'a [u8], sent: &[u8]) -> &'a [u8] {
    let echo = memmem::find(bytes, sent);
    &bytes[echo.map_or(0, |start| start + sent.len())..]
}

/// The names of the bits that are set.
fn names(bits: &[(u16, &'static str)], status: u16) -> Vec<&'static str> {
    bits.iter()
        .filter(|(bit, _)| status & bit != 0)
        .map(|(_, name)| *name)
        .collect()
}
