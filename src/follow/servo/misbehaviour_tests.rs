//! Servos that are late, wrong, double, silent, in another mode, overloaded, beyond their turn, or two with one id, on a
//! line that breaks: judged by the bytes that leave the program.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::base::stop::lock;
use crate::follow::control::{Axis, Follower};

use super::misbehaviour_scene::{Scene, moved, tells_position};
use super::protocol::sts::{self, instruction, register};

#[test]
fn sound_servos_follow_and_nobody_is_told_the_same_twice() {
    let mut scene = Scene::new(|_| ());
    scene.run(20);
    scene.judge();
    assert!(scene.ends.is_empty(), "{:?}", scene.ends);
    assert_eq!([1, 2, 3].map(|id| scene.armed(id)), [1; 3]);
    for id in 1..=3 {
        let goals = scene.goals(id);
        assert!(goals.windows(2).all(|two| two[0] != two[1]), "servo {id}");
    }
    let pan = scene.goals(1);
    assert!(pan.iter().any(|g| *g > 2250) && pan.iter().any(|g| *g < 1850));
    assert_eq!(scene.stats.servo_faults.get(), 0);
}

#[test]
fn a_servo_in_another_mode_gets_no_torque_and_no_speed() {
    for mode in 1..=3 {
        let mut scene = Scene::new(|models| {
            models[0].set_register(register::MODE, mode);
            models[0].set_register(register::TORQUE, 1);
            models[0].set_register(register::GOAL_SPEED + 1, 4);
        });
        scene.run(30);
        scene.judge();
        assert_eq!(scene.armed(1), 0);
        assert!(scene.goals(1).is_empty() && scene.unfit(Axis::Pan));
        {
            let models = lock(&scene.models);
            assert!(!models[0].holds() && (models[0].position() - 2048.0).abs() < 200.0);
            assert_eq!(
                models[0].register(register::GOAL_SPEED + 1),
                4,
                "its speed is its own"
            );
        }
        assert!(scene.serves(Axis::Tilt) && scene.goals(3).len() > 50);
        // Set right, it is taken up by itself.
        lock(&scene.models)[0].set_register(register::MODE, 0);
        scene.run(61);
        scene.judge();
        assert!(scene.serves(Axis::Pan) && scene.armed(1) == 1);
    }
}

#[test]
fn one_whose_mode_changes_while_it_serves_is_released() {
    let mut scene = Scene::new(|_| ());
    scene.run(3);
    lock(&scene.models)[1].set_register(register::MODE, 1);
    scene.run(4);
    scene.judge();
    assert!(scene.unfit(Axis::Roll) && !lock(&scene.models)[1].holds());
}

#[test]
fn one_that_runs_away_is_released_and_tried_again_in_growing_pauses() {
    // It turns all the time, whatever mode it tells.
    let mut turned = 0.0;
    let mut scene = Scene::new(|_| ());
    let models = Arc::clone(&scene.models);
    scene = scene.spoiled(move |sent, mut answers| {
        let mut models = lock(&models);
        // Somebody turns it back to the middle when it can be turned.
        turned = match sent[4] {
            _ if !models[0].holds() => 0.0,
            instruction::SYNC_READ => turned + 40.0,
            _ => turned,
        };
        let at = 2048 + turned as i32;
        for answer in answers.iter_mut().filter(|a| tells_position(sent, a, 1)) {
            *answer = moved(answer, at);
        }
        models[0].turn_to(f64::from(at));
        Ok(answers)
    });
    scene.run(300);
    scene.judge();
    // After 10, 20, 40, 80 s.
    assert!((3..=6).contains(&scene.armed(1)), "{}", scene.armed(1));
    assert!(scene.unfit(Axis::Pan) && scene.serves(Axis::Tilt));
}

#[test]
fn one_that_does_not_follow_is_released_after_two_seconds() {
    let mut scene = Scene::new(|_| ()).spoiled(|sent, mut answers| {
        for answer in answers.iter_mut().filter(|a| tells_position(sent, a, 1)) {
            *answer = moved(answer, 2048);
        }
        Ok(answers)
    });
    scene.run(9);
    scene.judge();
    assert!(scene.unfit(Axis::Pan) && scene.serves(Axis::Tilt));
    assert_eq!(scene.armed(1), 1);
    let goals = scene.goals(1);
    let last = goals.last().unwrap();
    assert!((last - 2048).abs() > 60, "{last}");
}

