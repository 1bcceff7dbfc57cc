//! Buzzer and LED patterns for each event, as tables. Pure.
//!
//! `docs/feedback.md` shows the same tables to people; the patterns of start, connection, card, success
//! and failure are those of the systems that FaceTap replaces.

use std::time::Duration;

use super::Event;
use crate::config::BeepSettings;

/// A tone or a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tone {
    /// Milliseconds that it lasts.
    pub ms: u16,
    /// Frequency in hertz; none for a pause.
    pub hz: Option<u16>,
}

/// Which LEDs are lit.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Lamps {
    /// Something is wrong.
    pub red: bool,
    /// The tap counts.
    pub green: bool,
    /// Taps are on their way to the server.
    pub blue: bool,
}

/// A light for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flash {
    /// Milliseconds that it lasts.
    pub ms: u16,
    /// What is lit.
    pub lamps: Lamps,
}

const DARK: Lamps = Lamps {
    red: false,
    green: false,
    blue: false,
};
const RED: Lamps = Lamps { red: true, ..DARK };
const GREEN: Lamps = Lamps {
    green: true,
    ..DARK
};
const BLUE: Lamps = Lamps { blue: true, ..DARK };
const RED_AND_GREEN: Lamps = Lamps { red: true, ..GREEN };

const fn tone(ms: u16, hz: u16) -> Tone {
    Tone { ms, hz: Some(hz) }
}

const fn pause(ms: u16) -> Tone {
    Tone { ms, hz: None }
}

const fn flash(ms: u16, lamps: Lamps) -> Flash {
    Flash { ms, lamps }
}

// Of the old card client, BCM 18: start-up .2 .1 .2 at 1000 Hz, and so on; tone and pause in turn.
const STARTED: &[Tone] = &[tone(200, 1000), pause(100), tone(200, 1000)];
const CONNECTED: &[Tone] = &[tone(100, 1500), pause(100), tone(100, 1500)];
const CARD_READ: &[Tone] = &[tone(50, 2000)];
const SUCCESS: &[Tone] = &[tone(100, 2500), pause(50), tone(100, 2500)];
const FAILURE: &[Tone] = &[tone(300, 800), pause(100), tone(300, 800)];
// New: one for each outcome that the old client did not tell apart.
const REPEAT: &[Tone] = &[tone(250, 2000)];
const TAP_AGAIN: &[Tone] = &[
    tone(80, 1200),
    pause(80),
    tone(80, 1200),
    pause(80),
    tone(80, 1200),
];
const REFUSED: &[Tone] = &[tone(700, 500)];
/// Between the yes and the alarm behind it.
const BREATH: &[Tone] = &[pause(200)];
const ALARM: &[Tone] = &[tone(300, 800)];

/// What is heard, as far as the settings want it. Empty for silence.
#[must_use]
pub fn sound(event: Event, beeps: &BeepSettings) -> Vec<Tone> {
    if !beeps.enabled {
        return Vec::new();
    }
    let parts: &[&[Tone]] = match event {
        Event::Started => &[STARTED],
        Event::ServerConnected => &[CONNECTED],
        Event::Reading if beeps.card_read => &[CARD_READ],
        Event::Counted if beeps.success => &[SUCCESS],
        // Already counted, so all is well for the person.
        Event::Repeat if beeps.success => &[REPEAT],
        Event::CountedInMemory => match (beeps.success, beeps.fail) {
            (true, true) => &[SUCCESS, BREATH, ALARM],
            (true, false) => &[SUCCESS],
            (false, true) => &[ALARM],
            (false, false) => &[],
        },
        Event::Refused if beeps.fail => &[REFUSED],
        Event::ReadFailed if beeps.fail => &[TAP_AGAIN],
        Event::StorageFailed if beeps.fail => &[FAILURE],
        Event::Reading
        | Event::Counted
        | Event::Repeat
        | Event::Refused
        | Event::ReadFailed
        | Event::StorageFailed
        | Event::ReaderConnected
        | Event::Ending => &[],
    };
    parts.concat()
}

/// What is seen. Empty where an event changes no light.
#[must_use]
pub fn lights(event: Event) -> Vec<Flash> {
    match event {
        // Each in turn, so that a dead LED shows at every start.
        Event::Started => vec![flash(200, RED), flash(200, GREEN), flash(200, BLUE)],
        Event::ServerConnected => vec![flash(500, BLUE)],
        // A light left over from the tap before would say yes to this one.
        Event::Reading => vec![flash(50, DARK)],
        Event::Counted => vec![flash(1000, GREEN)],
        Event::CountedInMemory => vec![flash(1000, RED_AND_GREEN)],
        Event::Repeat => blinking(3, 150, GREEN),
        Event::ReadFailed => blinking(3, 150, RED),
        Event::Refused => vec![flash(1500, RED)],
        Event::StorageFailed => blinking(15, 100, RED),
        Event::ReaderConnected | Event::Ending => Vec::new(),
    }
}

