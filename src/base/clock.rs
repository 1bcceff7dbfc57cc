//! Time as a dependency: the real clock, and one that tests turn by hand.
//!
//! Logic never asks the operating system for the time. It is handed a [`Monotime`], or a [`Clock`] when it
//! has to wait. The wall clock of a Pi jumps (no clock chip, late synchronisation), so it is only ever
//! *recorded*; order, time-outs and suppression use the monotonic clocks.

use std::ops::{Add, Sub};
use std::sync::Mutex;
use std::time::Duration;

use jiff::{Timestamp, ToSpan, Zoned, tz::TimeZone};
use nix::time::{ClockId, clock_gettime};

use super::stop::Stop;

/// A moment of `CLOCK_MONOTONIC`, the clock that the kernel also stamps camera frames with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Monotime(Duration);

impl Monotime {
    /// The moment `since_zero` after the clock's own zero (the boot, on Linux).
    #[must_use]
    pub const fn from_zero(since_zero: Duration) -> Self {
        Self(since_zero)
    }

    /// Time since the clock's own zero.
    #[must_use]
    pub const fn since_zero(self) -> Duration {
        self.0
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Seconds from `earlier` to this moment, negative if `earlier` is the later one.
    #[must_use]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        self.0.as_secs_f64() - earlier.0.as_secs_f64()
    }
}

impl Add<Duration> for Monotime {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(d))
    }
}

impl Sub<Duration> for Monotime {
    type Output = Self;
    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(d))
    }
}

/// Where time comes from, and how to let it pass.
pub trait Clock: Send + Sync {
    /// Now, on the clock that never jumps but stands still while the machine sleeps.
    fn now(&self) -> Monotime;

    /// Time since boot including sleep (`CLOCK_BOOTTIME`): what a tap is stamped with.
    fn boottime(&self) -> Duration;

    /// Now, as the wall clock claims. For people and records only.
    fn wall(&self) -> Zoned;

    /// Lets `timeout` pass, or returns at once when `stop` is requested. True if it was.
    fn wait(&self, stop: &Stop, timeout: Duration) -> bool;
}

/// See [`hold_zone`].
static ZONE: Mutex<Option<TimeZone>> = Mutex::new(None);

/// Reads the time zone of the system from its disk, and keeps it until the next call. Without it, whoever asks for the
/// time reads it again every five minutes, and a loop that only logs a line would wait for a disk that stands still.
pub fn hold_zone() {
    // Outside the lock: whoever asks for the time meanwhile has the zone of before.
    let zone = TimeZone::system();
    *super::stop::lock(&ZONE) = Some(zone);
}

/// The clocks of the operating system.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

fn read(id: ClockId) -> Duration {
    // clock_gettime of these two ids cannot fail on a kernel that runs this binary.
    clock_gettime(id).map_or(Duration::ZERO, Duration::from)
}

/// The processor time that the calling thread has used so far.
#[must_use]
pub fn thread_time() -> Duration {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

impl Clock for SystemClock {
    fn now(&self) -> Monotime {
        Monotime(read(ClockId::CLOCK_MONOTONIC))
    }

    fn boottime(&self) -> Duration {
        read(ClockId::CLOCK_BOOTTIME)
    }

    fn wall(&self) -> Zoned {
        let held = super::stop::lock(&ZONE).clone();
        Timestamp::now().to_zoned(held.unwrap_or_else(TimeZone::system))
    }

    fn wait(&self, stop: &Stop, timeout: Duration) -> bool {
        stop.wait(timeout)
    }
}

/// A clock that moves only when told, or when somebody waits on it: thirty days pass in a moment.
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<(Duration, Timestamp)>,
}

impl ManualClock {
    /// Starts `since_boot` after boot, at the given wall time.
    #[must_use]
    pub const fn new(since_boot: Duration, wall: Timestamp) -> Self {
        Self {
            state: Mutex::new((since_boot, wall)),
        }
    }

    /// A clock for several, which starts `since_boot` after boot, in 1970.
    #[must_use]
    pub fn shared(since_boot: Duration) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self::new(since_boot, Timestamp::UNIX_EPOCH))
    }

    /// Lets time pass on every clock.
    pub fn advance(&self, d: Duration) {
        let mut state = super::stop::lock(&self.state);
        state.0 += d;
        let nanos = i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
        state.1 = state
            .1
            .checked_add(nanos.nanoseconds())
            .unwrap_or(Timestamp::MAX);
    }

    /// Sets the wall clock alone, as a synchronisation or a person does.
    pub fn set_wall(&self, wall: Timestamp) {
        super::stop::lock(&self.state).1 = wall;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Monotime {
        Monotime(super::stop::lock(&self.state).0)
    }

    fn boottime(&self) -> Duration {
        super::stop::lock(&self.state).0
    }

    fn wall(&self) -> Zoned {
        super::stop::lock(&self.state).1.to_zoned(TimeZone::UTC)
    }

    fn wait(&self, stop: &Stop, timeout: Duration) -> bool {
        if !stop.requested() {
            self.advance(timeout);
        }
        stop.requested()
    }
}

/// A time as files for programs have it: RFC 3339, to the second, with the offset of the zone.
#[must_use]
pub fn rfc3339(at: &Zoned) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_moves_all_clocks_together() {
        let clock = ManualClock::new(Duration::from_secs(5), Timestamp::UNIX_EPOCH);
        let before = clock.now();
        assert!(!clock.wait(&Stop::new(), Duration::from_secs(86_400)));
        assert_eq!(clock.now().since(before), Duration::from_secs(86_400));
        assert_eq!(clock.boottime(), Duration::from_secs(86_405));
        assert_eq!(clock.wall().timestamp().as_second(), 86_400);
    }

    #[test]
    fn setting_the_wall_clock_moves_nothing_else() {
        let clock = ManualClock::new(Duration::ZERO, Timestamp::UNIX_EPOCH);
        clock.set_wall(Timestamp::from_second(1_000_000).unwrap());
        assert_eq!(clock.now(), Monotime::default());
    }

    #[test]
    fn time_differences_never_wrap() {
        let early = Monotime::from_zero(Duration::from_secs(1));
        let late = Monotime::from_zero(Duration::from_secs(3));
        assert_eq!(early.since(late), Duration::ZERO);
        assert!((early.seconds_since(late) + 2.0).abs() < 1e-9);
        assert_eq!(early - Duration::from_secs(9), Monotime::default());
    }
}
