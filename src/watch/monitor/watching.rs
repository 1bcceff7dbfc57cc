//! What a sample gives rise to say: limits, leaks, transitions, failures.

use std::time::Duration;

use super::faults::Faults;
use super::latest::Verdicts;
use super::leaks::{Leaks, rss_limit_bytes};
use super::limits::{Limits, Seldom, most_descriptors};
use super::readings::power::{self, Power};
use super::readings::usb::{self, Usb};
use super::readings::{Failure, descriptor_limit};
use super::sample::{Sample, megabytes};
use crate::base::clock::Monotime;
use crate::config;

/// A warning that stands is repeated at most this often.
const REPEAT: Duration = Duration::from_secs(3600);

/// A line for the log, by its level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// What happens.
    Info(String),
    /// What may need attention.
    Warning(String),
    /// A reading that failed.
    Failure(String),
}

impl From<(bool, String)> for Said {
    fn from((warning, text): (bool, String)) -> Self {
        if warning {
            Self::Warning(text)
        } else {
            Self::Info(text)
        }
    }
}

/// Everything that is compared from one sample to the next.
pub(super) struct Watching {
    limits: Limits,
    seldom: Seldom,
    faults: Faults,
    power: Option<Power>,
    usb: Option<Usb>,
    leaks: Leaks,
}

impl Watching {
    /// `descriptor_limit` is `RLIMIT_NOFILE`, if known.
    pub(super) fn new(config: &config::Monitor, descriptor_limit: Option<u64>) -> Self {
        let rss_mb = megabytes(rss_limit_bytes(config));
        #[allow(clippy::cast_precision_loss)] // thousands
        let descriptors = most_descriptors(descriptor_limit) as f64;
        Self {
            limits: Limits::new(config, descriptor_limit),
            seldom: Seldom::new(REPEAT),
            faults: Faults::default(),
            power: None,
            usb: None,
            leaks: Leaks::new(rss_mb, descriptors),
        }
    }

    /// Goes by these limits from now on; what was noticed so far stays.
    pub(super) fn retune(&mut self, config: &config::Monitor) {
        self.limits.retune(config);
        self.leaks.retune(megabytes(rss_limit_bytes(config)));
    }

    /// Takes a sample; tells the verdicts and what there is to say. `settled`: everything that takes memory for good is
    /// open.
    pub(super) fn look(
        &mut self,
        now: Monotime,
        uptime: Duration,
        sample: &Sample,
        failures: Vec<Failure>,
        settled: bool,
    ) -> (Verdicts, Vec<Said>) {
        let mut said = Vec::new();
        let (fresh, mended) = self.faults.news(failures);
        said.extend(fresh.into_iter().map(Said::Failure));
        said.extend(mended.into_iter().map(Said::Info));
        for (what, text) in self.limits.warnings(sample, settled) {
            if self.seldom.may(what, now) {
                said.push(Said::Warning(text));
            }
        }
        if let Some(new) = sample.power {
            said.extend(
                power::transitions(self.power, new)
                    .into_iter()
                    .map(Said::from),
            );
            self.power = Some(new);
        }
        if let Some(new) = &sample.usb
            && self.usb.as_ref() != Some(new)
        {
            if let Some(old) = &self.usb {
                said.extend(usb::changes(old, new).into_iter().map(Said::from));
            }
            self.usb = Some(new.clone());
        }
        let (verdicts, lines) = self.leaks.add(uptime, sample);
        said.extend(lines.into_iter().map(Said::from));
        (verdicts, said)
    }
}

/// The same for those who look at samples of their own.
pub struct Watcher(Watching);

impl Watcher {
    /// With the process's own limits.
    #[must_use]
    pub fn new(config: &config::Monitor) -> Self {
        Self(Watching::new(config, descriptor_limit()))
    }

    /// What there is to say about a sample.
    pub fn look(
        &mut self,
        now: Monotime,
        uptime: Duration,
        sample: &Sample,
        failures: Vec<Failure>,
    ) -> Vec<Said> {
        self.0.look(now, uptime, sample, failures, true).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn transitions_are_said_each_and_warnings_hourly() {
        let mut watching = Watching::new(&Config::default().monitor, None);
        let mut said = Vec::new();
        for minute in 0..120 {
            let sample = Sample {
                rss_bytes: Some(501 << 20),
                // Ten minutes of undervoltage, twice.
                power: Some(Power(u32::from(minute % 60 > 50))),
                ..Sample::default()
            };
            let now = Monotime::from_zero(Duration::from_secs(minute * 60));
            said.extend(
                watching
                    .look(
                        now,
                        now.since(Monotime::default()),
                        &sample,
                        Vec::new(),
                        true,
                    )
                    .1,
            );
        }
        let count = |text: &str| {
            said.iter()
                .filter(|s| format!("{s:?}").contains(text))
                .count()
        };
        assert_eq!(count("memory use is high"), 2);
        assert_eq!(
            (count("undervoltage: began"), count("undervoltage: over")),
            (2, 1)
        );
        assert_eq!(said.len(), 5, "{said:?}");
    }
}