fn blinking(times: usize, ms: u16, lamps: Lamps) -> Vec<Flash> {
    [flash(ms, lamps), flash(ms, DARK)].repeat(times)
}

/// Something with a length, in a row of such.
pub trait Lasting {
    /// How long.
    fn lasts(&self) -> Duration;
}

impl Lasting for Tone {
    fn lasts(&self) -> Duration {
        Duration::from_millis(self.ms.into())
    }
}

impl Lasting for Flash {
    fn lasts(&self) -> Duration {
        Duration::from_millis(self.ms.into())
    }
}

/// What of a row it is the turn of, `since` its begin, and how long that still lasts. None when the row
/// is over.
pub fn turn<T: Lasting>(row: &[T], since: Duration) -> Option<(&T, Duration)> {
    let mut end = Duration::ZERO;
    row.iter().find_map(|part| {
        end += part.lasts();
        (since < end).then(|| (part, end.saturating_sub(since)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Event; 10] = [
        Event::Started,
        Event::ServerConnected,
        Event::ReaderConnected,
        Event::Reading,
        Event::Counted,
        Event::CountedInMemory,
        Event::Repeat,
        Event::Refused,
        Event::ReadFailed,
        Event::StorageFailed,
    ];
    /// Outcomes of a tap.
    const ANSWERS: &[Event] = ALL.split_at(4).1;

    fn beeps(enabled: bool, card_read: bool, success: bool, fail: bool) -> BeepSettings {
        BeepSettings {
            enabled,
            card_read,
            success,
            fail,
        }
    }

    /// As the pages of the old systems write it: seconds, tone and pause in turn, at so many hertz.
    fn row(event: Event) -> (Vec<u16>, u16) {
        let tones = sound(event, &beeps(true, true, true, true));
        for (n, tone) in tones.iter().enumerate() {
            assert_eq!(tone.hz.is_some(), n % 2 == 0, "tone and pause in turn");
        }
        (tones.iter().map(|t| t.ms).collect(), tones[0].hz.unwrap())
    }

    #[test]
    fn the_old_patterns_are_unchanged() {
        assert_eq!(row(Event::Started), (vec![200, 100, 200], 1000));
        assert_eq!(row(Event::ServerConnected), (vec![100, 100, 100], 1500));
        assert_eq!(row(Event::Reading), (vec![50], 2000));
        assert_eq!(row(Event::Counted), (vec![100, 50, 100], 2500));
        assert_eq!(row(Event::StorageFailed), (vec![300, 100, 300], 800));
    }

    #[test]
    fn every_outcome_is_told_apart_by_ear_and_by_eye() {
        let all = beeps(true, true, true, true);
        for (n, one) in ANSWERS.iter().enumerate() {
            assert!(!sound(*one, &all).is_empty(), "{one:?}");
            for other in &ANSWERS[n + 1..] {
                assert_ne!(sound(*one, &all), sound(*other, &all), "{one:?} {other:?}");
                assert_ne!(lights(*one), lights(*other), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn green_never_shows_for_what_was_not_counted() {
        let green = |e: Event| lights(e).iter().any(|f| f.lamps.green);
        for event in [Event::Refused, Event::ReadFailed, Event::StorageFailed] {
            assert!(!green(event), "{event:?}");
        }
        assert!(green(Event::Counted) && green(Event::CountedInMemory) && green(Event::Repeat));
    }

    #[test]
    fn the_settings_are_respected() {
        for event in ALL {
            assert_eq!(sound(event, &beeps(false, true, true, true)), []);
        }
        let quiet = |e, b: BeepSettings| sound(e, &b).is_empty();
        assert!(quiet(Event::Reading, beeps(true, false, true, true)));
        for yes in [Event::Counted, Event::Repeat] {
            assert!(quiet(yes, beeps(true, true, false, true)));
            assert!(!quiet(yes, beeps(true, false, true, false)));
        }
        for no in [Event::Refused, Event::ReadFailed, Event::StorageFailed] {
            assert!(quiet(no, beeps(true, true, true, false)));
            assert!(!quiet(no, beeps(true, false, false, true)));
        }
        let memory =
            |success, fail| sound(Event::CountedInMemory, &beeps(true, true, success, fail));
        assert_eq!(memory(true, false), SUCCESS);
        assert_eq!(memory(false, true), ALARM);
        assert_eq!(memory(true, true).len(), 5);
        assert_eq!(memory(false, false), []);
    }

    #[test]
    fn a_row_is_gone_through_by_time() {
        let at = |ms| turn(SUCCESS, Duration::from_millis(ms)).map(|(t, left)| (t.hz, left));
        let left = Duration::from_millis;
        assert_eq!(at(0), Some((Some(2500), left(100))));
        assert_eq!(at(99), Some((Some(2500), left(1))));
        assert_eq!(at(100), Some((None, left(50))));
        assert_eq!(at(249), Some((Some(2500), left(1))));
        assert_eq!(at(250), None);
    }
}
