//! When a reading is too much: the fixed limits of the old programs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::sample::{Sample, megabytes};
use crate::base::clock::Monotime;
use crate::config;
use crate::say;

/// The old harness called 10,000 handles a leak.
const MOST_DESCRIPTORS: u64 = 10_000;
/// The old memory monitor warned at so many MB above its first sample.
pub(super) const GROWTH_MB: f64 = 50.0;
/// Per cent of the GPU's memory.
const MOST_VRAM: f64 = 90.0;
/// A Raspberry Pi slows down from 80 degrees on.
const HOT: f64 = 80.0;

/// What must not be exceeded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limits {
    rss_mb: f64,
    system_memory_percent: f64,
    descriptors: u64,
    /// What growth is counted from, and whether camera and detector were open then.
    first_rss: Option<(u64, bool)>,
}

/// What is warned of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Limit {
    Growth,
    Rss,
    System,
    Descriptors,
    Gpu,
    Heat,
}

impl Limits {
    /// `descriptor_limit` is `RLIMIT_NOFILE`, if known: the alarm comes at 80 % of it at the latest,
    /// while the process can still open what it needs to say so.
    pub(super) fn new(config: &config::Monitor, descriptor_limit: Option<u64>) -> Self {
        Self {
            rss_mb: config.rss_warn_mb,
            system_memory_percent: config.system_memory_warn_percent,
            descriptors: most_descriptors(descriptor_limit),
            first_rss: None,
        }
    }

    /// Warns by these limits from now on.
    pub(super) fn retune(&mut self, config: &config::Monitor) {
        self.rss_mb = config.rss_warn_mb;
        self.system_memory_percent = config.system_memory_warn_percent;
    }

    /// A sentence for each limit that the reading exceeds. Growth is counted from the first reading that was made with
    /// everything open (`settled`): camera and detector take some fifty megabytes, which are no growth.
    pub(super) fn warnings(&mut self, sample: &Sample, settled: bool) -> Vec<(Limit, String)> {
        let mut warnings = Vec::new();
        if self.first_rss.is_none_or(|(_, full)| settled && !full) {
            let first = sample.rss_bytes.map(|rss| (rss, settled));
            self.first_rss = first.or(self.first_rss);
        }
        if let (Some(rss), Some((first, _))) = (sample.rss_bytes, self.first_rss) {
            let (rss, first) = (megabytes(rss), megabytes(first));
            let growth = rss - first;
            if growth > GROWTH_MB {
                let text = say!(
                    "memory has grown by {growth:.2} MB since the first sample",
                    "メモリが初期値から {growth:.2}MB 増加しています"
                );
                warnings.push((Limit::Growth, text));
            }
            let limit = self.rss_mb;
            if rss > limit {
                let text = say!(
                    "memory use is high: {rss:.1} MB (limit {limit} MB)",
                    "メモリ使用量が高くなっています: {rss:.1}MB (上限 {limit}MB)"
                );
                warnings.push((Limit::Rss, text));
            }
        }
        if let Some(system) = sample.system.map(|s| s.used_percent())
            && system > self.system_memory_percent
        {
            let text = say!(
                "the system's memory is nearly used up: {system:.1}%",
                "システムメモリ使用率が高くなっています: {system:.1}%"
            );
            warnings.push((Limit::System, text));
        }
        let limit = self.descriptors;
        if let Some(descriptors) = sample.descriptors.map(|d| d.total())
            && descriptors > limit
        {
            let text = say!(
                "[HANDLE_LEAK_ALERT] {descriptors} descriptors are open (limit {limit})",
                "[HANDLE_LEAK_ALERT] ファイルディスクリプタ数: {descriptors} (上限 {limit})"
            );
            warnings.push((Limit::Descriptors, text));
        }
        if let Some(used) = sample
            .gpu
            .filter(|g| !g.contiguous)
            .map(|g| g.used_percent())
            && used > MOST_VRAM
        {
            let text = say!(
                "[VRAM_ALERT] the GPU's memory is nearly used up: {used:.1}%",
                "[VRAM_ALERT] GPUメモリ使用率が高くなっています: {used:.1}%"
            );
            warnings.push((Limit::Gpu, text));
        }
        if let Some(celsius) = sample.celsius
            && celsius >= HOT
        {
            let text = say!(
                "the processor is hot: {celsius:.1} C (it slows down from {HOT} C on)",
                "CPU温度が高くなっています: {celsius:.1}℃ ({HOT}℃で速度が制限されます)"
            );
            warnings.push((Limit::Heat, text));
        }
        warnings
    }
}

/// The number of descriptors that is called a leak.
pub(super) fn most_descriptors(limit: Option<u64>) -> u64 {
    limit
        .map_or(MOST_DESCRIPTORS, |n| n / 5 * 4)
        .min(MOST_DESCRIPTORS)
}

