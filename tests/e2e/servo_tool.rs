//! `facetap servo`: servos are found, set up and moved, at simulated ones that share no code with the program; what their
//! permanent memory holds afterwards, also where their power failed meanwhile.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::harness::{Scene, facetap, wait_until};
use crate::servos::Servos;
use crate::terminal::Terminal;

/// Servos on a line, and the configuration that names it.
pub struct Bench {
    pub scene: Scene,
    servos: Servos,
}

impl Bench {
    pub fn new(family: &str, options: &[&str]) -> Self {
        let scene = Scene::new().set("servo.enabled", json!(true));
        let (link, control) = (scene.path("servos"), scene.path("control"));
        let scene = scene
            .set("servo.port", json!(link))
            .set("servo.protocol", json!(family));
        std::fs::write(scene.path("config.json"), scene.config.to_string()).unwrap();
        let control = control.display().to_string();
        let options = [&["--control", &control], options].concat();
        let servos = Servos::start_family(family, &link, &scene.path("frames.jsonl"), &options)
            .expect("python3 is needed (scripts/setup.sh test)");
        wait_until("the servos' port", || link.exists(), String::new);
        Self { scene, servos }
    }

    pub fn command(&self, words: &[&str]) -> std::process::Command {
        let mut command = facetap();
        command.arg("servo").args(words);
        command.arg("--config").arg(self.scene.path("config.json"));
        command
    }

    pub fn config_file(&self) -> PathBuf {
        self.scene.path("config.json")
    }

    /// What the servos receive.
    pub fn record(&self) -> PathBuf {
        self.scene.path("frames.jsonl")
    }

    fn run(&self, words: &[&str]) -> (i32, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(words).output().unwrap();
        let said = String::from_utf8([stdout, stderr].concat()).unwrap();
        assert!(!said.contains("panicked"), "{said}");
        (status.code().unwrap(), said)
    }

