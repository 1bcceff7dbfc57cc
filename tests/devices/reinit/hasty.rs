//! A clock on which waiting takes next to no time.

use std::sync::Mutex;
use std::time::Duration;

use facetap::base::clock::{Clock, Monotime, SystemClock};
use facetap::base::stop::{Stop, lock};
use jiff::Zoned;

/// Of a wait so much is really waited, so that whoever else has something to do gets a turn.
const REST: Duration = Duration::from_millis(1);

/// The system's clock, with the rest of every wait skipped.
#[derive(Default)]
pub struct HastyClock {
    skipped: Mutex<Duration>,
}

impl Clock for HastyClock {
    fn now(&self) -> Monotime {
        SystemClock.now() + *lock(&self.skipped)
    }

    fn boottime(&self) -> Duration {
        SystemClock.boottime() + *lock(&self.skipped)
    }

    fn wall(&self) -> Zoned {
        SystemClock.wall()
    }

    fn wait(&self, stop: &Stop, timeout: Duration) -> bool {
        *lock(&self.skipped) += timeout.saturating_sub(REST);
        stop.wait(timeout.min(REST))
    }
}
