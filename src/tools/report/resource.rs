//! What the figures of a line stand for: one resource, whatever a program and a language call it.

use std::collections::HashMap;

use super::value::Value;
use crate::base::text;

/// How a resource behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceKind {
    /// Goes up and down; a straight line upwards is a leak.
    Held,
    /// Goes up and down, and is nobody's to leak.
    Free,
    /// Only grows until the program starts again; what matters is by how much.
    Counter,
    /// The time since the start, which tells a restart.
    Uptime,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Name in the table for a spreadsheet: frozen for those that are known.
    pub id: String,
    /// For people, English.
    pub english: String,
    /// For people, Japanese.
    pub japanese: String,
    /// `MB`, `%`, `h`, `°C`, or whatever the log has.
    pub unit: String,
    /// How it behaves.
    pub kind: ResourceKind,
}

impl Resource {
    /// The name in the language that was chosen.
    pub fn name(&self) -> &str {
        if text::japanese() {
            &self.japanese
        } else {
            &self.english
        }
    }
}

/// A resource that is known: id, English, Japanese, unit, kind, and what logs call it.
type Known = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    ResourceKind,
    &'static [&'static str],
);

/// The names of our own lines in both languages and of the three old programs. What is not here appears
/// by itself, under the name that it has in the log.
#[rustfmt::skip]
const KNOWN: &[Known] = &[
    ("rss_mb", "memory (RSS)", "メモリ (RSS)", "MB", ResourceKind::Held, &["CPU_RAM", "メモリ", "RSS"]),
    ("anon_mb", "anonymous memory", "匿名メモリ", "MB", ResourceKind::Held, &["Anonymous", "Anonymous memory", "匿名", "匿名メモリ"]),
    ("file_mb", "file memory", "ファイルメモリ", "MB", ResourceKind::Free, &["File", "File memory", "ファイル", "ファイルメモリ"]),
    ("vms_mb", "virtual memory (VMS)", "仮想メモリ (VMS)", "MB", ResourceKind::Held, &["VMS"]),
    ("peak_mb", "peak memory", "ピークメモリ", "MB", ResourceKind::Free, &["Peak", "Peak memory", "ピーク", "ピークメモリ"]),
    ("growth_mb", "growth since the start", "初期比", "MB", ResourceKind::Free, &["初期比"]),
    ("vram_mb", "GPU memory (VRAM)", "GPUメモリ (VRAM)", "MB", ResourceKind::Held, &["VRAM"]),
    ("handles", "handles (descriptors)", "ファイルディスクリプタ", "", ResourceKind::Held, &["Handles", "FD", "Descriptors"]),
    ("threads", "threads", "スレッド", "", ResourceKind::Held, &["Threads", "スレッド", "スレッド数"]),
    ("cpu_percent", "CPU", "CPU", "%", ResourceKind::Free, &["CPU"]),
    ("system_memory_percent", "system memory", "システムメモリ", "%", ResourceKind::Free, &["System memory", "システムメモリ", "システム"]),
    ("system_free_mb", "free system memory", "システム空きメモリ", "MB", ResourceKind::Free, &["空き", "System free"]),
    ("uptime_h", "uptime", "稼働時間", "h", ResourceKind::Uptime, &["Uptime", "稼働時間", "経過"]),
    ("frames", "frames", "フレーム数", "", ResourceKind::Counter, &["Frames", "フレーム数", "総フレーム数"]),
    ("faults", "faults", "エラー数", "", ResourceKind::Counter, &["Faults", "エラー数"]),
    ("camera_reinits", "camera re-initialisations", "カメラ再初期化", "", ResourceKind::Counter, &["Camera reinits", "カメラ再初期化"]),
    ("taps", "taps", "タップ数", "", ResourceKind::Counter, &["Taps", "タップ数"]),
    ("delivered", "delivered", "送信済み", "", ResourceKind::Counter, &["Delivered", "送信済み"]),
    ("fd_files", "descriptors: files", "FD: 通常ファイル", "", ResourceKind::Held, &["Files", "FD通常"]),
    ("fd_sockets", "descriptors: sockets", "FD: ソケット", "", ResourceKind::Held, &["Sockets", "FDソケット"]),
    ("fd_pipes", "descriptors: pipes", "FD: パイプ", "", ResourceKind::Held, &["Pipes", "FDパイプ"]),
    ("fd_devices", "descriptors: devices", "FD: デバイス", "", ResourceKind::Held, &["Devices", "FDデバイス"]),
    ("fd_others", "descriptors: others", "FD: その他", "", ResourceKind::Held, &["Others", "FDその他"]),
    ("load", "load", "負荷", "", ResourceKind::Free, &["Load", "負荷"]),
    ("log_disk_free_mb", "free disk (log)", "ログ空き容量", "MB", ResourceKind::Free, &["Log disk free", "ログ空き容量"]),
    ("data_disk_free_mb", "free disk (data)", "データ空き容量", "MB", ResourceKind::Free, &["Data disk free", "データ空き容量"]),
    ("temperature_c", "temperature", "温度", "°C", ResourceKind::Free, &["Temperature", "温度"]),
    ("usb_devices", "USB devices", "USB機器", "", ResourceKind::Free, &["USB devices", "USB機器"]),
    ("over_current", "USB over-current", "過電流", "", ResourceKind::Counter, &["Over-current", "過電流"]),
    ("servo_reconnects", "servo reconnects", "サーボ再接続", "", ResourceKind::Counter, &["Servo reconnects", "サーボ再接続"]),
    ("reader_reconnects", "reader reconnects", "リーダー再接続", "", ResourceKind::Counter, &["Reader reconnects", "リーダー再接続"]),
    ("dropped_frames", "dropped frames", "破棄フレーム", "", ResourceKind::Counter, &["Dropped frames", "破棄フレーム"]),
    ("taps_waiting", "taps waiting", "未送信", "", ResourceKind::Free, &["Taps waiting", "未送信"]),
    ("taps_unrecorded", "taps not yet recorded", "記録待ち", "", ResourceKind::Free, &["Taps unrecorded", "記録待ち"]),
    ("taps_under_way", "taps under way to the server", "送信中", "", ResourceKind::Free, &["Taps under way", "送信中"]),
    ("log_lines_waiting", "log lines that wait for the disk", "ログ待ち", "", ResourceKind::Free, &["Log lines waiting", "ログ待ち"]),
];

