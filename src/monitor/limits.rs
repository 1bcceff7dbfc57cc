//! When a reading is too much.

use super::Sample;
use crate::config;
use crate::say;

/// The old harness called 10,000 handles a leak.
const MOST_DESCRIPTORS: u64 = 10_000;

/// What must not be exceeded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limits {
    rss_mb: f64,
    system_memory_percent: f64,
    descriptors: u64,
}

impl Limits {
    /// `descriptor_limit` is `RLIMIT_NOFILE`, if known: the alarm comes at 80 % of it at the latest,
    /// while the process can still open what it needs to say so.
    pub(super) fn new(config: &config::Monitor, descriptor_limit: Option<u64>) -> Self {
        let share = descriptor_limit.map_or(MOST_DESCRIPTORS, |n| n / 5 * 4);
        Self {
            rss_mb: config.rss_warn_mb,
            system_memory_percent: config.system_memory_warn_percent,
            descriptors: share.min(MOST_DESCRIPTORS),
        }
    }

    /// A sentence for each limit that the reading exceeds.
    pub(super) fn warnings(&self, sample: &Sample) -> Vec<String> {
        let mut warnings = Vec::new();
        let rss = super::line::megabytes(sample.rss_bytes);
        if rss > self.rss_mb {
            let limit = self.rss_mb;
            warnings.push(say!(
                "memory use is high: {rss:.1} MB (limit {limit} MB)",
                "メモリ使用量が高くなっています: {rss:.1}MB (上限 {limit}MB)"
            ));
        }
        let system = sample.system_memory_percent;
        if system > self.system_memory_percent {
            warnings.push(say!(
                "the system's memory is nearly used up: {system:.1}%",
                "システムメモリ使用率が高くなっています: {system:.1}%"
            ));
        }
        let (descriptors, limit) = (sample.descriptors, self.descriptors);
        if descriptors as u64 > limit {
            warnings.push(say!(
                "[HANDLE_LEAK_ALERT] {descriptors} descriptors are open (limit {limit})",
                "[HANDLE_LEAK_ALERT] ファイルディスクリプタ数: {descriptors} (上限 {limit})"
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const QUIET: Sample = Sample {
        rss_bytes: 100 << 20,
        vms_bytes: 1 << 30,
        cpu_percent: 20.0,
        system_memory_percent: 40.0,
        descriptors: 30,
        threads: 9,
    };

    fn limits(rlimit: Option<u64>) -> Limits {
        Limits::new(&Config::default().monitor, rlimit)
    }

    #[test]
    fn descriptors_are_limited_by_what_the_system_allows() {
        assert_eq!(limits(Some(1024)).descriptors, 816);
        assert_eq!(limits(Some(1 << 20)).descriptors, 10_000);
        assert_eq!(limits(None).descriptors, 10_000);
    }

    #[test]
    fn each_limit_warns_by_itself() {
        let limits = limits(Some(1024));
        assert_eq!(limits.warnings(&QUIET), Vec::<String>::new());
        let much = Sample {
            rss_bytes: 501 << 20,
            ..QUIET
        };
        assert!(limits.warnings(&much)[0].contains("501.0"));
        let full = Sample {
            system_memory_percent: 90.5,
            ..QUIET
        };
        assert!(limits.warnings(&full)[0].contains("90.5%"));
        let leaking = Sample {
            descriptors: 817,
            ..QUIET
        };
        assert!(limits.warnings(&leaking)[0].starts_with("[HANDLE_LEAK_ALERT]"));
    }
}
