//! What the loops count, for the monitor, the summary and the status.

use std::sync::atomic::{AtomicU64, Ordering};

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
    /// All faults of every kind.
    #[must_use]
    pub fn faults(&self) -> u64 {
        [
            &self.camera_faults,
            &self.servo_faults,
            &self.reader_faults,
            &self.taps_failed,
            &self.delivery_faults,
        ]
        .iter()
        .map(|c| c.get())
        .sum()
    }

    /// All taps, whatever became of them.
    #[must_use]
    pub fn taps(&self) -> u64 {
        [
            &self.taps_counted,
            &self.taps_repeated,
            &self.taps_refused,
            &self.taps_failed,
        ]
        .iter()
        .map(|c| c.get())
        .sum()
    }
}
