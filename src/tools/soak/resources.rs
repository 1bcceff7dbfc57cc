//! How the resources of the service develop, process by process. Pure.

use std::time::Duration;

use super::probe::Reading;
use crate::watch::trend::{Point, Watch, median, theil_sen};

/// Readings that are kept of one process; when there are more, every second one goes.
const KEPT: usize = 512;
/// The last value is the median of this many readings: one that falls into a moment of much work tells nothing.
const LAST: usize = 5;
/// The first value is told from so many readings ([`first`]).
const FIRST: usize = 3;

/// What is watched of a process, in the order of [`Life::watches`].
const WATCHED: [fn(&Reading) -> f64; 3] = [
    |r| r.rss_mb,
    |r| f64::from(r.descriptors),
    |r| f64::from(r.threads),
];

/// The run of one process: from the end of its warm-up.
#[derive(Debug, Clone, Default)]
struct Life {
    /// The monitor's alarm, which has a warm-up of its own.
    watches: [Watch; 3],
    first: Vec<Reading>,
    points: Vec<(f64, Reading)>,
    /// A point is kept every so many readings.
    stride: usize,
    count: usize,
    last: Vec<Reading>,
    most_descriptors: u32,
    most_threads: u32,
}

/// Growth of one value over the life of one process.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Growth {
    /// At the end of the warm-up.
    pub first: f64,
    /// At the end.
    pub last: f64,
    /// The largest in between.
    pub most: f64,
    /// By how much the line through all readings rises, which no single reading can bend.
    pub rise: f64,
    /// The same in an hour.
    pub slope: f64,
    /// Whether the monitor calls it a leak, in this process or another.
    pub leak: bool,
}

/// All processes of the run.
#[derive(Debug, Clone)]
pub struct Resources {
    warm_up: Duration,
    lives: Vec<Life>,
    gpu: Vec<f64>,
    /// The newest reading.
    pub now: Reading,
}

impl Resources {
    /// Readings of a process count from the end of its warm-up on.
    #[must_use]
    pub const fn new(warm_up: Duration) -> Self {
        Self {
            warm_up,
            lives: Vec::new(),
            gpu: Vec::new(),
            now: Reading {
                rss_mb: 0.0,
                anonymous_mb: 0.0,
                descriptors: 0,
                threads: 0,
                cpu_s: 0.0,
            },
        }
    }

    /// Another process has become ready.
    pub fn another(&mut self) {
        self.lives.push(Life::default());
    }

    /// A reading, so long after the process was ready.
    pub fn add(&mut self, age: Duration, reading: Reading) {
        self.now = reading;
        let Some(life) = self.lives.last_mut() else {
            return;
        };
        for (watch, value) in life.watches.iter_mut().zip(WATCHED) {
            watch.add(age, Some(value(&reading)));
        }
        if age >= self.warm_up {
            life.add(age.as_secs_f64() / 3600.0, reading);
        }
    }

    /// GPU memory in use, in MiB, as the service's monitor wrote it.
    pub fn add_gpu(&mut self, used_mb: f64) {
        if self.gpu.len() == 2 * KEPT {
            // First, last and largest are what is asked for.
            let most = self.gpu.iter().copied().fold(0.0, f64::max);
            self.gpu = vec![self.gpu[0], most];
        }
        self.gpu.push(used_mb);
    }

    /// First, last and largest GPU memory in MiB; none where there is no GPU that tells.
    #[must_use]
    pub fn gpu(&self) -> Option<(f64, f64, f64)> {
        let most = self.gpu.iter().copied().fold(0.0, f64::max);
        Some((*self.gpu.first()?, *self.gpu.last()?, most))
    }

    /// Resident memory in MiB: the process of the largest growth. None if no process outlived its warm-up.
    #[must_use]
    pub fn memory(&self) -> Option<Growth> {
        self.worst(0, |_| 0)
    }

    /// Open descriptors, likewise.
    #[must_use]
    pub fn descriptors(&self) -> Option<Growth> {
        self.worst(1, |l| l.most_descriptors)
    }

    /// Threads, likewise.
    #[must_use]
    pub fn threads(&self) -> Option<Growth> {
        self.worst(2, |l| l.most_threads)
    }

    fn worst(&self, watched: usize, most: fn(&Life) -> u32) -> Option<Growth> {
        let value = WATCHED[watched];
        let leaks = |life: &Life| life.watches[watched].leak().is_some();
        let leak = self.lives.iter().any(leaks);
        let of = |life: &Life| {
            let values = |of: &[Reading]| of.iter().map(value).collect::<Vec<f64>>();
            let point = |(at, reading): &(f64, Reading)| Point {
                at: *at,
                value: value(reading),
            };
            let points: Vec<_> = life.points.iter().map(point).collect();
            let slope = theil_sen(&points).unwrap_or(0.0);
            let hours = points.last()?.at - points.first()?.at;
            let (first, last) = (
                first(&values(&life.first))?,
                median(&mut values(&life.last))?,
            );
            Some(Growth {
                first,
                last,
                most: f64::from(most(life)).max(first).max(last),
                rise: slope * hours,
                slope,
                leak,
            })
        };
        let by = |g: &Growth| (g.most - g.first).max(g.last - g.first);
        self.lives
            .iter()
            .filter_map(of)
            .max_by(|a, b| by(a).total_cmp(&by(b)))
    }
}

