//! Who is on a line: all ids are asked in a row, without waiting for one answer before the next question, so that a late answer
//! is as good as any. Each answer says by itself whose it is.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use memchr::memmem;

use super::look::{Seen, Sight, look};
use crate::base::clock::Clock;
use crate::base::stop::Stop;
use crate::follow::servo::bus::Bus;
use crate::follow::servo::port::{CannotOpen, Trouble};
use crate::follow::servo::protocol::Protocol;
use crate::follow::servo::protocol::dynamixel::Dynamixel;
use crate::follow::servo::protocol::sts::Sts;
use crate::follow::servo::wire::Wire;
use crate::say;

/// Between two questions: longer than an answer takes at all but the slowest rates.
const PAUSE: Duration = Duration::from_millis(4);
/// Where a servo is likely, answers may be so late; elsewhere, so late.
const PATIENCE: Duration = Duration::from_millis(250);
const LESS: Duration = Duration::from_millis(80);
/// Where a servo is less likely only ids up to this one are asked one by one. The others answer the question to all.
const LIKELY: u8 = 20;

/// A family of frames at a bit rate.
#[derive(Debug, Clone, Copy)]
pub struct Try {
    /// What is spoken.
    pub protocol: &'static dyn Protocol,
    /// Bits a second.
    pub rate: u32,
    /// Whether a servo is likely there.
    pub likely: bool,
    /// Whether every id is asked: where it is configured, or delivered, of the configured family.
    pub thorough: bool,
}

/// All tries, the likeliest first: as configured, as servos are delivered, and every other rate that they can be set to. Of a
/// controller without ids only what is configured, since it would take questions of another family for orders.
#[must_use]
pub fn tries(protocol: &'static dyn Protocol, rate: u32) -> Vec<Try> {
    let kind = protocol.ping(1);
    let mut tries = vec![Try {
        protocol,
        rate,
        likely: true,
        thorough: true,
    }];
    if !protocol.abilities().ids {
        return tries;
    }
    let families: [(&'static dyn Protocol, &[u32]); 2] =
        [(&Sts, &[1_000_000]), (&Dynamixel, &[57_600, 1_000_000])];
    for likely in [true, false] {
        for (protocol, usual) in families {
            let all = protocol.permanent().map_or(&[][..], |p| p.bauds);
            let rates = all.iter().map(|(rate, _)| *rate);
            // More than serial adapters of this kind can do.
            for rate in rates.filter(|rate| *rate <= 2_000_000 && usual.contains(rate) == likely) {
                let same = |t: &Try| t.rate == rate && t.protocol.ping(1) == protocol.ping(1);
                if !tries.iter().any(same) {
                    let thorough = likely && protocol.ping(1) == kind;
                    tries.push(Try {
                        protocol,
                        rate,
                        likely,
                        thorough,
                    });
                }
            }
        }
    }
    tries
}

/// What came back of questions to many.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Who has answered whole.
    pub whole: Vec<u8>,
    /// Whose answers begin, and are broken.
    pub broken: Vec<u8>,
    /// Whether what was sent came back.
    pub echo: bool,
    /// Whether there is anything besides.
    pub noise: bool,
}

/// Reads what came in: who it is from.
#[must_use]
pub fn judge(protocol: &dyn Protocol, sent: &[Vec<u8>], bytes: &[u8], ids: &[u8]) -> Heard {
    let mut rest = Vec::with_capacity(bytes.len());
    let (mut at, mut echoes) = (0, 0);
    for frame in sent {
        // Each question comes back once, before what comes after it.
        if let Some(start) = memmem::find(&bytes[at..], frame) {
            rest.extend(&bytes[at..at + start]);
            at += start + frame.len();
            echoes += 1;
        }
    }
    rest.extend(&bytes[at..]);
    let mut heard = Heard {
        echo: echoes > 0,
        noise: !rest.is_empty(),
        ..Heard::default()
    };
    for id in ids {
        if !protocol.replies(&rest, &protocol.who(*id), *id).is_empty() {
            heard.whole.push(*id);
        } else if memmem::find(&rest, &protocol.head(*id)).is_some() {
            heard.broken.push(*id);
        }
    }
    heard
}

/// What a scan has found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Servos, and what there is in the place of one.
    pub seen: Vec<Seen>,
    /// Whether the adapter returns what is sent.
    pub echo: bool,
    /// Rates that the adapter refuses.
    pub refused: Vec<u32>,
    /// Rates at which something came that is no answer.
    pub noise: Vec<u32>,
}