#[test]
fn a_mechanical_end_is_no_disobedience() {
    // The model's ends are at 70 degrees, the face's way within.
    let mut scene = Scene::new(|_| ());
    scene.config.servo.axes.pan.min = -90.0;
    scene.config.servo.axes.pan.max = 90.0;
    let (tracking, camera, axes) = (
        &scene.config.tracking,
        &scene.config.camera,
        &scene.config.servo.axes,
    );
    scene.follower = Follower::new(tracking, camera, axes).with_certain_delay(Duration::ZERO);
    lock(&scene.models)[0].turn_to(2048.0 + 799.0);
    scene.run(30);
    scene.judge();
    assert!(scene.serves(Axis::Pan));
}

#[test]
fn one_that_latches_an_overload_is_released_until_that_is_gone() {
    let mut scene = Scene::new(|_| ());
    scene.run(3);
    lock(&scene.models)[2].set_status(sts::OVERLOAD);
    scene.run(30);
    scene.judge();
    assert!(scene.unfit(Axis::Tilt) && scene.serves(Axis::Pan));
    assert_eq!(scene.armed(3), 1);
    lock(&scene.models)[2].set_status(0);
    scene.run(61);
    scene.judge();
    assert!(scene.serves(Axis::Tilt) && scene.armed(3) == 2);
}

#[test]
fn one_that_complains_from_the_first_gets_no_torque_and_a_wrong_voltage_is_no_reason() {
    for (status, fit) in [
        (0x02, false),
        (0x04, false),
        (0x08, false),
        (0x20, false),
        (0x01, true),
    ] {
        let mut scene = Scene::new(|models| models[0].set_status(status));
        scene.run(5);
        scene.judge();
        assert_eq!(
            (scene.armed(1) == 1, scene.serves(Axis::Pan)),
            (fit, fit),
            "{status:#x}"
        );
    }
}

#[test]
fn one_beyond_its_turn_is_left_where_it_is() {
    for steps in [-300.0, 4368.0, -8000.0] {
        let mut scene = Scene::new(|models| models[0].turn_to(steps));
        scene.run(10);
        scene.judge();
        assert!(scene.goals(1).is_empty() && scene.armed(1) == 0 && scene.unfit(Axis::Pan));
        assert!(scene.serves(Axis::Tilt));
        // Turned back by hand, from a place outside of its limits.
        lock(&scene.models)[0].turn_to(2700.0);
        scene.run(61);
        scene.judge();
        assert_eq!(scene.goals(1)[0], 2700);
        assert!(scene.serves(Axis::Pan));
    }
}

#[test]
fn one_that_jumps_beyond_its_turn_while_it_serves_moves_nothing() {
    for to in [-300, 4368, 30_000] {
        let mut questions = 0;
        let mut scene = Scene::new(|_| ()).spoiled(move |sent, mut answers| {
            questions += 1;
            for answer in answers
                .iter_mut()
                .filter(|a| questions > 100 && tells_position(sent, a, 1))
            {
                *answer = moved(answer, to);
            }
            Ok(answers)
        });
        scene.run(30);
        scene.judge();
        assert!(!scene.serves(Axis::Pan) && scene.serves(Axis::Tilt));
        assert_eq!(scene.armed(1), 1);
    }
}

#[test]
fn one_that_tells_whatever_comes_to_its_mind_is_never_sent_far() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let often = random.f64();
        let mut scene = Scene::new(|_| ()).spoiled(move |sent, mut answers| {
            for answer in answers.iter_mut().filter(|a| tells_position(sent, a, 1)) {
                if random.f64() < often {
                    *answer = moved(answer, random.i32(-500..4600));
                }
            }
            Ok(answers)
        });
        scene.run(20);
        scene.judge();
    }
}

#[test]
fn two_with_one_id_are_named_so_whether_their_answers_collide_or_follow_each_other() {
    for collides in [true, false] {
        let mut scene = Scene::new(|_| ()).spoiled(move |sent, answers| {
            let both = answers.into_iter().flat_map(|answer| {
                if !tells_position(sent, &answer, 1) {
                    return vec![answer];
                }
                let other = moved(&answer, 1500);
                if collides {
                    vec![answer.iter().zip(&other).map(|(a, b)| a & b).collect()]
                } else {
                    vec![answer, other]
                }
            });
            Ok(both.collect())
        });
        scene.run(10);
        scene.judge();
        assert!(scene.unfit(Axis::Pan), "{:?}", scene.health(Axis::Pan));
        assert!(scene.goals(1).is_empty() && scene.armed(1) == 0 && scene.serves(Axis::Tilt));
    }
}

