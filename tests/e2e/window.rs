//! The window on real display servers.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;
use x11rb::protocol::xproto::Window;

use crate::harness::{Running, Scene, wait_until};
use crate::xserver::{Client, Screenshot, Server, authority};

const ESCAPE: u32 = 0xff1b;
const GREEN: [u8; 3] = [80, 220, 60];
const WHITE: [u8; 3] = [255, 255, 255];
const RED: [u8; 3] = [40, 40, 190];

/// A service with a drawn visitor before it.
fn scene() -> Scene {
    Scene::new()
        .set("camera.enabled", json!(true))
        .set("camera.source", json!("simulated"))
        .set("servo.enabled", json!(true))
        .set("servo.port", json!("simulated"))
}

fn run(scene: &Scene, server: &Server) -> (Running, Client, Window) {
    let running = scene.run_on_display(&[], &[("DISPLAY", &server.display)]);
    let client = Client::new(server);
    wait_until("the window", || client.find().is_some(), || scene.log());
    let window = client.find().unwrap();
    (running, client, window)
}

/// Waits for a picture of the window that is as it should be.
fn wait_for(
    client: &Client,
    window: Window,
    scene: &Scene,
    what: &str,
    is_it: impl Fn(&Screenshot) -> bool,
) -> Screenshot {
    let mut found = None;
    let look = || {
        found = client.screenshot(window).filter(|shot| is_it(shot));
        found.is_some()
    };
    wait_until(what, look, || scene.log());
    found.unwrap()
}

fn face(shot: &Screenshot) -> bool {
    shot.count(0..shot.height, GREEN) > 100
}

/// That the service goes on: pictures are worked on, and it ends as ever.
fn goes_on(running: Running, scene: &Scene) {
    let before = scene.trace().len();
    wait_until(
        "further pictures",
        || scene.trace().len() > before + 10,
        || scene.log(),
    );
    let (status, took) = running.stop();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(!scene.log().contains("is stuck"), "{}", scene.log());
}

#[test]
fn a_face_is_shown_and_escape_quits() {
    for depth in ["800x600x24", "800x600x16"] {
        let Some(server) = Server::xvfb(depth, &[]) else {
            return;
        };
        let scene = scene();
        let (running, client, window) = run(&scene, &server);
        let shot = wait_for(&client, window, &scene, "a face in the window", face);
        shot.keep(&format!("one-face-{depth}"));
        assert_eq!((shot.width, shot.height), (640, 480));
        let middle = shot.bgr[240 * 640 + 320];
        assert!(
            middle.iter().all(|c| *c > 240),
            "the cross-hair: {middle:?}"
        );
        // The pointer of a server without a window manager lies in it, and with it the keyboard.
        client.press(u32::from(b'q'));
        client.press(ESCAPE);
        let (status, _) = running.end();
        assert_eq!(status.code(), Some(0), "{}", scene.log());
        assert!(!scene.log().contains("WARNING"), "{}", scene.log());
        let last = std::fs::read_to_string(scene.path("data/last-exit.json")).unwrap();
        assert!(last.contains("the window was closed"), "{last}");
    }
}

#[test]
fn closing_the_window_quits_after_it_was_resized_hidden_and_shown() {
    let Some(server) = Server::xvfb("1600x1200x24", &[]) else {
        return;
    };
    let scene = scene();
    let (running, client, window) = run(&scene, &server);
    wait_for(&client, window, &scene, "a face", face);
    for (width, height) in [(1500_u32, 1100_u32), (200, 150), (900, 300)] {
        client.resize(window, width, height);
        let fits = |shot: &Screenshot| {
            (shot.width, shot.height) == (width as usize, height as usize) && face(shot)
        };
        let shot = wait_for(&client, window, &scene, "a face in another size", fits);
        shot.keep(&format!("resized-{width}x{height}"));
    }
    client.show(window, false);
    let hidden = |c: &Client| c.screenshot(window).is_none();
    wait_until("the window to go", || hidden(&client), || scene.log());
    client.show(window, true);
    wait_for(&client, window, &scene, "the face again", face);
    client.close(window);
    let (status, _) = running.end();
    assert_eq!(status.code(), Some(0), "{}", scene.log());
}

