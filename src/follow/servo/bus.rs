//! Exchanges on the servo bus: one question, its answers, bounded in time. Orders are in [`super::orders`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Clock;

use super::fault::{Fault, why_not};
use super::protocol::{self, Held, Protocol, Query, Reading, Reply, Settings, Write, after_echo};
use super::wire::Wire;

/// How long an answer may take. A servo answers within 2 ms at 1 Mbaud; USB adapters collect for up to
/// 16 ms, and a busy machine needs its time too.
pub const ANSWER: Duration = Duration::from_millis(50);
/// After so much silence a servo that has answered says nothing more. USB adapters collect for up to 16 ms.
const QUIET: Duration = Duration::from_millis(20);
/// More than an answer and an echo can be; beyond it is noise.
const MOST_BYTES: usize = 512;
/// Questions about movement in a row whose answers differ in length: an answer that comes too late has another one than the
/// one that is waited for then.
const TURNS: u8 = 5;
/// Fewer bytes beside an answer may be noise of the adapter, whose line changes its direction.
const NOISE: usize = 6;

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
    /// Whether only what was sent came back.
    pub echo: bool,
    /// What came besides, at most a few bytes of it.
    pub broken: Vec<u8>,
}

/// A bus with servos on it.
pub struct Bus<W: Wire> {
    wire: W,
    clock: Arc<dyn Clock>,
    pub(super) protocol: &'static dyn Protocol,
    /// Servos that answer reads but do not acknowledge writes (their status return level).
    pub(super) unacknowledging: Vec<u8>,
    /// Answers are waited for at least so long.
    patience: Duration,
    /// What the last question about movement was, of those that differ in the length of their answers.
    turn: u8,
}

impl<W: Wire> Bus<W> {
    /// A bus on this line, whose servos speak this.
    pub fn new(wire: W, protocol: &'static dyn Protocol, clock: Arc<dyn Clock>) -> Self {
        Self {
            wire,
            clock,
            protocol,
            unacknowledging: Vec::new(),
            patience: Duration::ZERO,
            turn: 0,
        }
    }

    /// The line's name for people.
    pub fn name(&self) -> &str {
        self.wire.name()
    }

