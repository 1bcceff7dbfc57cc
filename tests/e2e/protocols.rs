//! Every family of servos through `facetap run`, before a clip, at simulated servos that share no code with the program.

use serde_json::{Value, json};

use crate::harness::{Running, Scene, facetap, shared, wait_until};
use crate::servos::Servos;

/// A family: `servo.protocol` and the name of its simulation, its units, and how it lets go.
#[derive(Clone, Copy)]
struct Family {
    protocol: &'static str,
    /// Straight ahead, and the steps of a degree.
    centre: f64,
    per_degree: f64,
    /// Where goals may be with the limits of [`scene`].
    goals: (i64, i64),
    /// Whether servos have ids.
    ids: bool,
}

const SCS: Family = Family {
    protocol: "scs",
    centre: 512.0,
    per_degree: 1024.0 / 300.0,
    goals: (341, 683),
    ids: true,
};
const DYNAMIXEL: Family = Family {
    protocol: "dynamixel",
    centre: 2048.0,
    per_degree: 4096.0 / 360.0,
    goals: (1479, 2617),
    ids: true,
};
/// As delivered it sends 992 to 2000 microseconds.
const MAESTRO: Family = Family {
    protocol: "maestro",
    centre: 6000.0,
    per_degree: 4000.0 / 90.0,
    goals: (3968, 8000),
    ids: false,
};
const FAMILIES: [Family; 3] = [SCS, DYNAMIXEL, MAESTRO];

/// A service and its servos.
struct Mounted {
    family: Family,
    scene: Scene,
    servos: Servos,
}

impl Family {
    fn mounted(self, scene: Scene, options: &[&str]) -> Mounted {
        let port = scene.path("servos");
        let scene = scene
            .set("servo.enabled", json!(true))
            .set("camera.enabled", json!(true))
            .set("servo.protocol", json!(self.protocol))
            .set("servo.port", json!(port));
        let servos = self.start(&scene, options);
        Mounted {
            family: self,
            scene,
            servos,
        }
    }

    fn start(self, scene: &Scene, options: &[&str]) -> Servos {
        let link = scene.path("servos");
        let record = scene.path("servos.jsonl");
        let servos = Servos::start_family(self.protocol, &link, &record, options)
            .expect("python3 is needed (scripts/setup.sh test)");
        wait_until("the servos' port", || link.exists(), String::new);
        servos
    }

    /// The last thing that a servo was told about its torque; of a Maestro, whether it was told to send pulses.
    fn torque(self, servos: &Servos, id: u64) -> Option<bool> {
        let frames = servos.frames();
        let register = if self.protocol == "dynamixel" { 64 } else { 40 };
        frames.iter().rev().find_map(|f| match self.protocol {
            "maestro" => f["goals"][id.to_string()].as_i64().map(|goal| goal != 0),
            _ if f["instruction"] == "write" && f["register"] == register && f["id"] == id => {
                f["data"][0].as_u64().map(|on| on == 1)
            }
            _ => None,
        })
    }

    /// The goals of a servo, without those that let it go.
    fn goals(self, servos: &Servos, id: &str) -> Vec<i64> {
        let mut goals = servos.goals(id);
        goals.retain(|goal| *goal != 0 || self.ids);
        goals
    }
}

impl Mounted {
    /// Waits until both axes have been told to turn, to and fro, and are within what they may.
    fn follows(&self) {
        let degrees = |goal: i64| (goal as f64 - self.family.centre) / self.family.per_degree;
        wait_until(
            "goals that follow the face",
            || {
                let angles: Vec<f64> = self.goals("1").into_iter().map(degrees).collect();
                let widest = angles
                    .iter()
                    .fold((0.0, 0.0), |(low, high): (f64, f64), at| {
                        (low.min(*at), high.max(*at))
                    });
                angles.len() > 60 && widest.1 - widest.0 > 8.0
            },
            || self.scene.log(),
        );
    }

    fn goals(&self, id: &str) -> Vec<i64> {
        self.family.goals(&self.servos, id)
    }

    /// Ends the service; then all servos are let go, and none was ever told to go too far or too fast.
    fn ends(&self, running: Running) {
        assert_eq!(running.stop().0.code(), Some(0));
        self.is_sound();
        for id in 1..=3 {
            let torque = self.family.torque(&self.servos, id);
            assert_ne!(torque, Some(true), "servo {id} is not released");
        }
    }

