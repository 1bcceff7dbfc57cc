//! What the monitor last saw, for whoever asks: health, the planned restart.

use std::sync::Mutex;
use std::time::Duration;

use super::sample::Sample;
use crate::base::clock::Monotime;
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

/// How many warnings are kept for those who look.
const WARNINGS: usize = 4;

/// A warning that was logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warned {
    /// When.
    pub at: Monotime,
    /// The line's text.
    pub text: String,
}

/// The newest sample and verdicts, shared between the monitor and those who look.
#[derive(Debug, Default)]
pub struct Latest(Mutex<LatestState>);

#[derive(Debug, Default)]
struct LatestState {
    sample: Option<Sample>,
    verdicts: Verdicts,
    warnings: Vec<Warned>,
}

impl Latest {
    /// The newest sample; none before the first.
    #[must_use]
    pub fn get(&self) -> Option<Sample> {
        lock(&self.0).sample.clone()
    }

    /// The verdicts of now.
    #[must_use]
    pub fn verdicts(&self) -> Verdicts {
        lock(&self.0).verdicts
    }

    /// The newest warnings, the last one first. Each was logged once, and may be over by now.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warned> {
        lock(&self.0).warnings.clone()
    }

    pub(super) fn set(&self, sample: Sample, verdicts: Verdicts) {
        let mut state = lock(&self.0);
        (state.sample, state.verdicts) = (Some(sample), verdicts);
    }

    pub(super) fn warned(&self, at: Monotime, text: String) {
        let mut state = lock(&self.0);
        state.warnings.insert(0, Warned { at, text });
        state.warnings.truncate(WARNINGS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_warning_comes_first_and_the_oldest_go() {
        let latest = Latest::default();
        for n in 0..10 {
            latest.warned(Monotime::from_zero(Duration::from_secs(n)), n.to_string());
        }
        let texts: Vec<_> = latest.warnings().into_iter().map(|w| w.text).collect();
        assert_eq!(texts, ["9", "8", "7", "6"]);
    }
}
