//! The servo loop against servos that share no code with it: `tests/tools/sts_servos.py`.

use std::path::Path;

use facetap::follow::control::Mode;

use crate::servo_loop::{Service, face_at};
use crate::servos::Servos;

/// The servos at `port` in this folder.
fn start_servos(folder: &Path, options: &[&str]) -> Option<Servos> {
    Servos::start(&folder.join("port"), &folder.join("frames.jsonl"), options)
}

/// The loop with these servos.
fn start_loop(folder: &Path) -> Service {
    let mut service = Service::new();
    service.drive(&folder.join("port"));
    service
}

/// Shows a face at pixel (x, y) of 640x480 until `done`, whatever the mount does.
fn show(service: &Service, x: f32, y: f32, what: &str, done: impl FnMut() -> bool) {
    service.until(what, |frame| service.see(frame, Some(face_at(x, y))), done);
}

fn last(goals: &[i64]) -> i64 {
    goals.last().copied().unwrap_or(2048)
}

#[test]
fn left_stays_left_up_stays_up_and_the_end_is_released() {
    let folder = tempfile::tempdir().unwrap();
    for options in [&[][..], &["--no-ack"], &["--echo"]] {
        let Some(servos) = start_servos(folder.path(), options) else {
            return;
        };
        let service = start_loop(folder.path());
        // Left of the middle and above it.
        show(&service, 120.0, 120.0, "goals to the left", || {
            last(&servos.goals("1")) < 1600 && last(&servos.goals("3")) > 2400
        });
        let goals = servos.goals("1");
        assert!(goals.iter().all(|g| (1480..=2049).contains(g)), "{goals:?}");
        show(&service, 520.0, 360.0, "goals to the right", || {
            last(&servos.goals("1")) > 2500 && last(&servos.goals("3")) < 1700
        });
        service.end();
        assert_eq!(
            [1, 2, 3].map(|id| servos.torque(id)),
            [Some(0); 3],
            "{options:?}"
        );
        let bad: Vec<serde_json::Value> = servos
            .frames()
            .into_iter()
            .filter(|f| !f["bad"].is_null())
            .collect();
        assert!(bad.is_empty(), "{bad:?}");
        drop(servos);
        std::fs::remove_file(folder.path().join("frames.jsonl")).unwrap();
    }
}

#[test]
fn torque_comes_on_where_the_servo_stands() {
    let folder = tempfile::tempdir().unwrap();
    let Some(servos) = start_servos(folder.path(), &["--start", "1=2900"]) else {
        return;
    };
    let service = start_loop(folder.path());
    show(&service, 320.0, 240.0, "goals within the limits", || {
        servos.goals("1").last().is_some_and(|g| *g <= 2616)
    });
    service.end();
    let frames = servos.frames();
    let torque_on = frames
        .iter()
        .position(|f| f["register"] == 40 && f["data"][0] == 1)
        .unwrap();
    let before: Vec<i64> = frames[..torque_on]
        .iter()
        .filter_map(|f| f["goals"]["1"].as_i64())
        .collect();
    // It stands outside of its limits, and comes back without a jump.
    assert_eq!(before, [2900]);
    let goals = servos.goals("1");
    // How far it comes in a step depends on how long the step took; at once it would be 284.
    assert!(
        goals.windows(2).all(|w| (w[1] - w[0]).abs() < 200),
        "{goals:?}"
    );
}

#[test]
fn servos_that_report_one_position_are_still_turned_to_the_face() {
    let folder = tempfile::tempdir().unwrap();
    let Some(servos) = start_servos(folder.path(), &["--frozen"]) else {
        return;
    };
    let service = start_loop(folder.path());
    show(&service, 220.0, 240.0, "a goal to the left", || {
        last(&servos.goals("1")) < 2048 - 80
    });
    service.end();
    assert!(servos.goals("1").iter().all(|g| (1480..=2616).contains(g)));
}

#[test]
fn a_mechanical_end_is_not_pressed_against() {
    let folder = tempfile::tempdir().unwrap();
    let Some(servos) = start_servos(folder.path(), &["--load-at-stop", "200"]) else {
        return;
    };
    let service = start_loop(folder.path());
    // The goal passes the end at 2248, and comes back to it though the face stays on the right.
    let mut passed = false;
    show(&service, 520.0, 240.0, "the way back to the end", || {
        let goal = last(&servos.goals("1"));
        passed |= goal > 2260;
        passed && goal <= 2252
    });
    assert!(
        servos.goals("1").iter().all(|g| *g < 2616),
        "never reached the soft limit"
    );
    // The other direction is free.
    show(&service, 120.0, 240.0, "goals to the left", || {
        last(&servos.goals("1")) < 2000
    });
    service.end();
}

#[test]
fn a_missing_axis_does_not_stop_the_others_and_a_lost_bus_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let Some(servos) = start_servos(folder.path(), &["--ids", "1,3"]) else {
        return;
    };
    let service = start_loop(folder.path());
    show(&service, 120.0, 240.0, "goals to the left", || {
        last(&servos.goals("1")) < 1900
    });
    // As when the adapter is pulled; the link stays behind and leads nowhere.
    drop(servos);
    show(&service, 120.0, 240.0, "the loss", || {
        service.mode() == Mode::Absent
    });
    std::fs::remove_file(folder.path().join("frames.jsonl")).unwrap();
    let Some(servos) = start_servos(folder.path(), &["--start", "1=2300"]) else {
        return;
    };
    show(&service, 320.0, 240.0, "the return", || {
        service.stats.servo_reconnects.get() == 1 && servos.torque(2) == Some(1)
    });
    service.end();
    assert_eq!(servos.torque(1), Some(0));
}
