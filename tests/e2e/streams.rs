//! Cameras on the network, with the habits that real ones have.

use serde_json::{Value, json};

use crate::harness::{Scene, Tool, free_port, shared, wait_until};

/// A scene with a camera of these habits, and the camera; none (said loudly) without the shared data.
fn scene(user: &str, habits: &[&str]) -> Option<(Scene, Tool)> {
    let clip = shared("data/videos/pan_easy.avi")?;
    let models = shared("models")?;
    let port = free_port();
    let mut args = vec![port.to_string(), clip.to_str().unwrap().to_owned()];
    args.extend(habits.iter().map(|h| (*h).to_owned()));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let server = Tool::start("mjpeg_server.py", &args);
    let scene = Scene::new()
        .set("camera.enabled", json!(true))
        .set("detector.model_dir", json!(models))
        .set(
            "camera.source",
            json!(format!(
                "http://{user}127.0.0.1:{port}/video?channel=1&subtype=1"
            )),
        );
    Some((scene, server))
}

/// Frames with a face.
fn faces(trace: &[Value]) -> usize {
    let seen = |line: &&Value| line["faces"].as_array().is_some_and(|f| !f.is_empty());
    trace.iter().filter(seen).count()
}

fn its_pictures_are_followed(user: &str, habits: &[&str]) {
    let Some((scene, _server)) = scene(user, habits) else {
        return;
    };
    let running = scene.run(&[]);
    wait_until(
        "faces",
        || faces(&scene.trace()) >= 30,
        || format!("{habits:?}\n{}", scene.log()),
    );
    assert_eq!(running.stop().0.code(), Some(0));
    let log = scene.log();
    assert!(!log.contains("[CAMERA_REINIT]"), "{habits:?}: {log}");
    assert!(!log.contains("cannot be used"), "{habits:?}: {log}");
    assert!(!log.contains("pass:word"), "{habits:?}: {log}");
}

#[test]
fn parts_without_lengths_or_with_false_ones() {
    for habits in [
        &["--no-lengths"][..],
        &["--no-lengths", "--no-end-marker"],
        &["--lengths", "zero"],
        &["--lengths", "short", "--chunked"],
        &["--lengths", "long"],
    ] {
        its_pictures_are_followed("", habits);
    }
}

#[test]
fn boundaries_that_are_missing_or_others() {
    for habits in [
        &["--no-first-boundary"][..],
        &["--no-first-boundary", "--no-lengths"],
        &["--boundary", "another"],
        &["--blank-lines"],
        &["--no-end-marker"],
    ] {
        its_pictures_are_followed("", habits);
    }
}

#[test]
fn a_name_and_a_password_in_every_way() {
    for auth in ["basic", "digest", "digest-sha256", "digest-old"] {
        its_pictures_are_followed("cam:pass%3Aword@", &["--auth", auth]);
    }
}

#[test]
fn a_wrong_password_or_a_way_that_is_not_known_is_said() {
    for (user, auth, part) in [
        (
            "cam:wrong@",
            "digest",
            "does not take the name and the password",
        ),
        ("", "digest", "wants a name and a password"),
        (
            "cam:pass%3Aword@",
            "unknown",
            "neither basic nor digest with MD5 or SHA-256",
        ),
    ] {
        let Some((scene, _server)) = scene(user, &["--auth", auth]) else {
            return;
        };
        let running = scene.run(&[]);
        running.wait_for_log(part);
        assert!(!scene.log().contains("pass:word"), "{}", scene.log());
        assert_eq!(running.stop().0.code(), Some(0));
    }
}
