//! The summary at the end of a run.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::stats::{Counters, Details, Stats};
use crate::say;

/// What a run did, in numbers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    elapsed: Duration,
    counters: Counters,
    details: Details,
    pending: Option<u64>,
    peak_rss_bytes: Option<u64>,
}

impl Summary {
    /// Takes the numbers.
    #[must_use]
    pub fn new(stats: &Stats, elapsed: Duration, peak_rss_bytes: Option<u64>) -> Self {
        Self {
            elapsed,
            counters: stats.counters(),
            details: stats.details(),
            pending: None,
            peak_rss_bytes,
        }
    }

    /// The same for both parts of a run that has begun again in place.
    #[must_use]
    pub fn after(mut self, earlier: &Self) -> Self {
        self.elapsed += earlier.elapsed;
        self.counters += earlier.counters;
        self.details += earlier.details;
        self.peak_rss_bytes = self.peak_rss_bytes.max(earlier.peak_rss_bytes);
        self
    }

    /// The same with the taps in the ledger that the server does not have yet.
    #[must_use]
    pub fn with_pending(self, pending: Option<u64>) -> Self {
        Self { pending, ..self }
    }

    #[allow(clippy::cast_precision_loss)] // counts of frames stay far below 2^52
    fn fps(&self) -> f64 {
        self.counters.frames as f64 / self.elapsed.as_secs_f64().max(1e-3)
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
        let Counters {
            frames,
            faults,
            camera_reinits,
            taps,
            delivered,
            ..
        } = self.counters;
        let fps = self.fps();
        let peak = self.peak_mb();
        say!(
            "[STATISTICS] uptime: {hours:.2}h, frames: {frames} ({fps:.1}/s), faults: {faults}, camera reinits: {camera_reinits}, taps: {taps}, delivered: {delivered}, peak memory: {peak} MB",
            "[STATISTICS] 稼働時間: {hours:.2}h, フレーム数: {frames} ({fps:.1}/s), エラー数: {faults}, カメラ再初期化: {camera_reinits}, タップ数: {taps}, 送信済み: {delivered}, ピークメモリ: {peak}MB"
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
        let Counters {
            frames,
            frames_with_face,
            faults,
            camera_reinits,
            taps: counted,
            taps_failed: failed,
            delivered,
            ..
        } = self.counters;
        let Details {
            frames_on_target,
            taps_repeated: repeated,
            taps_refused: refused,
            camera_faults,
            servo_faults,
            reader_faults,
            delivery_faults,
        } = self.details;
        let taps = counted + repeated + refused + failed;
        let pending = self
            .pending
            .map_or_else(|| "n/a".to_owned(), |n| n.to_string());
        let rows = [
            (
                say!("run time", "実行時間"),
                format!("{:.1} s", self.elapsed.as_secs_f64()),
            ),
            (say!("frames", "フレーム数"), frames.to_string()),
            (
                say!("frames a second", "毎秒フレーム数"),
                format!("{:.1}", self.fps()),
            ),
            (
                say!("with a face", "顔検出率"),
                share(frames_with_face, frames),
            ),
            (
                say!("time on target", "目標捕捉率"),
                share(frames_on_target, frames_with_face),
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
                    "{delivered} (waiting {pending})",
                    "{delivered} (未送信 {pending})"
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
                camera_reinits.to_string(),
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
