//! How well the loop follows: settling, overshoot, tracking.

use super::simulation::Room;
use crate::follow::pose::Pose;

fn step(ms: u64, size: f64) -> Option<Pose> {
    let moved = if ms < 2000 { 0.0 } else { size };
    Some(Pose {
        pan: moved,
        tilt: moved / 2.0,
        roll: 0.0,
    })
}

#[test]
fn a_step_settles_quickly_and_hardly_overshoots() {
    // reachy_mini's open change 1396: 0.7 to 3.9 degrees of overshoot, 1.1 to 1.8 s to settle.
    for (gain, limit) in [(0.2, 1.8), (0.35, 1.1), (0.5, 0.9), (0.8, 0.9), (1.0, 0.9)] {
        for latency in [60, 80, 100] {
            for size in [20.0, -20.0] {
                let run = Room::new(gain, latency).run(6000, |ms| step(ms, size));
                let (settled, passed) = run.settling(2000, size.signum());
                println!("gain {gain} latency {latency}: {settled:.2} s, overshoot {passed:.2}");
                assert!(
                    settled < limit,
                    "gain {gain} latency {latency}: {settled} s"
                );
                assert!(
                    passed < 0.7,
                    "gain {gain} latency {latency}: {passed} degrees"
                );
            }
        }
    }
}

#[test]
fn a_camera_that_hides_its_latency_does_not_make_it_swing() {
    for hidden in [30, 60] {
        let mut room = Room::new(0.5, 90);
        room.hidden = hidden;
        let run = room.run(8000, |ms| step(ms, 20.0));
        let (settled, passed) = run.settling(2000, 1.0);
        println!("hidden {hidden}: {settled:.2} s, overshoot {passed:.2}");
        assert!(settled < 1.8 && passed < 2.5, "{hidden} {settled} {passed}");
        assert!(run.rms(6000) < 1.6);
    }
}

#[test]
fn slow_servos_and_a_slow_camera_still_settle() {
    let mut room = Room::new(0.5, 150);
    room.lag = 120.0;
    let run = room.run(8000, |ms| step(ms, 20.0));
    let (settled, passed) = run.settling(2000, 1.0);
    assert!(settled < 1.8 && passed < 2.0, "{settled} {passed}");
}

#[test]
fn a_face_that_sways_is_tracked() {
    for (amplitude, period, limit) in [(15.0, 4.0, 1.8), (10.0, 2.0, 3.5), (20.0, 8.0, 0.9)] {
        let sway = |ms: u64| {
            Some(Pose {
                pan: amplitude * (ms as f64 / 1e3 / period * std::f64::consts::TAU).sin(),
                ..Pose::HOME
            })
        };
        let rms = Room::new(0.5, 80).run(20_000, sway).rms(3000);
        println!("{amplitude} degrees in {period} s: rms {rms:.2}");
        assert!(rms < limit, "{amplitude} degrees in {period} s: {rms}");
    }
}

#[test]
fn a_still_face_leaves_the_mount_still() {
    let run = Room::new(0.5, 80).run(6000, |_| {
        Some(Pose {
            pan: 8.0,
            tilt: -3.0,
            roll: 2.0,
        })
    });
    let late: Vec<Pose> = run.actions[150..]
        .iter()
        .filter_map(|a| a.command)
        .collect();
    assert!(late.windows(2).all(|w| w[0] == w[1]), "it creeps");
    assert_eq!(late.len(), 150);
}

#[test]
fn an_inclined_head_is_levelled() {
    let room = Pose {
        pan: 5.0,
        tilt: 5.0,
        roll: 25.0,
    };
    let run = Room::new(0.5, 80).run(6000, |_| Some(room));
    let mount = run.samples.last().unwrap().2;
    assert!((mount.roll - 25.0).abs() < 4.0, "{mount:?}");
    assert!(
        (mount.pan - 5.0).abs() < 1.5 && (mount.tilt - 5.0).abs() < 1.5,
        "{mount:?}"
    );
}
