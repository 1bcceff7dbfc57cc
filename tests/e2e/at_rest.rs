//! The whole loop over HTTP, with a camera that is late without saying so: it comes to rest before a face that stands.

use std::time::Duration;

use facetap::follow::pose::Pose;
use serde_json::json;

use crate::harness::{Scene, shared, wait_until};
use crate::late_camera::{LateCamera, Setting};

const STANDS: Pose = Pose {
    pan: 12.0,
    tilt: -6.0,
    roll: 0.0,
};

const SETTING: Setting = Setting {
    rate: 30,
    delay: Duration::ZERO,
    jitter: Duration::ZERO,
    later: None,
    lengths: true,
    face: |_| STANDS,
};

type Track = Vec<(f64, Pose)>;

/// Runs the service before this camera for so many seconds from the arrival on. None, and loudly, without the models.
fn run(setting: Setting, seconds: f64) -> Option<(Track, String)> {
    let models = shared("models")?;
    let camera = LateCamera::start(setting);
    let scene = Scene::new()
        .set("servo.enabled", json!(true))
        .set("servo.port", json!(camera.servo_port))
        .set("camera.enabled", json!(true))
        .set("camera.source", json!(camera.url))
        .set("detector.model_dir", json!(models));
    let running = scene.run(&[]);
    running.wait_for_log("servos at rest");
    wait_until("pictures", || scene.trace().len() > 2, || scene.log());
    camera.arrive();
    wait_until(
        "the end of the play",
        || camera.track().last().is_some_and(|(s, _)| *s >= seconds),
        || scene.log(),
    );
    let track = camera.track();
    assert_eq!(running.stop().0.code(), Some(0));
    let log = scene.log();
    let told: Vec<&str> = log.lines().filter(|l| l.contains("ms late")).collect();
    Some((track, told.join("\n")))
}

/// Peak to peak of the axis that moves most.
fn swing(track: &Track, from: f64, to: f64) -> f64 {
    let of = |pick: fn(&Pose) -> f64| {
        let range = track.iter().filter(|(s, _)| (from..to).contains(s));
        let (low, high) = range.fold((f64::MAX, f64::MIN), |(low, high), (_, pose)| {
            (low.min(pick(pose)), high.max(pick(pose)))
        });
        high - low
    };
    of(|pose| pose.pan).max(of(|pose| pose.tilt))
}

fn off(track: &Track) -> f64 {
    let (_, last) = track.last().unwrap();
    (last.pan - STANDS.pan)
        .abs()
        .max((last.tilt - STANDS.tilt).abs())
}

fn late(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn it_comes_to_rest_before_a_face_that_stands_however_late_the_camera_is() {
    for (delay, rate) in [(0, 30), (300, 15), (500, 5)] {
        let setting = Setting {
            delay: late(delay),
            jitter: late(delay.min(10)),
            rate,
            ..SETTING
        };
        // A machine that is busy with other tests may be as late as the camera: hence the time.
        let Some((track, told)) = run(setting, 16.0) else {
            return;
        };
        let moved = swing(&track, 11.0, 16.0);
        let case = format!("{delay} ms, {rate}/s: {moved:.2} degrees\n{told}");
        assert!(moved <= 0.5, "{case}");
        assert!(off(&track) <= 2.0, "{:?} {case}", track.last());
    }
}

#[test]
fn it_comes_to_rest_again_when_the_delay_has_jumped() {
    let setting = Setting {
        delay: late(60),
        later: Some((5.0, late(350))),
        face: |seconds| Pose {
            pan: if seconds < 7.0 { 12.0 } else { -8.0 },
            ..STANDS
        },
        ..SETTING
    };
    let Some((track, told)) = run(setting, 24.0) else {
        return;
    };
    let moved = swing(&track, 18.0, 24.0);
    assert!(moved <= 0.5, "{moved:.2} degrees\n{told}");
    let (_, last) = track.last().unwrap();
    assert!((last.pan + 8.0).abs() <= 2.0, "{last:?}\n{told}");
}

/// By hand, on an idle machine: `cargo test --test e2e at_rest::sweep -- --ignored --nocapture`.
#[test]
#[ignore = "takes half an hour, and needs an idle machine"]
fn sweep() {
    let mut bad = Vec::new();
    for rate in [5, 10, 15, 30] {
        for delay in [0, 60, 100, 200, 300, 500] {
            for jitter in [0, 15] {
                let setting = Setting {
                    delay: late(delay),
                    jitter: late(jitter),
                    rate,
                    ..SETTING
                };
                let Some((track, told)) = run(setting, 12.0) else {
                    return;
                };
                let rest = if delay <= 200 { 3.0 } else { 6.0 };
                let (moved, off) = (swing(&track, rest, 12.0), off(&track));
                let case =
                    format!("{delay} +-{jitter} ms, {rate}/s: {moved:.2} degrees, {off:.1} off");
                println!("{case}; {told}");
                if moved > 0.5 || off > 2.0 {
                    bad.push(case);
                }
            }
        }
    }
    for rate in [5, 10, 30] {
        for (before, after) in [(0, 300), (300, 0), (100, 200), (60, 500), (500, 60)] {
            let setting = Setting {
                delay: late(before),
                later: Some((6.0, late(after))),
                rate,
                face: |seconds| Pose {
                    pan: if seconds < 8.0 { 12.0 } else { -8.0 },
                    ..STANDS
                },
                ..SETTING
            };
            let Some((track, told)) = run(setting, 22.0) else {
                return;
            };
            let moved = swing(&track, 15.0, 22.0);
            let case = format!("{before} to {after} ms, {rate}/s: {moved:.2} degrees");
            println!("{case}; {told}");
            if moved > 0.5 {
                bad.push(case);
            }
        }
        for delay in [0, 100, 300, 500] {
            let setting = Setting {
                delay: late(delay),
                rate,
                face: |seconds| Pose {
                    pan: 12.0 + 12.0 * (seconds * 1.2).sin(),
                    ..STANDS
                },
                ..SETTING
            };
            let Some((track, told)) = run(setting, 25.0) else {
                return;
            };
            // Nothing but the face's own movement, and what prediction adds where it turns round.
            let moved = swing(&track, 8.0, 25.0);
            let case = format!("sways, {delay} ms, {rate}/s: {moved:.1} of 24 degrees");
            println!("{case}; {told}");
            if moved > 24.0 * (1.4 + f64::from(u32::try_from(delay).unwrap()) / 1e3) {
                bad.push(case);
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}
