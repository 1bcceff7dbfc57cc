//! A resource under watch: its detector, its alarm, and what there was of a leak in the end.

use std::time::Duration;

use super::alarm::{Alarm, News};
use super::{Detector, LeakVerdict};

/// One resource of one process, from its start on.
#[derive(Debug, Clone)]
pub struct Watch {
    detector: Detector,
    alarm: Alarm,
    leak: Option<Leak>,
}

/// What a resource lost while the alarm stood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leak {
    /// Growth in all, in MiB or pieces, jumps left out.
    pub growth: f64,
    /// Hours in which the alarm saw it grow.
    pub hours: f64,
    until: Duration,
}

impl Watch {
    /// A watch that counts the time until `limit` is reached, in the unit of its values.
    #[must_use]
    pub fn new(limit: Option<f64>) -> Self {
        Self {
            detector: Detector::new(limit),
            alarm: Alarm::default(),
            leak: None,
        }
    }

    /// Counts the time until another limit is reached from now on.
    pub fn set_limit(&mut self, limit: f64) {
        self.detector.set_limit(limit);
    }

    /// Takes a reading, `age` after the start of the process; none where it failed. Tells what there is to say.
    pub fn add(&mut self, age: Duration, value: Option<f64>) -> Option<News> {
        if let Some(value) = value {
            self.detector.add(age, value);
        }
        let now = self.detector.leaking();
        if let Some((verdict, window)) = now {
            let leak = self.leak.get_or_insert(Leak {
                growth: 0.0,
                hours: 0.0,
                until: Duration::ZERO,
            });
            // Of the window the part that was not counted before.
            let more = age.saturating_sub(leak.until).min(window).as_secs_f64() / 3600.0;
            leak.growth += verdict.growth * more;
            leak.hours += more;
            leak.until = age;
        }
        self.alarm.look(age, now.map(|(verdict, _)| verdict))
    }

    /// The present verdict; none while too little is known.
    #[must_use]
    pub fn verdict(&self) -> Option<LeakVerdict> {
        self.detector.verdict()
    }

    /// The leak, if the alarm was ever given.
    #[must_use]
    pub const fn leak(&self) -> Option<Leak> {
        self.leak
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Leak {
    /// Growth an hour.
    #[must_use]
    pub fn slope(&self) -> f64 {
        self.growth / self.hours.max(f64::MIN_POSITIVE)
    }
}