/// Damaged lines must not make columns without end.
const MOST: usize = 64;

/// The columns met so far.
#[derive(Debug, Default)]
pub struct Resources {
    list: Vec<Resource>,
    by_name: HashMap<String, usize>,
}

impl Resources {
    /// All of them, in the order in which they were met.
    pub fn list(&self) -> &[Resource] {
        &self.list
    }

    /// The column of a known resource, if it was met.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.list.iter().position(|r| r.id == id)
    }

    /// The column of a value and its number in the column's unit; none when there are too many columns.
    pub fn take(&mut self, value: &Value) -> Option<(usize, f64)> {
        let column = match self.by_name.get(value.name) {
            Some(column) => *column,
            None => self.add(value)?,
        };
        Some((
            column,
            value.number * factor(value.unit, &self.list[column]),
        ))
    }

    fn add(&mut self, value: &Value) -> Option<usize> {
        let made = make(value);
        let column = match self.find(&made.id) {
            Some(column) => column,
            None if self.list.len() < MOST => {
                self.list.push(made);
                self.list.len() - 1
            }
            None => return None,
        };
        // Names of one column are as few as those of the table, or one.
        self.by_name.insert(value.name.to_owned(), column);
        Some(column)
    }
}

fn make(value: &Value) -> Resource {
    let known = KNOWN
        .iter()
        .find(|k| k.5.iter().any(|n| n.eq_ignore_ascii_case(value.name)));
    match known {
        Some((id, english, japanese, unit, kind, _)) => Resource {
            id: (*id).to_owned(),
            english: (*english).to_owned(),
            japanese: (*japanese).to_owned(),
            unit: (*unit).to_owned(),
            kind: *kind,
        },
        None => Resource {
            id: value.name.to_owned(),
            english: value.name.to_owned(),
            japanese: value.name.to_owned(),
            unit: base(value.unit).0.to_owned(),
            kind: ResourceKind::Free,
        },
    }
}

