//! What watches over the service: loops that panic or hang, restarts of its own accord, and what people are told.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::cards::{self, ledger, those};
use crate::harness::{Running, Scene, facetap, wait_until};

/// The service with simulated devices and a file for planted faults.
struct Watched {
    scene: Scene,
    cards: cards::Cards,
    faults: PathBuf,
}

fn watched() -> Watched {
    let (scene, cards) = cards::scene();
    let scene = scene
        .set("camera", json!({"enabled": true, "source": "simulated"}))
        .set("servo", json!({"enabled": true, "port": "simulated"}))
        .set("monitor", json!({"interval": 0.2}));
    let faults = scene.path("faults");
    Watched {
        scene,
        cards,
        faults,
    }
}

impl Watched {
    fn run(&self, options: &[&str], env: &[(&str, &str)]) -> Running {
        let cards = self.scene.path("cards");
        let mut all = vec![
            ("FACETAP_SIMULATED_CARDS", cards.to_str().unwrap()),
            ("FACETAP_FAULTS", self.faults.to_str().unwrap()),
        ];
        all.extend(env);
        let running = self.scene.run_with(options, &all);
        running.wait_for_log("[SERVER_START]");
        running
    }

    fn plant(&self, lines: &str) {
        // In one step, or the service might take half of it.
        let new = self.scene.path("faults.new");
        std::fs::write(&new, lines).unwrap();
        std::fs::rename(new, &self.faults).unwrap();
    }

    /// `facetap status --json`, and its exit status.
    fn status(&self) -> (Option<i32>, Value) {
        let out = facetap()
            .args(["status", "--json", "--config"])
            .arg(self.scene.path("config.json"))
            .env("RUNTIME_DIRECTORY", self.scene.path("run"))
            .output()
            .unwrap();
        let state = serde_json::from_slice(&out.stdout).unwrap_or_default();
        (out.status.code(), state)
    }

    fn wait_for_status(&self, what: &str, done: impl Fn(&Value) -> bool) {
        wait_until(what, || done(&self.status().1), || self.scene.log());
    }
}

