//! Whole runs: what the judge says of laws that are known.

use super::camera::Picture;
use super::controller::Controller;
use super::figures::Figures;
use super::law::Law;
use super::mount::Caps;
use super::scenario::{self, Scenario};
use super::simulation::{self, play};
use super::{Outcome, Outcomes, Plan};
use crate::config::Config;
use crate::follow::control::Each;
use crate::follow::detect::Face;
use crate::follow::pose::Pose;

fn figures(scenario: &str, delay: u32, law: Law) -> Figures {
    let scenario = Scenario::parse(scenario).unwrap();
    Figures::of(scenario, &simulation::run(scenario, delay, law, 1))
}

fn json(plan: &Plan) -> String {
    let mut first = None;
    let outcomes = plan.run(|_, outcome, recording| {
        first.get_or_insert_with(|| (outcome.clone(), recording.samples.len()));
    });
    let (outcome, samples) = first.unwrap();
    assert_eq!(outcome.law, outcomes.runs[0].law);
    assert_eq!(samples, plan.scenarios[0].seconds as usize * 100);
    serde_json::to_string(&outcomes).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_does_not() {
    let mut plan = Plan::whole(7);
    plan.delays = vec![100];
    plan.scenarios
        .retain(|s| matches!(s.name, "still" | "crossing"));
    let made = json(&plan);
    assert_eq!(made, json(&plan));
    plan.seed = 8;
    assert_ne!(made, json(&plan));
}

#[test]
fn the_order_of_the_plan_changes_no_run() {
    let alone = figures("step", 100, Law::Old);
    let mut plan = Plan::whole(1);
    plan.delays = vec![300, 100];
    plan.scenarios
        .retain(|s| matches!(s.name, "still" | "step"));
    let Outcomes { runs, .. } = plan.run(|_, _, _| ());
    let is_it = |o: &&Outcome| (o.scenario, o.delay_ms, o.law) == ("step", 100, "old");
    assert_eq!(runs.iter().find(is_it).unwrap().figures, alone);
}

/// Leaves the mount alone.
struct Nothing;

impl Controller for Nothing {
    fn caps(&self) -> Caps {
        Caps {
            speed: 1e9,
            acceleration: 1e9,
        }
    }

    fn see(&mut self, _: &Picture, _: Option<Face>) {}

    fn tick(&mut self, _: u64, _: Pose) -> Option<Pose> {
        Some(Pose::HOME)
    }
}

#[test]
fn a_law_that_does_nothing_scores_as_doing_nothing() {
    for scenario in &scenario::ALL {
        let recording = play(scenario, 0, 1, &Config::default(), Box::new(Nothing));
        let idle = Figures::of(scenario, &recording);
        assert_eq!(idle.jerk_degrees_s3, 0.0, "{}", scenario.name);
        assert_eq!(idle.overshoot_degrees, 0.0, "{}", scenario.name);
        assert_eq!(idle.commands_per_minute.unwrap_or(0.0), 0.0);
        assert!(idle.on_target < 0.2, "{}: {idle:?}", scenario.name);
        assert!(idle.rms_degrees > 5.0, "{}: {idle:?}", scenario.name);
        let ours = figures(scenario.name, 0, Law::Told);
        assert!(
            ours.rms_degrees < idle.rms_degrees / 1.5 && ours.on_target > idle.on_target + 0.1,
            "{}: {ours:?} {idle:?}",
            scenario.name
        );
    }
    let still = Scenario::parse("still").unwrap();
    let recording = play(still, 0, 1, &Config::default(), Box::new(Nothing));
    let idle = Figures::of(still, &recording);
    assert_eq!((idle.settling_s, idle.on_target), (None, 0.0));
}

#[test]
fn who_is_told_the_delay_settles_and_is_at_rest() {
    for delay in [0, 100, 300] {
        let told = figures("still", delay, Law::Told);
        assert!(told.settling_s.unwrap() < 2.0, "{delay}: {told:?}");
        assert!(told.swing_degrees.unwrap() < 0.5, "{delay}: {told:?}");
        let step = figures("step", delay, Law::Told);
        assert!(step.settling_s.unwrap() < 2.0, "{delay}: {step:?}");
    }
}

#[test]
fn ours_comes_to_rest_with_any_camera_and_gives_no_command_to_a_face_that_stands() {
    for delay in [0, 50, 100, 200, 300, 500] {
        for scenario in ["still", "step", "stop-and-go", "lost-and-back"] {
            for law in [Law::Ours, Law::Learned] {
                let ours = figures(scenario, delay, law);
                assert!(
                    ours.swing_degrees.unwrap() <= 0.5,
                    "{scenario} {delay}: {ours:?}"
                );
                assert!(
                    ours.settling_s.unwrap() <= 3.0,
                    "{scenario} {delay}: {ours:?}"
                );
            }
        }
        let still = figures("still", delay, Law::Ours);
        assert_eq!(still.commands_per_minute, Some(0.0), "{delay}: {still:?}");
        assert!(still.settling_s.unwrap() <= 1.5, "{delay}: {still:?}");
    }
}

#[test]
fn with_the_delay_learned_it_follows_nearly_as_well_as_the_servos_can() {
    let at_80 = |scenario| figures(scenario, 80, Law::Learned);
    for scenario in ["still", "step"] {
        let made = at_80(scenario);
        assert!(made.settling_s.unwrap() <= 0.6, "{scenario}: {made:?}");
        assert!(made.overshoot_degrees <= 0.3, "{scenario}: {made:?}");
    }
    let sine = at_80("sine");
    assert!(sine.rms_degrees <= 1.5, "{sine:?}");
    let (past, bound) = (at_80("walk-past"), figures("walk-past", 80, Law::Bound));
    assert!(
        past.on_target >= 0.9 * bound.on_target,
        "{past:?} {bound:?}"
    );
    let late = figures("step", 300, Law::Learned);
    assert!(late.settling_s.unwrap() <= 1.5, "{late:?}");
}

#[test]
fn ours_is_better_than_the_old_law() {
    for scenario in &scenario::ALL {
        for delay in [0, 80, 200, 300] {
            let [ours, old] = [Law::Ours, Law::Old].map(|law| figures(scenario.name, delay, law));
            let case = format!("{} {delay}: {ours:?} {old:?}", scenario.name);
            assert!(ours.rms_degrees < old.rms_degrees, "{case}");
            assert!(ours.on_target > old.on_target, "{case}");
        }
    }
}

#[test]
fn of_two_who_cross_the_first_one_is_followed_on() {
    for delay in [0, 50, 80, 100, 200, 300] {
        let crossing = Scenario::parse("crossing").unwrap();
        for seed in 1..=3 {
            let made = simulation::run(crossing, delay, Law::Ours, seed);
            assert_eq!(made.switches, 0, "{delay} {seed}");
        }
    }
}

#[test]
fn a_loop_that_swings_is_seen() {
    // Compensation of a delay of which the program knows nothing is none: at 300 ms such a loop never comes to rest.
    let late = figures("still", 300, Law::Uncompensated);
    assert!(late.swing_degrees.unwrap() > 10.0, "{late:?}");
    // So wildly that it loses the face in between.
    assert!(late.reversals_per_minute.unwrap() > 5.0, "{late:?}");
    assert_eq!(late.settling_s, None);
    assert!(
        late.overshoot_degrees > 5.0 && late.on_target < 0.5,
        "{late:?}"
    );
}

#[test]
fn no_law_does_better_than_the_servos_can() {
    for scenario in ["step", "sine", "walk-past"] {
        let bound = figures(scenario, 0, Law::Bound);
        for law in Law::COMPARED {
            let other = figures(scenario, 0, law);
            assert!(
                other.rms_degrees + 0.05 > bound.rms_degrees,
                "{scenario}: {other:?} {bound:?}"
            );
            assert!(
                other.on_target < bound.on_target + 0.01,
                "{scenario}: {other:?} {bound:?}"
            );
        }
    }
}

#[test]
fn set_points_of_every_law_leave_the_shafts_within_the_limits_of_the_servos() {
    let mut plan = Plan::whole(1);
    plan.laws = Law::ALL.to_vec();
    plan.delays = vec![0, 300];
    let h = simulation::SAMPLE_MS as f64 / 1e3;
    plan.run(|_, outcome, recording| {
        for w in recording.samples.windows(3) {
            let angles = [0, 1, 2].map(|i| Each::from(w[i].shafts));
            for (axis, now) in angles[2].iter() {
                let speed = (now - angles[1][axis]) / h;
                let acceleration = (now - 2.0 * angles[1][axis] + angles[0][axis]) / h / h;
                assert!(speed.abs() <= 180.0 + 1e-3, "{outcome:?} {speed}");
                // A servo that is let go while it moves stands at once: its gears hold it.
                if w[2].goals.is_some() {
                    assert!(
                        acceleration.abs() <= 1000.0 + 0.1,
                        "{outcome:?} {acceleration}"
                    );
                }
            }
        }
    });
}

#[test]
fn the_page_about_it_names_every_scenario_and_law() {
    let page = include_str!("../../../docs/bench-follow.md");
    let scenarios = scenario::ALL.iter().map(|s| s.name);
    for name in scenarios.chain(Law::ALL.map(Law::name)) {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}
