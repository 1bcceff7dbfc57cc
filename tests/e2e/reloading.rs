//! What a running service takes over of a configuration that has changed, and what it says of the rest.

use serde_json::{Value, json};

use crate::cards::{self, those};
use crate::harness::{Running, Scene, facetap, free_port, wait_until};
use crate::server::Server;
use crate::servos::Servos;

/// Changes keys of the scene's file as a person does, then reloads; tells what the service answers.
fn reload(scene: &Scene, changes: &[(&str, &str)]) -> String {
    let command = |arguments: &[&str]| {
        let output = facetap()
            .args(arguments)
            .arg("--config")
            .arg(scene.path("config.json"))
            .env("RUNTIME_DIRECTORY", scene.path("run"))
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    };
    for (key, value) in changes {
        command(&["config", "set", key, value]);
    }
    command(&["reload"])
}

fn ends(running: Running) {
    assert_eq!(running.stop().0.code(), Some(0));
}

#[test]
fn limits_of_the_mount_count_at_once_and_the_rest_is_named() {
    let scene = Scene::new()
        .set("camera.enabled", json!(true))
        .set("camera.source", json!("simulated"))
        .set("servo.enabled", json!(true))
        .set("servo.port", json!("simulated"));
    let running = scene.run(&[]);
    let pans = |from: usize| -> Vec<f64> {
        let trace = scene.trace();
        let commanded = |line: &Value| line["command"]["pan"].as_f64();
        trace.iter().skip(from).filter_map(commanded).collect()
    };
    let widest = |from| {
        pans(from)
            .iter()
            .fold(0.0, |most: f64, at| most.max(at.abs()))
    };
    wait_until(
        "a face that is followed",
        || widest(0) > 10.0,
        || scene.log(),
    );

    let changes = [
        ("servo.axes.pan.min", "-4"),
        ("servo.axes.pan.max", "4"),
        ("camera.fps", "15"),
    ];
    let said = reload(&scene, &changes);
    assert!(
        said.contains("in effect now: servo.axes.pan.min, servo.axes.pan.max"),
        "{said}"
    );
    assert!(said.contains("at the next start: camera.fps"), "{said}");
    // The way back into the new range.
    wait_until(
        "the new limits",
        || pans(0).last().is_some_and(|at| at.abs() <= 4.0),
        || scene.log(),
    );
    let since = scene.trace().len();
    wait_until("more pictures", || pans(since).len() > 60, || scene.log());
    assert!(widest(since) <= 4.01, "{}", widest(since));
    ends(running);
}

#[test]
fn servos_are_set_up_anew_when_what_is_written_into_them_changes() {
    let scene = Scene::new().set("servo.enabled", json!(true));
    let scene = scene.set("tracking.max_acceleration_degrees", json!(500));
    let link = scene.path("servos");
    let servos = Servos::start(&link, &scene.path("servos.jsonl"), &[])
        .expect("python3 is needed (scripts/setup.sh test)");
    wait_until("the servos' port", || link.exists(), String::new);
    let scene = scene.set("servo.port", json!(link));
    let running = scene.run(&[]);
    let accelerations = || -> Vec<u64> {
        let of = |frame: &Value| {
            (frame["register"] == 41 && frame["id"] == 1).then(|| frame["data"][0].as_u64())?
        };
        servos.frames().iter().filter_map(of).collect()
    };
    wait_until(
        "the first limit",
        || accelerations().len() == 1,
        || scene.log(),
    );
    let said = reload(&scene, &[("tracking.max_acceleration_degrees", "250")]);
    assert!(said.contains("tracking.max_acceleration_degrees"), "{said}");
    wait_until(
        "the second limit",
        || accelerations().len() == 2,
        || scene.log(),
    );
    let told = accelerations();
    // In hundreds of steps a second squared, half again above what is asked.
    assert!(told[1] < told[0] && told[1] * 2 <= told[0] + 1, "{told:?}");
    running.wait_for_log("servos are set up anew");
    // A change that does not concern them leaves them alone.
    reload(&scene, &[("tracking.gain", "0.5")]);
    running.wait_for_log("in effect now: tracking.gain");
    assert_eq!(accelerations().len(), 2);
    assert_eq!(scene.log().matches("servos are set up anew").count(), 1);
    ends(running);
}

#[test]
fn levels_and_limits_of_the_monitor_are_taken_over() {
    let scene = Scene::new().set("monitor.interval", json!(86400));
    let running = scene.run(&[]);
    running.wait_for_log("[SERVER_START]");
    let said = reload(
        &scene,
        &[
            ("monitor.rss_limit_mb", "300"),
            ("restart_hours", "48"),
            ("log.level", "DEBUG"),
        ],
    );
    for key in ["monitor.rss_limit_mb", "restart_hours", "log.level"] {
        assert!(said.contains(key), "{key}: {said}");
    }
    assert!(!said.contains("next start"), "{said}");
    let limit = || {
        let file = std::fs::read(scene.path("run/health.json")).unwrap_or_default();
        let state: Value = serde_json::from_slice(&file).unwrap_or_default();
        state["memory"]["limit_mb"].as_f64()
    };
    wait_until("the new limit", || limit() == Some(300.0), || scene.log());
    // The same file again changes nothing.
    assert!(reload(&scene, &[]).contains("configuration reloaded"));
    ends(running);
}

#[test]
fn taps_that_wait_go_to_the_server_that_is_named_now() {
    let (scene, mut cards) = cards::scene();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let scene = scene.set("server_url", json!(nobody));
    let mut server = Server::new(&scene);
    server.start("ok");
    let running = cards.run(&scene);
    let counted = those(&cards.tap(&scene, 5), "counted");
    assert_eq!(counted.len(), 5);
    running.wait_for_log("the server takes no taps now");

    let named = format!("http://127.0.0.1:{}", server.port);
    let said = reload(
        &scene,
        &[("server_url", &named), ("cards.repeat_seconds", "20")],
    );
    assert!(
        said.contains("in effect now: server_url, cards.repeat_seconds"),
        "{said}"
    );
    wait_until(
        "the taps at the new server",
        || {
            counted
                .iter()
                .all(|uid| server.stored().get(uid) == Some(&1))
        },
        || scene.log(),
    );
    // Without a server nothing is delivered, which takes a start without one.
    let said = reload(&scene, &[("server_url", "null")]);
    assert!(said.contains("at the next start: server_url"), "{said}");
    ends(running);
}
