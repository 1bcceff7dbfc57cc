//! The summary at the end of a run.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::stats::Stats;
use crate::say;

/// What a run did, in numbers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    elapsed: Duration,
    frames: u64,
    with_face: u64,
    on_target: u64,
    counted: u64,
    repeated: u64,
    refused: u64,
    failed: u64,
    delivered: u64,
    pending: Option<u64>,
    camera_faults: u64,
    camera_reinits: u64,
    servo_faults: u64,
    reader_faults: u64,
    delivery_faults: u64,
    faults: u64,
    peak_rss_bytes: Option<u64>,
}

impl Summary {
    /// Takes the numbers.
    #[must_use]
    pub fn new(stats: &Stats, elapsed: Duration, peak_rss_bytes: Option<u64>) -> Self {
        Self {
            elapsed,
            frames: stats.frames.get(),
            with_face: stats.frames_with_face.get(),
            on_target: stats.frames_on_target.get(),
            counted: stats.taps_counted.get(),
            repeated: stats.taps_repeated.get(),
            refused: stats.taps_refused.get(),
            failed: stats.taps_failed.get(),
            delivered: stats.delivered.get(),
            pending: None,
            camera_faults: stats.camera_faults.get(),
            camera_reinits: stats.camera_reinits.get(),
            servo_faults: stats.servo_faults.get(),
            reader_faults: stats.reader_faults.get(),
            delivery_faults: stats.delivery_faults.get(),
            faults: stats.faults(),
            peak_rss_bytes,
        }
    }

    /// The same for both parts of a run that has begun again in place.
    #[must_use]
    pub fn after(self, earlier: &Self) -> Self {
        Self {
            elapsed: self.elapsed + earlier.elapsed,
            frames: self.frames + earlier.frames,
            with_face: self.with_face + earlier.with_face,
            on_target: self.on_target + earlier.on_target,
            counted: self.counted + earlier.counted,
            repeated: self.repeated + earlier.repeated,
            refused: self.refused + earlier.refused,
            failed: self.failed + earlier.failed,
            delivered: self.delivered + earlier.delivered,
            pending: self.pending,
            camera_faults: self.camera_faults + earlier.camera_faults,
            camera_reinits: self.camera_reinits + earlier.camera_reinits,
            servo_faults: self.servo_faults + earlier.servo_faults,
            reader_faults: self.reader_faults + earlier.reader_faults,
            delivery_faults: self.delivery_faults + earlier.delivery_faults,
            faults: self.faults + earlier.faults,
            peak_rss_bytes: self.peak_rss_bytes.max(earlier.peak_rss_bytes),
        }
    }

    /// The same with the taps in the ledger that the server does not have yet.
    #[must_use]
    pub fn with_pending(self, pending: Option<u64>) -> Self {
        Self { pending, ..self }
    }

    #[allow(clippy::cast_precision_loss)] // counts of frames stay far below 2^52
    fn fps(&self) -> f64 {
        self.frames as f64 / self.elapsed.as_secs_f64().max(1e-3)
    }

    fn peak_mb(&self) -> String {
        self.peak_rss_bytes.map_or_else(
            || "n/a".to_owned(),
            |b| format!("{:.1}", crate::watch::monitor::megabytes(b)),
        )
    }

    /// The last line of the log: uptime, frames, faults, re-initialisations, as the old tracker ended.
    #[must_use]
    pub fn log_line(&self) -> String {
        let hours = self.elapsed.as_secs_f64() / 3600.0;
        let Self {
            frames,
            faults,
            camera_reinits,
            counted,
            delivered,
            ..
        } = self;
        let fps = self.fps();
        let peak = self.peak_mb();
        say!(
            "[STATISTICS] uptime: {hours:.2}h, frames: {frames} ({fps:.1}/s), faults: {faults}, camera reinits: {camera_reinits}, taps: {counted}, delivered: {delivered}, peak memory: {peak} MB",
            "[STATISTICS] 稼働時間: {hours:.2}h, フレーム数: {frames} ({fps:.1}/s), エラー数: {faults}, カメラ再初期化: {camera_reinits}, タップ数: {counted}, 送信済み: {delivered}, ピークメモリ: {peak}MB"
        )
    }
}

/// Part of a whole in per cent; "n/a" of nothing.
fn share(part: u64, whole: u64) -> String {
    #[allow(clippy::cast_precision_loss)] // as above
    if whole == 0 {
        "n/a".to_owned()
    } else {
        format!("{:.1} %", part as f64 * 100.0 / whole as f64)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            counted,
            repeated,
            refused,
            failed,
            faults,
            ..
        } = self;
        let Self {
            camera_faults,
            servo_faults,
            reader_faults,
            delivery_faults,
            ..
        } = self;
        let taps = counted + repeated + refused + failed;
        let pending = self
            .pending
            .map_or_else(|| "n/a".to_owned(), |n| n.to_string());
        let rows = [
            (
                say!("run time", "実行時間"),
                format!("{:.1} s", self.elapsed.as_secs_f64()),
            ),
            (say!("frames", "フレーム数"), self.frames.to_string()),
            (
                say!("frames a second", "毎秒フレーム数"),
                format!("{:.1}", self.fps()),
            ),
            (
                say!("with a face", "顔検出率"),
                share(self.with_face, self.frames),
            ),
            (
                say!("time on target", "目標捕捉率"),
                share(self.on_target, self.with_face),
            ),
            (
                say!("taps", "タップ数"),
                say!(
                    "{taps} (counted {counted}, repeated {repeated}, refused {refused}, failed {failed})",
                    "{taps} (記録 {counted}, 重複 {repeated}, 拒否 {refused}, 失敗 {failed})"
                ),
            ),
            (
                say!("delivered", "送信済み"),
                say!(
                    "{} (waiting {pending})",
                    "{} (未送信 {pending})",
                    self.delivered
                ),
            ),
            (
                say!("errors", "エラー数"),
                say!(
                    "{faults} (camera {camera_faults}, servo {servo_faults}, reader {reader_faults}, delivery {delivery_faults})",
                    "{faults} (カメラ {camera_faults}, サーボ {servo_faults}, カードリーダー {reader_faults}, 送信 {delivery_faults})"
                ),
            ),
            (
                say!("camera re-initialisations", "カメラ再初期化"),
                self.camera_reinits.to_string(),
            ),
            (
                say!("peak memory", "ピークメモリ"),
                format!("{} MB", self.peak_mb()),
            ),
        ];
        write!(f, "{}", say!("Summary", "実行結果"))?;
        for (name, value) in rows {
            // A Japanese character takes two columns of a terminal.
            let columns: usize = name.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
            write!(
                f,
                "
  {name}{:pad$}  {value}",
                "",
                pad = 26usize.saturating_sub(columns)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_what_was_seen() {
        let stats = Stats::default();
        stats.frames.add(300);
        stats.frames_with_face.add(150);
        stats.frames_on_target.add(75);
        stats.taps_counted.add(2);
        stats.servo_faults.add(4);
        let summary =
            Summary::new(&stats, Duration::from_secs(10), Some(30 << 20)).with_pending(Some(1));
        let text = summary.to_string();
        for part in [
            "30.0",
            "50.0 %",
            "counted 2",
            "waiting 1",
            "servo 4",
            "30.0 MB",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(summary.log_line().contains("faults: 4"));
    }

    #[test]
    fn an_empty_run_divides_by_nothing() {
        let summary = Summary::new(&Stats::default(), Duration::ZERO, None).to_string();
        assert!(summary.contains("n/a") && !summary.contains("NaN"));
    }
}