/// The unit that a unit is brought to, and by what factor.
fn base(unit: &str) -> (&str, f64) {
    match unit.to_ascii_lowercase().as_str() {
        "b" | "bytes" => ("MB", 1.0 / 1_048_576.0),
        "kb" | "kib" => ("MB", 1.0 / 1024.0),
        "mb" | "mib" => ("MB", 1.0),
        "gb" | "gib" => ("MB", 1024.0),
        "tb" | "tib" => ("MB", 1_048_576.0),
        "c" | "°c" | "℃" | "度" => ("°C", 1.0),
        "個" | "件" | "回" => ("", 1.0),
        "h" | "時間" => ("h", 1.0),
        "min" | "分" => ("h", 1.0 / 60.0),
        _ => (unit, 1.0),
    }
}

fn factor(unit: &str, resource: &Resource) -> f64 {
    let uptime = resource.kind == ResourceKind::Uptime;
    match unit {
        "s" | "秒" if uptime => 1.0 / 3600.0,
        unit => base(unit).1,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::card_status::Queues;
    use crate::base::stats::Counters;
    use crate::tools::report::value::values;
    use crate::watch::monitor::{Descriptors, GpuMemory, Line, Process, Sample, SystemMemory, Usb};

    fn take(resources: &mut Resources, text: &str) -> Vec<(String, f64)> {
        let mut taken = Vec::new();
        for value in values(text) {
            if let Some((column, number)) = resources.take(&value) {
                taken.push((resources.list()[column].id.clone(), number));
            }
        }
        taken
    }

    #[test]
    fn both_languages_are_one_column() {
        let mut resources = Resources::default();
        let english = take(
            &mut resources,
            "CPU_RAM: 150.50 MB, Handles: 23, Uptime: 90min",
        );
        let japanese = take(&mut resources, "メモリ: 150.5MB, FD: 23, 稼働時間: 1.5h");
        assert_eq!(english, japanese);
        assert_eq!(resources.list().len(), 3);
        assert_eq!(
            take(&mut resources, "RSS: 1 GiB"),
            [("rss_mb".to_owned(), 1024.0)]
        );
    }

    #[test]
    fn every_figure_of_our_own_line_is_known_in_both_languages() {
        let sample = Sample {
            rss_bytes: Some(1 << 24),
            vms_bytes: Some(1 << 30),
            cpu_percent: Some(2.5),
            process: Some(Process::default()),
            system: Some(SystemMemory::default()),
            descriptors: Some(Descriptors::default()),
            gpu: Some(GpuMemory::default()),
            load: Some([0.5; 3]),
            log_free_bytes: Some(1 << 30),
            data_free_bytes: Some(1 << 30),
            celsius: Some(50.0),
            usb: Some(Usb::default()),
            ..Sample::default()
        };
        let line = Line {
            uptime: Duration::from_secs(3600),
            sample: &sample,
            counters: Counters::default(),
            queues: Queues::default(),
        };
        let ids = |japanese| {
            let taken = take(&mut Resources::default(), &line.said_in(japanese));
            let mut ids: Vec<_> = taken.into_iter().map(|(id, _)| id).collect();
            ids.sort();
            ids
        };
        let mut all: Vec<_> = KNOWN.iter().map(|k| k.0.to_owned()).collect();
        // That of the old card client.
        all.retain(|id| id != "growth_mb");
        all.sort();
        assert_eq!(ids(false), all);
        assert_eq!(ids(true), all);
    }

    #[test]
    fn no_name_is_known_twice() {
        let mut names: Vec<_> = KNOWN
            .iter()
            .flat_map(|k| k.5)
            .map(|n| n.to_lowercase())
            .collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn what_is_not_known_appears_by_itself_and_columns_are_bounded() {
        let mut resources = Resources::default();
        let new = take(&mut resources, "Fan speed: 48.3 rpm, Disk free: 2 GB");
        assert_eq!(
            new,
            [
                ("Fan speed".to_owned(), 48.3),
                ("Disk free".to_owned(), 2048.0)
            ]
        );
        assert_eq!(resources.list()[1].unit, "MB");
        for i in 0..1000 {
            take(&mut resources, &format!("x{i}: 1"));
        }
        assert_eq!(resources.list().len(), MOST);
    }
}
