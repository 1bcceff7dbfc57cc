//! `facetap setup`: from nothing to a service that follows and records, by answers and by a person at a terminal.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use facetap::follow::pose::Pose;
use serde_json::{Value, json};

use crate::harness::{Scene, facetap, shared, wait_until};
use crate::late_camera::{LateCamera, Setting};
use crate::server::Server;
use crate::servo_tool::Bench;
use crate::terminal::Terminal;

const STANDS: Pose = Pose {
    pan: 10.0,
    tilt: -5.0,
    roll: 0.0,
};

fn camera() -> LateCamera {
    LateCamera::start(Setting {
        rate: 20,
        delay: Duration::from_millis(120),
        jitter: Duration::from_millis(5),
        later: None,
        lengths: true,
        face: |_| STANDS,
    })
}

/// What a person has to have before: nothing but where the tests keep their things.
fn scene() -> Scene {
    let scene = Scene::new().set("cards.readers", json!("simulated"));
    keep(&scene);
    scene
}

fn keep(scene: &Scene) {
    std::fs::write(scene.path("config.json"), scene.config.to_string()).unwrap();
}

fn command(scene: &Scene, options: &[&str]) -> Command {
    let mut command = facetap();
    command
        .args(["setup", "--config"])
        .arg(scene.path("config.json"))
        .args(options)
        .env("TZ", "Asia/Tokyo")
        .current_dir(scene.dir.path());
    command
}

/// Runs it with these answers; its status and all that it said.
fn answered(scene: &Scene, answers: &Value) -> (i32, String) {
    std::fs::write(scene.path("answers.json"), answers.to_string()).unwrap();
    let output = command(scene, &["--answers", "answers.json"])
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    (output.status.code().unwrap(), said)
}

