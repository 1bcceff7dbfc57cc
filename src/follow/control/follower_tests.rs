//! What the follower does, event by event.

use super::Mode;
use super::simulation::{at, config, follower, observation, picture, report};
use crate::follow::pose::Pose;

/// A pose that is turned to the side alone.
fn turned(pan: f64) -> Pose {
    Pose { pan, ..Pose::HOME }
}

#[test]
fn a_recorded_clip_turns_the_mount_to_its_side_until_the_limit() {
    let config = config(0.5);
    for (side, invert_up) in [(-1.0, 1.0), (1.0, -1.0)] {
        let mut follower = follower(&config).watching_a_recording();
        let mut mount = Pose::HOME;
        let seen = Pose {
            pan: 10.0 * side,
            tilt: 5.0 * invert_up,
            roll: 0.0,
        };
        // The picture does not react to the mount.
        let face = picture(&config.camera, Pose::HOME, seen);
        let mut goals = Vec::new();
        for ms in (0..4000).step_by(20) {
            let action = follower.tick(at(ms), &report(at(ms), mount));
            if let Some(goal) = action.command {
                mount = mount.towards(goal, 0.4);
                goals.push(goal);
            }
            follower.observe(observation(ms, face));
        }
        assert!(
            goals
                .windows(2)
                .all(|w| (w[1].pan - w[0].pan) * side >= -0.1),
            "left stays left"
        );
        let end = goals.last().unwrap();
        assert!(
            (end.pan - 50.0 * side).abs() < 0.5 && (end.tilt - 50.0 * invert_up).abs() < 0.5,
            "{end:?}"
        );
    }
}

#[test]
fn a_recording_is_not_turned_by_the_mount_and_nobody_in_it_runs_away() {
    let config = config(0.5);
    // Leaning, so that the roll axis turns to its limit; a little to the left and well above; or within
    // the dead zone.
    for (pan, low, high) in [(-3.0, -50.5, -20.0), (-0.9, -1.0, 0.0)] {
        let mut follower = follower(&config).watching_a_recording();
        let mut mount = Pose::HOME;
        let seen = Pose {
            pan,
            tilt: 9.0,
            roll: 15.0,
        };
        let face = picture(&config.camera, Pose::HOME, seen);
        let mut fastest = 0.0f64;
        for ms in (0..5000).step_by(20) {
            let action = follower.tick(at(ms), &report(at(ms), mount));
            if let Some(goal) = action.command {
                fastest = fastest.max((goal.pan - mount.pan).abs());
                mount = mount.towards(goal, 0.4);
            }
            follower.observe(observation(ms, face));
        }
        assert!(mount.roll > 45.0, "{mount:?}");
        assert!(low < mount.pan && mount.pan <= high, "{mount:?}");
        assert!(
            fastest < 5.0,
            "{fastest} degrees ahead for an offset of {pan}"
        );
    }
}

#[test]
fn servos_that_report_one_position_for_ever_get_goals_towards_the_face() {
    let config = config(0.5);
    let mut follower = follower(&config);
    let face = picture(
        &config.camera,
        Pose::HOME,
        Pose {
            pan: -12.0,
            tilt: 6.0,
            roll: 0.0,
        },
    );
    let mut goals = Vec::new();
    for ms in (0..4000).step_by(20) {
        follower.observe(observation(ms, face));
        goals.extend(follower.tick(at(ms), &report(at(ms), Pose::HOME)).command);
    }
    let end = goals.last().unwrap();
    assert!(
        (end.pan + 12.0).abs() < 1.5 && (end.tilt - 6.0).abs() < 1.5,
        "{end:?}"
    );
}

#[test]
fn homes_rests_follows_holds_and_homes_again() {
    let config = config(0.5);
    let mut follower = follower(&config);
    let mut mount = turned(30.0);
    let face = picture(&config.camera, Pose::HOME, turned(5.0));
    let mut torque_off = Vec::new();
    let mut modes = Vec::new();
    for ms in (0..40_000u64).step_by(20) {
        let seen = (5000..8000).contains(&ms) || (30_000..30_100).contains(&ms);
        follower.observe(observation(ms, face.filter(|_| seen)));
        let action = follower.tick(at(ms), &report(at(ms), mount));
        assert_eq!(action.torque, action.command.is_some());
        match action.command {
            Some(goal) => mount = mount.towards(goal, 0.4),
            None => torque_off.push(ms),
        }
        let mode = std::mem::discriminant(&follower.mode());
        if modes.last() != Some(&mode) {
            modes.push(mode);
        }
        if ms == 9000 {
            assert!(matches!(follower.mode(), Mode::Holding { seen } if seen == at(7980)));
        }
    }
    let of = |mode: Mode| std::mem::discriminant(&mode);
    let (homing, resting) = (of(Mode::Homing { still: None }), of(Mode::Resting));
    let following = of(Mode::Following { seen: at(0) });
    let holding = of(Mode::Holding { seen: at(0) });
    assert_eq!(
        modes,
        [
            homing, resting, following, holding, homing, resting, following, holding
        ]
    );
    // Released between home and the face, and again ten seconds after it was last seen.
    assert!(torque_off.iter().any(|ms| *ms < 5000) && !torque_off.contains(&17_900));
    let again = torque_off.iter().find(|ms| **ms > 10_000).unwrap();
    assert!((18_000..22_000).contains(again), "{again}");
}

