//! The monitor's line, in the format of the program that each language had, with the rest behind.

use std::fmt;
use std::time::Duration;

use super::sample::{GpuMemory, Process, Sample, megabytes};
use crate::base::card_status::Queues;
use crate::base::stats::Counters;
use crate::base::text;

/// A reading with the counters, for the log.
#[derive(Debug)]
pub struct Line<'a> {
    /// Time since the start.
    pub uptime: Duration,
    /// The reading.
    pub sample: &'a Sample,
    /// What was counted.
    pub counters: Counters,
    /// What waits.
    pub queues: Queues,
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

/// A figure that the old programs did not tell.
struct Fact {
    english: &'static str,
    japanese: &'static str,
    value: String,
    unit: Unit,
}

#[derive(Clone, Copy)]
enum Unit {
    None,
    Megabytes,
    Celsius,
}

impl Unit {
    const fn name(self, japanese: bool) -> &'static str {
        match (self, japanese) {
            (Self::None, _) => "",
            (Self::Megabytes, false) => " MB",
            (Self::Megabytes, true) => "MB",
            (Self::Celsius, false) => " C",
            (Self::Celsius, true) => "℃",
        }
    }
}

impl Line<'_> {
    /// As the old translation server's harness wrote it. The word "error" is avoided: people search for it.
    fn english(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (s, c) = (self.sample, self.counters);
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
            c.camera_reinits,
            c.taps,
            c.delivered,
        )?;
        self.rest(f, false)
    }

    /// As the old face tracker wrote it.
    fn japanese(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (s, c) = (self.sample, self.counters);
        write!(
            f,
            "[リソース監視] 稼働時間: {:.1}h, メモリ: {}MB, CPU: {}%, システムメモリ: {}%, FD: {}, \
             フレーム数: {}, エラー数: {}, カメラ再初期化: {}, VMS: {}MB, スレッド: {}, \
             タップ数: {}, 送信済み: {}, VRAM: {}",
            self.uptime.as_secs_f64() / 3600.0,
            Or(mb(s.rss_bytes), 1),
            Or(s.cpu_percent, 1),
            Or(s.system.map(|m| m.used_percent()), 1),
            Or(s.descriptors.map(|d| d.total()), 0),
            c.frames,
            c.faults,
            c.camera_reinits,
            Or(mb(s.vms_bytes), 1),
            Or(s.process.map(|p| p.threads), 0),
            c.taps,
            c.delivered,
            vram(s.gpu),
        )?;
        self.rest(f, true)
    }

    fn speak(&self, f: &mut fmt::Formatter<'_>, japanese: bool) -> fmt::Result {
        if japanese {
            self.japanese(f)
        } else {
            self.english(f)
        }
    }

    /// In a language that need not be the chosen one.
    #[cfg(test)]
    pub(crate) fn said_in(&self, japanese: bool) -> String {
        struct Said<'a, 'b>(&'a Line<'b>, bool);
        impl fmt::Display for Said<'_, '_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.speak(f, self.1)
            }
        }
        Said(self, japanese).to_string()
    }

    fn rest(&self, f: &mut fmt::Formatter<'_>, japanese: bool) -> fmt::Result {
        for fact in self.facts(japanese) {
            let name = if japanese {
                fact.japanese
            } else {
                fact.english
            };
            write!(f, ", {name}: {}{}", fact.value, fact.unit.name(japanese))?;
        }
        Ok(())
    }

    /// What the old programs did not know. `facetap report` knows the names (`report::resource`).
    fn facts(&self, in_japanese: bool) -> Vec<Fact> {
        let (s, c, q) = (self.sample, self.counters, self.queues);
        let mut facts = Vec::with_capacity(24);
        let mut add = |english, japanese, value: String, unit| {
            facts.push(Fact {
                english,
                japanese,
                value,
                unit,
            });
        };
        let size = |bytes, digits| Or(mb(bytes), digits).to_string();
        let process = |of: fn(&Process) -> u64| size(s.process.as_ref().map(of), 2);
        let megabytes = Unit::Megabytes;
        add(
            "Anonymous",
            "匿名",
            process(|p| p.anonymous_bytes),
            megabytes,
        );
        add("File", "ファイル", process(|p| p.file_bytes), megabytes);
        add("Peak", "ピーク", process(|p| p.peak_bytes), megabytes);
        let free = s.system.map(|m| m.available_bytes);
        add("System free", "空き", size(free, 0), megabytes);
        if let Some(d) = s.descriptors {
            for (english, japanese, count) in [
                ("Files", "FD通常", d.files),
                ("Sockets", "FDソケット", d.sockets),
                ("Pipes", "FDパイプ", d.pipes),
                ("Devices", "FDデバイス", d.devices),
                ("Others", "FDその他", d.anonymous),
            ] {
                add(english, japanese, count.to_string(), Unit::None);
            }
        }
        let load = Or(s.load.map(|l| l[0]), 2).to_string();
        add("Load", "負荷", load, Unit::None);
        let (log, data) = (size(s.log_free_bytes, 0), size(s.data_free_bytes, 0));
        add("Log disk free", "ログ空き容量", log, megabytes);
        add("Data disk free", "データ空き容量", data, megabytes);
        let celsius = Or(s.celsius, 1).to_string();
        add("Temperature", "温度", celsius, Unit::Celsius);
        if let Some(power) = s.power {
            let fine = if in_japanese { "正常" } else { "ok" };
            let now = match power.now() {
                wrong if wrong.is_empty() => fine.to_owned(),
                wrong => wrong.join(" + "),
            };
            add("Power", "電源", now, Unit::None);
        }
        let mut count =
            |english, japanese, n: u64| add(english, japanese, n.to_string(), Unit::None);
        if let Some(usb) = &s.usb {
            count("USB devices", "USB機器", usb.devices.len() as u64);
            count("Over-current", "過電流", usb.over_current);
        }
        count("Servo reconnects", "サーボ再接続", c.servo_reconnects);
        count("Reader reconnects", "リーダー再接続", c.reader_reconnects);
        count("Dropped frames", "破棄フレーム", c.frames_dropped);
        count("Taps waiting", "未送信", q.taps_waiting);
        count("Taps unrecorded", "記録待ち", q.taps_unrecorded);
        count("Taps under way", "送信中", q.taps_under_way);
        count("Log lines waiting", "ログ待ち", q.log_lines);
        facts
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.speak(f, text::japanese())
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Descriptors, SystemMemory};
    use super::*;

    fn line(sample: &Sample, japanese: bool) -> String {
        let counters = Counters {
            frames: 1000,
            faults: 3,
            camera_reinits: 1,
            taps: 7,
            delivered: 6,
            ..Counters::default()
        };
        let line = Line {
            uptime: Duration::from_secs(4320),
            sample,
            counters,
            queues: Queues::default(),
        };
        line.said_in(japanese)
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
            contiguous: false,
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
