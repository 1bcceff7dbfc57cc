//! How well the loop follows: settling, overshoot, tracking.

use super::latency::News;
use super::simulation::{Room, Run};
use crate::config::Config;
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
        // As in a second run: nothing is hidden, and that is known.
        let mut room = Room::new(0.5, 80);
        room.learned = Some(0);
        let rms = room.run(20_000, sway).rms(3000);
        let cold = Room::new(0.5, 80).run(20_000, sway).rms(8000);
        println!("{amplitude} degrees in {period} s: rms {rms:.2}, from a cold start {cold:.2}");
        assert!(rms < limit, "{amplitude} degrees in {period} s: {rms}");
        assert!(
            cold < limit,
            "{amplitude} degrees in {period} s: {cold} from a cold start"
        );
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
/// A camera that is late by `delay` ms without saying so, 10 ms of detection, `rate` pictures a second, one in twenty lost.
fn late(delay: u64, rate: u64) -> Room {
    let mut room = Room::new(Config::default().tracking.gain, delay + 10);
    room.hidden = delay;
    room.every = 1000 / rate;
    room.lost = 5;
    room.lag = 30.0;
    room
}

/// The delays in ms that were believed at any time.
fn believed(run: &Run) -> Vec<f64> {
    let delays = run.delays.iter().filter_map(|(_, news)| match news {
        News::Learned { delay, .. } => Some(delay.as_secs_f64() * 1e3),
        News::Doubted { .. } => None,
    });
    delays
        .chain(run.delay.map(|d| d.as_secs_f64() * 1e3))
        .collect()
}

const STANDS: Pose = Pose {
    pan: 12.0,
    tilt: -6.0,
    roll: 0.0,
};

/// Peak to peak of pan and tilt from `from` to `to` ms.
fn swing(run: &Run, from: u64, to: u64) -> f64 {
    let of = |pick: fn(&Pose) -> f64| {
        let range = run.samples.iter().filter(|s| (from..to).contains(&s.0));
        let (low, high) = range.fold((f64::MAX, f64::MIN), |(low, high), (_, _, mount)| {
            (low.min(pick(mount)), high.max(pick(mount)))
        });
        high - low
    };
    of(|pose| pose.pan).max(of(|pose| pose.tilt))
}

#[test]
fn from_a_cold_start_it_is_at_rest_at_a_still_face_whatever_the_delay() {
    for rate in [5, 7, 10, 15, 20, 30] {
        for delay in [0, 20, 50, 80, 100, 150, 200, 250, 300, 350, 400, 450, 500] {
            let run = late(delay, rate).run(15_000, |_| Some(STANDS));
            let rest = if delay <= 200 { 3000 } else { 6000 };
            let moved = swing(&run, rest, 15_000);
            let mount = run.samples.last().unwrap().2;
            assert!(moved <= 0.5, "{delay} ms, {rate}/s: {moved} degrees");
            let off = (mount.pan - STANDS.pan)
                .abs()
                .max((mount.tilt - STANDS.tilt).abs());
            assert!(off <= 2.0, "{delay} ms, {rate}/s: {off} degrees off");
        }
    }
}

#[test]
fn what_is_learned_is_the_delay() {
    for rate in [10, 15, 30] {
        for delay in [0_u32, 40, 100, 210, 333, 480] {
            let mut room = late(u64::from(delay), rate);
            room.noise = 0.2;
            // It goes elsewhere every three seconds.
            let run = room.run(20_000, |ms| {
                let side = if ms / 3000 % 2 == 0 { 1.0 } else { -1.0 };
                Some(Pose {
                    pan: side * 12.0,
                    ..STANDS
                })
            });
            let learned = run.delay.expect("nothing was learned").as_secs_f64() * 1e3;
            // What the servos report is up to a tick old, and so the pose seems to lag.
            let off = learned - f64::from(delay);
            assert!(off.abs() <= 20.0, "{delay} ms, {rate}/s: {learned} ms");
        }
    }
}

#[test]
fn a_delay_that_jumps_in_the_middle_is_learned_anew() {
    for rate in [10, 30] {
        for (before, after) in [
            (0, 300),
            (300, 0),
            (80, 500),
            (500, 80),
            (100, 200),
            (0, 120),
        ] {
            let mut room = late(before, rate);
            room.later = Some((8000, after + 10, after));
            // It moves once more after the jump: before that there is nothing to be seen of it.
            let place = |ms: u64| {
                Some(Pose {
                    pan: if ms < 10_000 { 12.0 } else { -8.0 },
                    ..STANDS
                })
            };
            let run = room.run(24_000, place);
            let moved = swing(&run, 18_000, 24_000);
            assert!(
                moved <= 0.5,
                "{before} to {after} ms, {rate}/s: {moved} {:?}",
                run.delays
            );
            let mount = run.samples.last().unwrap().2;
            assert!(
                (mount.pan + 8.0).abs() <= 2.0,
                "{before} to {after}: {mount:?}"
            );
        }
    }
}

