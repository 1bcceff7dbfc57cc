//! What pictures tell of the delay, and what they do not.

use std::time::Duration;

use super::swing::Swing;
use super::{Latency, News};
use crate::base::clock::Monotime;
use crate::config;
use crate::follow::pose::{Pose, PoseHistory};

fn at(ms: u64) -> Monotime {
    Monotime::from_zero(Duration::from_millis(10_000 + ms))
}

/// A movement of the pan axis by 15 degrees within 0.4 s, from 1 s on.
fn moves(seconds: f64) -> f64 {
    let part = ((seconds - 1.0) / 0.4).clamp(0.0, 1.0);
    15.0 * part * part * (3.0 - 2.0 * part)
}

/// What becomes known within three seconds by a camera that is late by `delay` seconds and shows `face` (by the time of the
/// picture and the pose of that time).
fn learned(delay: f64, rate: u64, face: impl Fn(f64, f64) -> f64) -> (Latency, Vec<News>) {
    let mut latency = Latency::new(config::Latency::AUTO);
    let mut history = PoseHistory::default();
    let mut random = fastrand::Rng::with_seed(4);
    let mut news = Vec::new();
    for ms in 0..3000 {
        let now = ms as f64 / 1e3;
        if ms % 20 == 0 {
            let pan = moves(now);
            history.push(at(ms), Pose { pan, ..Pose::HOME });
        }
        if ms % (1000 / rate) == 0 {
            let taken = now - delay;
            let noise = (random.f64() - 0.5) * 0.3;
            latency.see(at(ms), [face(taken, moves(taken)) + noise, 0.0], &history);
            news.extend(latency.take_news());
        }
    }
    (latency, news)
}

#[test]
fn a_face_that_stands_or_walks_tells_the_delay() {
    for rate in [8, 15, 30] {
        for delay in [0.0, 0.03, 0.1, 0.25, 0.5] {
            for speed in [0.0, 10.0, -20.0] {
                let (latency, _) = learned(delay, rate, |t, pose| 12.0 + speed * t - pose);
                let known = latency.known().map(|d| d.as_secs_f64());
                let case = format!("{delay} s, {rate}/s, {speed} degrees/s: {known:?}");
                assert!((known.expect(&case) - delay).abs() < 0.02, "{case}");
            }
        }
    }
}

#[test]
fn a_picture_that_does_not_answer_to_the_mount_tells_nothing() {
    for part in [0.0, 0.2, 3.0] {
        let (latency, news) = learned(0.1, 30, |_, pose| 12.0 - part * pose);
        assert_eq!((latency.known(), news), (None, Vec::new()), "{part}");
    }
}

#[test]
fn a_face_that_sways_is_not_taken_for_another_delay_by_much() {
    for (amplitude, period) in [(3.0, 2.0), (8.0, 2.0), (8.0, 3.0), (15.0, 3.0), (20.0, 5.0)] {
        for phase in 0..12 {
            let phase = f64::from(phase) / 12.0;
            let sway =
                move |t: f64| amplitude * ((t / period + phase) * std::f64::consts::TAU).sin();
            let (latency, _) = learned(0.1, 30, |t, pose| sway(t) - pose);
            let off = latency.known().map(|d| (d.as_secs_f64() - 0.1).abs());
            assert!(
                off.is_none_or(|off| off < 0.15),
                "{amplitude} {period} {phase}: {off:?}"
            );
        }
    }
}

#[test]
fn a_mount_that_stands_tells_nothing() {
    let mut latency = Latency::new(config::Latency::AUTO);
    let mut history = PoseHistory::default();
    for ms in (0..5000).step_by(20) {
        history.push(at(ms), Pose::HOME);
        let face = (ms as f64 / 300.0).sin() * 10.0;
        assert!(!latency.see(at(ms), [face, 0.0], &history));
    }
    assert_eq!(latency.known(), None);
}

#[test]
fn only_pictures_of_a_mount_that_has_stood_count_while_nothing_is_known() {
    let mut latency = Latency::new(config::Latency::AUTO);
    let mut history = PoseHistory::default();
    for ms in (0..4000).step_by(20) {
        let pan = moves(ms as f64 / 1e3);
        history.push(at(ms), Pose { pan, ..Pose::HOME });
    }
    assert!(latency.moment(at(990), &history).is_some());
    for ms in (1200..1900).step_by(20) {
        assert_eq!(latency.moment(at(ms), &history), None, "{ms}");
    }
    assert!(latency.moment(at(2200), &history).is_some());
    // A known delay is taken off, whatever the mount does.
    latency.recall(Duration::from_millis(150));
    assert_eq!(latency.moment(at(1200), &history), Some((at(1050), true)));
}

#[test]
fn what_a_person_says_goes_before_what_was_learned_and_certain_is_certain() {
    let mut latency = Latency::new(config::Latency::Milliseconds(70.0));
    latency.recall(Duration::from_millis(150));
    assert_eq!(latency.known(), Some(Duration::from_millis(70)));
    latency.be_certain(Duration::ZERO);
    for turn in 0..400 {
        let side = if turn % 20 < 10 { 5.0 } else { -5.0 };
        assert!(!latency.watch(at(turn * 100), [side, 0.0]));
    }
    assert_eq!(latency.known(), Some(Duration::ZERO));
}

#[test]
fn turning_round_again_and_again_is_a_swing_and_steps_to_one_side_are_none() {
    let swings = |period: u64, size: f64| {
        let mut swing = Swing::default();
        (0..20_000).step_by(20).any(|ms| {
            let turns = ms as f64 / period as f64 * std::f64::consts::TAU;
            swing.watch(at(ms), [size * turns.sin(), 0.0])
        })
    };
    assert!(swings(600, 3.0) && swings(2500, 20.0));
    assert!(!swings(600, 0.4), "too small");
    assert!(!swings(8000, 20.0), "too slow");
    let mut swing = Swing::default();
    assert!(
        (0..20_000)
            .step_by(20)
            .all(|ms| !swing.watch(at(ms), [(ms / 1000) as f64 * 4.0, 0.0]))
    );
}