fn config(scene: &Scene) -> Value {
    let text = std::fs::read_to_string(scene.path("config.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn is_valid(scene: &Scene) -> bool {
    let mut check = facetap();
    check
        .args(["config", "check"])
        .arg(scene.path("config.json"));
    check.output().unwrap().status.success()
}

#[test]
fn answers_alone_lead_to_a_service_that_follows_and_records() {
    let Some(models) = shared("models") else {
        return;
    };
    let camera = camera();
    let scene = scene()
        .set("detector.model_dir", json!(models))
        .set("camera.fov_degrees", json!(90))
        // Two axes are mounted the other way round, as far as the configuration knows.
        .set("servo.axes.pan.invert", json!(true))
        .set("servo.axes.roll.invert", json!(true));
    keep(&scene);
    let mut server = Server::new(&scene);
    server.start("ok");
    let (status, said) = answered(
        &scene,
        &json!({
            "language": "en",
            "time": true,
            "camera": camera.url,
            "servos": {"port": camera.servo_port, "ids": false, "roll": true},
            "directions": true,
            "delay": true,
            "cards": 30,
            "server": format!("http://127.0.0.1:{}", server.port),
            "write": true,
        }),
    );
    assert_eq!(status, 0, "{said}");
    for part in [
        "picture: 640x480",
        "pan: mounted the other way round",
        "tilt: turns as it should",
        "roll: mounted the other way round",
        "field of view 6",
        "It was not recorded",
        "is written and valid",
        "wire: ",
        "The set-up is done",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(is_valid(&scene), "{said}");
    let written = config(&scene);
    let axes = &written["servo"]["axes"];
    assert_eq!(
        (&axes["pan"]["invert"], &axes["roll"]["invert"]),
        (&json!(false), &json!(false)),
        "{written}"
    );
    let fov = written["camera"]["fov_degrees"].as_f64().unwrap();
    assert!((62.0..68.0).contains(&fov), "{said}");
    // Nothing is left of the draft, and nothing was recorded.
    assert!(!scene.path("config.json.setup").exists());
    assert!(server.stored().is_empty());
    let scene = Scene {
        config: written,
        ..scene
    };
    let running = scene.run(&[]);
    running.wait_for_log("servos at rest");
    wait_until("pictures", || scene.trace().len() > 2, || scene.log());
    camera.arrive();
    let near = || {
        let track = camera.track();
        let near = |pose: &Pose| {
            (pose.pan - STANDS.pan).abs() < 3.0 && (pose.tilt - STANDS.tilt).abs() < 3.0
        };
        track.last().is_some_and(|(_, pose)| near(pose))
    };
    wait_until("a look at the face", near, || scene.log());
    wait_until("taps", || !server.stored().is_empty(), || scene.log());
    assert_eq!(running.stop().0.code(), Some(0));
}

#[test]
fn a_camera_that_does_not_turn_with_the_mount_is_told_and_the_rest_goes_on() {
    let camera = camera();
    // Servos of somebody else.
    let other = LateCamera::start(Setting {
        rate: 5,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        later: None,
        lengths: true,
        face: |_| STANDS,
    });
    let scene = scene();
    let before = config(&scene);
    let (status, said) = answered(
        &scene,
        &json!({
            "camera": camera.url,
            "servos": {"port": other.servo_port},
            "directions": true,
            "cards": 30,
            "write": true,
        }),
    );
    assert_eq!(status, 1, "{said}");
    assert!(
        said.contains("the camera does not see the movement")
            && said.contains("not as they should be: directions")
            && said.contains("It was not recorded"),
        "{said}"
    );
    assert!(is_valid(&scene), "{said}");
    assert_eq!(config(&scene)["camera"]["source"], camera.url);
    // And back.
    let undone = command(&scene, &["--undo"]).output().unwrap();
    assert_eq!(undone.status.code(), Some(0));
    assert_eq!(config(&scene), before);
    let twice = command(&scene, &["--undo"]).output().unwrap();
    assert_eq!(twice.status.code(), Some(2));
}

#[test]
fn what_cannot_be_asked_or_understood_is_refused_before_anything_happens() {
    let scene = scene();
    let before = config(&scene);
    let silent = command(&scene, &[]).output().unwrap();
    let said = String::from_utf8(silent.stderr).unwrap();
    assert_eq!(silent.status.code(), Some(2), "{said}");
    assert!(said.contains("--answers"), "{said}");
    for (answers, part) in [
        (json!({"camra": "auto"}), "did you mean \"camera\"?"),
        (json!({"cards": "soon"}), "0 to 600"),
        (json!([1]), "an object"),
    ] {
        let (status, said) = answered(&scene, &answers);
        assert!(status == 2 && said.contains(part), "{status} {said}");
    }
    assert_eq!(config(&scene), before);
    assert!(!scene.path("config.json.setup").exists());
}

/// Where a mount stands, by the goals that its servos have received.
struct Stands {
    record: PathBuf,
    read: u64,
    rest: Vec<u8>,
    pose: Pose,
}

impl Stands {
    fn of(record: PathBuf) -> impl Fn() -> Pose + Send + Sync {
        let stands = Mutex::new(Self {
            record,
            read: 0,
            rest: Vec::new(),
            pose: Pose::HOME,
        });
        move || stands.lock().unwrap().now()
    }

    fn now(&mut self) -> Pose {
        let Ok(mut file) = std::fs::File::open(&self.record) else {
            return self.pose;
        };
        file.seek(SeekFrom::Start(self.read)).unwrap();
        self.read += file.read_to_end(&mut self.rest).unwrap() as u64;
        let end = self
            .rest
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.rest.drain(..end).collect();
        for line in lines.split(|b| *b == b'\n') {
            let Ok(frame) = serde_json::from_slice::<Value>(line) else {
                continue;
            };
            let goal = |id: &str| frame["goals"][id].as_f64();
            let degrees = |steps: f64| (steps - 2048.0) * 360.0 / 4096.0;
            self.pose.pan = goal("1").map_or(self.pose.pan, degrees);
            self.pose.roll = goal("2").map_or(self.pose.roll, degrees);
            self.pose.tilt = goal("3").map_or(self.pose.tilt, degrees);
        }
        self.pose
    }
}

#[test]
fn three_new_servos_that_all_have_id_1_follow_a_face_in_the_end() {
    let Some(models) = shared("models") else {
        return;
    };
    let mut bench = Bench::new("sts", &["--ids", "1,1,1", "--plugged", "0"]);
    let setting = Setting {
        rate: 15,
        delay: Duration::from_millis(80),
        jitter: Duration::ZERO,
        later: None,
        lengths: true,
        face: |_| STANDS,
    };
    let camera = LateCamera::on(setting, Stands::of(bench.record()));
    let mut scene = bench.scene.config.clone();
    scene["detector"] = json!({"model_dir": models});
    scene["servo"]["axes"] = json!({"pan": {"invert": true}, "roll": {"id": 2}});
    std::fs::write(bench.config_file(), scene.to_string()).unwrap();
    let answers = bench.scene.path("answers.json");
    let steps = json!({"camera": camera.url, "servos": {"roll": true, "ids": true}, "directions": true, "delay": true,
        "write": true});
    std::fs::write(&answers, steps.to_string()).unwrap();
    let mut command = command(&bench.scene, &["--answers"]);
    command.arg(&answers).env("LC_ALL", "C");
    let mut terminal = Terminal::start(command);
    for (n, axis) in ["pan", "tilt", "roll"].into_iter().enumerate() {
        terminal.expect(&format!("{axis} is done"));
        if axis != "roll" {
            terminal.expect(&format!("Unplug the servo for {axis}"));
            bench.tell(&format!("unplug {n}"));
            terminal.expect("no servo answers");
            bench.tell(&format!("plug {}", n + 1));
        }
    }
    terminal.expect("connect all of them");
    bench.tell("power");
    bench.tell("plug 0");
    bench.tell("plug 1");
    let (status, said) = terminal.end();
    assert_eq!(status, Some(0), "{said}");
    let kept = bench.kept();
    let ids: Vec<u8> = kept.iter().map(|memory| memory[5]).collect();
    assert_eq!(ids, [1, 3, 2], "{said}");
    let written: Value =
        serde_json::from_str(&std::fs::read_to_string(bench.config_file()).unwrap()).unwrap();
    assert_eq!(
        written["servo"]["axes"]["pan"]["invert"],
        json!(false),
        "{said}"
    );
    bench.scene.config = written;
    let running = bench.scene.run(&[]);
    running.wait_for_log("servos at rest");
    camera.arrive();
    let near = || {
        let track = camera.track();
        let near = |pose: &Pose| {
            (pose.pan - STANDS.pan).abs() < 3.0 && (pose.tilt - STANDS.tilt).abs() < 3.0
        };
        track.last().is_some_and(|(_, pose)| near(pose))
    };
    wait_until("a look at the face", near, || bench.scene.log());
    assert_eq!(running.stop().0.code(), Some(0));
}

/// The person's keys.
const DOWN: &str = "\x1b[B";
const CTRL_C: &str = "\x03";

/// A person at a bench with three servos that all have the id 1, the first one plugged in.
struct Walk {
    bench: Bench,
    terminal: Terminal,
    file: PathBuf,
}

impl Walk {
    fn begin(bench: Bench) -> Self {
        let file = bench.config_file();
        let mut command = facetap();
        command
            .args(["setup", "--config"])
            .arg(&file)
            .env("TZ", "Asia/Tokyo")
            .env("LC_ALL", "C");
        let terminal = Terminal::start(command);
        Self {
            bench,
            terminal,
            file,
        }
    }

    /// Takes what is offered first.
    fn enter(&mut self, question: &str) {
        self.terminal.expect(question);
        self.terminal.send("\r");
    }

    /// Leaves a step out.
    fn leave_out(&mut self, step: &str) {
        self.terminal.expect(step);
        self.terminal.expect("This step");
        self.terminal.send(&format!("{DOWN}\r"));
    }

    /// Carries a step out.
    fn go(&mut self, step: &str) {
        self.terminal.expect(step);
        self.enter("This step");
    }
}

fn three_with_id_1() -> Bench {
    let options = ["--ids", "1,1,1", "--plugged", "", "--start", "1=2100"];
    Bench::new("sts", &options)
}

#[test]
fn a_person_leaves_takes_up_and_takes_back() {
    let mut walk = Walk::begin(three_with_id_1());
    let before = std::fs::read_to_string(&walk.file).unwrap();
    walk.go("[1/11]");
    walk.enter("Language");
    walk.go("[2/11]");
    walk.enter("Right?");
    walk.leave_out("[3/11]");
    walk.terminal.expect("[4/11]");
    walk.terminal.expect("This step");
    walk.terminal.send(CTRL_C);
    let Walk {
        bench, terminal, ..
    } = walk;
    let (status, said) = terminal.end();
    assert!(
        status == Some(1) && said.contains("goes on where it was"),
        "{said}"
    );

    let mut walk = Walk::begin(bench);
    walk.enter("3 steps of a set-up are done already");
    walk.go("[4/11]");
    walk.enter("Which port?");
    walk.enter("Has the mount a servo for roll");
    walk.enter("Are they new");
    for (n, (axis, id)) in [("pan", 1), ("tilt", 3), ("roll", 2)]
        .into_iter()
        .enumerate()
    {
        walk.terminal
            .expect(&format!("Connect the servo for {axis}"));
        walk.bench.tell(&format!("plug {n}"));
        walk.terminal.send("\n");
        if id != 1 {
            walk.terminal.answer(&format!("It gets the id {id}"), "y");
        }
        walk.terminal.answer("its centre, permanently?", "n");
        if axis != "roll" {
            walk.terminal
                .expect(&format!("Unplug the servo for {axis}"));
            walk.bench.tell(&format!("unplug {n}"));
        }
    }
    walk.terminal.expect("Connect all servos (1, 2, 3)");
    walk.bench.tell("power");
    walk.bench.tell("plug 0");
    walk.bench.tell("plug 1");
    walk.terminal.send("\n");
    // Straight ahead, and then taken back.
    walk.go("[5/11]");
    for axis in ["pan", "roll", "tilt"] {
        walk.enter(&format!("Turn {axis} straight ahead"));
    }
    walk.terminal.expect("[6/11]");
    walk.terminal.expect("This step");
    walk.terminal.send(&format!("{DOWN}{DOWN}\r"));
    for step in ["[5/11]", "[6/11]", "[7/11]", "[8/11]"] {
        walk.leave_out(step);
    }
    walk.go("[9/11]");
    walk.enter("Address of the server");
    walk.go("[10/11]");
    walk.enter("Write this to");
    walk.leave_out("[11/11]");
    let (status, said) = walk.terminal.end();
    assert_eq!(status, Some(0), "{said}");
    let kept = walk.bench.kept();
    let of = |at: usize| kept.iter().map(|memory| memory[at]).collect::<Vec<u8>>();
    // Ids last; the corrections of straight ahead were taken back.
    assert_eq!((of(5), of(31)), (vec![1, 3, 2], vec![0, 0, 0]));
    let after = std::fs::read_to_string(&walk.file).unwrap();
    assert!(after != before && after.contains("\"language\""), "{after}");
}

#[test]
fn every_question_can_be_left_by_ctrl_c() {
    // The questions up to the first that needs a device, and what is pressed before.
    let questions: [&[(&str, &str)]; 5] = [
        &[("This step", CTRL_C)],
        &[("This step", "\r"), ("Language", CTRL_C)],
        &[
            ("This step", "\r"),
            ("Language", "\r"),
            ("[2/11]", ""),
            ("This step", "\r"),
            ("Right?", CTRL_C),
        ],
        &[("This step", "\x1b")],
        &[
            ("This step", DOWN_ENTER),
            ("[2/11]", ""),
            ("This step", DOWN_ENTER),
            ("[3/11]", ""),
            ("This step", "\r"),
            ("Which camera?", CTRL_C),
        ],
    ];
    for keys in questions {
        let bench = Bench::new("sts", &["--ids", "1"]);
        let mut walk = Walk::begin(bench);
        let before = std::fs::read_to_string(&walk.file).unwrap();
        for (question, key) in keys {
            walk.terminal.expect(question);
            walk.terminal.send(key);
        }
        let (status, said) = walk.terminal.end();
        assert!(status == Some(1) && said.contains("left; "), "{said}");
        assert_eq!(std::fs::read_to_string(&walk.file).unwrap(), before);
        assert!(walk.bench.is_untouched());
    }
}

const DOWN_ENTER: &str = "\x1b[B\r";