#[test]
fn a_tap_and_an_alarm_are_shown() {
    let Some(server) = Server::xvfb("800x600x24", &[]) else {
        return;
    };
    let roster = "04A1B2C3D4E5F6,山田 太郎\n";
    for (language, name) in [("en", "tap-and-alarm-en"), ("ja", "tap-and-alarm-ja")] {
        let scene = scene()
            .set("language", json!(language))
            .set("cards.enabled", json!(true))
            .set("cards.readers", json!("simulated"))
            .set("monitor", json!({"interval": 0.5, "rss_warn_mb": 20}));
        std::fs::write(scene.path("roster.csv"), roster).unwrap();
        std::fs::write(scene.path("cards"), "04A1B2C3D4E5F6\n").unwrap();
        let scene = {
            let file = scene.path("roster.csv");
            scene.set("attendance", json!({"roster": file}))
        };
        let cards = scene.path("cards");
        let env = [
            ("DISPLAY", server.display.as_str()),
            ("FACETAP_SIMULATED_CARDS", cards.to_str().unwrap()),
        ];
        let running = scene.run_on_display(&[], &env);
        let client = Client::new(&server);
        wait_until("the window", || client.find().is_some(), || scene.log());
        let window = client.find().unwrap();
        let shot = wait_for(&client, window, &scene, "the tap and the alarm", |shot| {
            shot.count(456..480, WHITE) > 60 && shot.count(400..456, RED) > 5000 && face(shot)
        });
        shot.keep(name);
        goes_on(running, &scene);
    }
}

#[test]
fn a_display_server_that_dies_takes_nothing_with_it() {
    let Some(server) = Server::xvfb("800x600x24", &[]) else {
        return;
    };
    let scene = scene();
    let (running, client, window) = run(&scene, &server);
    wait_for(&client, window, &scene, "a face", face);
    server.signal(Signal::SIGKILL);
    running.wait_for_log("going on headless");
    let log = scene.log();
    assert!(
        log.contains("is lost: the display server has ended"),
        "{log}"
    );
    assert!(!log.to_lowercase().contains("error"), "{log}");
    goes_on(running, &scene);
    assert_eq!(scene.log().matches("going on headless").count(), 1);
}

#[test]
fn a_display_server_that_hangs_delays_neither_the_service_nor_its_end() {
    let Some(server) = Server::xvfb("800x600x24", &[]) else {
        return;
    };
    let scene = scene();
    let (running, client, window) = run(&scene, &server);
    wait_for(&client, window, &scene, "a face", face);
    server.signal(Signal::SIGSTOP);
    // Long enough for its socket to be full.
    std::thread::sleep(Duration::from_secs(2));
    goes_on(running, &scene);
    // One that hangs from the start.
    let scene = self::scene();
    let running = scene.run_on_display(&[], &[("DISPLAY", &server.display)]);
    running.wait_for_log("[SERVER_START]");
    goes_on(running, &scene);
}

#[test]
fn without_a_server_or_its_permission_the_service_goes_on() {
    let scene = scene();
    let running = scene.run_on_display(&[], &[("DISPLAY", ":6021")]);
    running.wait_for_log("no window on display :6021: no display server listens there");
    goes_on(running, &scene);
    assert!(
        !scene.log().to_lowercase().contains("error"),
        "{}",
        scene.log()
    );

    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    authority(&key);
    let Some(server) = Server::xvfb("800x600x24", &["-auth", key.to_str().unwrap()]) else {
        return;
    };
    let scene = self::scene();
    let none = folder.path().join("none");
    let env = [
        ("DISPLAY", server.display.as_str()),
        ("XAUTHORITY", none.to_str().unwrap()),
    ];
    let running = scene.run_on_display(&[], &env);
    running.wait_for_log("it refuses (Authorization required");
    goes_on(running, &scene);

    let scene = self::scene();
    let env = [env[0], ("XAUTHORITY", key.to_str().unwrap())];
    let running = scene.run_on_display(&[], &env);
    running.wait_for_log("window opened on display");
    goes_on(running, &scene);
}

#[test]
fn it_is_shown_in_a_wayland_session_through_xwayland() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Server::weston(folder.path()) else {
        return;
    };
    let scene = scene();
    let begin = Instant::now();
    let (running, client, window) = run(&scene, &server);
    let shot = wait_for(&client, window, &scene, "a face in the window", face);
    shot.keep("weston");
    client.close(window);
    let (status, _) = running.end();
    assert_eq!(status.code(), Some(0), "{}", scene.log());
    assert!(begin.elapsed() < Duration::from_secs(60));
}
