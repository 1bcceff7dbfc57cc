//! When a verdict is told: at once, then rarely while it holds, and when it is over.

use std::time::Duration;

use super::LeakVerdict;

/// A leak that goes on is told again after this time.
const AGAIN: Duration = Duration::from_secs(4 * 3600);
/// It is over when nothing was seen of it for this time.
const QUIET: Duration = Duration::from_secs(3600);

/// What there is to say about a leak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum News {
    /// It is there, or still there.
    Leak(LeakVerdict),
    /// It is over.
    Over,
}

/// The state of one resource's alarm.
#[derive(Debug, Clone, Default)]
pub struct Alarm {
    state: AlarmState,
}

#[derive(Debug, Clone, Default)]
enum AlarmState {
    #[default]
    Quiet,
    Leaking {
        said: Duration,
        seen: Duration,
    },
}

impl Alarm {
    /// Takes the leak of now, `age` after the start of the process; tells what there is to say.
    pub fn look(&mut self, age: Duration, leak: Option<LeakVerdict>) -> Option<News> {
        match (&mut self.state, leak) {
            (AlarmState::Quiet, Some(verdict)) => {
                self.state = AlarmState::Leaking {
                    said: age,
                    seen: age,
                };
                Some(News::Leak(verdict))
            }
            (AlarmState::Leaking { said, seen }, Some(verdict)) => {
                *seen = age;
                (age.saturating_sub(*said) >= AGAIN).then(|| {
                    *said = age;
                    News::Leak(verdict)
                })
            }
            (AlarmState::Leaking { seen, .. }, None) if age.saturating_sub(*seen) >= QUIET => {
                self.state = AlarmState::Quiet;
                Some(News::Over)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_told_at_once_then_rarely_and_its_end_once() {
        let leak = LeakVerdict {
            growth: 1.0,
            low: 0.8,
            high: 1.2,
            leaking: true,
            reaches_limit_in: None,
        };
        let mut alarm = Alarm::default();
        let mut told = Vec::new();
        for minute in 0..1200_u64 {
            // A leak of ten hours with a gap of half an hour in it.
            let leaking = (60..660).contains(&minute) && !(400..430).contains(&minute);
            match alarm.look(Duration::from_secs(minute * 60), leaking.then_some(leak)) {
                Some(News::Leak(_)) => told.push((minute, true)),
                Some(News::Over) => told.push((minute, false)),
                None => {}
            }
        }
        assert_eq!(told, [(60, true), (300, true), (540, true), (719, false)]);
        assert_eq!(alarm.look(Duration::ZERO, None), None);
    }
}