/// Lets a warning through once and then at most every so often, as long as it stands or comes back.
#[derive(Debug)]
pub(super) struct Seldom {
    every: Duration,
    said: BTreeMap<Limit, Monotime>,
}

impl Seldom {
    pub(super) const fn new(every: Duration) -> Self {
        Self {
            every,
            said: BTreeMap::new(),
        }
    }

    /// Whether `what` may be said now; it then counts as said.
    pub(super) fn may(&mut self, what: Limit, now: Monotime) -> bool {
        let may = self
            .said
            .get(&what)
            .is_none_or(|at| now.since(*at) >= self.every);
        if may {
            self.said.insert(what, now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Descriptors, GpuMemory, SystemMemory};
    use super::*;
    use crate::config::Config;

    fn quiet() -> Sample {
        Sample {
            rss_bytes: Some(460 << 20),
            system: Some(SystemMemory {
                total_bytes: 1000,
                available_bytes: 600,
            }),
            descriptors: Some(Descriptors {
                files: 30,
                ..Descriptors::default()
            }),
            celsius: Some(60.0),
            gpu: Some(GpuMemory {
                used_bytes: 90,
                total_bytes: 100,
                contiguous: false,
            }),
            ..Sample::default()
        }
    }

    fn limits(rlimit: Option<u64>) -> Limits {
        let mut limits = Limits::new(&Config::default().monitor, rlimit);
        assert_eq!(limits.warnings(&quiet(), true), vec![]);
        limits
    }

    #[test]
    fn descriptors_are_limited_by_what_the_system_allows() {
        assert_eq!(most_descriptors(Some(1024)), 816);
        assert_eq!(most_descriptors(Some(1 << 20)), 10_000);
        assert_eq!(most_descriptors(None), 10_000);
    }

    #[test]
    fn each_limit_warns_by_itself() {
        let mut limits = limits(Some(1024));
        let mut one = |change: &dyn Fn(&mut Sample)| {
            let mut sample = quiet();
            change(&mut sample);
            let warnings = limits.warnings(&sample, true);
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            warnings.into_iter().next().unwrap()
        };
        let (what, text) = one(&|s| s.rss_bytes = Some(501 << 20));
        assert!(what == Limit::Rss && text.contains("501.0"));
        let (_, text) = one(&|s| s.system.as_mut().unwrap().available_bytes = 95);
        assert!(text.contains("90.5%"));
        let (_, text) = one(&|s| s.descriptors.as_mut().unwrap().sockets = 787);
        assert!(text.starts_with("[HANDLE_LEAK_ALERT] 817"));
        let (_, text) = one(&|s| s.gpu.as_mut().unwrap().used_bytes = 91);
        assert!(text.starts_with("[VRAM_ALERT]"));
        // The contiguous memory of a Raspberry Pi is lent to programs until it is needed.
        let contiguous = Sample {
            gpu: Some(GpuMemory {
                used_bytes: 99,
                total_bytes: 100,
                contiguous: true,
            }),
            ..quiet()
        };
        let (_, text) = one(&|s| s.celsius = Some(80.0));
        assert!(text.contains("80.0 C"));
        assert_eq!(limits.warnings(&contiguous, true), vec![]);
        assert_eq!(limits.warnings(&Sample::default(), true), vec![]);
    }

    #[test]
    fn growth_counts_from_where_camera_and_detector_are_open() {
        let mut limits = Limits::new(&Config::default().monitor, None);
        let mut at = |mb: u64, settled: bool| {
            let sample = Sample {
                rss_bytes: Some(mb << 20),
                ..Sample::default()
            };
            limits.warnings(&sample, settled)
        };
        // A service that waits for its camera leaks all the same.
        assert_eq!(at(40, false), vec![]);
        assert_eq!(at(90, false), vec![]);
        assert!(at(91, false)[0].1.contains("grown by 51.00 MB"));
        // The camera has come, and the detector with it.
        assert_eq!(at(95, true), vec![]);
        assert_eq!(at(145, true), vec![]);
        assert!(at(146, true)[0].1.contains("grown by 51.00 MB"));
        // The camera is gone for a while: what was taken stays.
        assert_eq!(at(145, false), vec![]);
    }

    #[test]
    fn a_warning_that_stands_is_repeated_hourly() {
        let mut seldom = Seldom::new(Duration::from_secs(3600));
        let at = |s| Monotime::from_zero(Duration::from_secs(s));
        let said: Vec<u64> = (0..10_000)
            .step_by(300)
            .filter(|s| seldom.may(Limit::Rss, at(*s)))
            .collect();
        assert_eq!(said, [0, 3600, 7200]);
        assert!(seldom.may(Limit::Heat, at(10_000)));
    }
}
