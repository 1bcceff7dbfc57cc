//! When a picture was taken, by the kernel's time stamps.

use std::time::Duration;

use crate::base::clock::Monotime;

/// Oldest age at which a time stamp of the kernel is believed to be on our clock.
const PLAUSIBLE: Duration = Duration::from_secs(5);
/// By so much of the time that passes another clock may run slower than ours.
const DRIFT: f64 = 0.001;

/// Tells fresh pictures from old ones by the kernel's time stamps, in milliseconds of the monotonic
/// clock for nearly every driver. After an unplug some drivers give the last picture for ever
/// (opencv/opencv#14044): its stamp stands still.
#[derive(Debug, Default)]
pub struct Stamps {
    last: f64,
    /// What is to be added to stamps of another clock, in milliseconds: the least that was seen, for no picture comes
    /// before it was taken.
    offset: Option<f64>,
}

impl Stamps {
    /// When the picture was taken, or None if it is the same as before. `now` stands in for stamps that
    /// are missing.
    pub fn judge(&mut self, stamp: f64, now: Monotime) -> Option<Monotime> {
        if !stamp.is_finite() || stamp <= 0.0 {
            return Some(now);
        }
        if stamp == self.last {
            return None;
        }
        let passed = stamp - std::mem::replace(&mut self.last, stamp);
        if let Some(taken) = plausible(stamp, now) {
            self.offset = None;
            return Some(taken);
        }
        let seen = now.since_zero().as_secs_f64() * 1000.0 - stamp;
        let offset = match self.offset {
            Some(before) => seen.min(before + DRIFT * passed.abs()),
            None => seen,
        };
        let taken = plausible(stamp + offset, now);
        // A clock that was set begins anew.
        self.offset = taken.map(|_| offset);
        Some(taken.unwrap_or(now))
    }
}

/// A time in milliseconds of our clock at which a picture may have been taken that has just come.
fn plausible(milliseconds: f64, now: Monotime) -> Option<Monotime> {
    /// A stamp is in whole microseconds.
    const ROUNDING: Duration = Duration::from_micros(2);
    let since_zero = Duration::try_from_secs_f64(milliseconds / 1000.0).ok()?;
    let taken = Monotime::from_zero(since_zero);
    (taken <= now + ROUNDING && now.since(taken) <= PLAUSIBLE).then(|| taken.min(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_tell_fresh_from_frozen() {
        let at = |ms| Monotime::from_zero(Duration::from_millis(ms));
        let mut stamps = Stamps::default();
        assert_eq!(stamps.judge(9_980.0, at(10_000)), Some(at(9_980)));
        assert_eq!(stamps.judge(9_980.0, at(10_033)), None, "frozen");
        assert_eq!(stamps.judge(10_020.0, at(10_066)), Some(at(10_020)));
        // The wall clock, the future, too long ago, nothing at all.
        for other in [1.7e12, 10_200.0, 2_000.0, 0.0, 0.0, f64::NAN] {
            assert_eq!(stamps.judge(other, at(10_100)), Some(at(10_100)), "{other}");
        }
    }

    #[test]
    fn stamps_of_another_clock_tell_how_late_a_picture_is_read() {
        let at = |ms| Monotime::from_zero(Duration::from_millis(ms));
        let near = |got: Option<Monotime>, want: Monotime| {
            got.is_some_and(|got| got.since(want).max(want.since(got)) < Duration::from_millis(1))
        };
        let wall = 1.7e12;
        let mut stamps = Stamps::default();
        for n in 0..300 {
            let (taken, late) = (10_000 + 33 * n, if n % 10 == 0 { 0 } else { 20 });
            let got = stamps.judge(wall + taken as f64, at(taken + late));
            assert!(n == 0 || near(got, at(taken)), "{n}: {got:?}");
        }
        // The clock is set by an hour, forwards and back.
        for step in [3.6e6, 0.0] {
            let got = stamps.judge(wall + 20_000.0 + step, at(20_000));
            assert!(near(got, at(20_000)), "{got:?}");
        }
    }
}
