//! The drawn face is where it should be, and both detectors find it.

use std::time::Duration;

use super::*;
use crate::base::clock::ManualClock;
use crate::base::stop::Reason;
use crate::config::Config;
use crate::follow::camera::simulated::path::Visitor;
use crate::follow::detect::{self, Detector, Face};
use crate::follow::optics::from_room;

fn camera() -> config::Camera {
    Config::default().camera
}

fn painter() -> Painter {
    opencv_runtime::prepare();
    Painter::new(Optics::new(&camera()), 640, 480).unwrap()
}

fn see(
    detector: &mut dyn Detector,
    painter: &mut Painter,
    pose: Pose,
    visitor: Visitor,
) -> Vec<Face> {
    let picture = Picture::Bgr {
        width: 640,
        height: 480,
        data: painter.picture(pose, Some(visitor)).unwrap(),
    };
    detector.detect(&picture).unwrap().faces
}

fn detectors() -> Vec<Box<dyn Detector>> {
    let mut detectors: Vec<Box<dyn Detector>> = Vec::new();
    if let Some(shared) = detect::tests::shared() {
        detectors.push(detect::tests::yunet(&shared));
    }
    match detect::haar::Haar::open(40) {
        Ok(haar) => detectors.push(Box::new(haar)),
        Err(e) => eprintln!("SKIPPED: {e}"),
    }
    detectors
}

#[test]
fn both_detectors_find_the_face_where_it_is() {
    let mut painter = painter();
    let optics = Optics::new(&camera());
    for mut detector in detectors() {
        let what = detector.describe();
        for (height, pan, tilt, roll, pose) in [
            (0.22, 0.0, 0.0, 0.0, Pose::HOME),
            (0.17, -12.0, 6.0, 0.0, Pose::HOME),
            (0.20, 15.0, -5.0, 10.0, Pose::HOME),
            (
                0.20,
                40.0,
                10.0,
                8.0,
                Pose {
                    pan: 30.0,
                    tilt: 5.0,
                    roll: 5.0,
                },
            ),
            (
                0.20,
                -40.0,
                -10.0,
                -12.0,
                Pose {
                    pan: -33.0,
                    tilt: -8.0,
                    roll: -6.0,
                },
            ),
        ] {
            let place = Pose { pan, tilt, roll };
            let visitor = Visitor { place, height };
            let faces = see(detector.as_mut(), &mut painter, pose, visitor);
            assert_eq!(faces.len(), 1, "{what}: {visitor:?}: {faces:?}");
            let (direction, inclination) = from_room(pose, place);
            let (x, y) = optics.pixel(direction, 640.0, 480.0).unwrap();
            let aim = faces[0].aim();
            let off = (f64::from(aim.x) - x).hypot(f64::from(aim.y) - y);
            assert!(off < 12.0, "{what}: aim {aim:?}, drawn at {x:.0}, {y:.0}");
            let roll = f64::from(faces[0].roll_degrees());
            assert!(
                (roll - inclination).abs() < 8.0,
                "{what}: roll {roll:.1}, drawn {inclination:.1}"
            );
        }
    }
}

#[test]
fn a_followed_visitor_is_seen_nearly_always() {
    let mut painter = painter();
    for mut detector in detectors() {
        let what = detector.describe();
        let (mut seen, mut there) = (0, 0);
        for half_second in 0..120 {
            let Some(visitor) = path::visitor(f64::from(half_second) * 0.5) else {
                continue;
            };
            // The mount lags behind and does not roll fully.
            let pose = visitor.place.zip(Pose::HOME, |v, _| v * 0.8);
            there += 1;
            seen += u32::from(see(detector.as_mut(), &mut painter, pose, visitor).len() == 1);
        }
        eprintln!("{what}: the drawn face was found alone in {seen} of {there} pictures");
        assert!(seen * 100 >= there * 95, "{what}: {seen} of {there}");
    }
}

#[test]
fn an_empty_room_has_no_face() {
    let mut painter = painter();
    for mut detector in detectors() {
        for pan in [-60.0, -30.0, 0.0, 30.0, 60.0] {
            let pose = Pose { pan, ..Pose::HOME };
            let data = painter.picture(pose, None).unwrap();
            let picture = Picture::Bgr {
                width: 640,
                height: 480,
                data,
            };
            let faces = detector.detect(&picture).unwrap().faces;
            assert!(faces.is_empty(), "{}: {faces:?}", detector.describe());
        }
    }
}

#[test]
fn the_room_turns_with_the_mount() {
    let mut painter = painter();
    let straight = painter.picture(Pose::HOME, None).unwrap();
    assert_eq!(straight.len(), 640 * 480 * 3);
    for pose in [
        Pose {
            pan: 5.0,
            ..Pose::HOME
        },
        Pose {
            tilt: 5.0,
            ..Pose::HOME
        },
        Pose {
            roll: 5.0,
            ..Pose::HOME
        },
    ] {
        assert_ne!(painter.picture(pose, None).unwrap(), straight, "{pose:?}");
    }
}

#[test]
fn a_visitor_behind_or_beside_the_camera_is_not_drawn() {
    let mut painter = painter();
    let empty = painter.picture(Pose::HOME, None).unwrap();
    for pan in [70.0, 120.0, -180.0] {
        let place = Pose { pan, ..Pose::HOME };
        let visitor = Visitor {
            place,
            height: 0.24,
        };
        assert_eq!(
            painter.picture(Pose::HOME, Some(visitor)).unwrap(),
            empty,
            "{pan}"
        );
    }
}

#[test]
fn pictures_come_at_the_configured_rate_and_a_stop_is_heard() {
    let clock = ManualClock::shared(Duration::from_secs(50));
    let env = Env::new(
        Arc::clone(&clock) as Arc<dyn Clock>,
        Arc::new(|| Pose::HOME),
        &Stop::new(),
    );
    let config = config::Camera {
        fps: 20.0,
        width: 160,
        height: 120,
        ..camera()
    };
    let mut source = SimulatedSource::new(&config, &env).unwrap();
    let start = clock.now();
    for number in 0..5 {
        match source.grab(&env.stop).unwrap() {
            Grab::Frame(frame) => {
                assert_eq!(frame.number, number);
                assert_eq!(
                    frame.captured.since(start).as_millis(),
                    u128::from(number) * 50
                );
            }
            other => panic!("{other:?}"),
        }
    }
    env.stop.request(Reason::Duration);
    assert!(matches!(source.grab(&env.stop).unwrap(), Grab::Nothing));
}
