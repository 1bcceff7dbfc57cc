//! Camera to servo, with servos that are not part of the binary.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{Scene, Tool, facetap, free_port, shared, wait_until};
use crate::servos::Servos;

/// The servos at the port that the scene's configuration names.
fn start_servos(scene: &Scene, more: &[&str]) -> Servos {
    let link = scene.path("servos");
    let servos = Servos::start(&link, &scene.path("servos.jsonl"), more)
        .expect("python3 is needed (scripts/setup.sh test)");
    wait_until("the servos' port", || link.exists(), String::new);
    servos
}

fn scene() -> Scene {
    Scene::new()
        .set("servo.enabled", json!(true))
        .set("camera.enabled", json!(true))
        .set("camera.source", json!("simulated"))
}

/// A scene with a clip and YuNet, or none (said loudly) without the shared data.
fn clip_scene(name: &str) -> Option<Scene> {
    let clip = shared(&format!("data/videos/{name}"))?;
    let models = shared("models")?;
    Some(
        scene()
            .set("camera.source", json!(clip))
            .set("detector.model_dir", json!(models)),
    )
}

fn with_servos(scene: Scene, more: &[&str]) -> (Scene, Servos) {
    let port = scene.path("servos");
    let scene = scene.set("servo.port", json!(port));
    let servos = start_servos(&scene, more);
    (scene, servos)
}

#[test]
fn a_clip_turns_the_servos_towards_the_face_and_a_stop_releases_them() {
    let Some(scene) = clip_scene("pan_easy.avi") else {
        return;
    };
    let (scene, servos) = with_servos(scene, &[]);
    let running = scene.run(&[]);
    running.wait_for_log("[SERVER_START]");
    // Twelve seconds are the whole clip.
    wait_until(
        "the whole clip",
        || scene.trace().len() > 340,
        || scene.log(),
    );
    let (status, _) = running.stop();
    assert_eq!(status.code(), Some(0));

    // Left stays left: while a followed face is clearly on one side, the pan goal moves to that side or
    // stands at its limit.
    let (mut with, mut against) = (0, 0);
    let trace: Vec<Value> = scene
        .trace()
        .into_iter()
        .filter(|l| l["command"].is_object())
        .collect();
    for pair in trace.windows(2) {
        let Some(face) = pair[0]["faces"].as_array().and_then(|f| f.first()) else {
            continue;
        };
        let offset = face["x"].as_f64().unwrap() + face["w"].as_f64().unwrap() / 2.0 - 320.0;
        let pan = |line: &Value| line["command"]["pan"].as_f64().unwrap();
        let moved = pan(&pair[1]) - pan(&pair[0]);
        if offset.abs() > 60.0 && moved.abs() > 0.2 {
            if offset.signum() == moved.signum() {
                with += 1
            } else {
                against += 1
            }
        }
    }
    assert!(
        with > 20 && against * 10 < with,
        "{with} with the face, {against} against it"
    );

    let pan = servos.goals("1");
    // A goal that stays is not sent again.
    assert!(pan.len() > 100, "{} goals", pan.len());
    // 50 degrees are 569 steps from the centre at 2048.
    assert!(
        pan.iter().all(|g| (1479..=2617).contains(g)),
        "a goal beyond the limits"
    );
    for id in 1..=3 {
        assert_eq!(servos.torque(id), Some(0), "servo {id} is not released");
    }
    assert!(
        servos.frames().iter().all(|f| f["bad"].is_null()),
        "a frame was not valid"
    );
}

#[test]
fn every_captured_frame_has_its_line_with_the_documented_fields() {
    let Some(scene) = clip_scene("carphone.avi") else {
        return;
    };
    let scene = scene.set("camera.repeat", json!(false));
    let (scene, _servos) = with_servos(scene, &[]);
    let (status, _) = scene.run(&[]).end();
    assert_eq!(
        status.code(),
        Some(0),
        "the end of the clip is the end of the run"
    );
    let trace = scene.trace();
    let numbers: Vec<u64> = trace.iter().map(|l| l["frame"].as_u64().unwrap()).collect();
    assert!(
        numbers.windows(2).all(|w| w[0] < w[1]),
        "in order, none twice"
    );
    assert_eq!(
        numbers.last(),
        Some(&119),
        "the last picture of the clip is processed"
    );
    let faces = trace
        .iter()
        .filter(|l| l["faces"].as_array().is_some_and(|f| !f.is_empty()))
        .count();
    assert!(
        faces * 100 >= trace.len() * 95,
        "{faces} of {}",
        trace.len()
    );
    // On a busy machine the first commands use pictures from before the servos told where they stand.
    let full = trace
        .iter()
        .find(|l| l["command"].is_object() && !l["pan"].is_null())
        .expect("a commanded frame with a known pose");
    for field in ["t", "age_ms", "pan", "tilt", "roll", "command_age_ms"] {
        assert!(full[field].is_number(), "{field}: {full}");
    }
    for field in ["id", "x", "y", "w", "h", "score"] {
        assert!(full["faces"][0][field].is_number(), "{field}: {full}");
    }
}

