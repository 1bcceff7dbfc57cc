//! The requirement, and what must not break the verdict.

use std::time::Duration;

use super::table::{Jumps, NAMED, Series, detections, false_alarms};
use super::*;

const SEEDS: u64 = 20;

#[test]
fn a_leak_of_a_megabyte_an_hour_is_found_within_six_hours() {
    for interval in [300.0, 60.0] {
        let leak = Series {
            interval,
            leak: 1.0,
            ..NAMED
        };
        let found = detections(&leak, SEEDS, 6.0);
        assert_eq!(found.len() as u64, SEEDS, "every {interval} s: {found:?}");
    }
}

#[test]
fn thirty_days_without_a_leak_are_without_an_alarm() {
    assert_eq!(false_alarms(&NAMED, SEEDS), []);
}

#[test]
fn nor_are_they_when_every_minute_is_looked_at() {
    let every_minute = Series {
        interval: 60.0,
        ..NAMED
    };
    assert_eq!(false_alarms(&every_minute, SEEDS), []);
}

#[test]
fn a_fast_leak_is_told_within_minutes() {
    for (interval, within) in [(300.0, 0.75), (60.0, 0.35), (1.0, 0.35)] {
        let leak = Series {
            interval,
            leak: 100.0,
            begin: 2.0,
            ..NAMED
        };
        let found = detections(&leak, 5, within);
        assert_eq!(found.len(), 5, "every {interval} s: {found:?}");
    }
}

#[test]
fn a_leak_that_comes_in_steps_is_told() {
    let quiet = Series {
        sigma: 0.01,
        rhythm: 0.0,
        jumps: Jumps::None,
        leak: 1.0,
        ..NAMED
    };
    // Steps of a megabyte are a line; those of four are told from harmless ones by going on for days.
    assert_eq!(detections(&Series { step: 1.0, ..quiet }, 3, 6.0).len(), 3);
    assert_eq!(
        detections(&Series { step: 4.0, ..quiet }, 3, 120.0).len(),
        3
    );
}

#[test]
fn a_descriptor_an_hour_is_a_leak() {
    let leak = Series {
        sigma: 0.0,
        rhythm: 0.0,
        jumps: Jumps::None,
        leak: 1.0,
        whole: true,
        ..NAMED
    };
    let found = detections(&leak, 3, 6.0);
    assert_eq!(found.len(), 3, "{found:?}");
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

#[test]
fn the_verdict_tells_when_the_limit_is_reached_and_ends_with_the_leak() {
    let mut detector = Detector::new(Some(600.0));
    assert_eq!(detector.verdict(), None);
    let mut shake = fastrand::Rng::with_seed(3);
    let mut value = 100.0;
    for minute in 0..600 {
        value += 0.2;
        detector.add(minutes(minute), value + shake.f64());
    }
    let verdict = detector.verdict().unwrap();
    assert!(verdict.leaking, "{verdict:?}");
    assert!((11.0..13.0).contains(&verdict.growth), "{verdict:?}");
    assert!(verdict.low <= verdict.growth && verdict.growth <= verdict.high);
    let left = verdict.reaches_limit_in.unwrap().as_secs_f64() / 3600.0;
    assert!((30.0..35.0).contains(&left), "{left} h");
    for minute in 600..1200 {
        detector.add(minutes(minute), value + shake.f64());
    }
    let verdict = detector.verdict().unwrap();
    assert!(
        !verdict.leaking && verdict.growth.abs() < 0.5,
        "{verdict:?}"
    );
    assert_eq!(verdict.reaches_limit_in, None);
}

#[test]
fn jumps_alone_and_values_that_never_change_are_no_leak() {
    for step in [0.0, 10.0] {
        let mut detector = Detector::new(None);
        for minute in 0..3 * 1440 {
            let days = (minute / 1440) as f64;
            detector.add(minutes(minute), 50.0 + step * days);
            assert!(
                !detector.verdict().is_some_and(|v| v.leaking),
                "{step} at {minute} min"
            );
        }
        assert_eq!(detector.verdict().unwrap().growth, 0.0);
    }
}

#[test]
fn odd_times_and_values_break_nothing() {
    let mut detector = Detector::new(Some(10.0));
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        // Backwards, years ahead, twice the same.
        let age = Duration::from_secs_f64(random.f64() * 10_f64.powi(random.i32(0..10)));
        let value = [f64::NAN, f64::INFINITY, -1e300, 1e300, 0.0, random.f64()][random.usize(0..6)];
        detector.add(age, value);
        let _ = detector.verdict();
    }
    // After a night asleep, or a week without samples, it goes on.
    let mut detector = Detector::new(None);
    for minute in (0..400).chain(20_000..20_400) {
        detector.add(minutes(minute), 100.0);
    }
    assert!(!detector.verdict().unwrap().leaking);
}

#[test]
fn memory_is_bounded_at_any_interval() {
    let mut series = series::Series::new(1.0, 10);
    for i in 0..200_000 {
        series.add(Point {
            at: f64::from(i) / 1000.0,
            value: 1.0,
        });
    }
    assert_eq!(series.newest(1e9).len(), 10);
    assert!(format!("{series:?}").len() < 20_000);
}
