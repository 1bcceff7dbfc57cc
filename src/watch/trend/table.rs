//! The table of detection times and false alarms, and the series that it is made of:
//! `cargo test --lib leak_table -- --ignored --nocapture`.

use std::f64::consts::TAU;
use std::time::Duration;

use super::Detector;

/// How the level jumps, so many times a day on average, by up to 10.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Jumps {
    None,
    /// Up or down from where it is.
    Walk(f64),
    /// Up, and later down again.
    Toggle(f64),
    /// Up alone.
    Up(f64),
}

/// A series of samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Series {
    pub interval: f64,
    pub jumps: Jumps,
    pub sigma: f64,
    pub rhythm: f64,
    /// Hours until the leak begins.
    pub begin: f64,
    /// Growth an hour.
    pub leak: f64,
    /// The leak's steps; 0 for an even one.
    pub step: f64,
    /// Part of the samples that are nonsense, and part that are missing.
    pub spikes: f64,
    pub missing: f64,
    pub whole: bool,
}

/// What the requirement names, sampled every five minutes, without a leak.
pub(super) const NAMED: Series = Series {
    interval: 300.0,
    jumps: Jumps::Walk(1.0),
    sigma: 1.0,
    rhythm: 0.5,
    begin: 0.0,
    leak: 0.0,
    step: 0.0,
    spikes: 0.0,
    missing: 0.0,
    whole: false,
};

impl Jumps {
    /// Jumps a day.
    const fn a_day(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Walk(n) | Self::Toggle(n) | Self::Up(n) => n,
        }
    }
}

/// A normally distributed number.
fn normal(random: &mut fastrand::Rng) -> f64 {
    (-2.0 * random.f64().max(1e-300).ln()).sqrt() * (TAU * random.f64()).cos()
}

impl Series {
    /// Runs a detector over the series for so many hours at most; tells when it alarmed, in hours, and the growth.
    pub(super) fn alarm(&self, seed: u64, hours: f64) -> Option<(f64, f64)> {
        let mut random = fastrand::Rng::with_seed(seed * 7919 + 13);
        let mut detector = Detector::new(None);
        let phase = random.f64() * TAU;
        let (mut level, mut up) = (100.0, 0.0);
        let mut seconds = 0.0;
        while seconds < hours * 3600.0 {
            if random.f64() < self.jumps.a_day() * self.interval / 86_400.0 {
                let by = 10.0 * random.f64();
                let by = match self.jumps {
                    Jumps::Toggle(_) if up > 0.0 => -up,
                    Jumps::Walk(_) if random.bool() => -by,
                    _ => by,
                };
                (level, up) = (level + by, up + by);
            }
            let hour = seconds / 3600.0;
            let mut leaked = (hour - self.begin).max(0.0) * self.leak;
            if self.step > 0.0 {
                leaked = (leaked / self.step).floor() * self.step;
            }
            let mut value = level
                + leaked
                + self.sigma * normal(&mut random)
                + self.rhythm * (TAU * hour / 24.0 + phase).sin();
            if random.f64() < self.spikes {
                value += 200.0 * random.f64();
            }
            if self.whole {
                value = value.round();
            }
            seconds += self.interval;
            if random.f64() >= self.missing {
                detector.add(Duration::from_secs_f64(seconds), value);
                if let Some((slope, _)) = detector.leak() {
                    return Some((seconds / 3600.0, slope.median));
                }
            }
        }
        None
    }
}

/// Times of detection in hours after the beginning of the leak, sorted, for the seeds that found it.
pub(super) fn detections(series: &Series, seeds: u64, hours: f64) -> Vec<f64> {
    let mut found: Vec<f64> = (0..seeds)
        .filter_map(|seed| series.alarm(seed + 1000, series.begin + hours))
        .map(|(at, _)| at - series.begin)
        .collect();
    found.sort_by(f64::total_cmp);
    found
}

/// Seeds that alarm within thirty days without a leak.
pub(super) fn false_alarms(series: &Series, seeds: u64) -> Vec<(f64, f64)> {
    (0..seeds)
        .filter_map(|seed| series.alarm(seed, 720.0))
        .collect()
}

