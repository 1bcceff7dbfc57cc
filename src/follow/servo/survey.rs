//! What a servo is: read before it gets torque, by the service and by `facetap check` alike.

use super::bus::{Bus, Reading};
use super::fault::Fault;
use super::steps::Steps;
use super::sts::{self, register};
use super::unfit::Unfit;
use super::wire::Wire;

/// From the id to the operating mode.
const SETTINGS: u8 = register::MODE - register::ID + 1;
/// Where goals can be: one turn.
const TURN: (i32, i32) = (0, 4095);
/// Attempts to hear a servo without anything broken.
const ATTEMPTS: usize = 5;
/// So many times a patient look asks one again that says nothing: an answer may be late by as many times the wait for it.
const PATIENCE: usize = 2;
/// Answers to one question that tell positions farther apart than this, in steps, are of two servos.
const SAME: i32 = 3;

/// The settings of a servo that outlive a loss of power, as far as they matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The id that it has.
    pub id: u8,
    /// The goals that it takes, in steps.
    pub limits: (i32, i32),
    /// Directions and units.
    pub phase: u8,
    /// What it takes off the measured position, in steps.
    pub offset: i32,
    /// Its operating mode.
    pub mode: u8,
}

impl Settings {
    /// From registers 5 to 33; none if that is not what the bytes are.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != usize::from(SETTINGS) {
            return None;
        }
        let byte = |at: u8| bytes[usize::from(at - register::ID)];
        let word = |at: u8| sts::word(byte(at), byte(at + 1));
        let limits = (
            sts::signed(word(register::LOWEST_GOAL), 15),
            sts::signed(word(register::HIGHEST_GOAL), 15),
        );
        Some(Self {
            id: byte(register::ID),
            // Without limits it takes goals of several turns; we give it none beyond the first.
            limits: if limits == (0, 0) { TURN } else { limits },
            phase: byte(register::PHASE),
            offset: sts::signed(word(register::OFFSET) & 0xFFF, 11),
            mode: byte(register::MODE),
        })
    }
}

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
    let (reading, voice) = hear(bus, id, patient)?;
    let settings = settings(bus, id)?;
    Ok(Found {
        reading,
        voice,
        settings,
    })
}

/// Two servos that stand in the same place may still differ here.
fn settings<W: Wire>(bus: &mut Bus<W>, id: u8) -> Result<Settings, Fault> {
    for _ in 0..ATTEMPTS {
        match bus.read(id, register::ID, SETTINGS) {
            Ok((_, bytes)) => {
                return Settings::parse(&bytes).ok_or(Fault::Garbled { id, bytes });
            }
            Err(Fault::Garbled { .. }) => {}
            Err(fault) => return Err(fault),
        }
    }
    Err(Fault::NeverWhole { id })
}

fn hear<W: Wire>(bus: &mut Bus<W>, id: u8, patient: bool) -> Result<(Reading, Voice), Fault> {
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
    pub fn unfit(&self, id: u8, range: (i32, i32)) -> Option<Unfit> {
        let (low, high) = self.settings.limits;
        let Steps(position) = self.reading.position;
        let complaint = self.reading.status & sts::UNFIT;
        if self.voice == Voice::Two {
            Some(Unfit::Shared)
        } else if self.settings.mode != 0 {
            Some(Unfit::Mode(self.settings.mode))
        } else if self.settings.id != id {
            Some(Unfit::Id(self.settings.id))
        } else if complaint != 0 {
            Some(Unfit::Complains(complaint))
        } else if !(TURN.0..=TURN.1).contains(&position) {
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
    use super::*;

    const RANGE: (i32, i32) = (1480, 2616);

    fn settings(change: impl Fn(&mut [u8; 29])) -> Settings {
        let mut bytes = [0; 29];
        // As delivered: id 1, limits 0 and 4095, phase 12.
        (bytes[0], bytes[6], bytes[7], bytes[13]) = (1, 0xFF, 0x0F, 12);
        change(&mut bytes);
        Settings::parse(&bytes).unwrap()
    }

    fn found(settings: Settings) -> Found {
        Found {
            reading: Reading {
                position: Steps(2048),
                load: 0,
                voltage: 74,
                temperature: 30,
                status: 0,
            },
            voice: Voice::Clear,
            settings,
        }
    }

    #[test]
    fn settings_are_read_with_their_signs() {
        let read = settings(|b| {
            (b[26], b[27]) = (0x64, 0x08);
            b[28] = 3;
        });
        assert_eq!(
            read,
            Settings {
                id: 1,
                limits: (0, 4095),
                phase: 12,
                offset: -100,
                mode: 3
            }
        );
        assert_eq!(Settings::parse(&[0; 28]), None);
        assert_eq!(settings(|b| (b[6], b[7]) = (0, 0)).limits, TURN);
    }

    #[test]
    fn a_servo_as_delivered_is_fit() {
        assert_eq!(found(settings(|_| ())).unfit(1, RANGE), None);
        let mut low_voltage = found(settings(|_| ()));
        low_voltage.reading.status = 0x01;
        assert_eq!(low_voltage.unfit(1, RANGE), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let of = |change: &dyn Fn(&mut Found)| {
            let mut found = found(settings(|_| ()));
            change(&mut found);
            found.unfit(1, RANGE)
        };
        assert_eq!(of(&|f| f.settings.mode = 1), Some(Unfit::Mode(1)));
        assert_eq!(of(&|f| f.settings.id = 2), Some(Unfit::Id(2)));
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
