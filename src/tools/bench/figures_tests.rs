//! The figures of movements that were made by hand.

use super::figures::Figures;
use super::scenario::{Person, Scenario};
use super::simulation::{Recording, SAMPLE_MS, Sample};
use crate::follow::control::Each;
use crate::follow::pose::Pose;
use crate::follow::servo::steps::{STEPS_PER_DEGREE, Steps};

static PEOPLE: [Person; 0] = [];

const fn scenario(events: &'static [(f64, f64)]) -> Scenario {
    Scenario {
        name: "by hand",
        seconds: 20,
        judged_from: 0.0,
        events,
        people: &PEOPLE,
        roll: false,
    }
}

fn pan(pan: f64) -> Pose {
    Pose { pan, ..Pose::HOME }
}

/// A recording of 20 s in which the mount moves exactly as its set point.
fn recording(face: impl Fn(f64) -> Option<Pose>, mount: impl Fn(f64) -> Pose) -> Recording {
    let samples = (0..20_000 / SAMPLE_MS).map(|i| {
        let seconds = (i * SAMPLE_MS) as f64 / 1e3;
        let pose = mount(seconds);
        let angle = Each::from(pose);
        Sample {
            seconds,
            face: face(seconds),
            camera: pose,
            shafts: pose,
            goals: Some(Each::new(|axis| {
                Steps((angle[axis] * STEPS_PER_DEGREE).round() as i32)
            })),
        }
    });
    Recording {
        samples: samples.collect(),
        switches: 2,
    }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 0.011
}

#[test]
fn settling_is_the_last_time_that_the_error_is_above_two_degrees() {
    // Approaches 10 degrees at 4 a second, within 2 after 2 s, and leaves for a moment at 5 s.
    let mount = |leaves: bool| {
        move |t: f64| match t {
            t if leaves && (5.0..5.5).contains(&t) => pan(6.0),
            t => pan((4.0 * t).min(10.0)),
        }
    };
    let face = |_| Some(pan(10.0));
    let once = Figures::of(&scenario(&[(0.0, 99.0)]), &recording(face, mount(false)));
    assert!(near(once.settling_s.unwrap(), 2.0), "{once:?}");
    let again = Figures::of(&scenario(&[(0.0, 99.0)]), &recording(face, mount(true)));
    assert!(near(again.settling_s.unwrap(), 5.5), "{again:?}");
    // Judged anew from each event, the longest counts.
    let parts = Figures::of(
        &scenario(&[(0.0, 4.0), (4.0, 99.0)]),
        &recording(face, mount(true)),
    );
    assert!(near(parts.settling_s.unwrap(), 2.0), "{parts:?}");
}

#[test]
fn who_is_not_there_at_the_end_has_not_settled() {
    let leaves = |t: f64| pan(if t < 19.9 { 10.0 } else { 0.0 });
    let figures = Figures::of(
        &scenario(&[(0.0, 99.0)]),
        &recording(|_| Some(pan(10.0)), leaves),
    );
    assert_eq!(figures.settling_s, None);
    // A face that was never there cannot be settled on either.
    let nobody = Figures::of(&scenario(&[(0.0, 99.0)]), &recording(|_| None, leaves));
    assert_eq!((nobody.settling_s, nobody.on_target), (None, 0.0));
    assert_eq!(
        (nobody.swing_degrees, nobody.reversals_per_minute),
        (None, None)
    );
}

#[test]
fn overshoot_is_what_lies_beyond_face_and_start() {
    // From 0 to 12.5 and back to 10.
    let mount = |t: f64| pan((5.0 * t).min(12.5).min((17.5 - 2.0 * t).max(10.0)));
    let step = |t: f64| Some(pan(if t < 1.0 { 0.0 } else { 10.0 }));
    let figures = Figures::of(&scenario(&[(1.0, 99.0)]), &recording(step, mount));
    assert!(near(figures.overshoot_degrees, 2.5), "{figures:?}");
    // To the other side it is the same.
    let other = |pose: Pose| pan(-pose.pan);
    let mirrored = recording(|t| step(t).map(other), |t| other(mount(t)));
    assert!(near(
        Figures::of(&scenario(&[(1.0, 99.0)]), &mirrored).overshoot_degrees,
        2.5
    ));
    // To hang behind a face that moves is none, to pass its turning point is.
    let sway = |t: f64| 10.0 * (std::f64::consts::TAU * t / 5.0).sin();
    let behind = recording(|t| Some(pan(sway(t))), |t| pan(sway(t - 0.5)));
    assert!(Figures::of(&scenario(&[(5.0, 99.0)]), &behind).overshoot_degrees < 0.01);
    let farther = recording(|t| Some(pan(sway(t))), |t| pan(1.2 * sway(t)));
    assert!(near(
        Figures::of(&scenario(&[(0.0, 99.0)]), &farther).overshoot_degrees,
        2.0
    ));
}

