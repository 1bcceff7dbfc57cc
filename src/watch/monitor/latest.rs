//! What the monitor last saw, for whoever asks: health, the planned restart.

use std::sync::Mutex;
use std::time::Duration;

use super::sample::Sample;
use crate::base::stop::lock;
use crate::watch::trend::LeakVerdict;

/// The verdicts of all resources that may leak; none while too little is known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Verdicts {
    /// Resident memory, MiB.
    pub rss: Option<LeakVerdict>,
    /// Memory without a file behind it, MiB.
    pub anonymous: Option<LeakVerdict>,
    /// Open descriptors.
    pub descriptors: Option<LeakVerdict>,
    /// Threads.
    pub threads: Option<LeakVerdict>,
}

impl Verdicts {
    /// Time until a leak of memory reaches its limit; none without one.
    #[must_use]
    pub fn memory_full_in(&self) -> Option<Duration> {
        [self.rss, self.anonymous]
            .into_iter()
            .flatten()
            .filter_map(|v| v.reaches_limit_in)
            .min()
    }
}

/// The newest sample and verdicts, shared between the monitor and those who look.
#[derive(Debug, Default)]
pub struct Latest(Mutex<(Option<Sample>, Verdicts)>);

impl Latest {
    /// The newest sample; none before the first.
    #[must_use]
    pub fn get(&self) -> Option<Sample> {
        lock(&self.0).0.clone()
    }

    /// The verdicts of now.
    #[must_use]
    pub fn verdicts(&self) -> Verdicts {
        lock(&self.0).1
    }

    pub(super) fn set(&self, sample: Sample, verdicts: Verdicts) {
        *lock(&self.0) = (Some(sample), verdicts);
    }
}
