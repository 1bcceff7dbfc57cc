//! What the loops count, for the monitor, the summary and the status.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// One number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything that is counted since the start of the service.
#[derive(Debug, Default)]
pub struct Stats {
    /// Pictures that the detector was done with.
    pub frames: Counter,
    /// Those of them with at least one face.
    pub frames_with_face: Counter,
    /// Those of them whose followed face lay within the tolerance of the centre.
    pub frames_on_target: Counter,
    /// Pictures that were replaced by a newer one before the detector came to them.
    pub frames_dropped: Counter,
    /// Failed reads and undecodable pictures of the camera.
    pub camera_faults: Counter,
    /// Times that the camera was closed and opened again.
    pub camera_reinits: Counter,
    /// Failed exchanges on the servo bus.
    pub servo_faults: Counter,
    /// Times that the servo bus was closed and opened again.
    pub servo_reconnects: Counter,
    /// Failed readings of cards and failures of readers.
    pub reader_faults: Counter,
    /// Times that the connection to the readers was made anew.
    pub reader_reconnects: Counter,
    /// Taps that were counted: durable in the ledger.
    pub taps_counted: Counter,
    /// Those of them whose card is not in the roster.
    pub taps_unknown: Counter,
    /// Taps of a card that had just been counted.
    pub taps_repeated: Counter,
    /// Taps of cards that cannot identify anybody.
    pub taps_refused: Counter,
    /// Taps that could not be read or not be stored.
    pub taps_failed: Counter,
    /// Taps that the server has acknowledged.
    pub delivered: Counter,
    /// Attempts of delivery that failed.
    pub delivery_faults: Counter,
}

impl Stats {
    /// The counters of now.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let details = self.details();
        Counters {
            frames: self.frames.get(),
            frames_with_face: self.frames_with_face.get(),
            frames_dropped: self.frames_dropped.get(),
            faults: details.camera_faults
                + details.servo_faults
                + details.reader_faults
                + details.delivery_faults
                + self.taps_failed.get(),
            camera_reinits: self.camera_reinits.get(),
            servo_reconnects: self.servo_reconnects.get(),
            reader_reconnects: self.reader_reconnects.get(),
            taps: self.taps_counted.get(),
            taps_failed: self.taps_failed.get(),
            delivered: self.delivered.get(),
        }
    }

    /// The details of now.
    #[must_use]
    pub fn details(&self) -> Details {
        Details {
            frames_on_target: self.frames_on_target.get(),
            taps_repeated: self.taps_repeated.get(),
            taps_refused: self.taps_refused.get(),
            camera_faults: self.camera_faults.get(),
            servo_faults: self.servo_faults.get(),
            reader_faults: self.reader_faults.get(),
            delivery_faults: self.delivery_faults.get(),
        }
    }
}

/// What was counted since the start: in `health.json` (whose format this is), the monitor's line, the status, and the
/// summary at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Pictures worked on.
    pub frames: u64,
    /// Pictures with a face.
    pub frames_with_face: u64,
    /// Pictures that came too fast.
    pub frames_dropped: u64,
    /// Faults of every kind.
    pub faults: u64,
    /// Times that the camera was opened anew.
    pub camera_reinits: u64,
    /// Times that the servo bus was.
    pub servo_reconnects: u64,
    /// Times that the readers were.
    pub reader_reconnects: u64,
    /// Taps counted.
    pub taps: u64,
    /// Taps told as failed.
    pub taps_failed: u64,
    /// Taps that the server has.
    pub delivered: u64,
}

/// What the summary tells besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // see `Stats`
pub struct Details {
    pub frames_on_target: u64,
    pub taps_repeated: u64,
    pub taps_refused: u64,
    pub camera_faults: u64,
    pub servo_faults: u64,
    pub reader_faults: u64,
    pub delivery_faults: u64,
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.frames_with_face += other.frames_with_face;
        self.frames_dropped += other.frames_dropped;
        self.faults += other.faults;
        self.camera_reinits += other.camera_reinits;
        self.servo_reconnects += other.servo_reconnects;
        self.reader_reconnects += other.reader_reconnects;
        self.taps += other.taps;
        self.taps_failed += other.taps_failed;
        self.delivered += other.delivered;
    }
}

impl AddAssign for Details {
    fn add_assign(&mut self, other: Self) {
        self.frames_on_target += other.frames_on_target;
        self.taps_repeated += other.taps_repeated;
        self.taps_refused += other.taps_refused;
        self.camera_faults += other.camera_faults;
        self.servo_faults += other.servo_faults;
        self.reader_faults += other.reader_faults;
        self.delivery_faults += other.delivery_faults;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_taken_and_added() {
        let stats = Stats::default();
        for (i, counter) in [
            &stats.frames,
            &stats.frames_with_face,
            &stats.frames_on_target,
            &stats.frames_dropped,
            &stats.camera_faults,
            &stats.camera_reinits,
            &stats.servo_faults,
            &stats.servo_reconnects,
            &stats.reader_faults,
            &stats.reader_reconnects,
            &stats.taps_counted,
            &stats.taps_repeated,
            &stats.taps_refused,
            &stats.taps_failed,
            &stats.delivered,
            &stats.delivery_faults,
        ]
        .into_iter()
        .enumerate()
        {
            counter.add(1 << i);
        }
        let (mut counters, mut details) = (stats.counters(), stats.details());
        let numbers = |counters: Counters, details: Details| -> Vec<u64> {
            let all = [
                serde_json::to_value(counters).unwrap(),
                serde_json::to_value(details).unwrap(),
            ];
            let fields = all.iter().flat_map(|v| v.as_object().unwrap().values());
            fields.map(|n| n.as_u64().unwrap()).collect()
        };
        let once = numbers(counters, details);
        let mut single: Vec<_> = once
            .iter()
            .copied()
            .filter(|n| n.is_power_of_two())
            .collect();
        single.sort_unstable();
        assert_eq!(single, (0..16).map(|i| 1 << i).collect::<Vec<u64>>());
        assert_eq!(
            counters.faults,
            (1 << 4) + (1 << 6) + (1 << 8) + (1 << 13) + (1 << 15)
        );
        counters += counters;
        details += details;
        let twice: Vec<_> = once.iter().map(|n| 2 * n).collect();
        assert_eq!(numbers(counters, details), twice);
    }
}
