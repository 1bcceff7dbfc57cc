//! Who does what before the camera.

use crate::follow::pose::Pose;

/// Somebody who may be before the camera.
#[derive(Debug)]
pub struct Person {
    /// Width of the face in pixels.
    pub size: f64,
    /// Where in the room the face is after so many seconds; none while nobody is there.
    pub place: fn(f64) -> Option<Pose>,
    /// Whether something stands before it.
    pub hidden: fn(f64) -> bool,
}

/// Up to the end of the run.
const END: f64 = f64::INFINITY;

/// A short play, and what of it is judged.
#[derive(Debug)]
pub struct Scenario {
    /// Its name at the command line.
    pub name: &'static str,
    /// How long it lasts.
    pub seconds: u32,
    /// Error, time on target and jerk are judged from here on.
    pub judged_from: f64,
    /// From when to when settling and overshoot are judged, each time anew; the first moment is that of an event.
    pub events: &'static [(f64, f64)],
    /// Who is there. The first one is to be followed.
    pub people: &'static [Person],
    /// Whether the inclination is judged, too.
    pub roll: bool,
}

impl Scenario {
    /// The one with this name.
    ///
    /// # Errors
    /// There is none; the message lists them.
    pub fn parse(text: &str) -> Result<&'static Self, String> {
        ALL.iter().find(|s| s.name == text).ok_or_else(|| {
            let names: Vec<&str> = ALL.iter().map(|s| s.name).collect();
            format!("choose one of: {}", names.join(", "))
        })
    }

    /// Where the one to be followed is.
    #[must_use]
    pub fn subject(&self, seconds: f64) -> Option<Pose> {
        (self.people.first()?.place)(seconds)
    }
}

const fn never(_: f64) -> bool {
    false
}

const fn at(pan: f64, tilt: f64) -> Pose {
    Pose {
        pan,
        tilt,
        roll: 0.0,
    }
}

/// From -1 to 1 and back at a steady speed, once in `period`; at 0 and on the way up at time 0.
fn to_and_fro(seconds: f64, period: f64) -> f64 {
    let part = (seconds / period + 0.25).rem_euclid(1.0);
    1.0 - 4.0 * (part - 0.5).abs()
}

/// Walks 80 degrees in 8/3 s, is away for 3 s, and comes back the other way.
fn walk_past(seconds: f64) -> Option<Pose> {
    const WAY: f64 = 80.0 / 30.0;
    const PASS: f64 = WAY + 3.0;
    let since = seconds - 1.0;
    let walked = since.rem_euclid(PASS);
    (since >= 0.0 && walked <= WAY).then(|| {
        let side = if ((since / PASS) as u32).is_multiple_of(2) {
            1.0
        } else {
            -1.0
        };
        at(side * (30.0 * walked - 40.0), -4.0)
    })
}

/// Stands for 5.5 s, walks 30 degrees in a second, stands, walks back.
fn stop_and_go(seconds: f64) -> f64 {
    const TURN: f64 = 6.5;
    let since = (seconds - 3.0).max(0.0);
    let walked = since.rem_euclid(TURN).min(1.0) * 30.0 - 15.0;
    if ((since / TURN) as u32).is_multiple_of(2) {
        walked
    } else {
        -walked
    }
}

fn lost_and_back(seconds: f64) -> Option<Pose> {
    match seconds {
        t if t < 5.0 => Some(at(10.0, 0.0)),
        t if (10.0..16.0).contains(&t) => Some(at(-15.0, 5.0)),
        // Long enough for the mount to go home and to rest.
        t if t >= 29.0 => Some(at(20.0, -5.0)),
        _ => None,
    }
}

/// Leans to 20 degrees and over to -15, at 50 degrees a second.
fn lean(seconds: f64) -> f64 {
    let to = |from: f64, target: f64, since: f64| {
        let way = 50.0 * (seconds - since);
        from + (target - from).clamp(-way, way)
    };
    match seconds {
        t if t < 4.0 => 0.0,
        t if t < 12.0 => to(0.0, 20.0, 4.0),
        _ => to(20.0, -15.0, 12.0),
    }
}

