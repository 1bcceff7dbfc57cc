//! The monitor's line, in the format of the program that each language had.

use std::fmt;
use std::time::Duration;

use super::Sample;
use crate::stats::Stats;
use crate::text;

/// The counters that the line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Pictures processed.
    pub frames: u64,
    /// Faults of every kind.
    pub faults: u64,
    /// Re-initialisations of the camera.
    pub reinits: u64,
    /// Taps counted.
    pub taps: u64,
    /// Taps delivered.
    pub delivered: u64,
}

impl Counts {
    /// The present counts.
    #[must_use]
    pub fn of(stats: &Stats) -> Self {
        Self {
            frames: stats.frames.get(),
            faults: stats.faults(),
            reinits: stats.camera_reinits.get(),
            taps: stats.taps_counted.get(),
            delivered: stats.delivered.get(),
        }
    }
}

/// A reading with the counters, for the log.
#[derive(Debug)]
pub struct Line {
    /// Time since the start.
    pub uptime: Duration,
    /// The reading.
    pub sample: Sample,
    /// The counters.
    pub counts: Counts,
}

/// Bytes as MiB, which the old programs called MB.
#[allow(clippy::cast_precision_loss)] // exact up to 8 PiB
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

impl Line {
    /// As the old translation server's harness wrote it; what it did not know follows behind. The word
    /// "error" is avoided: people search for it.
    fn english(&self) -> String {
        let Counts {
            frames,
            faults,
            reinits,
            taps,
            delivered,
        } = self.counts;
        format!(
            "[RESOURCE_MONITOR] CPU_RAM: {:.2} MB (VMS: {:.2} MB), VRAM: n/a, Handles: {}, Threads: {}, \
             Uptime: {:.1}h, CPU: {:.1}%, System memory: {:.1}%, Frames: {frames}, Faults: {faults}, \
             Camera reinits: {reinits}, Taps: {taps}, Delivered: {delivered}",
            megabytes(self.sample.rss_bytes),
            megabytes(self.sample.vms_bytes),
            self.sample.descriptors,
            self.sample.threads,
            self.uptime.as_secs_f64() / 3600.0,
            self.sample.cpu_percent,
            self.sample.system_memory_percent,
        )
    }

    /// As the old face tracker wrote it, with the rest behind.
    fn japanese(&self) -> String {
        let Counts {
            frames,
            faults,
            reinits,
            taps,
            delivered,
        } = self.counts;
        format!(
            "[リソース監視] 稼働時間: {:.1}h, メモリ: {:.1}MB, CPU: {:.1}%, システムメモリ: {:.1}%, FD: {}, \
             フレーム数: {frames}, エラー数: {faults}, カメラ再初期化: {reinits}, VMS: {:.1}MB, スレッド: {}, \
             タップ数: {taps}, 送信済み: {delivered}",
            self.uptime.as_secs_f64() / 3600.0,
            megabytes(self.sample.rss_bytes),
            self.sample.cpu_percent,
            self.sample.system_memory_percent,
            self.sample.descriptors,
            megabytes(self.sample.vms_bytes),
            self.sample.threads,
        )
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&if text::japanese() {
            self.japanese()
        } else {
            self.english()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(shown: impl Fn(&Line) -> String) -> String {
        let sample = Sample {
            rss_bytes: 157_810_688,
            vms_bytes: 1 << 30,
            cpu_percent: 25.0,
            system_memory_percent: 41.0,
            descriptors: 23,
            threads: 12,
        };
        let counts = Counts {
            frames: 1000,
            faults: 3,
            reinits: 1,
            taps: 7,
            delivered: 6,
        };
        shown(&Line {
            uptime: Duration::from_secs(4320),
            sample,
            counts,
        })
    }

    #[test]
    fn japanese_begins_as_the_old_tracker_wrote() {
        assert!(line(Line::japanese).starts_with(
            "[リソース監視] 稼働時間: 1.2h, メモリ: 150.5MB, CPU: 25.0%, システムメモリ: 41.0%, FD: 23, \
             フレーム数: 1000, エラー数: 3, カメラ再初期化: 1"
        ));
    }

    #[test]
    fn english_begins_as_the_old_harness_wrote_and_mentions_no_error() {
        let line = line(Line::english);
        assert!(line.starts_with(
            "[RESOURCE_MONITOR] CPU_RAM: 150.50 MB (VMS: 1024.00 MB), VRAM: n/a, Handles: 23, Threads: 12"
        ));
        assert!(!line.to_lowercase().contains("error"), "{line}");
    }
}
