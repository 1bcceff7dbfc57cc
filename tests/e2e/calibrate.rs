//! `facetap servo calibrate`, with drawn cameras and with servos that are not part of the binary.

use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use facetap::follow::pose::Pose;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::harness::{Scene, facetap, wait_until};
use crate::late_camera::{LateCamera, Setting};
use crate::servos::Servos;

fn scene() -> Scene {
    Scene::new()
        .set("servo.enabled", json!(true))
        .set("servo.port", json!("simulated"))
        .set("camera.enabled", json!(true))
        .set("camera.source", json!("simulated"))
}

fn start(scene: &Scene, options: &[&str]) -> Child {
    let config = scene.path("config.json");
    std::fs::write(&config, scene.config.to_string()).unwrap();
    facetap()
        .args(["servo", "calibrate", "--config"])
        .arg(&config)
        .args(options)
        .env("STATE_DIRECTORY", scene.path("data"))
        .env("RUNTIME_DIRECTORY", scene.path("run"))
        .current_dir(scene.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn calibrate(scene: &Scene, options: &[&str]) -> (Output, String) {
    let output = start(scene, options).wait_with_output().unwrap();
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    (output, String::from_utf8(said).unwrap())
}

fn kept(scene: &Scene) -> Value {
    let file = scene.path("data").join("camera_delay.json");
    std::fs::read_to_string(file).map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
}

fn servos(scene: &Scene) -> Servos {
    let link = scene.path("servos");
    let servos = Servos::start(&link, &scene.path("servos.jsonl"), &["--start", "1=2105"])
        .expect("python3 is needed (scripts/setup.sh test)");
    wait_until("the servos' port", || link.exists(), String::new);
    servos
}

#[test]
fn delay_and_field_of_view_of_a_late_camera_are_measured_and_kept_for_the_service() {
    let camera = LateCamera::start(Setting {
        rate: 20,
        delay: Duration::from_millis(200),
        jitter: Duration::from_millis(10),
        later: None,
        lengths: true,
        face: |_| Pose::HOME,
    });
    let scene = scene()
        .set("servo.port", json!(camera.servo_port))
        .set("camera.source", json!(camera.url))
        .set("camera.fov_degrees", json!(75));
    let (output, said) = calibrate(&scene, &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let found: Value = serde_json::from_slice(&output.stdout).expect(&said);
    let of = |name: &str| found[name].as_f64().expect(&said);
    // A machine that is busy with other tests is late itself.
    assert!((180.0..330.0).contains(&of("delay_ms")), "{said}");
    assert!((62.5..67.5).contains(&of("fov_degrees")), "{said}");
    assert!(
        of("delay_within_ms") < 60.0 && of("fov_within_degrees") < 4.0,
        "{said}"
    );
    assert_eq!(kept(&scene)[&camera.url], found["delay_ms"], "{said}");
    drop(camera);
    // Its server is gone now.
    let (output, said) = calibrate(&scene, &[]);
    assert_eq!(output.status.code(), Some(1), "{said}");
}

#[test]
fn a_person_is_told_what_to_write_where() {
    let scene = scene()
        .set("camera.fov_degrees", json!(90))
        .set("camera.latency_ms", json!(900));
    let (output, said) = calibrate(&scene, &[]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    // The drawn camera draws with the field of view that is configured.
    for part in [
        "delay: ",
        "field of view: ",
        "camera_delay.json",
        "\"latency_ms\" is 900",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_picture_that_does_not_answer_is_refused_and_the_servos_hardly_move_and_are_released() {
    let scene = scene();
    let port = scene.path("servos");
    let scene = scene.set("servo.port", json!(port));
    let servos = servos(&scene);
    // The drawn camera looks straight ahead, wherever these servos stand.
    let (output, said) = calibrate(&scene, &[]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("does not move with the pan axis"), "{said}");
    assert_eq!(kept(&scene), Value::Null);
    // From 5 degrees, three to either side: 34 steps, and never a leap.
    let goals = servos.goals("1");
    // A goal that stays is not sent again.
    assert!(goals.len() > 50, "{}", goals.len());
    assert_eq!(goals[0], 2105);
    assert!(
        goals.iter().all(|g| (2105 - 35..=2105 + 35).contains(g)),
        "{goals:?}"
    );
    // 15 degrees a second; a machine that pauses may leave ticks out, which are not made up for.
    assert!(
        goals.windows(2).all(|w| (w[1] - w[0]).abs() <= 7),
        "{goals:?}"
    );
    for id in 2..=3 {
        let still = servos.goals(&id.to_string());
        assert!(still.iter().all(|g| *g == 2048), "{id}: {still:?}");
    }
    for id in 1..=3 {
        assert_eq!(servos.torque(id), Some(0), "servo {id} is not released");
    }
}

#[test]
fn ctrl_c_releases_the_servos() {
    let scene = scene();
    let port = scene.path("servos");
    let scene = scene.set("servo.port", json!(port));
    let servos = servos(&scene);
    let running = start(&scene, &[]);
    wait_until("movement", || servos.goals("1").len() > 30, String::new);
    let pid = Pid::from_raw(i32::try_from(running.id()).unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    let output = running.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("stopped before it was done"), "{said}");
    for id in 1..=3 {
        assert_eq!(servos.torque(id), Some(0), "servo {id} is not released");
    }
}

#[test]
fn what_is_missing_is_told_in_plain_words() {
    let file = Path::new("/nonexistent/port");
    for (scene, part) in [
        (scene().set("servo.port", json!(file)), "/nonexistent/port"),
        (
            scene().set("camera.source", json!("/dev/video-none")),
            "/dev/video-none",
        ),
        (
            scene().set("camera.enabled", json!(false)),
            "camera.enabled",
        ),
        (scene().set("servo.enabled", json!(false)), "servo.enabled"),
    ] {
        let (output, said) = calibrate(&scene, &["--yes"]);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(part) && !said.contains("panicked"), "{said}");
    }
    let scene = scene();
    let running = scene.run(&[]);
    running.wait_for_log("[SERVER_START]");
    wait_until(
        "health.json",
        || scene.path("run/health.json").exists(),
        || scene.log(),
    );
    let (output, said) = calibrate(&scene, &[]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the service is running"), "{said}");
    assert_eq!(running.stop().0.code(), Some(0));
}