/// All of them.
pub static ALL: [Scenario; 9] = [
    Scenario {
        name: "still",
        seconds: 20,
        judged_from: 0.0,
        events: &[(0.0, END)],
        people: &[Person {
            size: 100.0,
            place: |_| Some(at(12.0, -6.0)),
            hidden: never,
        }],
        roll: false,
    },
    Scenario {
        name: "step",
        seconds: 18,
        judged_from: 8.0,
        events: &[(8.0, END)],
        people: &[Person {
            size: 100.0,
            place: |t| Some(at(if t < 8.0 { -10.0 } else { 10.0 }, 0.0)),
            hidden: never,
        }],
        roll: false,
    },
    Scenario {
        name: "sine",
        seconds: 34,
        judged_from: 9.0,
        events: &[(4.0, END)],
        people: &[Person {
            size: 100.0,
            place: |t| {
                let turns = 0.2 * (t - 4.0).max(0.0);
                Some(at(25.0 * (std::f64::consts::TAU * turns).sin(), 0.0))
            },
            hidden: never,
        }],
        roll: false,
    },
    Scenario {
        name: "walk-past",
        seconds: 23,
        judged_from: 0.0,
        // As long as somebody is there.
        events: &[(1.0, 6.0), (6.5, 12.0), (12.1, 17.5), (17.8, END)],
        people: &[Person {
            size: 100.0,
            place: walk_past,
            hidden: never,
        }],
        roll: false,
    },
    Scenario {
        name: "stop-and-go",
        seconds: 29,
        judged_from: 3.0,
        // From every stop until the next walk.
        events: &[(4.0, 9.5), (10.5, 16.0), (17.0, 22.5), (23.5, END)],
        people: &[Person {
            size: 100.0,
            place: |t| Some(at(stop_and_go(t), 2.0)),
            hidden: never,
        }],
        roll: false,
    },
    Scenario {
        name: "occlusion",
        seconds: 26,
        judged_from: 2.0,
        // Back in view, and still on the same way.
        events: &[
            (4.5, 6.0),
            (8.5, 10.0),
            (12.5, 14.0),
            (16.5, 18.0),
            (20.5, 22.0),
            (24.5, END),
        ],
        people: &[Person {
            size: 100.0,
            place: |t| Some(at(16.0 * to_and_fro(t, 8.0), 0.0)),
            // Half a second in the middle of every walk.
            hidden: |t| t >= 4.0 && t.rem_euclid(4.0) < 0.5,
        }],
        roll: false,
    },
    Scenario {
        name: "crossing",
        seconds: 26,
        judged_from: 2.0,
        events: &[(2.0, END)],
        people: &[
            Person {
                size: 100.0,
                place: |t| Some(at(18.0 * to_and_fro(t, 6.0), 0.0)),
                hidden: never,
            },
            // Comes later, is a little nearer to the camera, and hides the first one each time they meet.
            Person {
                size: 110.0,
                place: |t| (t >= 2.0).then(|| at(-27.0 * to_and_fro(t, 6.0), -1.0)),
                hidden: never,
            },
        ],
        roll: false,
    },
    Scenario {
        name: "lost-and-back",
        seconds: 36,
        judged_from: 0.0,
        events: &[(0.0, 5.0), (10.0, 16.0), (29.0, END)],
        people: &[Person {
            size: 100.0,
            place: lost_and_back,
            hidden: never,
        }],
        roll: false,
    },
    Scenario {
        name: "head-tilt",
        seconds: 20,
        judged_from: 2.0,
        events: &[(4.0, 12.0), (12.0, END)],
        people: &[Person {
            size: 100.0,
            place: |t| {
                Some(Pose {
                    roll: lean(t),
                    ..at(5.0, 0.0)
                })
            },
            hidden: never,
        }],
        roll: true,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &str, seconds: f64) -> Option<Pose> {
        Scenario::parse(name).unwrap().subject(seconds)
    }

    fn pan(name: &str, seconds: f64) -> f64 {
        subject(name, seconds).unwrap().pan
    }

    #[test]
    fn everybody_moves_as_the_name_says() {
        assert_eq!(pan("still", 0.0), pan("still", 19.0));
        assert_eq!(pan("step", 8.0) - pan("step", 7.9), 20.0);
        // 25 degrees at 0.2 Hz.
        assert!((pan("sine", 5.25) - 25.0).abs() < 1e-9 && (pan("sine", 7.75) + 25.0).abs() < 1e-9);
        // 30 degrees a second, there and back.
        assert!((pan("walk-past", 2.0) - pan("walk-past", 1.5) - 15.0).abs() < 1e-9);
        assert!((pan("walk-past", 8.0) - pan("walk-past", 7.5) + 15.0).abs() < 1e-9);
        assert_eq!(subject("walk-past", 0.5), None);
        assert_eq!(subject("walk-past", 5.0), None);
        assert_eq!(pan("stop-and-go", 4.0), pan("stop-and-go", 9.0));
        assert!((pan("stop-and-go", 10.5) + 15.0).abs() < 1e-9);
        assert_eq!(subject("lost-and-back", 7.0), None);
        assert_eq!(subject("head-tilt", 5.0).unwrap().roll, 20.0);
        assert_eq!(subject("head-tilt", 19.0).unwrap().roll, -15.0);
    }

    #[test]
    fn at_every_event_somebody_comes_or_moves_or_is_back() {
        for scenario in &ALL {
            let mut end = 0.0;
            for (from, to) in scenario.events {
                assert!(*from >= end && to > from, "{}", scenario.name);
                end = *to;
                let seen = (0..100).any(|i| scenario.subject(from + f64::from(i) / 50.0).is_some());
                assert!(seen, "{} at {from}", scenario.name);
            }
            let last = scenario.events[scenario.events.len() - 1].0;
            assert!(
                last + 1.4 < f64::from(scenario.seconds),
                "{}",
                scenario.name
            );
        }
    }

    #[test]
    fn an_occlusion_lasts_half_a_second() {
        let person = &Scenario::parse("occlusion").unwrap().people[0];
        let hidden = (0..26_000).filter(|ms| (person.hidden)(f64::from(*ms) / 1e3));
        assert_eq!(hidden.count(), 6 * 500);
        assert!((person.hidden)(4.49) && !(person.hidden)(4.5));
    }

    #[test]
    fn two_meet_again_and_again() {
        let people = Scenario::parse("crossing").unwrap().people;
        let apart = |t: f64| (people[0].place)(t).unwrap().pan - (people[1].place)(t).unwrap().pan;
        for meeting in [3.0, 6.0, 24.0] {
            assert!(apart(meeting).abs() < 1e-9);
            assert!(apart(meeting - 0.1) * apart(meeting + 0.1) < 0.0);
        }
    }

    #[test]
    fn a_name_that_there_is_not_lists_those_that_there_are() {
        let names = Scenario::parse("dance").unwrap_err();
        assert!(names.contains("walk-past, stop-and-go"), "{names}");
    }
}