#[test]
fn a_face_that_moves_is_followed_without_a_swing_of_its_own() {
    for delay in [0, 80, 200, 300, 500] {
        for (amplitude, period) in [(15.0, 5.0), (6.0, 3.0), (10.0, 4.0)] {
            // It stands, sways for half a minute, and stands again.
            let sway = |ms: u64| {
                let seconds = (ms.clamp(2000, 32_000) - 2000) as f64 / 1e3;
                Some(Pose {
                    pan: amplitude * (seconds / period * std::f64::consts::TAU).sin(),
                    ..STANDS
                })
            };
            let run = late(delay, 30).run(40_000, sway);
            let farthest = run
                .samples
                .iter()
                .map(|s| s.2.pan.abs())
                .fold(0.0, f64::max);
            // Prediction overshoots where somebody turns round, by what they do within the delay.
            let most = amplitude * (1.4 + delay as f64 / 1000.0) + 2.0;
            assert!(farthest <= most, "{delay} ms: {farthest} of {amplitude}");
            let moved = swing(&run, 38_000, 40_000);
            assert!(
                moved <= 0.5,
                "{delay} ms: {moved} degrees after {amplitude}"
            );
        }
    }
}

#[test]
fn a_configured_delay_is_believed_until_the_mount_swings_by_it() {
    let mut right = late(200, 30);
    right.config.camera.latency_ms = crate::config::Latency::Milliseconds(200.0);
    let run = right.run(8000, |ms| step(ms, 20.0));
    assert_eq!(run.delays, [], "nothing is to be learned");
    assert!(swing(&run, 5000, 8000) <= 0.5);
    // Somebody has mistyped.
    let mut wrong = late(300, 30);
    wrong.config.camera.latency_ms = crate::config::Latency::Milliseconds(0.0);
    let run = wrong.run(25_000, |ms| step(ms, 20.0));
    assert!(
        matches!(run.delays.first(), Some((_, News::Doubted { .. }))),
        "{:?}",
        run.delays
    );
    assert!(swing(&run, 20_000, 25_000) <= 0.5, "{:?}", run.delays);
}

#[test]
fn a_field_of_view_that_is_not_quite_the_configured_one_keeps_it_from_nothing() {
    for fov in [55.0, 75.0] {
        let mut room = late(250, 30);
        room.config.camera.fov_degrees = fov;
        room.seen_through = Some(65.0);
        let run = room.run(12_000, |ms| step(ms, 15.0));
        assert!(swing(&run, 9000, 12_000) <= 0.5, "{fov}");
        let (settled, _) = run.settling(2000, 1.0);
        assert!(settled < 4.0, "{fov}: {settled}");
    }
}

#[test]
fn no_wrong_delay_is_learned_from_a_face_that_sways() {
    let mut wrong = Vec::new();
    for (rate, delays) in [(30, [0, 100, 300].as_slice()), (10, &[100])] {
        for &delay in delays {
            for amplitude in [3.0, 8.0, 12.0, 18.0] {
                for period in [1.0, 1.5, 2.0, 3.0] {
                    let sway = |ms: u64| {
                        let turns = ms as f64 / 1e3 / period;
                        Some(Pose {
                            pan: amplitude * (turns * std::f64::consts::TAU).sin(),
                            ..STANDS
                        })
                    };
                    let run = late(delay, rate).run(30_000, sway);
                    let off = believed(&run).into_iter().map(|ms| ms - delay as f64).fold(
                        0.0,
                        |most: f64, off| if off.abs() > most.abs() { off } else { most },
                    );
                    if off.abs() > 60.0 {
                        wrong.push(format!(
                            "{delay} ms, {rate}/s, {amplitude} degrees in {period} s: {:?}",
                            run.delays
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} {wrong:#?}", wrong.len());
}

#[test]
fn nothing_is_learned_from_an_axis_that_turns_the_other_way() {
    let mut wrong = Vec::new();
    for rate in [10, 30] {
        for delay in [0, 100, 300, 500] {
            for pan in [-20.0, -3.0, 2.0, 8.0] {
                let mut room = late(delay, rate);
                room.inverted = true;
                let run = room.run(20_000, |_| Some(Pose { pan, ..STANDS }));
                // The tilt axis is right, and may tell it.
                if believed(&run)
                    .iter()
                    .any(|ms| (ms - delay as f64).abs() > 60.0)
                {
                    wrong.push(format!(
                        "{delay} ms, {rate}/s, {pan} degrees: {:?}",
                        run.delays
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} {wrong:#?}", wrong.len());
}
