//! The monitor's line, in the format of the program that each language had, with the rest behind.

use std::fmt;
use std::time::Duration;

use super::sample::{GpuMemory, Sample, megabytes};
use crate::standing::Queues;
use crate::stats::Stats;
use crate::text;

/// What the loops count and queue, for the line.
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
    /// Times that the servo bus was opened again.
    pub servo_reconnects: u64,
    /// Times that the connection to the readers was made anew.
    pub reader_reconnects: u64,
    /// Pictures that were replaced before anybody looked at them.
    pub dropped: u64,
    /// What waits.
    pub queues: Queues,
}

impl Counts {
    /// The present counts.
    #[must_use]
    pub fn of(stats: &Stats, queues: Queues) -> Self {
        Self {
            frames: stats.frames.get(),
            faults: stats.faults(),
            reinits: stats.camera_reinits.get(),
            taps: stats.taps_counted.get(),
            delivered: stats.delivered.get(),
            servo_reconnects: stats.servo_reconnects.get(),
            reader_reconnects: stats.reader_reconnects.get(),
            dropped: stats.frames_dropped.get(),
            queues,
        }
    }
}

/// A reading with the counters, for the log.
#[derive(Debug)]
pub struct Line<'a> {
    /// Time since the start.
    pub uptime: Duration,
    /// The reading.
    pub sample: &'a Sample,
    /// The counters.
    pub counts: Counts,
}

/// A value with so many digits, or "n/a" where the reading failed.
struct Or<T>(Option<T>, usize);

impl<T: fmt::Display> fmt::Display for Or<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => write!(f, "{value:.*}", self.1),
            None => f.write_str("n/a"),
        }
    }
}

fn mb(bytes: Option<u64>) -> Option<f64> {
    bytes.map(megabytes)
}

/// As the old harness wrote it: `523.12/8192.00 MB (6.4%)`.
fn vram(gpu: Option<GpuMemory>) -> String {
    gpu.map_or_else(
        || "n/a".to_owned(),
        |g| {
            format!(
                "{:.2}/{:.2} MB ({:.1}%)",
                megabytes(g.used_bytes),
                megabytes(g.total_bytes),
                g.used_percent()
            )
        },
    )
}

