//! Synthetic series of every form, over many seeds.

use super::*;

const SEEDS: u64 = 10;

/// A reading every five minutes for `hours`; the noise is normal with sigma 1.
fn series(seed: u64, hours: f64, value: impl Fn(f64) -> f64) -> Vec<Point> {
    let mut random = fastrand::Rng::with_seed(seed);
    let count = (hours * 12.0) as u32;
    (0..count)
        .map(|i| {
            let t = f64::from(i) / 12.0;
            let noise: f64 = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
            point(t, value(t) + noise)
        })
        .collect()
}

fn point(at: f64, value: f64) -> Point {
    Point { at, value }
}

fn step(t: f64, at: f64) -> f64 {
    f64::from(u8::from(t >= at))
}

#[test]
fn noise_alone_is_flat() {
    for seed in 0..SEEDS {
        for hours in [2.0, 24.0, 40.0] {
            let shape = describe(&series(seed, hours, |_| 150.0), 1.0);
            assert_eq!(shape.form, Form::Flat, "seed {seed}, {hours} h: {shape:?}");
            let many = hours > 2.0;
            assert!(!many || (0.8..1.2).contains(&shape.scatter), "{shape:?}");
        }
    }
}

#[test]
fn a_daily_rhythm_and_odd_readings_are_flat() {
    for seed in 0..SEEDS {
        let mut points = series(seed, 40.0, |t| {
            150.0 + 0.5 * (t * std::f64::consts::TAU / 24.0).sin()
        });
        for i in [100, 300, 301, 450] {
            points[i].value += 300.0;
        }
        let shape = describe(&points, 1.0);
        assert_eq!(shape.form, Form::Flat, "seed {seed}: {shape:?}");
    }
}

#[test]
fn a_jump_is_no_line() {
    for seed in 0..SEEDS {
        for at in [4.0, 12.0, 21.0] {
            let shape = describe(&series(seed, 24.0, |t| 150.0 + 10.0 * step(t, at)), 1.0);
            let Form::Jumps(jumps) = &shape.form else {
                panic!("seed {seed}, at {at}: {shape:?}");
            };
            assert_eq!(jumps.len(), 1, "{shape:?}");
            assert!((jumps[0].at - at).abs() < 0.5, "{shape:?}");
            assert!((jumps[0].by - 10.0).abs() < 1.0, "{shape:?}");
            assert!(shape.slope.unwrap().abs() < 0.1, "{shape:?}");
        }
    }
}

#[test]
fn up_and_down_again_is_two_jumps() {
    for seed in 0..SEEDS {
        let shape = describe(
            &series(seed, 24.0, |t| 150.0 + 8.0 * (step(t, 8.0) - step(t, 16.0))),
            1.0,
        );
        assert!(
            matches!(&shape.form, Form::Jumps(j) if j.len() == 2 && j[0].by > 6.0 && j[1].by < -6.0),
            "seed {seed}: {shape:?}"
        );
    }
}

#[test]
fn a_megabyte_an_hour_is_a_line() {
    for seed in 0..SEEDS {
        for hours in [8.0, 24.0, 40.0] {
            let shape = describe(&series(seed, hours, |t| 150.0 + t), 1.0);
            assert_eq!(
                shape.form,
                Form::Line(vec![]),
                "seed {seed}, {hours} h: {shape:?}"
            );
            let slope = shape.slope.unwrap();
            assert!((slope - 1.0).abs() < 0.15, "{shape:?}");
            assert!((shape.growth - slope * shape.hours).abs() < 1e-9);
        }
    }
}

#[test]
fn a_line_with_a_jump_keeps_its_slope() {
    for seed in 0..SEEDS {
        let shape = describe(
            &series(seed, 24.0, |t| 150.0 + t + 10.0 * step(t, 10.0)),
            1.0,
        );
        let Form::Line(jumps) = &shape.form else {
            panic!("seed {seed}: {shape:?}");
        };
        assert_eq!(jumps.len(), 1, "{shape:?}");
        assert!((jumps[0].by - 10.0).abs() < 1.5, "{shape:?}");
        assert!((shape.slope.unwrap() - 1.0).abs() < 0.15, "{shape:?}");
    }
}

#[test]
fn stairs_are_a_line() {
    for seed in 0..SEEDS {
        let shape = describe(
            &series(seed, 24.0, |t| 150.0 + 4.0 * (t / 4.0).floor()),
            1.0,
        );
        assert!(
            matches!(shape.form, Form::Line(_)),
            "seed {seed}: {shape:?}"
        );
        assert!(shape.growth > 0.0, "{shape:?}");
    }
}

#[test]
fn growth_that_comes_to_an_end_is_no_line() {
    for seed in 0..SEEDS {
        let shape = describe(
            &series(seed, 24.0, |t| 150.0 + 20.0 * (1.0 - (-t).exp())),
            1.0,
        );
        assert!(
            !matches!(shape.form, Form::Line(_)),
            "seed {seed}: {shape:?}"
        );
    }
}

#[test]
fn whole_numbers_are_a_line_as_well() {
    let handles: Vec<_> = (0..288)
        .map(|i| point(f64::from(i) / 12.0, 23.0 + f64::from(i / 12)))
        .collect();
    let shape = describe(&handles, 2.0);
    assert_eq!(shape.form, Form::Line(vec![]), "{shape:?}");
    assert!((shape.slope.unwrap() - 1.0).abs() < 0.05);
    let still: Vec<_> = handles.iter().map(|p| point(p.at, 23.0)).collect();
    let shape = describe(&still, 2.0);
    assert_eq!((shape.form, shape.slope), (Form::Flat, Some(0.0)));
}

#[test]
fn few_points_say_nothing() {
    assert_eq!(describe(&[], 1.0).form, Form::Short);
    assert_eq!(describe(&[point(0.0, 1.0); 100], 1.0).form, Form::Short);
    let shape = describe(&[point(0.0, 1.0), point(1.0, 2.0)], 1.0);
    assert_eq!(shape.form, Form::Short);
}

proptest::proptest! {
    #[test]
    fn no_series_panics(values in proptest::collection::vec(-1e300..1e300_f64, 0..60)) {
        let points: Vec<_> = (0_u32..).zip(&values).map(|(i, v)| point(f64::from(i), *v)).collect();
        let _ = describe(&points, 1.0);
    }
}
