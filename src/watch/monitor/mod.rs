//! Monitor: what process and system use, line by line; a warning when it is too much, and the verdict on leaks.

mod faults;
mod latest;
mod leaks;
mod limits;
mod line;
mod memory_log;
mod readings;
mod sample;
mod schedule;
#[cfg(test)]
mod tests;
mod tracing;
mod watching;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use log::{error, info, warn};

use crate::base::beat::Beat;
use crate::base::card_status::CardStatus;
use crate::base::clock::{Clock, Monotime};
use crate::base::limited::Limited;
use crate::base::stats::Stats;
use crate::base::stop::Stop;
use crate::config;
use crate::say_info;
use crate::watch::logging;
use memory_log::MemoryFile;
use schedule::Schedule;
use tracing::Tracing;
use watching::Watching;

pub use latest::{Latest, Verdicts, Warned};
pub use leaks::rss_limit_bytes;
pub use line::Line;
pub use memory_log::{MemoryLines, file_beside};
pub use readings::power::Power;
pub use readings::usb::Usb;
pub use readings::{Failure, Live, Patient, Readings, peak_rss_bytes, rss_bytes};
pub(crate) use sample::megabytes;
pub use sample::{Descriptors, GpuMemory, Process, Sample, SystemMemory};
pub use tracing::{Source as SiteSource, Traced};
pub use watching::{Said, Watcher};

/// A sample is taken at least so often, however rarely a line is written: a fast leak is told within minutes, and
/// a flag that comes and goes is seen.
const LOOK: Duration = Duration::from_secs(60);

/// Time for writing a line of the memory log. A disk that takes longer hangs.
const WRITE: Duration = Duration::from_secs(10);

/// The thread that samples, logs and warns.
pub struct Monitor {
    /// Interval and limits.
    pub live: config::Live,
    /// The memory log, if it is wanted.
    pub memory: config::MemoryMonitor,
    /// The log's file, beside which the memory log lies, and the limits of both.
    pub log_file: PathBuf,
    /// See `log_file`.
    pub log: config::Log,
    /// Where samples come from.
    pub readings: Box<dyn Readings>,
    /// Where allocation sites come from, if they are wanted.
    pub sites: Option<SiteSource>,
    /// The counters of the loops.
    pub stats: Arc<Stats>,
    /// The queue of the card side.
    pub card_status: Arc<CardStatus>,
    /// Where the newest sample is left for others.
    pub latest: Arc<Latest>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ends the thread at once.
    pub stop: Stop,
    /// The sign of life.
    pub beat: Beat,
}

impl Monitor {
    /// Samples at once and then as often as lines, memory log and leak detector ask for, until the stop. A reading
    /// that fails is logged `[RESOURCE_MONITOR_ERROR]`, and the others are made all the same.
    pub fn run(&mut self) {
        let start = self.clock.now();
        let mut generation = self.live.generation();
        let config = self.live.now();
        let seconds = config.monitor.interval;
        say_info!(
            "resource monitor active, every {seconds} s",
            "モニターを開始しました ({seconds}秒ごとにリソースを記録)"
        );
        let mut watching = Watching::new(&config.monitor, readings::descriptor_limit());
        drop(config);
        let mut memory = self.memory_log();
        let mut line_due = Schedule::new(start, Duration::from_secs_f64(seconds));
        let mut look_due = Schedule::new(start, LOOK);
        loop {
            let now = self.clock.now();
            let uptime = now.since(start);
            if self.live.generation() != generation {
                generation = self.live.generation();
                let config = self.live.now();
                watching.retune(&config.monitor);
                line_due.change(now, Duration::from_secs_f64(config.monitor.interval));
            }
            let (sample, failures) = self.readings.sample(now);
            // Pictures are counted when the detector has seen them.
            let settled = !self.live.now().camera.enabled || self.stats.counters().frames > 0;
            let (verdicts, said) = watching.look(now, uptime, &sample, failures, settled);
            if line_due.is_due(now) {
                let line = Line {
                    uptime,
                    sample: &sample,
                    counters: self.stats.counters(),
                    queues: self.card_status.queues(logging::waiting()),
                };
                info!("{line}");
            }
            said.iter().for_each(log_said);
            for said in said {
                if let Said::Warning(text) = said {
                    self.latest.warned(now, text);
                }
            }
            let _ = look_due.is_due(now);
            let mut next = line_due.next().min(look_due.next());
            if let Some(memory) = &mut memory {
                memory.sampled(now, uptime, &sample, self.clock.as_ref());
                next = next.min(memory.due.next());
            }
            self.latest.set(sample, verdicts);
            let pause = next.since(self.clock.now());
            self.beat.turn();
            if self.beat.wait(self.clock.as_ref(), &self.stop, pause) {
                return;
            }
        }
    }

    fn memory_log(&self) -> Option<MemoryLog> {
        if !self.memory.enabled {
            return None;
        }
        let file = MemoryFile::new(&self.log_file, &self.log);
        let path = file_beside(&self.log_file);
        let path = path.display();
        say_info!(
            "memory log active: {path}",
            "メモリ記録を開始しました: {path}"
        );
        let interval = Duration::from_secs_f64(self.memory.interval);
        Some(MemoryLog {
            file,
            memory: MemoryLines::default(),
            tracing: self.sites.clone().map(Tracing::new),
            due: Schedule::new(self.clock.now(), interval),
            disk: Limited::new("memory-log", &self.stop, &self.beat),
        })
    }
}

/// Writes a line of the monitor to the log, at its level.
fn log_said(said: &Said) {
    match said {
        Said::Info(text) => info!("{text}"),
        Said::Warning(text) => warn!("{text}"),
        Said::Failure(text) => error!("{text}"),
    }
}

/// The memory log with its own schedule.
struct MemoryLog {
    file: MemoryFile,
    memory: MemoryLines,
    tracing: Option<Tracing>,
    due: Schedule,
    /// Where lines are written.
    disk: Limited<()>,
}

impl MemoryLog {
    fn sampled(&mut self, now: Monotime, uptime: Duration, sample: &Sample, clock: &dyn Clock) {
        if !self.due.is_due(now) {
            return;
        }
        if let Some(lines) = self.memory.lines(&clock.wall(), uptime, sample) {
            let file = self.file.clone();
            if let Err(why) = self.disk.run_to_the_end(WRITE, move || file.put(&lines)) {
                self.file.hangs(&why);
            }
        }
        if let Some(tracing) = &mut self.tracing {
            tracing.sampled(&self.file);
        }
    }
}
