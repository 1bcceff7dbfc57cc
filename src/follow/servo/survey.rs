//! What a servo is: read before it gets torque, by the service and by `facetap check` alike.

use super::bus::Bus;
use super::fault::Fault;
use super::protocol::{Protocol, Reading, Settings};
use super::steps::Steps;
use super::unfit::Unfit;
use super::wire::Wire;

/// Attempts to hear a servo without anything broken.
const ATTEMPTS: usize = 5;
/// So many times a patient look asks one again that says nothing: an answer may be late by as many times the wait for it.
const PATIENCE: usize = 2;
/// Answers to one question that tell positions farther apart than this, in steps, are of two servos.
const SAME: i32 = 3;

/// How a servo answered a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// Once, whole.
    Clear,
    /// The same twice: another servo with its id in the same place, or an adapter that repeats.
    Twice,
    /// Two different answers, or one and what is left of another.
    Two,
}

/// What was found of a servo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Where it stands and how it is.
    pub reading: Reading,
    /// How it answers.
    pub voice: Voice,
    /// What it is set to.
    pub settings: Settings,
}

/// Looks at a servo without changing anything. One that says nothing is asked again by the `patient`, who
/// tell a late answer from none.
///
/// # Errors
/// It does not answer, or [`Fault::NeverWhole`] where all that comes is broken: two servos with its id, unless others are
/// broken too. Or the line failed.
pub fn survey<W: Wire>(bus: &mut Bus<W>, id: u8, patient: bool) -> Result<Found, Fault> {
    let (mut reading, voice) = match hear(bus, id, patient) {
        // One of another family may tell positions that cannot be.
        Err(fault @ Fault::NeverWhole { .. }) => match bus.settings(id) {
            Ok(Settings {
                foreign: Some(value),
                ..
            }) => return Err(Fault::Foreign { id, value }),
            Err(line) if line.is_line() => return Err(line),
            _ => return Err(fault),
        },
        other => other?,
    };
    let settings = settings(bus, id)?;
    match bus.supply(id) {
        Ok(None) => {}
        Ok(Some((voltage, temperature))) => {
            (reading.voltage, reading.temperature) = (Some(voltage), Some(temperature));
        }
        Err(fault) if fault.is_line() => return Err(fault),
        // Told to people; nothing is decided by it.
        Err(_) => {}
    }
    Ok(Found {
        reading,
        voice,
        settings,
    })
}

/// Two servos that stand in the same place may still differ here.
fn settings<W: Wire>(bus: &mut Bus<W>, id: u8) -> Result<Settings, Fault> {
    for _ in 0..ATTEMPTS {
        match bus.settings(id) {
            Err(Fault::Garbled { .. }) => {}
            other => return other,
        }
    }
    Err(Fault::NeverWhole { id })
}

/// One that says nothing is asked whether it answers pings at least. Some do nothing else until they are told to.
fn hear<W: Wire>(bus: &mut Bus<W>, id: u8, patient: bool) -> Result<(Reading, Voice), Fault> {
    match hear_it(bus, id, patient) {
        Err(fault) if fault.is_silence() && patient => match bus.ping(id) {
            Ok(()) if bus.answer_all(id)? => hear_it(bus, id, patient),
            Ok(()) => Err(Fault::OnlyPings {
                id,
                register: bus.protocol().places().reply_level,
            }),
            Err(other) if other.is_line() => Err(other),
            Err(_) => Err(fault),
        },
        other => other,
    }
}