    fn json(&self, words: &[&str]) -> Value {
        let output = self.command(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice(&output.stdout).expect(&said)
    }

    /// Has the simulation do something, and waits until it has.
    pub fn tell(&self, line: &str) {
        let had = self.obeyed(line);
        let path: PathBuf = self.scene.path("control");
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(file, "{line}").unwrap();
        wait_until(
            line,
            || self.obeyed(line) > had,
            || format!("{:?}", self.servos.frames().last()),
        );
    }

    fn obeyed(&self, line: &str) -> usize {
        self.servos
            .frames()
            .iter()
            .filter(|f| f["obeyed"] == line)
            .count()
    }

    /// Permanent memory of all servos after their power was cut.
    pub fn kept(&self) -> Vec<Vec<u8>> {
        self.tell("power");
        self.tell("dump");
        let frames = self.servos.frames();
        let dump = frames.iter().rfind(|f| f["permanent"].is_array()).unwrap();
        let byte = |text: &str, n: usize| u8::from_str_radix(&text[n..n + 2], 16).unwrap();
        let bytes = |text: &str| (0..text.len()).step_by(2).map(|n| byte(text, n)).collect();
        dump["permanent"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| bytes(v.as_str().unwrap()))
            .collect()
    }

    /// What was written to a register of an id, in order.
    fn written(&self, register: u64) -> Vec<(u64, Vec<u8>)> {
        let frames = self.servos.frames();
        let writes = frames
            .iter()
            .filter(|f| f["instruction"] == "write" && f["register"] == register);
        let data = |f: &Value| {
            f["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|b| b.as_u64().unwrap() as u8)
                .collect()
        };
        writes
            .map(|f| (f["id"].as_u64().unwrap(), data(f)))
            .collect()
    }

    /// Nothing was written at all.
    pub fn is_untouched(&self) -> bool {
        !self
            .servos
            .frames()
            .iter()
            .any(|f| f["instruction"] == "write")
    }
}

/// What waits for servos waits side by side.
fn at_once<T: Sync>(all: &[T], each: impl Fn(&T) + Sync) {
    let each = &each;
    std::thread::scope(|scope| {
        for one in all {
            scope.spawn(move || each(one));
        }
    });
}

#[test]
fn a_scan_names_everybody_and_changes_nothing() {
    let families = [
        ("sts", "STS3215", 7.4),
        ("scs", "2307", 7.4),
        ("dynamixel", "XL430-W250", 12.0),
    ];
    at_once(&families, |(family, model, voltage)| {
        let bench = Bench::new(family, &["--ids", "1,2,40"]);
        let found = bench.json(&["scan", "--json"]);
        let servos = found.as_array().unwrap();
        let ids: Vec<&Value> = servos.iter().map(|servo| &servo["id"]).collect();
        assert_eq!(ids, [1, 2, 40], "{found}");
        for servo in servos {
            let is = |name: &str, value: Value| assert_eq!(servo[name], value, "{found}");
            is("family", json!(family));
            is("model", json!(model));
            is("voltage", json!(voltage));
            is("mode", json!("position"));
            is("left", json!([]));
            assert!(servo["position"].is_i64(), "{found}");
        }
        assert!(bench.is_untouched());
    });
}

#[test]
fn a_scan_tells_two_servos_with_one_id_an_echo_and_late_answers_apart() {
    let bench = Bench::new("sts", &["--ids", "1,2", "--twin", "1=1400", "--echo"]);
    let (status, said) = bench.run(&["scan"]);
    assert!(
        status == 0
            && said.contains("id 1 (1000000 baud): its answers are broken or differ: two or more"),
        "{said}"
    );
    assert!(said.contains("2   roll  Feetech STS"), "{said}");
    let (status, said) = bench.run(&["info", "1"]);
    assert!(
        status == 1 && said.contains("two or more servos have this id"),
        "{said}"
    );

    let bench = Bench::new("sts", &["--ids", "1", "--mute", "1", "--echo"]);
    let (status, said) = bench.run(&["scan"]);
    assert!(
        status == 1 && said.contains("writes work, reads do not"),
        "{said}"
    );

    let bench = Bench::new("sts", &["--ids", "1,2", "--late", "2=90", "--noise", "20"]);
    let (_, said) = bench.run(&["scan"]);
    assert!(said.contains("id 2: it answers later than 50 ms"), "{said}");

    // Of another family, at another rate than configured.
    let bench = Bench::new(
        "dynamixel",
        &["--ids", "7", "--baud", "1000000", "--set", "7=8:3"],
    );
    std::fs::write(
        bench.scene.path("config.json"),
        json!({"servo": {"port": bench.scene.path("servos")}}).to_string(),
    )
    .unwrap();
    let (_, said) = bench.run(&["info", "7"]);
    assert!(
        said.contains("Dynamixel 2.0 XL430-W250") && said.contains("1000000"),
        "{said}"
    );
}

#[test]
fn what_others_left_behind_is_named_and_put_right_one_question_each() {
    let options = [
        "--ids",
        "1",
        "--mode",
        "1=1",
        "--limits",
        "1=100:3000",
        "--set",
        "1=18:28",
        "--set",
        "1=31:100",
        "--set",
        "1=8:0",
    ];
    let bench = Bench::new("sts", &options);
    let info = bench.json(&["info", "1", "--json"]);
    assert_eq!(info["left"].as_array().unwrap().len(), 5, "{info}");
    let mut terminal = Terminal::start(bench.command(&["setup", "--axis", "pan"]));
    terminal.answer("no other new one", "");
    for part in [
        "operating mode 1 (speed)",
        "limits 100 to 3000",
        "corrected by 100 steps",
        "beyond one turn",
        "reply level 0",
    ] {
        terminal.answer(part, "y");
    }
    terminal.answer("its centre, permanently?", "n");
    terminal.answer("Switch the servos' power off and on", "");
    assert_eq!(terminal.end().0, Some(0));
    let [kept] = &bench.kept()[..] else { panic!() };
    assert_eq!(
        (kept[5], kept[8], &kept[9..13], kept[18], &kept[31..34]),
        (1, 1, &[0, 0, 0xFF, 0x0F][..], 12, &[0, 0, 0][..])
    );
    // Another time there is nothing to write.
    let writes = |bench: &Bench| {
        bench
            .servos
            .frames()
            .iter()
            .filter(|f| f["instruction"] == "write")
            .count()
    };
    let before = writes(&bench);
    let (status, said) = bench.run(&["setup", "--axis", "pan", "--yes"]);
    assert!(status == 0 && writes(&bench) == before, "{said}");
}

#[test]
fn an_id_is_changed_to_last_wherever_the_power_fails() {
    // Unlock, id, lock; at each of them, lost or just taken.
    let moments: Vec<(&str, Vec<String>)> = ["sts", "scs"]
        .into_iter()
        .flat_map(|family| (0..=3).map(move |n| (family, n)))
        .flat_map(|(family, n)| [false, true].map(|taken| (family, n, taken)))
        .filter(|(_, n, taken)| *n > 0 || !taken)
        .chain([
            ("dynamixel", 0, false),
            ("dynamixel", 1, false),
            ("dynamixel", 1, true),
        ])
        .map(|(family, n, taken)| {
            let mut options = vec!["--ids".to_owned(), "1,2".to_owned()];
            options.extend(
                (n > 0)
                    .then(|| ["--cut-at".to_owned(), n.to_string()])
                    .into_iter()
                    .flatten(),
            );
            options.extend(taken.then(|| "--taken".to_owned()));
            (family, options)
        })
        .collect();
    at_once(&moments, |(family, options)| {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let bench = Bench::new(family, &options);
        let (status, said) = bench.run(&["set-id", "1", "3", "--yes"]);
        let (at, lock) = match *family {
            "sts" => (5, Some(55)),
            "scs" => (5, Some(48)),
            _ => (7, None),
        };
        let kept: Vec<u8> = bench.kept().iter().map(|memory| memory[at]).collect();
        let after = (status, &kept[..]);
        assert_eq!(after, (0, &[3, 2][..]), "{family} {options:?}: {said}");
        if let Some(lock) = lock {
            let written = bench.written(lock);
            assert_eq!(written.last(), Some(&(3, vec![1])), "{family} {options:?}");
        }
    });
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_written() {
    let bench = Bench::new("sts", &["--ids", "1,2", "--twin", "2=900"]);
    for (words, status, part) in [
        (&["set-id", "1", "2", "--yes"][..], 1, "is taken"),
        (&["set-id", "2", "5", "--yes"], 1, "two or more servos"),
        (&["set-id", "9", "5", "--yes"], 1, "no servo with id 9"),
        (&["set-id", "1", "254", "--yes"], 2, "there is no id 254"),
        (
            &["set-id", "1", "3"],
            2,
            "there is no terminal to ask at, so nothing is changed",
        ),
        (&["center", "1"], 2, "there is no terminal"),
        (&["setup"], 2, "there is no terminal"),
        (&["test", "1"], 2, "there is no terminal"),
        (&["offset", "1", "5000", "--yes"], 2, "5000"),
    ] {
        let (code, said) = bench.run(words);
        assert!(
            code == status && said.contains(part),
            "{words:?}: {code} {said}"
        );
    }
    assert!(bench.is_untouched());
    let scs = Bench::new("scs", &["--ids", "1"]);
    let (code, said) = scs.run(&["center", "1", "--yes"]);
    assert!(
        code == 1 && said.contains("no correction of their position") && scs.is_untouched(),
        "{said}"
    );
    let maestro = Bench::new("maestro", &[]);
    for words in [
        &["set-id", "1", "2", "--yes"][..],
        &["info", "1"],
        &["setup", "--yes"],
    ] {
        let (code, said) = maestro.run(words);
        assert!(
            code == 1 && said.contains("Pololu Maestro cannot do that"),
            "{said}"
        );
    }
    let (code, said) = maestro.run(&["scan"]);
    assert!(
        code == 0 && said.contains("channel 1 (pan): no pulses"),
        "{said}"
    );
}

#[test]
fn centre_offset_and_range_go_the_shortest_way_and_last() {
    let word = |memory: &[u8], at: usize| u16::from_le_bytes([memory[at], memory[at + 1]]);
    let bench = Bench::new("sts", &["--ids", "1", "--start", "1=3000"]);
    assert_eq!(bench.run(&["center", "1", "--yes"]).0, 0);
    let position = |bench: &Bench| {
        bench.json(&["info", "1", "--json"])["position"]
            .as_i64()
            .unwrap()
    };
    assert_eq!((word(&bench.kept()[0], 31), position(&bench)), (952, 2048));
    let (code, said) = bench.run(&["offset", "1", "3000", "--yes"]);
    assert!(
        code == 0 && said.contains("correction -1096 steps"),
        "{said}"
    );
    assert_eq!(word(&bench.kept()[0], 31), 1096 | 0x800);
    let done = bench.json(&["offset", "1", "-1096", "--yes", "--json"]);
    assert_eq!((&done["id"], &done["offset"]), (&json!(1), &json!(-1096)));
    // What it is already is not written.
    let writes = bench.written(31).len();
    assert_eq!(bench.run(&["offset", "1", "-1096", "--yes"]).0, 0);
    assert_eq!(bench.written(31).len(), writes);

    let hand = |bench: &Bench, to: &[i64]| {
        let mut terminal = Terminal::start(bench.command(&["range", "1"]));
        terminal.expect("Turn the axis by hand");
        for at in to {
            bench.tell(&format!("turn 0 {at}"));
            let seen = bench.servos.frames().len();
            let more = || bench.servos.frames().len() > seen + 3;
            wait_until("looks", || more() || terminal.ended(), String::new);
        }
        terminal
    };
    let bench = Bench::new("sts", &["--ids", "1"]);
    let mut terminal = hand(&bench, &[1500, 900, 1800, 2900, 3100, 2048]);
    terminal.answer("press Enter", "");
    terminal.answer("become 900 and 3100, permanently?", "y");
    terminal.answer("Switch the servos' power", "");
    assert_eq!(terminal.end().0, Some(0));
    let kept = &bench.kept()[0];
    assert_eq!((word(kept, 9), word(kept, 11)), (900, 3100));
    // A whole turn is none.
    let terminal = hand(&bench, &[3000, 4000, 900, 1900, 2600]);
    let (status, said) = terminal.end();
    assert!(
        status == Some(1) && said.contains("a whole turn or more"),
        "{said}"
    );
    // Across the end of the turn: its middle becomes the centre.
    let bench = Bench::new("sts", &["--ids", "1", "--start", "1=3900"]);
    let mut terminal = hand(&bench, &[3500, 4050, 300, 700]);
    terminal.answer("press Enter", "");
    terminal.answer("across the end of the turn", "y");
    terminal.answer("become 1400 and 2696, permanently?", "y");
    terminal.answer("Switch the servos' power", "");
    assert_eq!(terminal.end().0, Some(0));
    assert_eq!(position(&bench), 2696);
}

#[test]
fn a_test_moves_a_little_and_stops_at_what_is_wrong() {
    at_once(&["sts", "scs", "dynamixel"], |family| {
        let bench = Bench::new(family, &["--ids", "1"]);
        let (status, said) = bench.run(&["test", "1", "--yes"]);
        let follows = status == 0 && said.contains("servo 1 follows");
        assert!(follows, "{family}: {said}");
        let goals = bench.servos.goals("1");
        let (torque, strength, near) = match *family {
            "sts" => (40, Some((48, 1000u16)), 1990..=2106),
            "scs" => (40, None, 494..=530),
            _ => (64, Some((100, 885)), 1990..=2106),
        };
        let small = goals.iter().all(|goal| near.contains(goal));
        assert!(small && goals.len() > 20, "{family}: {goals:?}");
        assert_eq!(bench.written(torque).last(), Some(&(1, vec![0])));
        if let Some((register, full)) = strength {
            // Weaker first, and as it was in the end.
            let written = bench.written(register);
            assert_eq!(written.len(), 2, "{written:?}");
            assert_eq!(written[1].1, full.to_le_bytes(), "{family}");
        }
    });
    // What is wrong, what is said, and whether it shows only in movement.
    let wrong: [(&[&str], &str, bool); 6] = [
        (
            &["--voltage", "1=121"],
            "12.1 V and is made for 4.0 to 8.0 V",
            false,
        ),
        (&["--status", "1=0x24"], "temperature, overload", false),
        (&["--mode", "1=1"], "operating mode", false),
        (&["--stuck", "1"], "does not follow", true),
        (&["--load-at-stop", "40"], "something is in its way", true),
        (&["--overload", "1=0.5"], "reports overload", true),
    ];
    at_once(&wrong, |(options, part, moves)| {
        let bench = Bench::new("sts", &[&["--ids", "1"], *options].concat());
        let (status, said) = bench.run(&["test", "1", "--yes"]);
        assert!(status == 1 && said.contains(part), "{options:?}: {said}");
        let torque = bench.written(40);
        let had = torque.iter().any(|(_, data)| data == &[1]);
        assert_eq!(had, *moves, "{options:?}");
        assert!(
            torque.last().is_none_or(|(_, data)| data == &[0]),
            "{options:?}"
        );
    });
    let bench = Bench::new("sts", &["--ids", "1"]);
    let done = bench.json(&["test", "1", "--yes", "--json"]);
    assert!(done["reached"][1].as_f64().unwrap() > 4.0, "{done}");
    // Three new starts in five minutes, whichever command makes them.
    let bench = Bench::new("dynamixel", &["--ids", "1", "--error", "1=0x20"]);
    let said: Vec<String> = (0..4)
        .map(|_| bench.run(&["test", "1", "--yes"]).1)
        .collect();
    let starts = bench
        .servos
        .frames()
        .iter()
        .filter(|f| f["instruction"] == "reboot")
        .count();
    assert!(
        starts == 3 && said[3].contains("three times in five minutes"),
        "{starts} {said:?}"
    );
    let bench = Bench::new("dynamixel", &["--ids", "1", "--error", "1=0x21"]);
    assert!(
        bench
            .run(&["test", "1", "--yes"])
            .1
            .contains("voltage, overload")
    );
}

#[test]
fn the_service_lends_the_bus_and_takes_it_back() {
    let bench = Bench::new("sts", &[]);
    let running = bench.scene.run(&[]);
    running.wait_for_log("[SERVER_START]");
    running.wait_for_log("servos on ");
    let count = |text: &str| bench.scene.log().matches(text).count();
    let (status, said) = bench.run(&["info", "1"]);
    assert_eq!(status, 0, "{said}");
    assert_eq!(count("lent to a \"facetap servo\" command"), 1);
    wait_until(
        "the return",
        || count("servos taken back") == 1,
        || bench.scene.log(),
    );
    // One that is killed is no hindrance.
    let mut command = bench.command(&["range", "1", "--yes", "--seconds", "600"]);
    let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    wait_until(
        "the second loan",
        || count("lent to") == 2,
        || bench.scene.log(),
    );
    let other = bench.run(&["info", "2"]);
    assert!(
        other.0 == 1 && other.1.contains("another \"facetap servo\" command has"),
        "{other:?}"
    );
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    let begun = Instant::now();
    wait_until(
        "the second return",
        || count("servos taken back") == 2,
        || bench.scene.log(),
    );
    println!("taken back after {:?}", begun.elapsed());
    assert!(
        !bench.scene.log().contains("ERROR"),
        "{}",
        bench.scene.log()
    );
    let (status, took) = running.stop();
    assert!(status.success() && took < Duration::from_secs(30));
}

/// Three new servos go through `setup`, up to its last question.
fn three_through_setup() -> (Bench, Terminal) {
    let options = ["--ids", "1,1,1", "--plugged", "", "--start", "1=2100"];
    let bench = Bench::new("sts", &options);
    let mut terminal = Terminal::start(bench.command(&["setup"]));
    for (n, (axis, id)) in [("pan", 1), ("tilt", 3), ("roll", 2)]
        .into_iter()
        .enumerate()
    {
        terminal.expect(&format!("Connect the servo for {axis}"));
        bench.tell(&format!("plug {n}"));
        terminal.send("\n");
        if id != 1 {
            terminal.answer(
                &format!("It gets the id {id} for {axis}, permanently?"),
                "y",
            );
        }
        terminal.answer("its centre, permanently?", if id == 3 { "y" } else { "n" });
        if axis != "roll" {
            terminal.expect(&format!("Unplug the servo for {axis}"));
            bench.tell(&format!("unplug {n}"));
        }
    }
    terminal.expect("Connect all servos (1, 2, 3)");
    (bench, terminal)
}

#[test]
fn three_servos_with_id_1_become_those_of_the_mount() {
    at_once(&[false, true], |left| {
        let (bench, mut terminal) = three_through_setup();
        if *left {
            terminal.send("\x03");
            assert_eq!(terminal.end().0, Some(1));
        } else {
            bench.tell("power");
            bench.tell("plug 0");
            bench.tell("plug 1");
            terminal.send("\n");
            let (status, said) = terminal.end();
            let all = said.contains("all servos answer by their ids");
            assert!(status == Some(0) && all, "{said}");
        }
        let kept = bench.kept();
        let of = |at: usize| kept.iter().map(|memory| memory[at]).collect::<Vec<u8>>();
        // Only the tilt got a centre: 2100 - 2048.
        assert_eq!((of(5), of(31)), (vec![1, 3, 2], vec![0, 52, 0]));
        // Each was closed under the id that it had then, and none ever had torque.
        assert_eq!(bench.written(55).last(), Some(&(2, vec![1])));
        assert!(bench.written(40).is_empty());
        if !left {
            // The service finds them.
            let running = bench.scene.run(&[]);
            for axis in ["pan (id 1)", "tilt (id 3)", "roll (id 2)"] {
                running.wait_for_log(axis);
            }
            assert_eq!(running.stop().0.code(), Some(0));
        }
    });
}

#[test]
fn the_other_families_are_set_up_likewise() {
    // Of a Dynamixel: position mode, the direction of the maker; of an SCS: the limits as delivered.
    let families: [(&str, &[&str], usize); 2] = [
        ("scs", &["--limits", "1=0:0", "--unlocked", "1"], 5),
        ("dynamixel", &["--mode", "1=1", "--set", "1=10:1"], 7),
    ];
    at_once(&families, |(family, options, at)| {
        let bench = Bench::new(family, &[&["--ids", "1"], *options].concat());
        let (status, said) = bench.run(&["setup", "--axis", "tilt", "--yes"]);
        let kept = &bench.kept()[0];
        assert_eq!((status, kept[*at]), (0, 3), "{family}: {said}");
        match *family {
            "scs" => assert_eq!(kept[9..13], [0, 20, 3, 0xEB], "{said}"),
            _ => assert_eq!((kept[10], kept[11]), (0, 3), "{said}"),
        }
    });
}

#[test]
fn more_than_one_new_servo_is_none() {
    let bench = Bench::new("sts", &["--ids", "1,1,5", "--plugged", "0,2"]);
    let mut terminal = Terminal::start(bench.command(&["setup", "--axis", "tilt"]));
    terminal.answer("Connect the servo for tilt", "");
    terminal.expect("there are several new servos (ids 1, 5)");
    bench.tell("unplug 2");
    bench.tell("turn 1 1300");
    bench.tell("plug 1");
    terminal.answer("Connect the servo for tilt", "");
    terminal.expect("two or more servos have this id");
    terminal.send("\x03");
    assert_eq!(terminal.end().0, Some(1));
    assert!(bench.is_untouched());
}

#[test]
fn every_question_can_be_left_by_ctrl_c() {
    // What is answered before it, and the question that is left.
    let setup: &[&str] = &["setup", "--axis", "tilt"];
    let power = "Switch the servos' power";
    let dialogues: [(&[&str], Vec<&str>); 7] = [
        (
            setup,
            vec![
                "no other new one",
                "corrected by 100",
                "gets the id 3",
                "its centre",
                power,
            ],
        ),
        (
            &["setup"],
            vec![
                "no other new one",
                "corrected by 100",
                "its centre",
                "Unplug the servo for pan",
            ],
        ),
        (&["set-id", "1", "3"], vec!["gets the id 3", power]),
        (
            &["center", "1"],
            vec!["becomes 52 steps instead of 100", power],
        ),
        (
            &["offset", "1", "7"],
            vec!["becomes 7 steps instead of 100", power],
        ),
        (&["range", "1"], vec!["press Enter"]),
        (&["test", "1"], vec!["nothing in its way?"]),
    ];
    let all: Vec<(&[&str], &[&str])> = dialogues
        .iter()
        .flat_map(|(words, questions)| (0..questions.len()).map(|n| (*words, &questions[..=n])))
        // The same words twice: the end alone is new.
        .filter(|(words, questions)| words.len() > 1 || questions.len() == 4)
        .collect();
    at_once(&all, |(words, questions)| {
        let options = ["--ids", "1", "--start", "1=2100", "--set", "1=31:100"];
        let bench = Bench::new("sts", &options);
        let mut terminal = Terminal::start(bench.command(words));
        let (left, answered) = questions.split_last().unwrap();
        for question in answered {
            terminal.answer(question, if *question == "its centre" { "n" } else { "y" });
        }
        terminal.expect(left);
        terminal.send("\x03");
        let (status, said) = terminal.end();
        let about = format!("{words:?}, {left}: {said}");
        assert!(status == Some(1) && said.contains("stopped"), "{about}");
        assert!(
            !bench.written(40).iter().any(|(_, data)| data == &[1]),
            "{about}"
        );
        let locks = bench.written(55);
        assert!(locks.last().is_none_or(|(_, data)| data == &[1]), "{about}");
        // What was answered is kept, and nothing else.
        let kept = &bench.kept()[0];
        let yes = |part: &str| answered.iter().any(|question| question.contains(part));
        let id = if yes("gets the id 3") { 3 } else { 1 };
        let offset = match words[0] {
            _ if yes("corrected by 100") => 0,
            "center" if yes("becomes") => 52,
            "offset" if yes("becomes") => 7,
            _ => 100,
        };
        assert_eq!((kept[5], kept[31], kept[32]), (id, offset, 0), "{about}");
    });
}

#[test]
fn a_movement_is_left_by_ctrl_c_and_the_power_is_asked_for() {
    let bench = Bench::new("sts", &["--ids", "1"]);
    let mut terminal = Terminal::start(bench.command(&["test", "1"]));
    terminal.answer("nothing in its way?", "y");
    wait_until(
        "movement",
        || bench.servos.goals("1").len() > 5,
        String::new,
    );
    terminal.send("\x03");
    let (status, said) = terminal.end();
    assert!(
        status == Some(1) && said.contains("stopped; the servo is let go"),
        "{said}"
    );
    assert_eq!(bench.written(40).last(), Some(&(1, vec![0])));
    // The tool sees by itself that the power was off.
    let mut terminal = Terminal::start(bench.command(&["set-id", "1", "9"]));
    terminal.answer("gets the id 9", "y");
    terminal.expect("Switch the servos' power");
    bench.tell("unplug 0");
    let seen = bench.servos.frames().len();
    wait_until(
        "silence",
        || bench.servos.frames().len() > seen + 4,
        String::new,
    );
    bench.tell("plug 0");
    let (status, said) = terminal.end();
    assert!(
        status == Some(0) && said.contains("it lasts: servo 9 is back"),
        "{said}"
    );
}