#[test]
fn the_bus_comes_back_after_it_was_unplugged() {
    let (scene, servos) = with_servos(scene(), &[]);
    let running = scene.run(&[]);
    running.wait_for_log("servos on ");
    drop(servos);
    running.wait_for_log("servo - ERROR");
    let again = start_servos(&scene, &[]);
    running.wait_for_log("[SERVO_RECONNECT]");
    wait_until(
        "goals after the return",
        || again.goals("1").len() > 50,
        || scene.log(),
    );
    assert_eq!(running.stop().0.code(), Some(0));
    assert_eq!(again.torque(1), Some(0));
}

/// What a servo does, and what the log says of it.
const MISBEHAVIOUR: [(&[&str], &str); 9] = [
    (
        &["--mode", "1=1"],
        "servo 1 (pan) gets no torque: its operating mode (register 33) is 1 (speed)",
    ),
    (
        &["--run-away", "1=2000"],
        "servo 1 (pan) gets no torque: it turned away from its goal",
    ),
    (
        &["--stuck", "1"],
        "servo 1 (pan) gets no torque: it did not go to its goal for two seconds",
    ),
    (
        &["--overload", "1=1"],
        "servo 1 (pan) gets no torque: it reports overload (status 0x20)",
    ),
    (
        &["--start", "1=-300"],
        "servo 1 (pan) gets no torque: it stands at -300 steps",
    ),
    (
        &["--twin", "1=1400"],
        "servo 1 (pan) gets no torque: two servos answer by this id",
    ),
    (
        &["--late", "1=80"],
        "servo 1 (pan) does not answer as it should: servo 1 answers too late",
    ),
    (&["--twice", "1"], "servo 1 (pan) answers twice"),
    (
        &["--limits", "1=1900:2200"],
        "servo 1 (pan) itself turns only from 1900 to 2200 steps",
    ),
];

#[test]
fn what_is_wrong_with_a_servo_is_in_the_log_and_check_says_the_same() {
    for (options, want) in MISBEHAVIOUR {
        let (scene, servos) = with_servos(scene(), options);
        let running = scene.run(&[]);
        running.wait_for_log(want);
        assert_eq!(running.stop().0.code(), Some(0));
        for id in 1..=3 {
            assert!(matches!(servos.torque(id), Some(0) | None), "{options:?}");
        }
        // Those that show before they have torque.
        if ["--mode", "--start", "--twin", "--late"].contains(&options[0]) {
            let file = scene.path("check.json");
            std::fs::write(&file, scene.config.to_string()).unwrap();
            let check = facetap().args(["check", "--config"]).arg(&file).output();
            let check = check.unwrap();
            let text = String::from_utf8_lossy(&check.stdout);
            assert_eq!(check.status.code(), Some(1), "{text}");
            let why = want.rsplit(": ").next().unwrap();
            assert!(text.contains(why), "{text}");
        }
    }
}

#[test]
fn a_port_that_is_absent_or_a_directory_is_reported_and_stops_nothing() {
    for port in ["/nonexistent/port", "/tmp"] {
        let scene = scene().set("servo.port", json!(port));
        let running = scene.run(&[]);
        running.wait_for_log("[SERVER_START]");
        running.wait_for_log(port);
        wait_until(
            "frames all the same",
            || scene.trace().len() > 5,
            || scene.log(),
        );
        assert!(scene.trace()[0]["pan"].is_null());
        assert_eq!(running.stop().0.code(), Some(0));
        assert!(!scene.log().contains("panicked"));
    }
}

#[test]
fn files_that_are_no_clips_are_usage_errors() {
    let scene = scene();
    let text = scene.path("notes.txt");
    std::fs::write(&text, "this is not a film\n".repeat(50)).unwrap();
    let header = scene.path("header.avi");
    std::fs::write(&header, b"RIFF\xff\xff\xff\x7fAVI LIST\x10\0\0\0hdrlavih").unwrap();
    let missing = scene.path("missing.avi");
    let mut scene = scene;
    for source in [&text, &header, &missing, &scene.dir.path().to_owned()] {
        scene = scene.set("camera.source", json!(source));
        let (status, _) = scene.run(&["--duration", "5"]).end();
        let said = std::fs::read_to_string(scene.path("stderr")).unwrap();
        assert_eq!(status.code(), Some(2), "{}: {said}", source.display());
        assert!(
            said.contains(source.to_str().unwrap()) && !said.contains("panicked"),
            "{said}"
        );
    }
}