#[test]
fn one_that_answers_twice_is_driven_as_any_other() {
    let mut scene = Scene::new(|_| ())
        .spoiled(|_, answers| Ok(answers.into_iter().flat_map(|a| [a.clone(), a]).collect()));
    scene.run(10);
    scene.judge();
    assert!(scene.serves(Axis::Pan) && scene.goals(1).len() > 100);
}

#[test]
fn answers_that_are_late_are_never_taken_for_fresh_ones() {
    for (ms, usable) in [(5, true), (12, true), (70, false), (95, false)] {
        let mut scene = Scene::new(|_| ());
        *lock(&scene.late) = Duration::from_millis(ms);
        scene.run(20);
        if usable {
            scene.judge();
            assert!(scene.serves(Axis::Pan) && scene.goals(1).len() > 20, "{ms}");
        } else {
            assert_eq!(scene.armed(1), 0, "{ms}");
            assert!(
                scene.ends[0].contains("no servo answers"),
                "{:?}",
                scene.ends[0]
            );
        }
    }
}

#[test]
fn servos_that_do_not_know_the_common_question_are_asked_one_by_one() {
    let mut scene = Scene::new(|_| ()).spoiled(|sent, answers| {
        Ok(if sent[4] == instruction::SYNC_READ {
            Vec::new()
        } else {
            answers
        })
    });
    scene.run(10);
    scene.judge();
    assert!(scene.serves(Axis::Pan) && scene.goals(1).len() > 100);
    let seen = lock(&scene.seen);
    let asked = seen.iter().filter(|s| s.frame[4] == instruction::SYNC_READ);
    assert!(asked.count() <= 4);
}

#[test]
fn a_line_that_loses_and_spoils_bytes_makes_no_jump() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let often = random.f64() * 0.5;
        let mut scene = Scene::new(|_| ()).spoiled(move |_, mut answers| {
            for answer in &mut answers {
                if random.f64() >= often {
                    continue;
                }
                let at = random.usize(0..answer.len());
                match random.u8(0..3) {
                    0 => answer.truncate(at),
                    1 => answer[at] ^= 1 << random.u8(0..8),
                    _ => answer.insert(at, random.u8(..)),
                }
            }
            Ok(answers)
        });
        scene.run(30);
        scene.judge();
    }
}

#[test]
fn a_port_that_breaks_again_and_again_begins_where_the_servos_stand() {
    let mut frames = 0;
    let mut scene = Scene::new(|_| ()).spoiled(move |_, answers| {
        frames += 1;
        if frames % 157 == 0 {
            Err(io::ErrorKind::BrokenPipe.into())
        } else {
            Ok(answers)
        }
    });
    scene.run(60);
    scene.judge();
    assert!(scene.ends.len() > 10 && scene.armed(1) > 10);
    assert!(
        scene.ends.iter().all(|e| e.contains("failed")),
        "{:?}",
        scene.ends
    );
}

#[test]
fn one_with_narrower_limits_of_its_own_stops_there_and_is_not_blamed() {
    let mut scene = Scene::new(|models| {
        let high = 2150u16.to_le_bytes();
        models[0].set_register(register::HIGHEST_GOAL, high[0]);
        models[0].set_register(register::HIGHEST_GOAL + 1, high[1]);
    });
    scene.run(30);
    scene.judge();
    assert!(scene.serves(Axis::Pan) && scene.armed(1) == 1);
    let goals = scene.goals(1);
    assert_eq!(goals.iter().max(), Some(&2150));
    assert!(goals.iter().any(|g| *g < 1850));
}

#[test]
fn a_board_that_stands_still_for_a_while_makes_no_step_up_for_it() {
    let mut turn = 0;
    let mut scene = Scene::new(|_| ());
    let clock = Arc::clone(&scene.clock);
    scene = scene.spoiled(move |_, answers| {
        turn += 1;
        if turn % 40 == 0 {
            clock.advance(Duration::from_millis(turn % 900));
        }
        Ok(answers)
    });
    scene.run(60);
    scene.judge();
}
