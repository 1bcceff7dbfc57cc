//! Whatever is seen and reported, the commands stay within every limit.

use proptest::prelude::*;

use crate::follow::detect::{Face, Point};

use super::simulation::{at, config, follower, report};
use super::{Each, Observation};
use crate::follow::pose::Pose;

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -100f32..800.0,
        1 => any::<f32>(),
        1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY), Just(0.0), Just(1e30)],
    ]
}

fn face() -> impl Strategy<Value = Face> {
    [(); 8]
        .map(|()| number())
        .prop_map(|[x, y, w, h, lx, ly, rx, ry]| Face {
            x,
            y,
            w,
            h,
            left_eye: Point { x: lx, y: ly },
            right_eye: Point { x: rx, y: ry },
            score: 0.9,
        })
}

/// Milliseconds until the tick, age of a picture and its face, whether the mount answers, a measured
/// angle that may be far from the command.
type Moment = (u64, Option<(u64, Option<Face>)>, bool, f64);

fn moments() -> impl Strategy<Value = Vec<Moment>> {
    prop::collection::vec(
        (
            prop_oneof![8 => 10u64..40, 1 => 1u64..400],
            prop::option::of((0u64..2000, prop::option::of(face()))),
            prop::bool::weighted(0.95),
            prop_oneof![6 => Just(0.0), 1 => -90.0..90.0, 1 => Just(f64::NAN)],
        ),
        1..150,
    )
}

proptest! {
    #[test]
    fn commands_never_leave_their_limits(moments in moments(), gain in 0.05..=1.0) {
        let config = config(gain);
        let tracking = &config.tracking;
        let mut follower = follower(&config);
        let mut mount = Pose::HOME;
        let mut said = 0;
        let (mut ms, mut last): (u64, Option<(u64, Pose, Pose, f64)>) = (0, None);
        for (frame, (pause, seen, answers, elsewhere)) in moments.into_iter().enumerate() {
            ms += pause;
            if let Some((age, face)) = seen {
                follower.observe(Observation {
                    frame: frame as u64,
                    captured: at(ms) - std::time::Duration::from_millis(age),
                    now: at(ms),
                    width: 640,
                    height: 480,
                    face,
                });
            }
            let mut feedback = report(at(ms), mount.zip(Pose::HOME, |m, _| m + elsewhere));
            if !answers {
                feedback.axes = Each::default();
            }
            let heard = answers && elsewhere.is_finite();
            let returns = heard && ms > said + 250;
            said = if heard { ms } else { said };
            let action = follower.tick(at(ms), &feedback);
            prop_assert_eq!(action.torque, action.command.is_some());
            let Some(command) = action.command else {
                last = None;
                continue;
            };
            for (_, angle) in Each::from(command).iter() {
                prop_assert!(angle.is_finite());
            }
            // After a long pause the mount stands and starts from there; after a long silence it starts
            // where it is then.
            if let Some((then, before, speed, was)) = last.filter(|_| pause <= 100 && !returns) {
                let dt = (ms - then) as f64 / 1e3;
                let moved = Each::from(command.zip(before, |a, b| (a - b) / dt));
                let speed = Each::from(speed);
                for (axis, now) in moved.iter() {
                    prop_assert!(now.abs() <= tracking.max_speed_degrees + 1e-6);
                    // Mean speeds of two intervals: what can change between their middles.
                    let change = (now - speed[axis]).abs();
                    let allowed = tracking.max_acceleration_degrees * (dt + was) / 2.0;
                    prop_assert!(change <= allowed + 1e-6, "{} by {}", axis.name(), change);
                    let inside = Each::from(before)[axis].abs() <= 50.0;
                    prop_assert!(!inside || Each::from(command)[axis].abs() <= 50.0);
                }
                last = Some((ms, command, moved.into(), dt));
            } else {
                last = Some((ms, command, Pose::HOME, 0.0));
            }
            mount = mount.towards(command, 0.4);
        }
    }
}