#[test]
fn a_truncated_clip_plays_what_is_there_and_a_corrupt_picture_is_passed_over() {
    let Some(clip) = shared("data/videos/carphone.avi") else {
        return;
    };
    let Some(models) = shared("models") else {
        return;
    };
    let data = std::fs::read(clip).unwrap();
    let base = || {
        scene()
            .set("servo.enabled", json!(false))
            .set("camera.repeat", json!(false))
            .set("detector.model_dir", json!(models))
    };

    let scene = base();
    let cut = scene.path("cut.avi");
    std::fs::write(&cut, &data[..data.len() / 2]).unwrap();
    let scene = scene.set("camera.source", json!(cut));
    assert_eq!(scene.run(&[]).end().0.code(), Some(0));
    // A busy machine leaves pictures out, so their numbers count.
    let last = scene.trace().last().unwrap()["frame"].as_u64().unwrap();
    assert!((40..120).contains(&last), "the last picture is {last}");

    // A third of the pictures become noise, in no regular order: whichever a busy machine leaves out, some
    // of both are seen. Their sizes stay.
    let movi = data.windows(4).position(|w| w == b"movi").unwrap();
    let chunks: Vec<usize> = (movi..data.len() - 4)
        .filter(|i| &data[*i..*i + 4] == b"00dc")
        .take(120)
        .collect();
    let mut random = fastrand::Rng::with_seed(1);
    let noise: Vec<usize> = (1..119).filter(|_| random.u8(..3) == 0).collect();
    let mut corrupt = data.clone();
    for picture in &noise {
        corrupt[chunks[*picture] + 8..chunks[*picture] + 8 + 5000].fill(0x5A);
    }
    let scene = base();
    let file = scene.path("corrupt.avi");
    std::fs::write(&file, corrupt).unwrap();
    let scene = scene.set("camera.source", json!(file));
    let (status, _) = scene.run(&["--duration", "60"]).end();
    assert_eq!(status.code(), Some(0));
    let trace = scene.trace();
    assert_eq!(trace.last().unwrap()["frame"], 119);
    let number = |line: &serde_json::Value| line["frame"].as_u64().unwrap() as usize;
    let (bad, good): (Vec<_>, Vec<_>) = trace
        .iter()
        .filter(|l| l.get("frame").is_some())
        .partition(|l| noise.contains(&number(l)));
    assert!(!bad.is_empty());
    assert!(bad.iter().all(|l| l["faces"] == json!([])), "{bad:?}");
    assert!(good.iter().any(|l| l["faces"] != json!([])), "{good:?}");
    let first = format!("picture {} ", number(bad[0]));
    assert!(scene.log().contains(&first), "{}", scene.log());
}

#[test]
fn a_stream_comes_back_after_its_server_was_gone() {
    let Some(clip) = shared("data/videos/carphone.avi") else {
        return;
    };
    let Some(models) = shared("models") else {
        return;
    };
    let port = free_port();
    let address = port.to_string();
    let args = [address.as_str(), clip.to_str().unwrap(), "--chunked"];
    let server = Tool::start("mjpeg_server.py", &args);
    let scene = scene()
        .set("servo.enabled", json!(false))
        .set("detector.model_dir", json!(models))
        .set("camera.source", json!(format!("http://127.0.0.1:{port}/")));
    let running = scene.run(&[]);
    wait_until("the stream", || scene.trace().len() > 20, || scene.log());
    drop(server);
    running.wait_for_log("[CAMERA_REINIT]");
    let before = scene.trace().len();
    let _server = Tool::start("mjpeg_server.py", &args[..2]);
    wait_until(
        "the stream again",
        || scene.trace().len() > before + 40,
        || scene.log(),
    );
    let (status, _) = running.stop();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once_and_a_hangup_does_not() {
    let scene = Scene::new();
    let running = scene.run(&[]);
    running.wait_for_log("[SERVER_START]");
    std::fs::rename(scene.path("facetap.log"), scene.path("moved.log")).unwrap();
    running.signal(Signal::SIGHUP);
    running.wait_for_log("configuration reloaded");
    assert_eq!(running.stop().0.code(), Some(0));
    assert!(scene.log().contains("[STATISTICS]"));
}

#[test]
fn what_is_learned_of_the_camera_is_told_kept_and_used_by_the_next_run() {
    let scene = scene().set("servo.port", json!("simulated"));
    let running = scene.run(&[]);
    running.wait_for_log("learned that pictures come");
    let file = scene.path("data").join("camera_delay.json");
    wait_until("what was learned", || file.exists(), || scene.log());
    assert_eq!(running.stop().0.code(), Some(0));
    let text = std::fs::read_to_string(&file).unwrap();
    let kept: Value = serde_json::from_str(&text).unwrap();
    // The drawn camera is stamped when it is drawn; a busy machine moves its servos meanwhile.
    let ms = kept["simulated"].as_f64().expect(&text);
    assert!((0.0..300.0).contains(&ms), "{text}");

    let running = scene.run(&[]);
    running.wait_for_log("as learned before");
    assert_eq!(running.stop().0.code(), Some(0));
}