    /// What is spoken.
    pub fn protocol(&self) -> &'static dyn Protocol {
        self.protocol
    }

    /// Greets a controller that wants it, and speaks from then on as it does. Returns the status bits that had been set; none
    /// where it does not answer.
    ///
    /// # Errors
    /// The line failed.
    pub fn greet(&mut self) -> Result<Option<u16>, Fault> {
        let greetings = self.protocol.greetings();
        if greetings.is_empty() {
            return Ok(Some(0));
        }
        for (query, protocol) in greetings {
            match self.exchange(&query, 0, ANSWER) {
                Ok(reply) => {
                    self.protocol = protocol;
                    return Ok(Some(reply.status));
                }
                Err(fault) if fault.is_line() => return Err(fault),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Whether a servo is there: it answers a ping, or a read where an echo hides the answer to it.
    ///
    /// # Errors
    /// The line failed.
    pub fn presence(&mut self, id: u8) -> Result<Presence, Fault> {
        if !self.protocol.abilities().answers {
            // Nobody can be found, so the port has to be named.
            return Ok(Presence::Absent);
        }
        let read = match self.ping(id) {
            Ok(()) => return Ok(Presence::Clear),
            Err(fault) if fault.is_line() => return Err(fault),
            Err(_) => self.read_axis(id),
        };
        match read {
            Ok(_) => Ok(Presence::Clear),
            Err(fault) if fault.is_line() => Err(fault),
            Err(fault) if fault.is_silence() => Ok(Presence::Absent),
            Err(_) => Ok(Presence::Garbled),
        }
    }

    /// Whether a servo answers a ping.
    ///
    /// # Errors
    /// It does not, or the line failed.
    pub fn ping(&mut self, id: u8) -> Result<(), Fault> {
        let query = self.protocol.ping(id);
        self.exchange(&query, id, ANSWER).map(|_| ())
    }

    /// What a controller has against going on, in status bits; with that it forgets it.
    ///
    /// # Errors
    /// The line failed.
    pub fn errors(&mut self, id: u8) -> Result<u16, Fault> {
        let query = self.protocol.ping(id);
        match self.exchange(&query, id, ANSWER) {
            Ok(reply) => Ok(reply.status),
            Err(fault) if fault.is_line() => Err(fault),
            Err(_) => Ok(0),
        }
    }

    /// What else is spoken on this line, where a servo that does not speak as it should answers a ping in another way. A Maestro
    /// would take such a ping for an order, so none is sent where one may be.
    ///
    /// # Errors
    /// The line failed.
    pub fn other_speech(&mut self, ids: &[u8]) -> Result<Option<&'static dyn Protocol>, Fault> {
        let own = self.protocol;
        for other in protocol::with_ids() {
            if !own.abilities().ids || other.ping(1) == own.ping(1) {
                continue;
            }
            self.protocol = other;
            let heard: Vec<_> = ids.iter().map(|id| self.ping(*id)).collect();
            self.protocol = own;
            for answer in heard {
                match answer {
                    Ok(()) => return Ok(Some(other)),
                    Err(fault) if fault.is_line() => return Err(fault),
                    Err(_) => {}
                }
            }
        }
        Ok(None)
    }

    /// What a servo is set to.
    ///
    /// # Errors
    /// The servo does not answer properly in time, or the line failed.
    pub fn settings(&mut self, id: u8) -> Result<Settings, Fault> {
        let query = self.protocol.settings(id);
        let data = self.exchange(&query, id, ANSWER)?.data;
        let settings = self.protocol.parse_settings(id, &data);
        settings.ok_or(Fault::Garbled { id, bytes: data })
    }

    /// What stands in its memory from a register on.
    ///
    /// # Errors
    /// As [`settings`](Self::settings).
    pub fn read(&mut self, id: u8, from: u16, count: u8) -> Result<Vec<u8>, Fault> {
        let place = Write::new(from, &vec![0; count.into()]);
        let query = self
            .protocol
            .read_back(id, &place)
            .ok_or(Fault::Silent { id })?;
        Ok(self.exchange(&query, id, ANSWER)?.data)
    }

    /// Sends several questions in a row, each after a short pause, and gathers everything that comes until nothing has for as
    /// long as `tail`. What is sent comes back before it from adapters that echo.
    ///
    /// # Errors
    /// The line failed.
    pub fn gather(
        &mut self,
        frames: &[Vec<u8>],
        pause: Duration,
        tail: Duration,
    ) -> Result<Vec<u8>, Fault> {
        /// More than all servos of a line can say.
        const MOST: usize = 16 * 1024;
        self.wire.discard_input().map_err(|e| self.line(e))?;
        let mut bytes = Vec::new();
        let mut chunk = [0; 256];
        for (n, frame) in frames.iter().enumerate() {
            self.send(frame)?;
            let wait = if n + 1 == frames.len() { tail } else { pause };
            let mut until = self.clock.now() + wait;
            loop {
                let left = until.since(self.clock.now());
                if left.is_zero() || bytes.len() > MOST {
                    break;
                }
                let count = self
                    .wire
                    .receive(&mut chunk, left)
                    .map_err(|e| self.line(e))?;
                bytes.extend(&chunk[..count]);
                // While there is an answer under way the next question waits.
                if count > 0 {
                    until = until.max(self.clock.now() + pause);
                }
            }
        }
        Ok(bytes)
    }

    /// Waits longer for answers from now on, for servos that are too slow to be driven.
    pub fn be_patient(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Waits until nothing has come for so long: answers to earlier questions, that came too late for them.
    ///
    /// # Errors
    /// The line failed.
    pub fn drain(&mut self, quiet: Duration) -> Result<(), Fault> {
        /// Whoever speaks on and on is not waited for.
        const MOST: usize = 100;
        for _ in 0..MOST {
            if self
                .wire
                .receive(&mut [0; 256], quiet)
                .map_err(|e| self.line(e))?
                == 0
            {
                break;
            }
        }
        Ok(())
    }

    /// Another language from now on, on the same line.
    pub fn speak(&mut self, protocol: &'static dyn Protocol) {
        self.protocol = protocol;
        self.unacknowledging.clear();
    }

    /// Voltage in tenths of a volt and temperature, where they have to be asked for.
    ///
    /// # Errors
    /// As [`settings`](Self::settings).
    pub fn supply(&mut self, id: u8) -> Result<Option<(u16, u8)>, Fault> {
        let Some(query) = self.protocol.supply(id) else {
            return Ok(None);
        };
        let data = self.exchange(&query, id, ANSWER)?.data;
        Ok(self.protocol.parse_supply(&data))
    }

    /// What a servo is set to do; none where that cannot be read.
    ///
    /// # Errors
    /// As [`settings`](Self::settings).
    pub fn held(&mut self, id: u8) -> Result<Option<Held>, Fault> {
        let Some(query) = self.protocol.held(id) else {
            return Ok(None);
        };
        let data = self.exchange(&query, id, ANSWER)?.data;
        let held = self.protocol.parse_held(&data);
        held.map(Some).ok_or(Fault::Garbled { id, bytes: data })
    }

    /// Position, load and status in one read.
    ///
    /// # Errors
    /// As [`settings`](Self::settings); also a position that no servo can have.
    pub fn read_axis(&mut self, id: u8) -> Answer {
        let query = self.movement(&[id]).ok_or(Fault::Silent { id })?;
        let reply = self.exchange(&query, id, ANSWER)?;
        self.reading(id, reply)
    }

    /// The same of several servos by one question. The answers, or why there is none, in the order of `ids`; nothing where
    /// the protocol has no such question.
    ///
    /// # Errors
    /// The line failed.
    pub fn read_axes(&mut self, ids: &[u8]) -> Result<Option<Vec<Answer>>, Fault> {
        let Some(query) = self.movement(ids) else {
            return Ok(None);
        };
        let protocol = self.protocol;
        let whole =
            |bytes: &[u8], id: u8| protocol.reply(after_echo(bytes, &query.bytes), &query, id);
        let bytes = self.ask(&query.bytes, ANSWER, ANSWER, |bytes| {
            ids.iter().all(|id| whole(bytes, *id).is_some())
        })?;
        let mut answers = Vec::with_capacity(ids.len());
        for id in ids {
            let answer = match whole(&bytes, *id) {
                Some(reply) => match self.reading(*id, reply) {
                    Err(fault) if fault.is_line() => return Err(fault),
                    answer => answer,
                },
                None => Err(why_not(protocol, &bytes, &query, *id, ids.len() == 1)),
            };
            answers.push(answer);
        }
        Ok(Some(answers))
    }

    /// What an answer says about the movement; with the status bits behind an alert.
    fn reading(&mut self, id: u8, reply: Reply) -> Answer {
        if let Some(why) = self.protocol.refusal(&reply) {
            return Err(Fault::Error { id, why });
        }
        let reading = self.protocol.reading(&reply);
        let bytes = reply.data;
        let mut reading = reading.ok_or(Fault::Garbled { id, bytes })?;
        if let Some(query) = self.protocol.alerts(id).filter(|_| reading.alert) {
            let bits = self.exchange(&query, id, ANSWER)?.data;
            reading.status = bits.first().copied().unwrap_or_default().into();
        }
        Ok(reading)
    }

    /// Asks one servo where it stands, and listens until nobody says anything more: to hear whether it answers more than
    /// once, or garbled.
    ///
    /// # Errors
    /// The line failed, or it answers with an error.
    pub fn listen(&mut self, id: u8) -> Result<Heard, Fault> {
        if !self.protocol.abilities().answers {
            let readings = vec![self.read_axis(id)?];
            return Ok(Heard {
                readings,
                ..Heard::default()
            });
        }
        let query = self.movement(&[id]).ok_or(Fault::Silent { id })?;
        let bytes = self.ask(&query.bytes, ANSWER, QUIET, |_| false)?;
        let mut heard = Heard::default();
        let rest = after_echo(&bytes, &query.bytes);
        heard.echo = rest.is_empty() && !bytes.is_empty();
        let mut good = 0;
        let mut alert = false;
        for reply in self.protocol.replies(rest, &query, id) {
            if let Some(why) = self.protocol.refusal(&reply) {
                return Err(Fault::Error { id, why });
            }
            if reply.count != query.count {
                heard.late = true;
                good += reply.bytes;
            } else if let Some(reading) = self.protocol.reading(&reply) {
                alert |= reading.alert;
                heard.readings.push(reading);
                good += reply.bytes;
            }
        }
        let spare = rest.len() - good.min(rest.len());
        if spare >= NOISE || (spare > 0 && heard.readings.is_empty() && !heard.late) {
            heard.broken = rest[..rest.len().min(16)].to_vec();
        }
        if let Some(query) = self.protocol.alerts(id).filter(|_| alert) {
            let bits = self.exchange(&query, id, ANSWER)?.data;
            for reading in &mut heard.readings {
                reading.status = bits.first().copied().unwrap_or_default().into();
            }
        }
        Ok(heard)
    }

    fn movement(&mut self, ids: &[u8]) -> Option<Query> {
        let turn = (self.turn + 1) % TURNS;
        let query = self.protocol.movement(ids, turn)?;
        self.turn = turn;
        Some(query)
    }

    pub(super) fn send(&mut self, frame: &[u8]) -> Result<(), Fault> {
        self.wire.send(frame).map_err(|e| self.line(e))
    }

    pub(super) fn exchange(
        &mut self,
        query: &Query,
        id: u8,
        limit: Duration,
    ) -> Result<Reply, Fault> {
        if !self.protocol.abilities().answers {
            if !query.bytes.is_empty() {
                self.send(&query.bytes)?;
            }
            return self
                .protocol
                .reply(&[], query, id)
                .ok_or(Fault::Silent { id });
        }
        let protocol = self.protocol;
        let reply = |bytes: &[u8]| protocol.reply(after_echo(bytes, &query.bytes), query, id);
        let bytes = self.ask(&query.bytes, limit, limit, |bytes| reply(bytes).is_some())?;
        let reply = reply(&bytes).ok_or_else(|| why_not(protocol, &bytes, query, id, true))?;
        match protocol.refusal(&reply) {
            Some(why) => Err(Fault::Error { id, why }),
            None => Ok(reply),
        }
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
        let deadline = self.clock.now() + limit.max(self.patience);
        let mut bytes = Vec::with_capacity(128);
        loop {
            let left = deadline.since(self.clock.now());
            if left.is_zero() || bytes.len() > MOST_BYTES {
                return Ok(bytes);
            }
            let mut chunk = [0; 128];
            // Behind the echo of the instruction the answer is still to come.
            let pause = if after_echo(&bytes, frame).is_empty() {
                left
            } else {
                left.min(quiet)
            };
            let n = self
                .wire
                .receive(&mut chunk, pause)
                .map_err(|e| self.line(e))?;
            bytes.extend(&chunk[..n]);
            // What may become the echo of the question is no answer to it.
            let echo = bytes.len() < frame.len() && frame.starts_with(&bytes);
            if n == 0 || (!echo && enough(&bytes)) {
                return Ok(bytes);
            }
        }
    }

    /// Waits until anything comes, but no longer than this.
    pub(super) fn wait_for_sign(&mut self, limit: Duration) -> Result<(), Fault> {
        let received = self.wire.receive(&mut [0; 16], limit);
        received.map(|_| ()).map_err(|e| self.line(e))
    }

    fn line(&self, cause: io::Error) -> Fault {
        Fault::Line {
            name: self.wire.name().to_owned(),
            cause,
        }
    }
}
