//! A time axis that only goes forward, made of a wall clock that jumps.
//!
//! A board without a clock chip starts in 1970 and is set later; summer time takes an hour back; somebody
//! sets the clock. The axis counts the time that passed. Where the log tells the uptime, that decides.

/// Boards whose clock was not set yet believe in a time before this (2020-01-01, seconds).
pub(super) const SET: f64 = 1_577_836_800.0;

/// Lines of several threads may come a moment late; this is no jump (seconds).
const LATE: f64 = 2.0;

/// The uptime in a line may be rounded to a tenth of an hour; what differs more from the clock is a jump.
const ROUNDING_HOURS: f64 = 0.2;

/// The axis.
#[derive(Debug, Default)]
pub(super) struct Axis {
    /// Seconds that passed since the first line.
    passed: f64,
    wall: Option<f64>,
    /// The wall clock was seen to jump: the next uptime tells what really passed.
    mend: bool,
    /// Place of the last line whose uptime is known.
    settled: f64,
    /// Uptime in hours at a place of the axis, in this run.
    uptime: Option<(f64, f64)>,
}

/// Where a line lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    /// Seconds on the axis.
    pub place: f64,
    /// Seconds since the line before.
    pub since: f64,
    /// By how much the clock was set forward (or back, negative), in seconds.
    pub jumped: Option<f64>,
}

impl Axis {
    /// The place of a line that the wall clock gives this time.
    pub fn at(&mut self, wall: f64) -> Step {
        let before = self.wall.replace(wall).unwrap_or(wall);
        let since = wall - before;
        let jumped = since < -LATE || (before < SET && wall >= SET);
        let since = if jumped { 0.0 } else { since.max(0.0) };
        self.passed += since;
        self.mend |= jumped;
        Step {
            place: self.passed,
            since,
            jumped: jumped.then_some(wall - before),
        }
    }

    /// A new run: its uptime begins anew.
    pub fn begin_run(&mut self) {
        self.uptime = None;
    }

    /// Told the uptime of the line just placed, the axis mends what the wall clock did since the last
    /// uptime. The result is by how much it was wrong (seconds), if it was.
    pub fn uptime(&mut self, hours: f64) -> Option<f64> {
        let (last, place) = self.uptime.unwrap_or((hours, self.passed));
        let wrong = (self.passed - place) / 3600.0 - (hours - last);
        let known = std::mem::take(&mut self.mend);
        let jumped = wrong.abs() > ROUNDING_HOURS && !known;
        if jumped || known {
            self.passed = (place + (hours - last) * 3600.0).max(self.settled);
        }
        // Kept from the first one of the run, so that roundings do not add up; renewed after a jump.
        if self.uptime.is_none() || jumped || known {
            self.uptime = Some((hours, self.passed));
        }
        self.settled = self.passed;
        jumped.then_some(wrong * 3600.0)
    }

    /// The last place that the uptime has vouched for.
    pub fn settled(&self) -> f64 {
        self.settled
    }

    /// The present place.
    pub fn place(&self) -> f64 {
        self.passed
    }

    /// What has to be added to a place to come to the wall clock as it is in the end.
    pub fn origin(&self) -> f64 {
        self.wall.unwrap_or(0.0) - self.passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: f64 = 1_800_000_000.0;

    #[test]
    fn a_clock_that_is_set_back_does_not_turn_time_back() {
        let mut axis = Axis::default();
        axis.at(NOON);
        assert_eq!(axis.at(NOON + 300.0).place, 300.0);
        let step = axis.at(NOON - 3000.0);
        assert_eq!((step.place, step.jumped), (300.0, Some(-3300.0)));
        assert_eq!(axis.at(NOON - 2700.0).place, 600.0);
        assert_eq!(axis.at(NOON - 2701.0).place, 600.0, "a line that came late");
        assert_eq!(axis.origin() + 600.0, NOON - 2701.0);
    }

    #[test]
    fn from_1970_to_now_nothing_passed() {
        let mut axis = Axis::default();
        axis.at(10.0);
        axis.at(70.0);
        let step = axis.at(NOON);
        assert_eq!((step.place, step.since), (60.0, 0.0));
        assert_eq!(step.jumped, Some(NOON - 70.0));
    }

    #[test]
    fn the_uptime_knows_better() {
        let mut axis = Axis::default();
        axis.at(NOON);
        assert_eq!(axis.uptime(1.0), None);
        axis.at(NOON + 86_400.0);
        let wrong = axis.uptime(1.1).unwrap();
        assert!((wrong - 86_040.0).abs() < 1.0, "{wrong}");
        assert!((axis.place() - 360.0).abs() < 1.0);
        // Hours of rounded figures are no jump.
        for i in 1..1000 {
            axis.at(NOON + 86_400.0 + 300.0 * f64::from(i));
            let rounded = ((1.1 + f64::from(i) / 12.0) * 10.0).floor() / 10.0;
            assert_eq!(axis.uptime(rounded), None, "{i}");
        }
    }
}
