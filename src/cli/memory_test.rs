//! `facetap memory-test`: grows memory on purpose, so that people see the warnings before they need them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::base::card_status::Queues;
use crate::base::clock::{Clock, SystemClock};
use crate::base::stats::Counters;
use crate::base::stop::Stop;
use crate::base::text::{self, Language};
use crate::base::threads::Threads;
use crate::config::Config;
use crate::watch::monitor::{Line, Live, MemoryLines, Readings, Said, Watcher};
use crate::{base::signals, say};

const MIB: usize = 1024 * 1024;

#[derive(Debug, Clone, ClapArgs)]
#[command(
    after_help = "Shown are the lines of the log, and those of memory_usage.log. Status 0 if the warning of the growth \
                  came in both, 1 if not; Ctrl-C ends it early. Nothing but memory is touched, and it is given back.\n\n\
                  Examples:\n  facetap memory-test\n  facetap memory-test --seconds 20 --interval 1"
)]
pub(super) struct MemoryTestOptions {
    /// How long it takes
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, value_parser = super::seconds::seconds)]
    pub seconds: f64,
    /// How much memory is taken in that time
    #[arg(long, value_name = "MB", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub megabytes: u64,
    /// Seconds between two samples
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = super::seconds::seconds)]
    pub interval: f64,
}

pub(super) fn memory_test(options: &MemoryTestOptions) -> Result<u8> {
    text::speak(Language::from_locale());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stop = Stop::new();
    let mut threads = Threads::default();
    signals::watch(&mut threads, &stop, || ())?;
    let (seconds, megabytes) = (options.seconds, options.megabytes);
    super::print(say!(
        "taking {megabytes} MB in {seconds} s; the warning comes at 50 MB above the first sample (Ctrl-C ends it)",
        "{seconds}秒間でメモリを{megabytes}MB増やします。初期値から50MBを超えると警告が出ます (Ctrl-Cで終了)"
    ));
    let here = Path::new(".");
    let live = Live::new(Path::new("/"), here, here);
    let seen = grow(options, Box::new(live), clock.as_ref(), &stop);
    if seen.both() {
        super::print(say!("both warnings came", "警告が正しく出力されました"));
        Ok(super::DONE)
    } else {
        super::print(say!(
            "the warnings did not come; give more --megabytes than 50, and let it end by itself",
            "警告は出ませんでした。--megabytes に50より大きい値を指定し、最後まで実行してください"
        ));
        Ok(super::FAILED)
    }
}

/// Which warnings were shown.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    log: bool,
    memory_log: bool,
}

impl Seen {
    const fn both(&self) -> bool {
        self.log && self.memory_log
    }
}

/// Takes memory evenly over the time and shows each sample.
fn grow(
    options: &MemoryTestOptions,
    mut readings: Box<dyn Readings>,
    clock: &dyn Clock,
    stop: &Stop,
) -> Seen {
    let start = clock.now();
    let all = Duration::from_secs_f64(options.seconds);
    let mut watcher = Watcher::new(&Config::default().monitor);
    let mut memory = MemoryLines::default();
    let mut held: Vec<Vec<u8>> = Vec::new();
    let mut seen = Seen::default();
    loop {
        let now = clock.now();
        let uptime = now.since(start);
        let (sample, failures) = readings.sample(now);
        let line = Line {
            uptime,
            sample: &sample,
            counters: Counters::default(),
            queues: Queues::default(),
        };
        show(clock, "INFO", &line.to_string());
        for said in watcher.look(now, uptime, &sample, failures) {
            let (level, text) = match &said {
                Said::Info(text) => ("INFO", text),
                Said::Warning(text) => ("WARNING", text),
                Said::Failure(text) => ("ERROR", text),
            };
            // Any other warning that comes now is not what this is about.
            let growth = text.contains("first sample") || text.contains("初期値");
            seen.log |= matches!(said, Said::Warning(_)) && growth;
            show(clock, level, text);
        }
        if let Some(lines) = memory.lines(&clock.wall(), uptime, &sample) {
            seen.memory_log |= lines.contains("[警告]");
            super::print(lines.trim_end());
        }
        if uptime >= all {
            return seen;
        }
        let pause = Duration::from_secs_f64(options.interval).min(all - uptime);
        let part = (uptime + pause).as_secs_f64() / options.seconds;
        // The last step takes what rounding left.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        let wanted = (options.megabytes as f64 * part.min(1.0)).round() as usize;
        while held.len() < wanted {
            // Written to, or the kernel does not give it.
            held.push(vec![0xA5; MIB]);
        }
        if clock.wait(stop, pause) {
            return seen;
        }
    }
}

fn show(clock: &dyn Clock, level: &str, text: &str) {
    let now = clock.wall();
    let now = now.strftime("%Y-%m-%d %H:%M:%S");
    super::print(format_args!("{now} - monitor - {level} - {text}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{ManualClock, Monotime};
    use crate::base::stop::Reason;
    use crate::watch::monitor::{Failure, Sample, SystemMemory};

    /// Memory that grows by 1 MiB every 3 seconds, as if the process had taken it.
    struct Growing;
    impl Readings for Growing {
        fn sample(&mut self, now: Monotime) -> (Sample, Vec<Failure>) {
            let seconds = now.since(Monotime::default()).as_secs();
            let sample = Sample {
                rss_bytes: Some((30 << 20) + seconds / 3 * (1 << 20)),
                vms_bytes: Some(1 << 30),
                system: Some(SystemMemory {
                    total_bytes: 4 << 30,
                    available_bytes: 3 << 30,
                }),
                ..Sample::default()
            };
            (sample, Vec::new())
        }
    }

    fn options(seconds: f64) -> MemoryTestOptions {
        MemoryTestOptions {
            seconds,
            megabytes: 2,
            interval: 10.0,
        }
    }

    #[test]
    fn both_warnings_are_seen_when_memory_grows_far_enough() {
        let clock = || ManualClock::new(Duration::ZERO, jiff::Timestamp::UNIX_EPOCH);
        let seen = |seconds| grow(&options(seconds), Box::new(Growing), &clock(), &Stop::new());
        assert!(seen(300.0).both());
        assert_eq!(seen(120.0), Seen::default());
        let stop = Stop::new();
        stop.request(Reason::Signal(2));
        assert_eq!(
            grow(&options(300.0), Box::new(Growing), &clock(), &stop),
            Seen::default()
        );
    }
}
