//! The leak detectors of the process, and what they say.

use std::time::Duration;

use super::latest::Verdicts;
use super::readings::system_bytes;
use super::sample::{Sample, megabytes};
use crate::config;
use crate::say;
use crate::watch::trend::{LeakVerdict, News, Watch};

/// The limit of resident memory where none is configured: the smaller of this many bytes and half of the memory.
const RSS_LIMIT: u64 = 600 << 20;

/// The limit of resident memory: what `monitor.rss_limit_mb` says, else the smaller of 600 MiB and half of the memory.
#[must_use]
pub fn rss_limit_bytes(config: &config::Monitor) -> u64 {
    limit(config.rss_limit_mb, system_bytes)
}

fn limit(configured: Option<f64>, system: impl FnOnce() -> Option<u64>) -> u64 {
    // The configuration bounds it to a million.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    configured.map_or_else(
        || system().map_or(RSS_LIMIT, |all| RSS_LIMIT.min(all / 2)),
        |mb| (mb * 1_048_576.0) as u64,
    )
}

/// All detectors.
pub(super) struct Leaks {
    rss: Watch,
    anonymous: Watch,
    descriptors: Watch,
    threads: Watch,
}

impl Leaks {
    /// Limits: resident memory in MiB, descriptors.
    pub(super) fn new(rss_mb: f64, descriptors: f64) -> Self {
        Self {
            rss: Watch::new(Some(rss_mb)),
            anonymous: Watch::new(Some(rss_mb)),
            descriptors: Watch::new(Some(descriptors)),
            threads: Watch::new(None),
        }
    }

    /// Reckons with this limit of resident memory in MiB from now on.
    pub(super) fn retune(&mut self, rss_mb: f64) {
        self.rss.set_limit(rss_mb);
        self.anonymous.set_limit(rss_mb);
    }

    /// Takes a sample, `age` after the start. Tells the verdicts, and lines for the log; true marks a warning.
    pub(super) fn add(
        &mut self,
        age: Duration,
        sample: &Sample,
    ) -> (Verdicts, Vec<(bool, String)>) {
        let mut lines = Vec::new();
        let mut watch = |watch: &mut Watch, value, said: &dyn Fn(News) -> (bool, String)| {
            lines.extend(watch.add(age, value).map(said));
            watch.verdict()
        };
        #[allow(clippy::cast_precision_loss)] // thousands of pieces
        let pieces = |n: u64| n as f64;
        let process = sample.process;
        let verdicts = Verdicts {
            rss: watch(&mut self.rss, sample.rss_bytes.map(megabytes), &|n| {
                memory(&say!("resident memory", "メモリ(RSS)"), n)
            }),
            anonymous: watch(
                &mut self.anonymous,
                process.map(|p| megabytes(p.anonymous_bytes)),
                &|n| memory(&say!("anonymous memory", "匿名メモリ"), n),
            ),
            descriptors: watch(
                &mut self.descriptors,
                sample.descriptors.map(|d| pieces(d.total())),
                &|n| {
                    handles(
                        "[HANDLE_LEAK_ALERT]",
                        &say!("descriptors", "ファイルディスクリプタ"),
                        n,
                    )
                },
            ),
            threads: watch(
                &mut self.threads,
                process.map(|p| pieces(p.threads)),
                &|n| handles("[HANDLE_LEAK_ALERT]", &say!("threads", "スレッド"), n),
            ),
        };
        (verdicts, lines)
    }
}

fn memory(what: &str, news: News) -> (bool, String) {
    match news {
        News::Leak(LeakVerdict {
            growth, low, high, ..
        }) => {
            let text = say!(
                "[MEMORY_LEAK_ALERT] {what} grows by {growth:.2} MB an hour ({low:.2} to {high:.2})",
                "[MEMORY_LEAK_ALERT] {what}が1時間あたり {growth:.2}MB 増加しています ({low:.2}〜{high:.2})"
            );
            (true, text + &until(news))
        }
        News::Over => (false, over(what)),
    }
}

fn handles(mark: &str, what: &str, news: News) -> (bool, String) {
    match news {
        News::Leak(LeakVerdict {
            growth, low, high, ..
        }) => {
            let text = say!(
                "{mark} {what} grow by {growth:.1} an hour ({low:.1} to {high:.1})",
                "{mark} {what}が1時間あたり {growth:.1}個 増加しています ({low:.1}〜{high:.1})"
            );
            (true, text + &until(news))
        }
        News::Over => (false, over(what)),
    }
}

fn until(news: News) -> String {
    let News::Leak(LeakVerdict {
        reaches_limit_in: Some(left),
        ..
    }) = news
    else {
        return String::new();
    };
    let hours = left.as_secs_f64() / 3600.0;
    say!(
        ", the limit is reached in {hours:.1} h",
        ", 上限到達まで {hours:.1}時間"
    )
}

fn over(what: &str) -> String {
    say!("{what}: the growth is over", "{what}: 増加は止まりました")
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Descriptors, Process};
    use super::*;

    #[test]
    fn the_limit_defaults_to_the_smaller_of_600_and_half_of_the_memory() {
        let of = |configured, system: Option<u64>| limit(configured, || system) >> 20;
        assert_eq!(of(None, Some(4 << 30)), 600);
        assert_eq!(of(None, Some(1 << 30)), 512);
        assert_eq!(of(None, None), 600);
        assert_eq!(of(Some(200.0), Some(1 << 30)), 200);
    }

    #[test]
    fn each_leak_has_its_mark_its_growth_and_its_time() {
        let mut leaks = Leaks::new(600.0, 800.0);
        let mut said = Vec::new();
        for minute in 0..600_u64 {
            let age = Duration::from_secs(minute * 60);
            let sample = Sample {
                rss_bytes: Some((100 << 20) + minute * (100 << 10)),
                process: Some(Process {
                    anonymous_bytes: 50 << 20,
                    threads: 12 + minute / 20,
                    ..Process::default()
                }),
                descriptors: Some(Descriptors {
                    sockets: 30 + minute / 6,
                    ..Descriptors::default()
                }),
                ..Sample::default()
            };
            said.extend(leaks.add(age, &sample).1);
        }
        let find = |text: &str| {
            let lines: Vec<_> = said.iter().filter(|(_, l)| l.contains(text)).collect();
            assert!(lines.len() == 2, "{text}: {said:?}");
            lines[0].1.clone()
        };
        assert!(
            find("resident memory").starts_with("[MEMORY_LEAK_ALERT] resident memory grows by 5.8")
        );
        let descriptors = find("descriptors");
        assert!(
            descriptors.starts_with("[HANDLE_LEAK_ALERT] descriptors grow by 10"),
            "{descriptors}"
        );
        assert!(descriptors.contains("the limit is reached in"));
        assert!(find("threads").starts_with("[HANDLE_LEAK_ALERT] threads grow by 3"));
        assert!(!said.iter().any(|(_, l)| l.contains("anonymous")));
    }
}
