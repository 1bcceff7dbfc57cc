//! The Raspberry Pi's camera connector: the binary with a stand-in for `rpicam-vid` on its path.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use opencv::core::{Mat, Scalar, Vector};
use opencv::imgcodecs;
use serde_json::json;

use crate::harness::{Running, Scene, facetap, wait_until};

/// A scene whose folder `bin` has the stand-in, which does what `script` says.
fn scene(script: &str) -> Scene {
    let scene = Scene::new()
        .set("camera.enabled", json!(true))
        .set("camera.source", json!("rpicam"))
        .set("camera.stall_seconds", json!(1));
    let bin = scene.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/rpicam_vid.py");
    std::os::unix::fs::symlink(tool, bin.join("rpicam-vid")).unwrap();
    std::fs::write(bin.join("script.json"), script).unwrap();
    let grey = Mat::new_rows_cols_with_default(480, 640, opencv::core::CV_8UC3, Scalar::all(90.0));
    let mut jpeg = Vector::new();
    assert!(imgcodecs::imencode(".jpg", &grey.unwrap(), &mut jpeg, &Vector::new()).unwrap());
    std::fs::write(bin.join("picture.jpg"), jpeg.as_slice()).unwrap();
    scene
}

/// Our search path, with the scene's folder first.
fn path(scene: &Scene) -> String {
    let bin = scene.path("bin");
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

fn run(scene: &Scene) -> Running {
    scene.run_with(&[], &[("PATH", &path(scene))])
}

/// The process of every start so far.
fn launches(scene: &Scene) -> Vec<Pid> {
    std::fs::read_to_string(scene.path("bin/launches"))
        .unwrap_or_default()
        .lines()
        .map(|line| Pid::from_raw(line.split(' ').next().unwrap().parse().unwrap()))
        .collect()
}

/// Whether it runs; a zombie does not.
fn runs(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn wait_for_frames(scene: &Scene, more: usize) {
    let enough = scene.trace().len() + more;
    wait_until("frames", || scene.trace().len() >= enough, || scene.log());
}

#[test]
fn its_pictures_are_processed_and_a_stop_takes_it_along() {
    let scene = scene(r#"[{"chunk": 1000, "stray": "noise\n", "complain": 100}]"#);
    let running = run(&scene);
    wait_for_frames(&scene, 30);
    let child = launches(&scene)[0];
    assert!(runs(child));
    assert_eq!(running.stop().0.code(), Some(0));
    wait_until("its end", || !runs(child), || scene.log());
    assert_eq!(launches(&scene).len(), 1);
    let log = scene.log();
    assert!(
        log.contains("camera opened: rpicam-vid: 640x480 as 320x240 YUV420 at 30/s"),
        "{log}"
    );
    assert!(!log.contains("complaint"), "{log}");
}

#[test]
fn an_older_version_gives_jpegs_and_that_is_said_once() {
    let scene = scene(
        r#"[{"refuses": ["yuv420"]}, {"chunk": 1000, "garbage": "noise\n", "complain": 100, "frames": 40}, {}]"#,
    );
    let running = run(&scene);
    running.wait_for_log("[CAMERA_REINIT]");
    wait_until("a third", || launches(&scene).len() == 3, || scene.log());
    wait_for_frames(&scene, 10);
    assert_eq!(running.stop().0.code(), Some(0));
    let log = scene.log();
    let opened = "camera opened: rpicam-vid: 640x480 MJPEG at 30/s";
    assert_eq!(log.matches(opened).count(), 2, "{log}");
    let told = "its JPEGs are taken, which costs more (rpicam-vid has ended with status 255: unrecognised codec";
    assert_eq!(log.matches(told).count(), 1, "{log}");
}

#[test]
fn a_raw_picture_that_comes_again_and_again_counts_as_a_stall() {
    let scene = scene("[{}]");
    let still: Vec<u8> = (0..320 * 240 * 3 / 2).map(|n| (n % 250) as u8).collect();
    std::fs::write(scene.path("bin/picture.yuv"), still).unwrap();
    let running = run(&scene);
    running.wait_for_log("the same picture, byte for byte");
    assert_eq!(running.stop().0.code(), Some(0));

    // Black is with the light off.
    let scene = self::scene("[{}]");
    std::fs::write(scene.path("bin/picture.yuv"), [0; 320 * 240 * 3 / 2]).unwrap();
    let running = run(&scene);
    wait_for_frames(&scene, 90);
    assert_eq!(running.stop().0.code(), Some(0));
    assert!(!scene.log().contains("[CAMERA_REINIT]"), "{}", scene.log());
}

#[test]
fn it_is_started_again_after_it_has_ended() {
    let scene = scene(r#"[{"frames": 20, "then": "exit", "status": 255}, {}]"#);
    let running = run(&scene);
    running.wait_for_log("[CAMERA_REINIT]");
    wait_for_frames(&scene, 20);
    let log = scene.log();
    assert!(
        log.contains("rpicam-vid has ended with status 255: the stand-in was told to end"),
        "{log}"
    );
    let launches = launches(&scene);
    assert_eq!(launches.len(), 2);
    assert!(
        !Path::new(&format!("/proc/{}", launches[0])).exists(),
        "a zombie"
    );
    // Numbers go on.
    let numbers: Vec<u64> = scene
        .trace()
        .iter()
        .map(|l| l["frame"].as_u64().unwrap())
        .collect();
    assert!(numbers.windows(2).all(|w| w[0] < w[1]), "{numbers:?}");
    assert_eq!(running.stop().0.code(), Some(0));
}

#[test]
fn one_that_hangs_is_replaced_and_there_are_never_two() {
    let scene = scene(r#"[{"frames": 20, "then": "hang", "deaf": true}, {}]"#);
    let running = run(&scene);
    running.wait_for_log("no fresh picture for");
    let mut both = false;
    wait_until(
        "the second one",
        || {
            let launches = launches(&scene);
            both |= launches.iter().filter(|pid| runs(**pid)).count() > 1;
            launches.len() == 2
        },
        || scene.log(),
    );
    wait_for_frames(&scene, 20);
    assert!(!both);
    assert!(!runs(launches(&scene)[0]));
    assert_eq!(running.stop().0.code(), Some(0));
}

#[test]
fn a_stop_while_it_hangs_takes_it_along() {
    let scene = scene(r#"[{"frames": 5, "then": "hang", "deaf": true}]"#)
        .set("camera.stall_seconds", json!(60));
    let running = run(&scene);
    wait_until(
        "its hang",
        || scene.path("bin/idle").exists(),
        || scene.log(),
    );
    let child = launches(&scene)[0];
    assert_eq!(running.stop().0.code(), Some(0));
    wait_until("its end", || !runs(child), || scene.log());
}

#[test]
fn it_ends_when_the_service_is_killed() {
    for script in ["[{}]", r#"[{"frames": 5, "then": "hang", "deaf": true}]"#] {
        let scene = scene(script).set("camera.stall_seconds", json!(60));
        let running = run(&scene);
        running.wait_for_log("camera opened");
        let child = launches(&scene)[0];
        kill(running.pid(), Signal::SIGKILL).unwrap();
        wait_until("its end", || !runs(child), || scene.log());
    }
}

#[test]
fn without_the_program_the_service_runs_and_says_what_to_install() {
    let scene = scene("[{}]");
    let nothing = scene.path("nothing");
    std::fs::create_dir(&nothing).unwrap();
    let running = scene.run_with(&[], &[("PATH", nothing.to_str().unwrap())]);
    running.wait_for_log("[SERVER_START]");
    running.wait_for_log("sudo apt install rpicam-apps");
    assert!(
        !scene.log().to_lowercase().contains("error"),
        "{}",
        scene.log()
    );
    assert_eq!(running.stop().0.code(), Some(0));
}

#[test]
fn no_camera_is_waited_for_and_told_once() {
    let scene = scene(r#"[{"frames": 0, "status": 255}]"#);
    let running = run(&scene);
    wait_until("a third try", || launches(&scene).len() > 2, || scene.log());
    assert_eq!(running.stop().0.code(), Some(0));
    let log = scene.log();
    assert_eq!(log.matches("waiting for the camera").count(), 1, "{log}");
    assert!(!log.contains("[CAMERA_REINIT]"), "{log}");
}

#[test]
fn check_takes_one_picture() {
    let scene = scene("[{}]");
    let file = scene.path("check.json");
    std::fs::write(&file, scene.config.to_string()).unwrap();
    let output = facetap()
        .args(["check", "--config"])
        .arg(&file)
        .env("PATH", path(&scene))
        .output()
        .unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(
        table.contains("rpicam-vid: 640x480 as 320x240 YUV420 at 30/s; picture: 320x240 YUV420"),
        "{table}"
    );
    assert!(!runs(launches(&scene)[0]));
}
