//! What happened beside the figures.

use crate::say;

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names say it; `label` says it to people
pub enum EventKind {
    Crash,
    Uncaught,
    VramAlert,
    HandleAlert,
    MemoryAlert,
    Warning,
    MonitorFault,
    /// A run began where another had been: told by a mark or by the figures.
    Restart,
    AutoRestart,
    Start,
    Signal,
    Reload,
    CameraReinit,
    ServoReconnect,
    ReaderReconnect,
    RequestFailed,
    Statistics,
    /// The last line of a run that ended by itself or was told to.
    Finish,
    ClockJump,
    CriticalLine,
    ErrorLine,
    WarningLine,
}

/// How an event is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Something broke.
    Bad,
    /// Something was mended, or warns.
    Warn,
    /// It was meant.
    Plain,
    /// Counted, not drawn.
    Silent,
}

/// Marks at the beginning of a message.
const MARKS: &[(&str, EventKind)] = &[
    ("[CRASH]", EventKind::Crash),
    ("Fatal Python error", EventKind::Crash),
    ("Segmentation fault", EventKind::Crash),
    ("[UNCAUGHT_EXCEPTION]", EventKind::Uncaught),
    ("UNCAUGHT EXCEPTION", EventKind::Uncaught),
    ("[VRAM_ALERT]", EventKind::VramAlert),
    ("[HANDLE_LEAK_ALERT]", EventKind::HandleAlert),
    ("[MEMORY_LEAK_ALERT]", EventKind::MemoryAlert),
    ("⚠️ [警告]", EventKind::Warning),
    ("⚠ [警告]", EventKind::Warning),
    ("[警告]", EventKind::Warning),
    ("[RESOURCE_MONITOR_ERROR]", EventKind::MonitorFault),
    ("[AUTO_RESTART]", EventKind::AutoRestart),
    ("[SERVER_START]", EventKind::Start),
    ("[SIGNAL_HANDLER] SIGHUP", EventKind::Reload),
    ("[SIGNAL_HANDLER]", EventKind::Signal),
    ("[CAMERA_REINIT]", EventKind::CameraReinit),
    ("[SERVO_RECONNECT]", EventKind::ServoReconnect),
    ("[READER_RECONNECT]", EventKind::ReaderReconnect),
    ("[TRANSLATION_ERROR]", EventKind::RequestFailed),
    ("[STRESS_TEST_ERROR]", EventKind::RequestFailed),
    ("[STATISTICS] uptime:", EventKind::Finish),
    ("[STATISTICS] 稼働時間:", EventKind::Finish),
    ("[STATISTICS]", EventKind::Statistics),
    ("[STRESS_TEST]", EventKind::Statistics),
];

impl EventKind {
    /// What a message begins with tells what it is.
    pub fn of(message: &str) -> Option<Self> {
        let message = message.trim_start();
        MARKS
            .iter()
            .find(|(mark, _)| message.starts_with(mark))
            .map(|(_, kind)| *kind)
    }

    /// For people.
    pub fn label(self) -> String {
        match self {
            Self::Crash => say!("crash [CRASH]", "クラッシュ [CRASH]"),
            Self::Uncaught => say!(
                "uncaught exception [UNCAUGHT_EXCEPTION]",
                "未処理例外 [UNCAUGHT_EXCEPTION]"
            ),
            Self::VramAlert => say!("GPU memory [VRAM_ALERT]", "GPUメモリ警報 [VRAM_ALERT]"),
            Self::HandleAlert => say!(
                "handle leak [HANDLE_LEAK_ALERT]",
                "ハンドルリーク警報 [HANDLE_LEAK_ALERT]"
            ),
            Self::MemoryAlert => say!(
                "memory leak [MEMORY_LEAK_ALERT]",
                "メモリリーク警報 [MEMORY_LEAK_ALERT]"
            ),
            Self::Warning => say!("warning ⚠️ [警告]", "警告 ⚠️ [警告]"),
            Self::MonitorFault => say!(
                "failed reading [RESOURCE_MONITOR_ERROR]",
                "測定失敗 [RESOURCE_MONITOR_ERROR]"
            ),
            Self::Restart => say!("restart", "再起動"),
            Self::AutoRestart => say!(
                "planned restart [AUTO_RESTART]",
                "計画再起動 [AUTO_RESTART]"
            ),
            Self::Start => say!("start [SERVER_START]", "起動 [SERVER_START]"),
            Self::Signal => say!(
                "order to stop [SIGNAL_HANDLER]",
                "終了指示 [SIGNAL_HANDLER]"
            ),
            Self::Reload => say!(
                "reload [SIGNAL_HANDLER] SIGHUP",
                "再読み込み [SIGNAL_HANDLER] SIGHUP"
            ),
            Self::CameraReinit => say!(
                "camera opened again [CAMERA_REINIT]",
                "カメラ再初期化 [CAMERA_REINIT]"
            ),
            Self::ServoReconnect => say!(
                "servos found again [SERVO_RECONNECT]",
                "サーボ再接続 [SERVO_RECONNECT]"
            ),
            Self::ReaderReconnect => say!(
                "reader found again [READER_RECONNECT]",
                "カードリーダー再接続 [READER_RECONNECT]"
            ),
            Self::RequestFailed => say!("failed request", "失敗した要求"),
            Self::Statistics => say!("statistics [STATISTICS]", "統計 [STATISTICS]"),
            Self::Finish => say!("end of a run [STATISTICS]", "終了時の統計 [STATISTICS]"),
            Self::ClockJump => say!("clock set", "時計の変更"),
            Self::CriticalLine => say!("lines of level CRITICAL", "CRITICAL の行"),
            Self::ErrorLine => say!("lines of level ERROR", "ERROR の行"),
            Self::WarningLine => say!("lines of level WARNING", "WARNING の行"),
        }
    }