/// The value at the end of the warm-up. Code that the first pictures have needed is let go of a moment after them, and what
/// is needed on comes back at once: one step up and no further is the end of a dip, and not growth.
fn first(values: &[f64]) -> Option<f64> {
    Some(match *values {
        [] => return None,
        [dip, after, then, ..] if after > dip && then - after < (after - dip) / 4.0 => after,
        [first, ..] => first,
    })
}

impl Life {
    fn add(&mut self, hours: f64, reading: Reading) {
        if self.first.len() < FIRST {
            self.first.push(reading);
        }
        self.most_descriptors = self.most_descriptors.max(reading.descriptors);
        self.most_threads = self.most_threads.max(reading.threads);
        if self.last.len() == LAST {
            self.last.remove(0);
        }
        self.last.push(reading);
        let stride = self.stride.max(1);
        if self.count.is_multiple_of(stride) {
            self.points.push((hours, reading));
        }
        self.count += 1;
        if self.points.len() == KEPT {
            let mut index = 0;
            self.points.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride = stride * 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(rss_mb: f64, descriptors: u32) -> Reading {
        Reading {
            rss_mb,
            descriptors,
            threads: 12,
            ..Reading::default()
        }
    }

    fn run(seconds: u32, rss: impl Fn(f64) -> f64) -> Resources {
        let mut resources = Resources::new(Duration::from_secs(10));
        resources.another();
        for s in 0..seconds {
            resources.add(Duration::from_secs(s.into()), reading(rss(s.into()), 20));
        }
        resources
    }

    #[test]
    fn a_straight_line_is_measured_from_a_minute_to_a_month() {
        for seconds in [72, 3600, 30 * 86_400 / 60] {
            let memory = run(seconds, |s| 50.0 + s * 2.0).memory().unwrap();
            assert!((memory.slope - 7200.0).abs() < 1.0, "{memory:?}");
            let rise = 2.0 * f64::from(seconds - 11);
            assert!((memory.rise - rise).abs() < rise * 0.01, "{memory:?}");
            assert!((memory.first - 70.0).abs() < 0.1, "{memory:?}");
        }
    }

    #[test]
    fn the_warm_up_does_not_count_and_a_jump_is_no_line() {
        let memory = run(72, |s| if s < 9.0 { s * 5.0 } else { 45.0 })
            .memory()
            .unwrap();
        assert_eq!((memory.slope, memory.first, memory.last), (0.0, 45.0, 45.0));
        let dip = run(72, |s| if (s - 10.0).abs() < 0.5 { 30.0 } else { 45.0 });
        assert_eq!(dip.memory().unwrap().first, 45.0);
        let jump = run(72, |s| if s < 60.0 { 45.0 } else { 65.0 })
            .memory()
            .unwrap();
        assert_eq!((jump.slope, jump.last), (0.0, 65.0));
    }

    #[test]
    fn the_worst_process_counts_and_a_short_one_does_not() {
        let mut resources = Resources::new(Duration::from_secs(10));
        assert_eq!(resources.memory(), None);
        for (grows, seconds) in [(0.0, 30), (1.0, 30), (0.0, 30), (9.0, 5)] {
            resources.another();
            for s in 0..seconds {
                let rss = 40.0 + grows * f64::from(s);
                resources.add(Duration::from_secs(s.into()), reading(rss, 20 + s / 20));
            }
        }
        let memory = resources.memory().unwrap();
        assert!((memory.slope - 3600.0).abs() < 1.0, "{memory:?}");
        assert_eq!(resources.descriptors().unwrap().most, 21.0);
        assert_eq!(resources.threads().unwrap().most, 12.0);
    }

    #[test]
    fn a_peak_between_the_points_that_are_kept_is_not_forgotten() {
        let mut resources = Resources::new(Duration::ZERO);
        resources.another();
        for s in 0..20_000_u32 {
            let descriptors = if s == 10_001 { 500 } else { 20 };
            resources.add(Duration::from_secs(s.into()), reading(50.0, descriptors));
            resources.add_gpu(if s == 10_001 { 90.0 } else { 60.0 });
        }
        assert_eq!(resources.descriptors().unwrap().most, 500.0);
        assert!(resources.lives[0].points.len() < KEPT && resources.gpu.len() <= 2 * KEPT);
        assert_eq!(resources.gpu(), Some((60.0, 60.0, 90.0)));
    }
}