fn hear_it<W: Wire>(bus: &mut Bus<W>, id: u8, patient: bool) -> Result<(Reading, Voice), Fault> {
    let mut answer = None;
    for attempt in 0..ATTEMPTS {
        let heard = bus.listen(id)?;
        match heard.readings[..] {
            [reading] if heard.broken.is_empty() => return Ok((reading, Voice::Clear)),
            [one, two, ..] => {
                let voice = if (one.position.0 - two.position.0).abs() <= SAME {
                    Voice::Twice
                } else {
                    Voice::Two
                };
                return Ok((one, voice));
            }
            // Noise, unless it comes again and again.
            _ if !heard.broken.is_empty() => answer = answer.or(heard.readings.first().copied()),
            _ if heard.late => return Err(Fault::Late { id }),
            _ if patient && attempt < PATIENCE => {}
            _ if heard.echo => return Err(Fault::Echo { id }),
            _ => return Err(Fault::Silent { id }),
        }
    }
    // With each answer there is what is left of another.
    let two = answer.map(|reading| (reading, Voice::Two));
    two.ok_or(Fault::NeverWhole { id })
}

impl Found {
    /// Why it must not get torque, if there is a reason. `id` is the one by which it was asked, `range` what its axis may
    /// use, in steps.
    #[must_use]
    pub fn unfit(&self, protocol: &dyn Protocol, id: u8, range: (i32, i32)) -> Option<Unfit> {
        let (low, high) = self.settings.limits;
        let (first, last) = protocol.scale().goals;
        let Steps(position) = self.reading.position;
        let complaint = self.reading.status & protocol.unfit();
        if self.voice == Voice::Two {
            Some(Unfit::Shared)
        } else if let Some(value) = self.settings.foreign {
            Some(Unfit::Foreign(value))
        } else if !protocol.takes_positions(self.settings.mode) {
            Some(Unfit::Mode(self.settings.mode))
        } else if self.settings.id != id {
            Some(Unfit::Id(self.settings.id))
        } else if complaint != 0 {
            Some(Unfit::Complains(complaint))
        } else if !(first..=last).contains(&position) && protocol.abilities().measures {
            Some(Unfit::Beyond(self.reading.position))
        } else if low.max(range.0) >= high.min(range.1) {
            Some(Unfit::Limits(low, high))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::protocol::sts::Sts;
    use super::*;

    const RANGE: (i32, i32) = (1480, 2616);

    /// As delivered.
    const SETTINGS: Settings = Settings {
        id: 1,
        model: 777,
        firmware: 3,
        foreign: None,
        limits: (0, 4095),
        offset: 0,
        mode: 0,
        limits_speed: true,
        full_load: 1000,
    };

    fn found() -> Found {
        Found {
            reading: Reading {
                position: Steps(2048),
                off: false,
                load: 0,
                voltage: Some(74),
                temperature: Some(30),
                status: 0,
                alert: false,
            },
            voice: Voice::Clear,
            settings: SETTINGS,
        }
    }

    #[test]
    fn a_servo_as_delivered_is_fit() {
        assert_eq!(found().unfit(&Sts, 1, RANGE), None);
        let mut low_voltage = found();
        low_voltage.reading.status = 0x01;
        assert_eq!(low_voltage.unfit(&Sts, 1, RANGE), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let of = |change: &dyn Fn(&mut Found)| {
            let mut found = found();
            change(&mut found);
            found.unfit(&Sts, 1, RANGE)
        };
        assert_eq!(of(&|f| f.settings.mode = 1), Some(Unfit::Mode(1)));
        assert_eq!(of(&|f| f.settings.id = 2), Some(Unfit::Id(2)));
        let foreign = Some(Unfit::Foreign(1));
        assert_eq!(of(&|f| f.settings.foreign = Some(1)), foreign);
        assert_eq!(of(&|f| f.voice = Voice::Two), Some(Unfit::Shared));
        assert_eq!(
            of(&|f| f.reading.status = 0x21),
            Some(Unfit::Complains(0x20))
        );
        for steps in [-300, 4368] {
            let beyond = Some(Unfit::Beyond(Steps(steps)));
            assert_eq!(of(&|f| f.reading.position = Steps(steps)), beyond);
        }
        for limits in [(0, 1480), (2616, 4095), (3000, 1000)] {
            let narrow = Some(Unfit::Limits(limits.0, limits.1));
            assert_eq!(of(&|f| f.settings.limits = limits), narrow);
        }
    }
}