    fn is_sound(&self) {
        let (low, high) = self.family.goals;
        let fastest = 180.0 * self.family.per_degree;
        for id in ["1", "2", "3"] {
            let goals = self.goals(id);
            assert!(
                goals.iter().all(|g| (low..=high).contains(g)),
                "servo {id}: {goals:?}"
            );
        }
        // A busy machine holds frames up on their way: however long that was, no step is one of more than a tenth of a second.
        let mut last = std::collections::HashMap::new();
        for frame in self.servos.frames() {
            let register = &frame["register"];
            if (*register == 40 || *register == 64) && frame["data"][0] == 0 {
                last.remove(&frame["id"].to_string());
            }
            let at = frame["t"].as_f64().unwrap_or_default();
            for (id, goal) in frame["goals"].as_object().into_iter().flatten() {
                let goal = goal.as_f64().unwrap();
                if goal == 0.0 && !self.family.ids {
                    last.remove(id);
                } else if let Some((then, before)) = last.insert(id.clone(), (at, goal)) {
                    // A unit of a mini-SSC target is 15 quarter microseconds.
                    let most = fastest * f64::min(at - then + 0.25, 0.1) + 16.0;
                    assert!(
                        (goal - before).abs() <= most,
                        "servo {id} from {before} to {goal}"
                    );
                }
            }
        }
        let log = self.scene.log();
        assert!(!log.contains("panicked"), "{log}");
    }

    fn check(&self) -> (Option<i32>, String) {
        let file = self.scene.path("check.json");
        std::fs::write(&file, self.scene.config.to_string()).unwrap();
        let check = facetap()
            .args(["check", "--config"])
            .arg(&file)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&check.stdout).into_owned();
        (check.status.code(), text)
    }
}

/// A scene before a clip in which a face walks to and fro; none, and loudly, without the shared data.
fn clip() -> Option<Scene> {
    let clip = shared("data/videos/pan_easy.avi")?;
    let models = shared("models")?;
    Some(
        Scene::new()
            .set("camera.source", json!(clip))
            .set("detector.model_dir", json!(models)),
    )
}

/// A scene in which the camera turns with nothing; a face is before it all the time.
fn face() -> Scene {
    Scene::new().set("camera.source", json!("simulated"))
}

#[test]
fn each_family_follows_a_clip_and_is_let_go_at_the_end() {
    for family in FAMILIES {
        let Some(scene) = clip() else { return };
        // Nothing but the rate of the family as it is delivered is heard.
        let rate = match family.protocol {
            "scs" => "1000000",
            "maestro" => "115200",
            _ => "57600",
        };
        let mounted = family.mounted(scene, &["--baud", rate]);
        let running = mounted.scene.run(&[]);
        running.wait_for_log("[SERVER_START]");
        mounted.follows();
        let with = |line: &Value| line["pan"].is_number() && line["command"]["pan"].is_number();
        let trace = mounted.scene.trace();
        assert!(
            trace.iter().any(with),
            "nowhere a measured and a commanded angle"
        );
        mounted.ends(running);
        let bad: Vec<Value> = mounted.servos.frames();
        let bad: Vec<&Value> = bad.iter().filter(|f| !f["bad"].is_null()).collect();
        assert!(bad.is_empty(), "{}: {bad:?}", family.protocol);
    }
}

#[test]
fn each_family_goes_on_through_a_bad_line() {
    let lines: [&[&str]; 4] = [
        &["--echo"],
        &["--noise", "10"],
        &[
            "--lost", "0=15", "--lost", "1=15", "--lost", "2=15", "--lost", "3=15",
        ],
        &[
            "--late", "0=15", "--late", "1=15", "--late", "2=15", "--late", "3=15",
        ],
    ];
    for family in FAMILIES {
        for options in lines {
            let Some(scene) = clip() else { return };
            let mounted = family.mounted(scene, options);
            let running = mounted.scene.run(&[]);
            mounted.follows();
            mounted.ends(running);
        }
    }
}

#[test]
fn each_family_goes_on_without_a_servo_that_does_not_answer() {
    for family in [SCS, DYNAMIXEL] {
        let mounted = family.mounted(face(), &["--mute", "1"]);
        let running = mounted.scene.run(&[]);
        running.wait_for_log("servo 1 (pan) does not answer");
        wait_until(
            "the tilt goes on",
            || mounted.goals("3").len() > 5,
            || mounted.scene.log(),
        );
        mounted.ends(running);
        assert!(mounted.goals("1").is_empty());
    }
    // A controller that says nothing about one channel says nothing about any.
    let mounted = MAESTRO.mounted(face(), &["--mute", "0"]);
    let running = mounted.scene.run(&[]);
    running.wait_for_log("USB Dual Port");
    mounted.ends(running);
    let (status, text) = mounted.check();
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("USB Dual Port"), "{text}");
}

#[test]
fn one_that_tells_whatever_comes_to_its_mind_is_never_sent_far() {
    for family in FAMILIES {
        let mounted = family.mounted(face(), &["--wrong", "1"]);
        let running = mounted.scene.run(&[]);
        running.wait_for_log("servo 1 (pan)");
        wait_until(
            "the tilt goes on",
            || mounted.goals("3").len() > 20,
            || mounted.scene.log(),
        );
        mounted.ends(running);
    }
}

