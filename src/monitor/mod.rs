//! Monitor: what the process and the system use, line by line, and a warning when it is too much.

mod limits;
mod line;
mod sample;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use log::{error, info, warn};

use crate::base::beat::Beat;
use crate::base::clock::Clock;
use crate::base::stop::Stop;
use crate::config;
use crate::say;
use crate::stats::Stats;
use limits::Limits;
pub(crate) use line::megabytes;
pub use line::{Counts, Line};
pub use sample::{Sample, Sampler, peak_rss_bytes, rss_bytes, rss_limit_bytes};

/// The thread that samples, logs and warns.
pub struct Monitor {
    /// Interval and limits.
    pub config: config::Monitor,
    /// The counters of the loops.
    pub stats: Arc<Stats>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ends the thread at once.
    pub stop: Stop,
    /// The sign of life.
    pub beat: Beat,
}

impl Monitor {
    /// Samples at once and then every `monitor.interval` seconds until the stop. A reading that fails is
    /// logged `[RESOURCE_MONITOR_ERROR]`, and the next one is made all the same.
    pub fn run(&self) {
        let interval = Duration::from_secs_f64(self.config.interval);
        let limits = Limits::new(&self.config, sample::descriptor_limit());
        let start = self.clock.now();
        info!(
            "{}",
            say!(
                "resource monitor active, every {} s",
                "モニターを開始しました ({}秒ごとにリソースを記録)",
                self.config.interval
            )
        );
        let mut sampler = None;
        loop {
            match sample(&mut sampler) {
                Ok(sample) => {
                    let counts = Counts::of(&self.stats);
                    let uptime = self.clock.now().since(start);
                    let warnings = limits.warnings(&sample);
                    info!(
                        "{}",
                        Line {
                            uptime,
                            sample,
                            counts
                        }
                    );
                    for warning in warnings {
                        warn!("{warning}");
                    }
                }
                Err(e) => error!("[RESOURCE_MONITOR_ERROR] {e:#}"),
            }
            self.beat.turn();
            if self.beat.wait(self.clock.as_ref(), &self.stop, interval) {
                return;
            }
        }
    }
}

/// A reading; the sampler is made at the first one, and again if that failed.
fn sample(sampler: &mut Option<Sampler>) -> Result<Sample> {
    match sampler {
        Some(sampler) => sampler.sample(),
        None => sampler.insert(Sampler::new()?).sample(),
    }
}
