//! Which allocations are recorded: each byte has the same small chance, so a size is recorded the more likely the
//! larger it is, and what the recorded ones stand for can be told without a bias.
//!
//! The distance in bytes between two recorded allocations of a thread is drawn from an exponential distribution,
//! which has no memory: an allocation of `s` bytes is recorded with the probability `1 - exp(-s / MEAN)`, whatever
//! came before it. (The same rule as in tcmalloc and jemalloc.)

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// Mean distance between two recorded allocations of a thread, in bytes. Smaller finds smaller leaks, larger costs
/// less; docs/allocations.md has the measurements.
pub const MEAN: f64 = 262_144.0;

/// What one recorded allocation of `size` bytes stands for: bytes, allocations.
#[must_use]
pub fn weight(size: usize) -> (f64, f64) {
    // An empty allocation still takes a place, and the chance may not be zero.
    let size = size.max(1) as f64;
    let count = 1.0 / -(-size / MEAN).exp_m1();
    (size * count, count)
}

/// Bytes until the next recorded allocation, from a random number.
fn distance(random: u64) -> i64 {
    // In (0, 1], so that the logarithm is finite.
    let uniform = ((random >> 11) + 1) as f64 / (1u64 << 53) as f64;
    (-uniform.ln() * MEAN) as i64
}

/// The thread's way to its next recorded allocation.
pub struct Countdown {
    left: Cell<i64>,
    /// State of the random numbers; 0 as long as nothing was drawn.
    state: Cell<u64>,
    /// Whether this thread is recording, so that what recording itself allocates is left out.
    busy: Cell<bool>,
}

/// Makes the random numbers of threads differ.
static SEEDS: AtomicU64 = AtomicU64::new(0x2545_f491_4f6c_dd1d);

impl Countdown {
    /// A thread that has not allocated yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            left: Cell::new(0),
            state: Cell::new(0),
            busy: Cell::new(false),
        }
    }

    /// Whether an allocation of `size` bytes is to be recorded.
    #[inline]
    pub fn passes(&self, size: usize) -> bool {
        // An empty one counts a byte; nothing allocates so much that this overflows.
        let left = self.left.get() - size.max(1) as i64;
        self.left.set(left);
        left < 0 && self.ends(size)
    }

    /// The countdown has ended, or was never started.
    #[cold]
    fn ends(&self, size: usize) -> bool {
        if self.state.get() == 0 {
            self.state
                .set(SEEDS.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) | 1);
            self.left.set(distance(self.random()));
            return self.passes(size);
        }
        self.left.set(distance(self.random()));
        true
    }

    /// Runs `record` unless this thread is recording already.
    pub fn alone(&self, record: impl FnOnce()) {
        if !self.busy.replace(true) {
            record();
            self.busy.set(false);
        }
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): one addition of state, good enough bits, no table.
    fn random(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        // 0 would mean that nothing was drawn.
        self.state.set(state.max(1));
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Default for Countdown {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeded(seed: u64) -> Countdown {
        let countdown = Countdown::new();
        countdown.state.set(seed);
        countdown.left.set(distance(countdown.random()));
        countdown
    }

    #[test]
    fn what_is_recorded_stands_for_all_that_was_allocated() {
        // From sizes that are nearly never recorded to some that nearly always are.
        for (size, n) in [(32usize, 20_000_000usize), (4096, 400_000), (900_000, 4000)] {
            let countdown = seeded(7);
            let (mut bytes, mut count) = (0.0, 0.0);
            for _ in 0..n {
                if countdown.passes(size) {
                    let (b, c) = weight(size);
                    bytes += b;
                    count += c;
                }
            }
            let truth = (size * n) as f64;
            assert!(
                (bytes / truth - 1.0).abs() < 0.06,
                "{size}: {bytes} of {truth}"
            );
            assert!(
                (count / n as f64 - 1.0).abs() < 0.06,
                "{size}: {count} of {n}"
            );
        }
    }

    #[test]
    fn the_distance_is_finite_for_every_random_number() {
        for random in [0, 1, u64::MAX, 1 << 11, u64::MAX - (1 << 11)] {
            let d = distance(random);
            assert!((0..100_000_000).contains(&d), "{random}: {d}");
        }
    }

    #[test]
    fn the_weight_of_large_allocations_is_their_size_and_of_small_ones_the_mean() {
        let (bytes, count) = weight(10_000_000);
        assert!((bytes - 10_000_000.0).abs() < 1.0 && (count - 1.0).abs() < 1e-6);
        let (bytes, count) = weight(16);
        assert!((bytes / MEAN - 1.0).abs() < 1e-3 && count > 16_000.0);
        assert!(weight(0).0.is_finite());
    }

    #[test]
    fn a_thread_that_records_is_not_recorded() {
        let countdown = Countdown::new();
        let mut ran = 0;
        countdown.alone(|| {
            ran += 1;
            countdown.alone(|| ran += 1);
        });
        countdown.alone(|| ran += 1);
        assert_eq!(ran, 2);
    }
}