/// How a scan is made.
pub struct Seeker<'a, W: Wire> {
    /// Opens the line at a rate.
    pub open: &'a mut dyn FnMut(u32) -> Result<W>,
    /// Time.
    pub clock: &'a Arc<dyn Clock>,
    /// The order to stop.
    pub stop: &'a Stop,
    /// Is told how many of how many tries are made, and which one comes.
    pub progress: &'a mut dyn FnMut(usize, usize, &Try),
}

impl<W: Wire> Seeker<'_, W> {
    /// Looks for everybody, or for one id alone; then the first try that finds it is the last.
    ///
    /// # Errors
    /// The port cannot be opened at any rate, the line failed, or the order to stop came.
    pub fn scan(&mut self, tries: &[Try], only: Option<u8>) -> Result<Scan> {
        let mut scan = Scan::default();
        // Frames that are understood whatever the rate is: it makes no difference on this port.
        let mut settled: Vec<Vec<u8>> = Vec::new();
        let mut last = None;
        for (n, each) in tries.iter().enumerate() {
            (self.progress)(n, tries.len(), each);
            if self.stop.requested() {
                anyhow::bail!(say!("stopped", "中断しました"));
            }
            let kind = each.protocol.ping(1).bytes;
            if settled.contains(&kind) {
                continue;
            }
            let wire = match (self.open)(each.rate) {
                Ok(wire) => wire,
                Err(why) if is_rate(&why) => {
                    scan.refused.push(each.rate);
                    last = Some(why);
                    continue;
                }
                Err(why) => return Err(why),
            };
            let mut bus = Bus::new(wire, each.protocol, Arc::clone(self.clock));
            let (seen, rate_matters) = attempt(&mut bus, each, only, &mut scan)?;
            let again = |one: &Seen| scan.seen.iter().any(|s| s.id == one.id && s.same_kind(one));
            let repeated = !seen.is_empty() && seen.iter().all(again);
            if repeated || !rate_matters {
                settled.push(kind);
            }
            let fresh: Vec<Seen> = seen
                .into_iter()
                .filter(|one| rate_matters || !again(one))
                .collect();
            scan.seen.extend(fresh.into_iter().filter(|_| !repeated));
            if only.is_some() && !scan.seen.is_empty() {
                break;
            }
        }
        (self.progress)(tries.len(), tries.len(), &tries[tries.len() - 1]);
        match last {
            Some(why) if scan.refused.len() == tries.len() => Err(why),
            _ => Ok(scan),
        }
    }
}

fn is_rate(why: &anyhow::Error) -> bool {
    why.downcast_ref()
        .is_some_and(|c: &CannotOpen| c.trouble == Trouble::Rate)
}

/// One try. Who is there, and whether the rate makes a difference: a servo that is set to another one and answers all the same
/// hangs on a port that has none.
fn attempt<W: Wire>(
    bus: &mut Bus<W>,
    each: &Try,
    only: Option<u8>,
    scan: &mut Scan,
) -> Result<(Vec<Seen>, bool)> {
    let protocol = each.protocol;
    let last = protocol.table().map_or(0, |t| t.last_id);
    let ids: Vec<u8> = match only {
        Some(id) => vec![id],
        None => (0..=if each.thorough { last } else { LIKELY }).collect(),
    };
    let tail = if each.likely { PATIENCE } else { LESS };
    let first = if each.thorough { LESS } else { tail };
    let mut frames: Vec<Vec<u8>> = Vec::new();
    let mut candidates: Vec<u8> = Vec::new();
    let all: Vec<u8> = (0..=last).collect();
    if only.is_none()
        && let Some(query) = protocol.ping_all()
    {
        frames.push(query.bytes);
        let bytes = bus.gather(&frames, PAUSE, first)?;
        // Several answer at once: what is broken now may be whole when they are asked one by one.
        candidates = judge(protocol, &frames, &bytes, &all).whole;
        frames.clear();
    }
    frames.extend(ids.iter().map(|id| protocol.who(*id).bytes));
    let bytes = bus.gather(&frames, PAUSE, tail)?;
    let heard = judge(protocol, &frames, &bytes, &ids);
    candidates.extend(heard.whole.iter().chain(&heard.broken));
    candidates.sort_unstable();
    candidates.dedup();
    scan.echo |= heard.echo;
    let mut seen = Vec::new();
    for id in candidates {
        if let Some(one) = look(bus, id, each.rate)? {
            seen.push(one);
        }
        bus.speak(protocol);
        bus.be_patient(Duration::ZERO);
    }
    if seen.is_empty() && heard.noise {
        scan.noise.push(each.rate);
    }
    let matters = seen.iter().all(|one| match &one.sight {
        Sight::Servo(servo) => servo.set_rate().is_none_or(|rate| rate == each.rate),
        _ => true,
    });
    Ok((seen, matters))
}