#[test]
fn a_reconnection_starts_from_where_the_mount_is_now() {
    let config = config(0.5);
    let mut follower = follower(&config);
    let face = picture(&config.camera, Pose::HOME, turned(20.0));
    for ms in (0..1000).step_by(20) {
        follower.observe(observation(ms, face));
        follower.tick(at(ms), &report(at(ms), Pose::HOME));
    }
    follower.disconnected();
    assert_eq!(follower.measured(), None);
    // Somebody turned the mount meanwhile.
    let turned = turned(-42.0);
    follower.observe(observation(1500, face));
    let armed = follower.tick(at(1520), &report(at(1520), turned));
    assert_eq!(armed.command, Some(turned));
    let next = follower
        .tick(at(1540), &report(at(1540), turned))
        .command
        .unwrap();
    assert!((next.pan + 42.0).abs() <= 1000.0 * 0.02 * 0.02, "{next:?}");
}

#[test]
fn an_axis_without_answer_does_not_stop_the_others() {
    let config = config(0.5);
    let mut follower = follower(&config);
    let room = Pose {
        pan: 20.0,
        tilt: 10.0,
        roll: 0.0,
    };
    let mut pan = 0.0;
    for ms in (0..3000).step_by(20) {
        let pose = Pose { pan, ..Pose::HOME };
        let mut feedback = report(at(ms), pose);
        feedback.axes.tilt = None;
        follower.observe(observation(ms, picture(&config.camera, pose, room)));
        if let Some(goal) = follower.tick(at(ms), &feedback).command {
            pan += (goal.pan - pan) * 0.4;
            assert_eq!(goal.tilt, 0.0);
        }
    }
    assert!((pan - 20.0).abs() < 1.5, "{pan}");
}

#[test]
fn a_portrait_is_let_go_after_its_time_and_wakes_nobody() {
    let mut config = config(0.5);
    config.tracking.rest_after = 20.0;
    let mut follower = follower(&config);
    let mut mount = Pose::HOME;
    let mut off = Vec::new();
    // A portrait; lost for two seconds, then carried away to the other side, hung there, and taken away.
    let room = |ms: u64| match ms {
        40_000..42_000 => None,
        0..60_000 => Some(turned(20.0)),
        60_000..100_000 => Some(turned(10.0)),
        _ => None,
    };
    let mut home = None;
    for ms in (0..130_000u64).step_by(20) {
        let face = room(ms).and_then(|room| picture(&config.camera, mount, room));
        follower.observe(observation(ms, face));
        let action = follower.tick(at(ms), &report(at(ms), mount));
        match action.command {
            Some(goal) => mount = mount.towards(goal, 0.4),
            None => off.push(ms),
        }
        if ms == 58_000 || ms == 98_000 {
            assert_eq!(follower.mode(), Mode::Resting, "{ms}");
            assert!(follower.rests_before_a_face() && !follower.is_called(at(ms)));
        }
        if mount.pan.abs() < 1.0 && ms > 100_000 {
            home.get_or_insert(ms);
        }
    }
    let first = off[0];
    assert!((20_000..25_000).contains(&first), "{first}");
    // Not woken by being found again.
    assert!((first..60_000).step_by(20).all(|ms| off.contains(&ms)));
    // Followed to the other side, and left there after its time.
    assert!(!off.contains(&61_000) && !off.contains(&79_000) && off.contains(&90_000));
    // Home after ten seconds with nobody, and at rest there.
    assert!(
        home.is_some_and(|ms| (109_000..115_000).contains(&ms)),
        "{home:?}"
    );
    assert_eq!(off.last(), Some(&129_980));
    assert_eq!(follower.mode(), Mode::Resting);
}