/// What a servo does, what the log says of it, and whether `check` says the same.
type Trouble = (Family, &'static [&'static str], &'static str, bool);

const TROUBLE: [Trouble; 12] = [
    (
        SCS,
        &["--twin", "1=300"],
        "servo 1 (pan) gets no torque: two servos answer by this id",
        true,
    ),
    (
        DYNAMIXEL,
        &["--twin", "1=1500"],
        "servo 1 (pan) gets no torque: two servos answer by this id",
        true,
    ),
    (
        SCS,
        &["--limits", "1=0:0"],
        "servo 1 (pan) gets no torque: its limits (registers 9 and 11) are both 0, which is speed mode",
        true,
    ),
    (
        DYNAMIXEL,
        &["--mode", "1=1"],
        "servo 1 (pan) gets no torque: its operating mode (register 11) is 1 (velocity) and not 3",
        true,
    ),
    (
        DYNAMIXEL,
        &["--model", "1=350"],
        "servo 1 (pan) gets no torque: it is no Dynamixel 2.0 servo (it tells 350",
        true,
    ),
    (
        SCS,
        &["--overload", "1=1"],
        "servo 1 (pan) gets no torque: it reports overload (status 0x20)",
        false,
    ),
    (
        SCS,
        &["--run-away", "1=500"],
        "servo 1 (pan) gets no torque: it turned away from its goal",
        false,
    ),
    (
        DYNAMIXEL,
        &["--run-away", "1=2000"],
        "servo 1 (pan) gets no torque: it turned away from its goal",
        false,
    ),
    (
        SCS,
        &["--stuck", "1"],
        "servo 1 (pan) gets no torque: it did not go to its goal for two seconds",
        false,
    ),
    (
        DYNAMIXEL,
        &["--error", "1=0x05"],
        "servo 1 (pan) gets no torque: it reports temperature (status 0x04)",
        true,
    ),
    (
        DYNAMIXEL,
        &["--limits", "1=1900:2200"],
        "servo 1 (pan) itself turns only from 1900 to 2200 steps (registers 52 and 48)",
        false,
    ),
    (
        MAESTRO,
        &["--channel", "1=5800:6200"],
        "servo 1 (pan) gets no torque: its pulses did not go to where they were told",
        false,
    ),
];

#[test]
fn what_is_wrong_with_a_servo_is_told_in_the_terms_of_its_family() {
    for (family, options, want, checked) in TROUBLE {
        let mounted = family.mounted(face(), options);
        let running = mounted.scene.run(&[]);
        running.wait_for_log(want);
        wait_until(
            "the tilt goes on",
            || mounted.goals("3").len() > 5,
            || mounted.scene.log(),
        );
        mounted.ends(running);
        if checked {
            assert!(mounted.goals("1").is_empty(), "{options:?}");
            let (status, text) = mounted.check();
            assert_eq!(status, Some(1), "{text}");
            let why = want.rsplit("torque: ").next().unwrap();
            assert!(text.contains(why), "{text}");
        }
    }
}

#[test]
fn an_overloaded_dynamixel_is_started_anew() {
    // It fails again after half a second of torque each time.
    let mounted = DYNAMIXEL.mounted(face(), &["--overload", "1=0.5"]);
    let running = mounted.scene.run(&[]);
    running.wait_for_log("servo 1 (pan) gets no torque: it reports overload");
    running.wait_for_log("servo 1 (pan) has latched an overload; starting it anew");
    running.wait_for_log("servo 1 (pan) is taken up again");
    mounted.ends(running);
    let reboots = |f: &&Value| f["instruction"] == "reboot";
    assert!((1..=3).contains(&mounted.servos.frames().iter().filter(reboots).count()));
}

#[test]
fn a_dynamixel_that_answers_pings_only_is_told_to_answer() {
    let mounted = DYNAMIXEL.mounted(face(), &["--level", "1=0", "--level", "3=1"]);
    let running = mounted.scene.run(&[]);
    wait_until(
        "goals of all",
        || !mounted.goals("1").is_empty() && !mounted.goals("3").is_empty(),
        || mounted.scene.log(),
    );
    mounted.ends(running);
    assert_eq!(mounted.family.torque(&mounted.servos, 1), Some(false));
}

#[test]
fn a_maestro_that_has_stopped_its_pulses_is_asked_why_and_goes_on() {
    for (options, want) in [
        (
            &["--error-at", "60"][..],
            "the controller has stopped the pulses of servo 1 (pan): serial timeout",
        ),
        (
            &["--reset-at", "60"],
            "the controller has stopped the pulses of servo 1 (pan): without an error",
        ),
    ] {
        let mounted = MAESTRO.mounted(face(), options);
        let running = mounted.scene.run(&[]);
        running.wait_for_log("the position is the commanded one");
        running.wait_for_log(want);
        let before = mounted.goals("1").len();
        wait_until(
            "goals again",
            || mounted.goals("1").len() > before + 2,
            || mounted.scene.log(),
        );
        // Not the line is lost, nor is anybody absent.
        let log = mounted.scene.log();
        assert!(
            !log.contains("servo - ERROR") && !log.contains("RECONNECT"),
            "{log}"
        );
        mounted.ends(running);
    }
}

