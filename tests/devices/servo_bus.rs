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
    within_the_speed_limit(&servos);
}

/// No goal that arrived is farther from the one before it than 180 degrees a second allow, and the first one is where the
/// servo stood. A busy machine holds frames
/// up on their way: however long that was, no step is one of more than a tenth of a second.
fn within_the_speed_limit(servos: &Servos) {
    const HELD_UP: f64 = 0.25;
    let mut last: std::collections::HashMap<String, (f64, f64)> = std::collections::HashMap::new();
    for frame in servos.frames() {
        if frame["register"] == 40 && frame["data"][0] == 0 {
            last.remove(&frame["id"].to_string());
        }
        let Some(goals) = frame["goals"].as_object() else {
            continue;
        };
        let at = frame["t"].as_f64().unwrap();
        for (id, goal) in goals {
            let goal = goal.as_f64().unwrap();
            if let Some((then, before)) = last.insert(id.clone(), (at, goal)) {
                let most = 2048.0 * (at - then + HELD_UP).min(0.1) + 2.0;
                assert!(
                    (goal - before).abs() <= most,
                    "servo {id} from {before} to {goal} within {} s",
                    at - then
                );
            }
        }
    }
}

#[test]
fn servos_that_report_one_position_are_turned_to_the_face_and_then_released() {
    let folder = tempfile::tempdir().unwrap();
    let Some(servos) = start_servos(folder.path(), &["--frozen"]) else {
        return;
    };
    let service = start_loop(folder.path());
    show(&service, 220.0, 240.0, "a goal to the left", || {
        last(&servos.goals("1")) < 2048 - 80
    });
    show(&service, 220.0, 240.0, "the pan is let go", || {
        servos.torque(1) == Some(0)
    });
    service.end();
    assert!(servos.goals("1").iter().all(|g| (1480..=2616).contains(g)));
    within_the_speed_limit(&servos);
}

/// What a servo does that is not as it should be, and whether it gets torque all the same.
const MISBEHAVIOUR: [(&[&str], bool); 12] = [
    (&["--mode", "1=1"], false),
    (&["--run-away", "1=2000"], true),
    (&["--overload", "1=1"], true),
    (&["--status", "1=0x20"], false),
    (&["--start", "1=-300"], false),
    (&["--start", "1=4368"], false),
    (&["--twin", "1=1400"], false),
    (&["--mute", "1"], false),
    (&["--late", "1=80"], false),
    (&["--wrong", "1"], true),
    (&["--twice", "1"], true),
    (&["--lost", "1=40"], true),
];

#[test]
fn servos_that_misbehave_are_never_sent_far_and_the_others_go_on() {
    for (options, armed) in MISBEHAVIOUR {
        let folder = tempfile::tempdir().unwrap();
        let Some(servos) = start_servos(folder.path(), options) else {
            return;
        };
        let service = start_loop(folder.path());
        show(&service, 120.0, 120.0, "the tilt goes on", || {
            last(&servos.goals("3")) > 2400
        });
        let on = |f: &serde_json::Value| f["id"] == 1 && f["register"] == 40 && f["data"][0] == 1;
        let released = options[0] == "--run-away" || options[0] == "--overload";
        show(&service, 120.0, 120.0, "the pan as it is to be", || {
            !released || servos.frames().iter().any(on) && servos.torque(1) == Some(0)
        });
        service.end();
        within_the_speed_limit(&servos);
        let was = servos.frames().iter().any(on);
        // Whoever tells nonsense may, or may not, be believed for a moment.
        let may = options[0] == "--wrong" || options[0] == "--lost";
        assert!(was == armed || may, "{options:?}");
        if !armed {
            assert!(servos.goals("1").is_empty(), "{options:?}");
        }
    }
}

#[test]
fn servos_that_know_no_common_question_are_driven() {
    let folder = tempfile::tempdir().unwrap();
    let Some(servos) = start_servos(folder.path(), &["--no-sync-read"]) else {
        return;
    };
    let service = start_loop(folder.path());
    show(&service, 120.0, 120.0, "goals to the left", || {
        last(&servos.goals("1")) < 1700 && last(&servos.goals("3")) > 2300
    });
    service.end();
    assert_eq!([1, 2, 3].map(|id| servos.torque(id)), [Some(0); 3]);
}

#[test]
fn a_port_that_breaks_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(servos) = start_servos(folder.path(), &["--break-after", "6"]) else {
        return;
    };
    let service = start_loop(folder.path());
    show(&service, 120.0, 240.0, "a goal", || {
        !servos.goals("1").is_empty()
    });
    show(&service, 120.0, 240.0, "the loss", || {
        service.mode() == Mode::Absent
    });
    within_the_speed_limit(&servos);
    drop(servos);
    std::fs::remove_file(folder.path().join("frames.jsonl")).unwrap();
    let Some(servos) = start_servos(folder.path(), &["--start", "1=2300"]) else {
        return;
    };
    show(&service, 320.0, 240.0, "the return", || {
        !servos.goals("1").is_empty()
    });
    service.end();
    assert_eq!(servos.goals("1")[0], 2300);
    within_the_speed_limit(&servos);
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