    /// How it is drawn.
    pub fn weight(self) -> Weight {
        match self {
            Self::Crash
            | Self::Uncaught
            | Self::VramAlert
            | Self::HandleAlert
            | Self::MemoryAlert => Weight::Bad,
            Self::Warning
            | Self::MonitorFault
            | Self::CameraReinit
            | Self::ServoReconnect
            | Self::ReaderReconnect
            | Self::RequestFailed => Weight::Warn,
            Self::Restart | Self::AutoRestart | Self::Signal | Self::ClockJump => Weight::Plain,
            Self::Start
            | Self::Reload
            | Self::Statistics
            | Self::Finish
            | Self::CriticalLine
            | Self::ErrorLine
            | Self::WarningLine => Weight::Silent,
        }
    }

    /// Whether a run that wrote this had been told to end.
    pub fn ends_cleanly(self) -> bool {
        matches!(self, Self::Signal | Self::AutoRestart | Self::Finish)
    }

    /// Whether a run that wrote this last broke.
    pub fn breaks(self) -> bool {
        matches!(self, Self::Crash | Self::Uncaught)
    }
}

/// The most that is drawn of one kind; beyond it every second is left out, again and again.
const MOST_DRAWN: usize = 200;

/// All events of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Wall clock of the first, if any line before it told the time.
    pub first: f64,
    /// Wall clock of the last.
    pub last: f64,
    /// Places on the time axis, thinned.
    pub places: Vec<f64>,
    every: u64,
}

impl Tally {
    /// The first one.
    pub fn new(wall: f64) -> Self {
        Self {
            count: 0,
            first: wall,
            last: wall,
            places: Vec::new(),
            every: 1,
        }
    }

    /// One more (or `times` at once) at `wall` by the clock and `place` on the axis.
    pub fn add(&mut self, wall: f64, place: f64, times: u64) {
        if self.count.is_multiple_of(self.every) {
            self.places.push(place);
        }
        if self.places.len() >= MOST_DRAWN {
            let mut keep = false;
            self.places.retain(|_| {
                keep = !keep;
                keep
            });
            self.every *= 2;
        }
        self.count += times;
        self.last = wall;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_count_at_the_beginning_alone() {
        assert_eq!(EventKind::of("[CRASH] SIGSEGV"), Some(EventKind::Crash));
        assert_eq!(
            EventKind::of("⚠️ [警告] メモリが"),
            Some(EventKind::Warning)
        );
        assert_eq!(
            EventKind::of("[SIGNAL_HANDLER] SIGHUP: reloading"),
            Some(EventKind::Reload)
        );
        assert_eq!(
            EventKind::of("[SIGNAL_HANDLER] SIGTERM: x"),
            Some(EventKind::Signal)
        );
        assert_eq!(EventKind::of("look for [CRASH] in the log"), None);
        assert_eq!(EventKind::of("[RESOURCE_MONITOR] CPU_RAM: 1 MB"), None);
    }

    #[test]
    fn a_million_marks_take_the_room_of_a_few() {
        let mut tally = Tally::new(5.0);
        for i in 0..1_000_000 {
            tally.add(5.0 + f64::from(i), f64::from(i), 1);
        }
        assert_eq!(
            (tally.count, tally.first, tally.last),
            (1_000_000, 5.0, 1_000_004.0)
        );
        assert!(
            (90..MOST_DRAWN).contains(&tally.places.len()),
            "{}",
            tally.places.len()
        );
        assert!(
            *tally.places.last().unwrap() > 980_000.0,
            "spread over the whole"
        );
    }
}