#[test]
fn a_maestro_is_found_however_its_line_is_set() {
    for options in [&["--crc"][..], &["--mode", "detect"]] {
        let mounted = MAESTRO.mounted(face(), options);
        let running = mounted.scene.run(&[]);
        wait_until(
            "goals",
            || mounted.goals("1").len() > 5,
            || mounted.scene.log(),
        );
        mounted.ends(running);
        let (status, text) = mounted.check();
        assert!(
            text.contains("the position is the commanded one"),
            "{status:?} {text}"
        );
    }
}

#[test]
fn a_maestro_on_a_line_that_goes_one_way_follows_and_is_let_go() {
    let Some(scene) = clip() else { return };
    let mounted = MAESTRO.mounted(
        scene,
        &["--mode", "detect", "--mute", "0", "--baud", "9600"],
    );
    let mounted = Mounted {
        scene: mounted.scene.set("servo.protocol", json!("mini-ssc")),
        ..mounted
    };
    let running = mounted.scene.run(&[]);
    running.wait_for_log("the line goes one way");
    mounted.follows();
    mounted.ends(running);
    let taken = |f: &Value| f["command"] != "target" || f["taken"] == true;
    assert!(mounted.servos.frames().iter().all(taken));
    let (status, text) = mounted.check();
    assert!(text.contains("the line goes one way"), "{status:?} {text}");
}

#[test]
fn each_family_comes_back_after_its_line_was_gone() {
    for family in FAMILIES {
        let mut mounted = family.mounted(face(), &[]);
        let running = mounted.scene.run(&[]);
        wait_until(
            "goals",
            || mounted.goals("1").len() > 5,
            || mounted.scene.log(),
        );
        let scene = &mounted.scene;
        // It ends before its successor begins to write down what it receives.
        drop(std::mem::replace(
            &mut mounted.servos,
            Servos::start_family(
                family.protocol,
                &scene.path("elsewhere"),
                &scene.path("unused"),
                &[],
            )
            .unwrap(),
        ));
        running.wait_for_log("servo - ERROR");
        std::fs::remove_file(scene.path("servos.jsonl")).unwrap();
        mounted.servos = family.start(scene, &[]);
        running.wait_for_log("[SERVO_RECONNECT]");
        wait_until(
            "goals after the return",
            || mounted.goals("1").len() > 5,
            || mounted.scene.log(),
        );
        mounted.ends(running);
    }
}

#[test]
fn servos_of_another_family_are_said_so_and_not_moved() {
    let sts = Family {
        protocol: "sts",
        ..DYNAMIXEL
    };
    for (protocol, there) in [("sts", SCS), ("scs", sts)] {
        // Where an SCS stands at 1000 of 1024, STS reads a position that cannot be.
        let mut mounted = there.mounted(face(), &["--start", "1=1000"]);
        mounted.scene = mounted.scene.set("servo.protocol", json!(protocol));
        let running = mounted.scene.run(&[]);
        running.wait_for_log("correct \"servo.protocol\"");
        assert_eq!(running.stop().0.code(), Some(0));
        let (status, text) = mounted.check();
        assert_eq!(status, Some(1), "{text}");
        assert!(text.contains("correct \"servo.protocol\""), "{text}");
        for id in ["1", "2", "3"] {
            assert!(mounted.servos.goals(id).is_empty(), "servo {id} was moved");
        }
    }
}

#[test]
fn check_hears_servos_that_speak_otherwise() {
    for (protocol, there) in [("sts", DYNAMIXEL), ("dynamixel", SCS)] {
        let mut mounted = there.mounted(face(), &[]);
        mounted.scene = mounted.scene.set("servo.protocol", json!(protocol));
        let (status, text) = mounted.check();
        assert_eq!(status, Some(1), "{text}");
        assert!(text.contains("correct \"servo.protocol\""), "{text}");
    }
}

#[test]
fn an_adapter_that_only_echoes_is_named() {
    for family in [SCS, DYNAMIXEL] {
        let deaf = ["--echo", "--mute", "1", "--mute", "2", "--mute", "3"];
        let mounted = family.mounted(face(), &deaf);
        let running = mounted.scene.run(&[]);
        running.wait_for_log("only what is sent comes back");
        mounted.ends(running);
        let (status, text) = mounted.check();
        assert_eq!(status, Some(1), "{text}");
        assert!(text.contains("only what was sent comes back"), "{text}");
    }
}