#[test]
fn rms_and_time_on_target_are_of_the_time_when_somebody_is_there() {
    // Off by 3 and 4 degrees for 5 s, by nothing for 5 s, then nobody.
    let face = |t: f64| {
        (t < 10.0).then_some(Pose {
            pan: 3.0,
            tilt: 4.0,
            roll: 50.0,
        })
    };
    let mount = |t: f64| {
        if t < 5.0 {
            Pose::HOME
        } else {
            Pose {
                pan: 3.0,
                tilt: 4.0,
                roll: 0.0,
            }
        }
    };
    let figures = Figures::of(&scenario(&[(0.0, 99.0)]), &recording(face, mount));
    assert!(near(figures.rms_degrees, 12.5_f64.sqrt()), "{figures:?}");
    assert!(
        near(figures.on_target, 0.5) && figures.switches == 2,
        "{figures:?}"
    );
    let with_roll = Scenario {
        roll: true,
        ..scenario(&[(0.0, 99.0)])
    };
    let figures = Figures::of(&with_roll, &recording(face, mount));
    assert!(
        figures.rms_degrees > 49.0 && figures.on_target == 0.0,
        "{figures:?}"
    );
}

#[test]
fn a_mount_that_swings_at_rest_reverses_and_one_that_stands_does_not() {
    let face = |_| Some(pan(10.0));
    // Once to and fro in 2 s: two reversals; 17 s of 20 are rest.
    let swinging = |t: f64| pan(10.0 + 3.0 * (std::f64::consts::PI * t).sin());
    let figures = Figures::of(&scenario(&[(0.0, 99.0)]), &recording(face, swinging));
    assert!(
        (figures.reversals_per_minute.unwrap() - 60.0).abs() < 4.0,
        "{figures:?}"
    );
    assert!(near(figures.swing_degrees.unwrap(), 6.0), "{figures:?}");
    // At the end it passes the face, which is no settling.
    assert_eq!(figures.settling_s, None);
    assert!(figures.commands_per_minute.unwrap() > 1000.0);
    let still = Figures::of(&scenario(&[(0.0, 99.0)]), &recording(face, |_| pan(9.0)));
    assert_eq!(still.reversals_per_minute, Some(0.0));
    assert_eq!(still.commands_per_minute, Some(0.0));
    assert_eq!(still.swing_degrees, Some(0.0));
    // A creep is no reversal, but it is a command.
    let creeping = Figures::of(
        &scenario(&[(0.0, 99.0)]),
        &recording(face, |t| pan(0.1 * t)),
    );
    assert_eq!(creeping.reversals_per_minute, Some(0.0));
    assert!(creeping.commands_per_minute.unwrap() > 60.0);
}

#[test]
fn a_face_that_moves_is_no_rest() {
    let figures = Figures::of(
        &scenario(&[(0.0, 99.0)]),
        &recording(|t| Some(pan(t)), |_| pan(0.0)),
    );
    assert_eq!(
        (figures.swing_degrees, figures.commands_per_minute),
        (None, None)
    );
}

#[test]
fn jerk_is_the_third_derivative() {
    // t^3 has 6 everywhere.
    let figures = Figures::of(
        &scenario(&[(0.0, 99.0)]),
        &recording(|_| None, |t| pan(t.powi(3))),
    );
    assert!((figures.jerk_degrees_s3 - 6.0).abs() < 0.01, "{figures:?}");
    let steady = Figures::of(
        &scenario(&[(0.0, 99.0)]),
        &recording(|_| None, |t| pan(2.0 * t * t)),
    );
    assert!(steady.jerk_degrees_s3 < 0.01, "{steady:?}");
}