#[test]
#[ignore = "prints the table of docs/monitor.md; takes minutes"]
fn leak_table() {
    const SEEDS: u64 = 20;
    let all = [
        ("no jumps", Jumps::None),
        ("up or down, one a day", Jumps::Walk(1.0)),
        ("up or down, three a day", Jumps::Walk(3.0)),
        ("up, later down, two a day", Jumps::Toggle(2.0)),
        ("up alone, one in five days", Jumps::Up(0.2)),
        ("up alone, one a day", Jumps::Up(1.0)),
    ];
    println!(
        "\n| jumps of up to 10 MB | sampled every | found | median | latest | in 30 days without a leak |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, jumps) in all {
        for interval in [300.0, 60.0] {
            let series = Series {
                interval,
                jumps,
                ..NAMED
            };
            let found = detections(
                &Series {
                    leak: 1.0,
                    ..series
                },
                SEEDS,
                48.0,
            );
            println!(
                "| {name} | {interval} s | {}/{SEEDS} | {:.1} h | {:.1} h | {} false alarms |",
                found.len(),
                found[found.len() / 2],
                found[found.len() - 1],
                false_alarms(&series, SEEDS).len()
            );
        }
    }
    let quiet = Series {
        sigma: 0.0,
        rhythm: 0.0,
        jumps: Jumps::None,
        ..NAMED
    };
    let more = [
        (
            "100 MB an hour",
            Series {
                leak: 100.0,
                begin: 24.0,
                ..NAMED
            },
        ),
        (
            "100 MB an hour, every 60 s",
            Series {
                leak: 100.0,
                begin: 24.0,
                interval: 60.0,
                ..NAMED
            },
        ),
        (
            "10 MB an hour",
            Series {
                leak: 10.0,
                begin: 24.0,
                ..NAMED
            },
        ),
        (
            "3 MB an hour",
            Series {
                leak: 3.0,
                begin: 24.0,
                ..NAMED
            },
        ),
        (
            "1 MB an hour after ten days",
            Series {
                leak: 1.0,
                begin: 240.0,
                ..NAMED
            },
        ),
        (
            "1 MB an hour after ten days, every 60 s",
            Series {
                leak: 1.0,
                begin: 240.0,
                interval: 60.0,
                ..NAMED
            },
        ),
        (
            "1 MB an hour, every second",
            Series {
                leak: 1.0,
                interval: 1.0,
                ..NAMED
            },
        ),
        (
            "1 MB an hour, one sample in 500 nonsense, a fifth missing",
            Series {
                leak: 1.0,
                spikes: 0.002,
                missing: 0.2,
                ..NAMED
            },
        ),
        ("0.5 MB an hour", Series { leak: 0.5, ..NAMED }),
        ("0.3 MB an hour", Series { leak: 0.3, ..NAMED }),
        (
            "0.5 MB an hour, every 60 s",
            Series {
                leak: 0.5,
                interval: 60.0,
                ..NAMED
            },
        ),
        (
            "1 MB every hour at once",
            Series {
                leak: 1.0,
                step: 1.0,
                ..quiet
            },
        ),
        (
            "4 MB every four hours at once",
            Series {
                leak: 1.0,
                step: 4.0,
                ..quiet
            },
        ),
        (
            "10 MB every ten hours at once",
            Series {
                leak: 1.0,
                step: 10.0,
                ..quiet
            },
        ),
        (
            "1 descriptor an hour",
            Series {
                leak: 1.0,
                whole: true,
                ..quiet
            },
        ),
        (
            "1 descriptor an hour, noise of 1",
            Series {
                leak: 1.0,
                whole: true,
                sigma: 1.0,
                ..quiet
            },
        ),
    ];
    println!("\n| leak | found | first | median | latest |");
    println!("| --- | --- | --- | --- | --- |");
    for (name, series) in more {
        let found = detections(&series, SEEDS, 240.0);
        match found.as_slice() {
            [] => println!("| {name} | 0/{SEEDS} | | | |"),
            [first, .., last] => println!(
                "| {name} | {}/{SEEDS} | {first:.2} h | {:.2} h | {last:.2} h |",
                found.len(),
                found[found.len() / 2]
            ),
            [only] => println!("| {name} | 1/{SEEDS} | {only:.2} h | | |"),
        }
    }
    let harmless = [
        (
            "one sample in 500 nonsense",
            Series {
                spikes: 0.002,
                ..NAMED
            },
        ),
        (
            "a fifth of the samples missing",
            Series {
                missing: 0.2,
                ..NAMED
            },
        ),
        (
            "noise of 3 MB",
            Series {
                sigma: 3.0,
                ..NAMED
            },
        ),
        (
            "six jumps a day, up and down",
            Series {
                jumps: Jumps::Toggle(6.0),
                ..NAMED
            },
        ),
        (
            "whole numbers, noise of 2",
            Series {
                sigma: 2.0,
                whole: true,
                ..NAMED
            },
        ),
    ];
    println!("\n| without a leak, thirty days | false alarms |");
    println!("| --- | --- |");
    for (name, series) in harmless {
        println!(
            "| {name} | {}/{SEEDS} |",
            false_alarms(&series, SEEDS).len()
        );
    }
}
