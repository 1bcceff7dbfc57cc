//! `memory_usage.log`: the memory monitor of the old card reader client, its format kept to the character. It is
//! always Japanese: people's searches and spreadsheets know it so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Zoned;

use super::limits::GROWTH_MB;
use super::sample::{Sample, megabytes};
use crate::base::limited::NotDone;
use crate::config;
use crate::say_warn;
use crate::watch::logging::rotating::RotatingFile;

/// The file lies beside the log.
#[must_use]
pub fn file_beside(log_file: &Path) -> PathBuf {
    log_file.with_file_name("memory_usage.log")
}

/// Writes lines to the file, within the limits of the log.
#[derive(Debug, Clone)]
pub(super) struct MemoryFile {
    path: PathBuf,
    limits: config::Log,
    /// The last lines could not be written.
    failed: Arc<AtomicBool>,
}

impl MemoryFile {
    pub(super) fn new(log_file: &Path, limits: &config::Log) -> Self {
        Self {
            path: file_beside(log_file),
            limits: limits.clone(),
            failed: Arc::default(),
        }
    }

    /// Appends a text of whole lines. The file is opened anew each time, so that one that was moved away is not
    /// written to any more. Lines that cannot be written are lost, as those of the log are; that is said once.
    pub(super) fn put(&self, text: &str) {
        let mut file = RotatingFile::new(&self.path, self.limits.max_mb, self.limits.keep);
        let put = file.put(text.as_bytes());
        match put {
            Ok(()) => self.failed.store(false, Ordering::Relaxed),
            Err(e) => self.lost(&e),
        }
    }

    /// The disk does not answer.
    pub(super) fn hangs(&self, why: &NotDone) {
        if !matches!(why, NotDone::Stopped) {
            self.lost(why);
        }
    }

    fn lost(&self, e: &dyn std::fmt::Display) {
        if !self.failed.swap(true, Ordering::Relaxed) {
            let path = self.path.display();
            say_warn!(
                "the memory log {path} cannot be written, its lines are lost until it can: {e}",
                "メモリ記録 {path} に書き込めません（書き込めるまで記録は失われます）: {e}"
            );
        }
    }
}

/// What is compared from line to line.
#[derive(Debug, Default)]
pub struct MemoryLines {
    first: Option<u64>,
    peak: u64,
}

impl MemoryLines {
    /// The lines of a sample: the figures, and below them the warning while memory is 50 MB above the first
    /// sample. None where the process or the system could not be read.
    #[must_use]
    pub fn lines(&mut self, wall: &Zoned, elapsed: Duration, sample: &Sample) -> Option<String> {
        let rss = sample.rss_bytes?;
        let vms = sample.vms_bytes?;
        let system = sample.system?;
        let first = megabytes(*self.first.get_or_insert(rss));
        let kernels = sample.process.map_or(0, |p| p.peak_bytes);
        self.peak = self.peak.max(rss).max(kernels);
        let growth = megabytes(rss) - first;
        let seconds = elapsed.as_secs();
        let mut text = format!(
            "[{}] 経過: {:02}:{:02}:{:02} | RSS: {:.2}MB (初期比: {growth:+.2}MB) | VMS: {:.2}MB | ピーク: {:.2}MB | \
             システム: {:.1}% ({:.0}MB空き)\n",
            wall.strftime("%Y-%m-%d %H:%M:%S"),
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            megabytes(rss),
            megabytes(vms),
            megabytes(self.peak),
            system.used_percent(),
            megabytes(system.available_bytes),
        );
        if growth > GROWTH_MB {
            text += &format!("⚠️ [警告] メモリが初期値から {growth:.2}MB 増加しています\n");
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Process, SystemMemory};
    use super::*;

    fn sample(rss_kib: u64) -> Sample {
        Sample {
            rss_bytes: Some(rss_kib << 10),
            vms_bytes: Some(126_413 << 10),
            system: Some(SystemMemory {
                total_bytes: 1000 << 20,
                available_bytes: 648 << 20,
            }),
            process: Some(Process {
                peak_bytes: 48_251 << 10,
                ..Process::default()
            }),
            ..Sample::default()
        }
    }

    #[test]
    fn the_lines_are_those_of_the_old_client() {
        let wall: Zoned = "2025-11-21T14:30:00+09:00[Asia/Tokyo]".parse().unwrap();
        let mut memory = MemoryLines::default();
        let first = memory
            .lines(&wall, Duration::ZERO, &sample(44_114))
            .unwrap();
        assert!(
            first.contains("経過: 00:00:00 | RSS: 43.08MB (初期比: +0.00MB)"),
            "{first}"
        );
        assert_eq!(
            memory
                .lines(&wall, Duration::from_secs(300), &sample(46_316))
                .unwrap(),
            "[2025-11-21 14:30:00] 経過: 00:05:00 | RSS: 45.23MB (初期比: +2.15MB) | VMS: 123.45MB | \
             ピーク: 47.12MB | システム: 35.2% (648MB空き)\n"
        );
        let much = memory
            .lines(
                &wall,
                Duration::from_secs(360_061),
                &sample(44_114 + 53_596),
            )
            .unwrap();
        assert!(much.contains("経過: 100:01:01 "), "{much}");
        assert!(
            much.ends_with("\n⚠️ [警告] メモリが初期値から 52.34MB 増加しています\n"),
            "{much}"
        );
        let less = memory
            .lines(&wall, Duration::ZERO, &sample(40_000))
            .unwrap();
        assert!(
            less.contains("(初期比: -4.02MB)") && less.contains("ピーク: 95.42MB"),
            "{less}"
        );
        assert_eq!(
            memory.lines(&wall, Duration::ZERO, &Sample::default()),
            None
        );
    }

    #[test]
    fn the_file_lies_beside_the_log_within_its_limits() {
        let dir = tempfile::tempdir().unwrap();
        let limits = config::Log {
            max_mb: 0.01,
            keep: 1,
            ..config::Config::default().log
        };
        let file = MemoryFile::new(&dir.path().join("facetap.log"), &limits);
        for _ in 0..300 {
            file.put(&format!("{:0100}\n", 7));
        }
        let names = |n: &str| std::fs::metadata(dir.path().join(n)).map(|m| m.len());
        assert!(names("memory_usage.log").unwrap() <= 10_485);
        assert!(names("memory_usage.log.1").unwrap() <= 10_485);
        assert!(names("memory_usage.log.2").is_err());
    }
}