#[test]
fn status_tells_how_the_service_is_and_reload_what_came_of_it() {
    let watched = watched();
    assert_eq!(watched.status().0, Some(2), "no configuration yet");
    let running = watched.run(&[], &[]);
    watched.wait_for_status("pictures and readers", |s| {
        s["devices"]["camera"] == true
            && s["devices"]["readers"] == 1
            && s["devices"]["servo"] == true
    });
    let (code, state) = watched.status();
    assert_eq!(code, Some(0), "{state}");
    assert_eq!(state["state"], "ready");
    assert_eq!(state["pid"], running.pid().as_raw());
    for name in [
        "camera", "vision", "servo", "ledger", "reader", "upkeep", "monitor",
    ] {
        assert_eq!(state["loops"][name]["alive"], true, "{name}: {state}");
    }
    let reload = || {
        let out = facetap()
            .args(["reload", "--config"])
            .arg(watched.scene.path("config.json"))
            .env("RUNTIME_DIRECTORY", watched.scene.path("run"))
            .output()
            .unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    assert!(reload().contains("configuration reloaded"));
    let config = watched.scene.path("config.json");
    let changed = std::fs::read_to_string(&config)
        .unwrap()
        .replace("0.2", "0.3");
    std::fs::write(&config, changed).unwrap();
    assert!(reload().contains("monitor.interval"));
    running.stop();
    let (code, state) = watched.status();
    assert_eq!(
        (code, &state["state"]),
        (Some(1), &json!("stopping")),
        "{state}"
    );
}

#[test]
fn a_loop_that_panics_is_begun_again_and_no_tap_is_lost() {
    let mut watched = watched();
    let running = watched.run(&[], &[]);
    let before = watched.cards.tap(&watched.scene, 3);
    let loops = [
        "camera", "vision", "servo", "ledger", "reader", "upkeep", "monitor",
    ];
    for name in loops {
        watched.plant(&format!("panic {name}\n"));
        watched.wait_for_status(name, |s| s["loops"][name]["restarts"] == 1);
    }
    let frames = watched.status().1["counters"]["frames"].as_u64().unwrap();
    watched.wait_for_status("pictures", |s| {
        s["counters"]["frames"].as_u64() > Some(frames + 5)
    });
    let after = watched.cards.tap(&watched.scene, 3);
    assert_eq!(
        those(&before, "counted").len() + those(&after, "counted").len(),
        6
    );
    let log = watched.scene.log();
    assert_eq!(
        log.matches("[UNCAUGHT_EXCEPTION]").count(),
        loops.len(),
        "{log}"
    );
    assert_eq!(running.stop().0.code(), Some(0));
    assert_eq!(ledger(&watched.scene).len(), 6);
}

#[test]
fn a_loop_that_panics_again_and_again_ends_the_process_with_a_reason() {
    let watched = watched();
    let running = watched.run(&[], &[]);
    for time in 1..=5 {
        watched.plant("panic vision\n");
        if time < 5 {
            watched.wait_for_status("a restart", |s| s["loops"]["vision"]["restarts"] == time);
        }
    }
    assert_eq!(running.end().0.code(), Some(1));
    let log = watched.scene.log();
    assert!(
        log.contains("CRITICAL - ending: the loop \"vision\" panicked 5 times"),
        "{log}"
    );
    let running = watched.run(&["--duration", "0.1"], &[]);
    assert_eq!(running.end().0.code(), Some(0));
    let log = watched.scene.log();
    assert!(
        log.contains("the run before ended") && log.contains("panicked 5 times"),
        "{log}"
    );
}

#[test]
fn a_hung_loop_is_named_and_ends_the_process() {
    use std::os::unix::process::ExitStatusExt as _;
    let watched = watched();
    let running = watched.run(&[], &[]);
    watched.plant("hang servo\n");
    let (status, _) = running.end();
    assert_eq!(status.signal(), Some(Signal::SIGABRT as i32));
    let log = watched.scene.log();
    assert!(
        log.contains("CRITICAL - hung, no sign of life: servo ("),
        "{log}"
    );
    // What matters is not left out where time is short.
    let report = std::fs::read_to_string(watched.scene.path("crash.log")).unwrap();
    let (_, others) = report.split_once("\nother threads:\n").unwrap();
    assert!(others.starts_with("  thread servo ("), "{others}");
}

#[test]
fn a_planned_restart_in_place_keeps_process_taps_and_descriptors() {
    let mut watched = watched();
    watched.scene = watched.scene.set("restart_hours", json!(0.001));
    let running = watched.run(&["--duration", "3600"], &[]);
    let fds = || {
        std::fs::read_dir(format!("/proc/{}/fd", running.pid()))
            .unwrap()
            .count()
    };
    let starts = |n, look: &mut dyn FnMut()| {
        let log = || watched.scene.log();
        let begun = || {
            look();
            log().matches("[SERVER_START]").count() >= n
        };
        wait_until("the restarts", begun, log);
    };
    // From one start to the next, what is open changes: the most of a whole part is compared with that of a later one.
    let most_until = |n| {
        let mut most = 0;
        starts(n, &mut || most = most.max(fds()));
        most
    };
    most_until(2);
    let before = most_until(3);
    let taps = watched.cards.tap(&watched.scene, 5);
    most_until(6);
    most_until(9);
    let after = most_until(10);
    assert!(after <= before + 4, "{before} {after}");
    let more = watched.cards.tap(&watched.scene, 5);
    assert_eq!(
        those(&taps, "counted").len() + those(&more, "counted").len(),
        10
    );
    running.signal(Signal::SIGTERM);
    let (status, shown) = running.end();
    assert_eq!(status.code(), Some(0), "{}", watched.scene.log());
    assert!(shown.contains("(counted 10, "), "of all parts: {shown}");
    assert_eq!(ledger(&watched.scene).len(), 10);
    assert!(watched.scene.log().contains("[AUTO_RESTART] planned"));
}

#[test]
fn a_signal_while_it_begins_again_in_place_is_heard() {
    let mut watched = watched();
    watched.scene = watched.scene.set("restart_hours", json!(0.0005));
    let running = watched.run(&[], &[]);
    running.wait_for_log("[AUTO_RESTART] planned");
    assert_eq!(running.stop().0.code(), Some(0), "{}", watched.scene.log());
}

#[test]
fn under_a_service_manager_a_restart_is_a_clean_exit() {
    let watched = watched();
    let socket = watched.scene.path("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    // Read by nobody, it would fill up; the real one reads.
    std::thread::spawn(move || while manager.recv(&mut [0; 256]).is_ok() {});
    let env = [("NOTIFY_SOCKET", socket.to_str().unwrap())];
    let scene = watched
        .scene
        .set("monitor", json!({"interval": 1, "rss_limit_mb": 300}));
    let watched = Watched { scene, ..watched };
    let running = watched.run(&[], &env);
    watched.plant("leak 100\n");
    assert_eq!(running.end().0.code(), Some(0));
    let log = watched.scene.log();
    assert!(log.contains("[AUTO_RESTART] memory is at"), "{log}");
}