impl Line<'_> {
    /// As the old translation server's harness wrote it; what it did not know follows behind. The word
    /// "error" is avoided: people search for it.
    fn english(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (s, c) = (self.sample, self.counts);
        write!(
            f,
            "[RESOURCE_MONITOR] CPU_RAM: {} MB (VMS: {} MB), VRAM: {}, Handles: {}, Threads: {}, \
             Uptime: {:.1}h, CPU: {}%, System memory: {}%, Frames: {}, Faults: {}, \
             Camera reinits: {}, Taps: {}, Delivered: {}",
            Or(mb(s.rss_bytes), 2),
            Or(mb(s.vms_bytes), 2),
            vram(s.gpu),
            Or(s.descriptors.map(|d| d.total()), 0),
            Or(s.process.map(|p| p.threads), 0),
            self.uptime.as_secs_f64() / 3600.0,
            Or(s.cpu_percent, 1),
            Or(s.system.map(|m| m.used_percent()), 1),
            c.frames,
            c.faults,
            c.reinits,
            c.taps,
            c.delivered,
        )?;
        write!(
            f,
            ", Anonymous: {} MB, File: {} MB, Peak: {} MB, System free: {} MB",
            Or(mb(s.process.map(|p| p.anonymous_bytes)), 2),
            Or(mb(s.process.map(|p| p.file_bytes)), 2),
            Or(mb(s.process.map(|p| p.peak_bytes)), 2),
            Or(mb(s.system.map(|m| m.available_bytes)), 0),
        )?;
        if let Some(d) = s.descriptors {
            write!(
                f,
                ", Files: {}, Sockets: {}, Pipes: {}, Devices: {}, Others: {}",
                d.files, d.sockets, d.pipes, d.devices, d.anonymous
            )?;
        }
        write!(
            f,
            ", Load: {}, Log disk free: {} MB, Data disk free: {} MB, Temperature: {} C",
            Or(s.load.map(|l| l[0]), 2),
            Or(mb(s.log_free_bytes), 0),
            Or(mb(s.data_free_bytes), 0),
            Or(s.celsius, 1),
        )?;
        if let Some(power) = s.power {
            let now = power.now();
            let now = if now.is_empty() {
                "ok".to_owned()
            } else {
                now.join(" + ")
            };
            write!(f, ", Power: {now}")?;
        }
        if let Some(usb) = &s.usb {
            write!(
                f,
                ", USB devices: {}, Over-current: {}",
                usb.devices.len(),
                usb.over_current
            )?;
        }
        write!(
            f,
            ", Servo reconnects: {}, Reader reconnects: {}, Dropped frames: {}",
            c.servo_reconnects, c.reader_reconnects, c.dropped
        )?;
        let q = c.queues;
        write!(
            f,
            ", Taps waiting: {}, Taps unrecorded: {}, Taps under way: {}, Log lines waiting: {}",
            q.taps_waiting, q.taps_unrecorded, q.taps_under_way, q.log_lines
        )
    }

    /// As the old face tracker wrote it, with the rest behind.
    fn japanese(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (s, c) = (self.sample, self.counts);
        write!(
            f,
            "[リソース監視] 稼働時間: {:.1}h, メモリ: {}MB, CPU: {}%, システムメモリ: {}%, FD: {}, \
             フレーム数: {}, エラー数: {}, カメラ再初期化: {}, VMS: {}MB, スレッド: {}, \
             タップ数: {}, 送信済み: {}",
            self.uptime.as_secs_f64() / 3600.0,
            Or(mb(s.rss_bytes), 1),
            Or(s.cpu_percent, 1),
            Or(s.system.map(|m| m.used_percent()), 1),
            Or(s.descriptors.map(|d| d.total()), 0),
            c.frames,
            c.faults,
            c.reinits,
            Or(mb(s.vms_bytes), 1),
            Or(s.process.map(|p| p.threads), 0),
            c.taps,
            c.delivered,
        )?;
        write!(
            f,
            ", VRAM: {}, 匿名: {}MB, ファイル: {}MB, ピーク: {}MB, 空き: {}MB",
            vram(s.gpu),
            Or(mb(s.process.map(|p| p.anonymous_bytes)), 1),
            Or(mb(s.process.map(|p| p.file_bytes)), 1),
            Or(mb(s.process.map(|p| p.peak_bytes)), 1),
            Or(mb(s.system.map(|m| m.available_bytes)), 0),
        )?;
        if let Some(d) = s.descriptors {
            write!(
                f,
                ", FD内訳: 通常{} ソケット{} パイプ{} デバイス{} その他{}",
                d.files, d.sockets, d.pipes, d.devices, d.anonymous
            )?;
        }
        write!(
            f,
            ", 負荷: {}, ログ空き容量: {}MB, データ空き容量: {}MB, 温度: {}℃",
            Or(s.load.map(|l| l[0]), 2),
            Or(mb(s.log_free_bytes), 0),
            Or(mb(s.data_free_bytes), 0),
            Or(s.celsius, 1),
        )?;
        if let Some(power) = s.power {
            let now = power.now();
            let now = if now.is_empty() {
                "正常".to_owned()
            } else {
                now.join(" + ")
            };
            write!(f, ", 電源: {now}")?;
        }
        if let Some(usb) = &s.usb {
            write!(
                f,
                ", USB機器: {}, 過電流: {}",
                usb.devices.len(),
                usb.over_current
            )?;
        }
        write!(
            f,
            ", サーボ再接続: {}, リーダー再接続: {}, 破棄フレーム: {}",
            c.servo_reconnects, c.reader_reconnects, c.dropped
        )?;
        let q = c.queues;
        write!(
            f,
            ", 未送信: {}, 記録待ち: {}, 送信中: {}, ログ待ち: {}",
            q.taps_waiting, q.taps_unrecorded, q.taps_under_way, q.log_lines
        )
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if text::japanese() {
            self.japanese(f)
        } else {
            self.english(f)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Descriptors, Process, SystemMemory};
    use super::*;

    struct Said<'a>(Line<'a>, bool);
    impl fmt::Display for Said<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            if self.1 {
                self.0.japanese(f)
            } else {
                self.0.english(f)
            }
        }
    }

    fn line(sample: &Sample, japanese: bool) -> String {
        let counts = Counts {
            frames: 1000,
            faults: 3,
            reinits: 1,
            taps: 7,
            delivered: 6,
            ..Counts::default()
        };
        let line = Line {
            uptime: Duration::from_secs(4320),
            sample,
            counts,
        };
        Said(line, japanese).to_string()
    }

    fn sample() -> Sample {
        Sample {
            rss_bytes: Some(157_810_688),
            vms_bytes: Some(1 << 30),
            cpu_percent: Some(25.0),
            system: Some(SystemMemory {
                total_bytes: 1000 << 20,
                available_bytes: 590 << 20,
            }),
            descriptors: Some(Descriptors {
                files: 20,
                sockets: 3,
                ..Descriptors::default()
            }),
            process: Some(Process {
                threads: 12,
                ..Process::default()
            }),
            ..Sample::default()
        }
    }

    #[test]
    fn japanese_begins_as_the_old_tracker_wrote() {
        assert!(line(&sample(), true).starts_with(
            "[リソース監視] 稼働時間: 1.2h, メモリ: 150.5MB, CPU: 25.0%, システムメモリ: 41.0%, FD: 23, \
             フレーム数: 1000, エラー数: 3, カメラ再初期化: 1"
        ));
    }

    #[test]
    fn english_begins_as_the_old_harness_wrote_and_mentions_no_error() {
        let mut sample = sample();
        let without = line(&sample, false);
        assert!(without.starts_with(
            "[RESOURCE_MONITOR] CPU_RAM: 150.50 MB (VMS: 1024.00 MB), VRAM: n/a, Handles: 23, Threads: 12"
        ));
        assert!(!without.to_lowercase().contains("error"), "{without}");
        sample.gpu = Some(GpuMemory {
            used_bytes: 512 << 20,
            total_bytes: 8192 << 20,
        });
        assert!(line(&sample, false).contains("VRAM: 512.00/8192.00 MB (6.2%), Handles"));
    }

    #[test]
    fn what_could_not_be_read_is_left_open() {
        let line = line(&Sample::default(), false);
        assert!(
            line.starts_with("[RESOURCE_MONITOR] CPU_RAM: n/a MB (VMS: n/a MB)"),
            "{line}"
        );
    }
}
