//! Devices, disks and name servers that never answer: each costs one thread, and taps go on.

use std::io::Write as _;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use serde_json::json;

use crate::harness::{Running, Scene, Tool, facetap, free_port, shared, wait_until};
use crate::mounts::{cover, isolated_from_the_network};
use crate::server::Server;

/// Longer than a loop may be silent before the process ends itself.
const HUNG: Duration = Duration::from_secs(17);
/// A stop within a second, on a machine with much to do.
const SOON: Duration = Duration::from_secs(5);

/// Cards that are held to the simulated reader, each only once.
struct Cards {
    file: PathBuf,
    held: usize,
}

impl Cards {
    fn new(scene: &Scene) -> Self {
        let file = scene.path("cards");
        std::fs::write(&file, "").unwrap();
        Self { file, held: 0 }
    }

    fn env(&self) -> (&'static str, &str) {
        ("FACETAP_SIMULATED_CARDS", self.file.to_str().unwrap())
    }

    /// Holds a card to the reader, and waits until it is in the ledger.
    fn tap(&mut self, scene: &Scene) {
        self.held += 1;
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&self.file)
            .unwrap();
        writeln!(file, "012E44A7A518{:04X}", self.held).unwrap();
        let counted = || scene.log().matches(" counted (tap ").count();
        wait_until("the tap", || counted() == self.held, || scene.log());
    }

    /// A tap a second for so long.
    fn tap_for(&mut self, scene: &Scene, time: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < time {
            self.tap(scene);
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

/// The threads of a process, by name.
fn threads(pid: Pid) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect();
    names.sort();
    names
}

/// Plants faults as `docs/faults.md` says.
fn plant(file: &Path, faults: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, faults).unwrap();
    std::fs::rename(new, file).unwrap();
}

/// Ends the service, which has to be within a second whatever hangs, and named in the log.
fn ends_soon(scene: &Scene, service: Running, left_behind: &[&str]) {
    let (status, took) = service.stop();
    let log = scene.log();
    assert!(status.success() && took < SOON, "{status}, {took:?}\n{log}");
    for thread in left_behind {
        let named = format!("the thread \"{thread}\" is stuck in the system and is left behind");
        assert!(log.contains(&named), "{thread}\n{log}");
    }
    assert_eq!(log.matches("[SERVER_START]").count(), 1, "{log}");
    assert!(!log.contains("no sign of life"), "{log}");
}

#[test]
fn devices_that_never_answer_cost_a_thread_each_and_taps_go_on() {
    let scene = Scene::new()
        .set("camera", json!({"enabled": true, "source": "simulated"}))
        .set("servo", json!({"enabled": true, "port": "simulated"}))
        .set("cards", json!({"enabled": true, "readers": "simulated"}))
        .set("monitor.interval", json!(10))
        .set("attendance.roster", json!("roster.csv"));
    std::fs::write(scene.path("roster.csv"), "012E44A7A5180001,Ann\n").unwrap();
    let mut cards = Cards::new(&scene);
    let faults = scene.path("faults");
    let service = scene.run_with(
        &[],
        &[cards.env(), ("FACETAP_FAULTS", faults.to_str().unwrap())],
    );
    service.wait_for_log("[SERVER_START]");
    service.wait_for_log("camera opened");
    service.wait_for_log("servos on");
    cards.tap(&scene);

    plant(
        &faults,
        "hang camera-device\nhang servo-port\nhang roster\nhang readings\nhang reload\n",
    );
    service.wait_for_log("planted fault: hang reload");
    service.signal(Signal::SIGHUP);
    for said in [
        "simulated does not answer: its driver",
        "does not answer: its driver hangs; unplug the servo adapter",
        "roster.csv (attendance.roster): it does not answer",
        "[RESOURCE_MONITOR_ERROR]",
        "reloading takes long",
    ] {
        service.wait_for_log(said);
        cards.tap(&scene);
    }
    let before = threads(service.pid());
    for hung in [
        "camera-device",
        "servo-port",
        "roster",
        "readings",
        "reload",
    ] {
        assert!(before.iter().any(|t| t == hung), "{hung}: {before:?}");
    }
    service.signal(Signal::SIGHUP);
    cards.tap_for(&scene, HUNG);
    assert_eq!(threads(service.pid()), before, "no thread more");
    let status = facetap()
        .args(["status", "--config"])
        .arg(scene.path("config.json"))
        .env("STATE_DIRECTORY", scene.path("data"))
        .env("RUNTIME_DIRECTORY", scene.path("run"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.status.success() && told.contains("taps"), "{told}");
    ends_soon(
        &scene,
        service,
        &[
            "camera-device",
            "servo-port",
            "roster",
            "readings",
            "reload",
        ],
    );
}

#[test]
fn a_device_that_answers_again_is_taken_again() {
    let scene = Scene::new()
        .set("camera", json!({"enabled": true, "source": "simulated"}))
        .set("servo", json!({"enabled": true, "port": "simulated"}));
    let faults = scene.path("faults");
    let service = scene.run_with(&[], &[("FACETAP_FAULTS", faults.to_str().unwrap())]);
    service.wait_for_log("camera opened");
    service.wait_for_log("servos on");
    plant(&faults, "stall camera-device 14\nstall servo-port 14\n");
    service.wait_for_log("[CAMERA_REINIT]");
    service.wait_for_log("the servo bus is lost");
    service.wait_for_log("[SERVO_RECONNECT] servos are back");
    let opened = || scene.log().matches("camera opened").count() == 2;
    wait_until("the camera again", opened, || scene.log());
    ends_soon(&scene, service, &[]);
    assert!(!scene.log().contains("left behind"), "{}", scene.log());
}

#[test]
fn pipes_in_place_of_files_hold_nobody_up() {
    let scene = Scene::new()
        .set("camera", json!({"enabled": true, "source": "simulated"}))
        .set("detector", json!({"kind": "yunet", "model_dir": "models"}))
        .set("cards", json!({"enabled": true, "readers": "simulated"}))
        .set("servo", json!({"enabled": true, "port": "pipe"}))
        .set("attendance.roster", json!("pipe"));
    std::fs::create_dir(scene.path("models")).unwrap();
    let model = "models/face_detection_yunet_2023mar.onnx";
    for pipe in ["pipe", model] {
        mkfifo(&scene.path(pipe), Mode::S_IRWXU).unwrap();
    }
    let mut cards = Cards::new(&scene);
    let service = scene.run_with(&[], &[cards.env()]);
    service.wait_for_log("[SERVER_START]");
    for said in [
        "serial port pipe is not a device",
        "cannot read pipe (attendance.roster): it is no file",
    ] {
        service.wait_for_log(said);
    }
    cards.tap_for(&scene, Duration::from_secs(3));
    // Nobody writes into that pipe: the open hangs for good.
    service.wait_for_log("its models cannot be read in time");
    let before = threads(service.pid());
    assert!(before.iter().any(|t| t == "detector-models"), "{before:?}");
    cards.tap_for(&scene, HUNG);
    assert_eq!(threads(service.pid()), before);
    ends_soon(&scene, service, &["detector-models"]);

    // A key to the server that is a pipe is a mistake, told at once.
    let scene = scene
        .set("server_url", json!("http://127.0.0.1:9/"))
        .set("auth_token_file", json!("pipe"));
    let (status, _) = scene.run(&[]).end();
    assert!(!status.success() && scene.log().contains("auth_token_file: cannot read pipe"));
}

/// A name server of the test's own network, mute at first.
struct NameServer {
    answers: Arc<AtomicBool>,
}

impl NameServer {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
        let answers = Arc::new(AtomicBool::new(false));
        let speaks = Arc::clone(&answers);
        // Ends with the process; the network is gone with the test.
        std::thread::spawn(move || {
            let mut packet = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                if speaks.load(Ordering::SeqCst)
                    && let Some(answer) = answer(&packet[..length])
                {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { answers }
    }
}

/// Every name is 127.0.0.1 and has no other address (RFC 1035, 4.1).
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let name = question.get(12..)?.iter().position(|b| *b == 0)? + 13;
    let (kind, asked) = (question.get(name..name + 2)?, question.get(12..name + 4)?);
    let address = u8::from(kind == [0, 1]);
    // An answer, recursion available; one question, one answer or none.
    let mut packet = [
        &question[..2],
        &[0x81, 0x80, 0, 1, 0, address, 0, 0, 0, 0],
        asked,
    ]
    .concat();
    if address == 1 {
        // The name is that at offset 12; an address, for a second.
        packet.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    }
    Some(packet)
}

#[test]
fn mute_name_servers_stop_neither_loop_and_both_are_back_when_they_speak() {
    let Some(clip) = shared("data/videos/carphone.avi") else {
        return;
    };
    isolated_from_the_network(move || {
        let scene = Scene::new();
        std::fs::write(scene.path("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
        std::fs::write(scene.path("nsswitch.conf"), "hosts: files dns\n").unwrap();
        cover(&scene.path("resolv.conf"), Path::new("/etc/resolv.conf"));
        cover(
            &scene.path("nsswitch.conf"),
            Path::new("/etc/nsswitch.conf"),
        );
        let names = NameServer::start();
        let mut server = Server::new(&scene);
        server.start("none");
        let port = free_port().to_string();
        let camera = Tool::start("mjpeg_server.py", &[&port, clip.to_str().unwrap()]);
        let scene = scene
            .set(
                "camera",
                json!({"enabled": true, "source": format!("http://cam.example:{port}/")}),
            )
            .set("cards", json!({"enabled": true, "readers": "simulated"}))
            .set(
                "server_url",
                json!(format!("http://attendance.example:{}/", server.port)),
            );
        let mut cards = Cards::new(&scene);
        let service = scene.run_with(&[], &[cards.env()]);
        service.wait_for_log("[SERVER_START]");
        cards.tap(&scene);
        for host in ["cam.example", "attendance.example"] {
            service.wait_for_log(&format!(
                "the name \"{host}\" cannot be looked up, no name server answers; check the network"
            ));
        }
        cards.tap_for(&scene, HUNG * 2);
        let running = threads(service.pid());
        let of = |name: &str| running.iter().filter(|t| *t == name).count();
        assert!(
            of("camera-names") <= 1 && of("uplink-names") <= 1,
            "{running:?}"
        );
        assert_eq!(server.rows().len(), 0);

        names.answers.store(true, Ordering::SeqCst);
        let begin = Instant::now();
        service.wait_for_log("camera opened: http://cam.example");
        let all = || server.stored().values().sum::<usize>() == cards.held;
        wait_until("every tap at the server", all, || scene.log());
        let took = begin.elapsed();
        assert!(took < Duration::from_secs(30), "{took:?}\n{}", scene.log());
        assert!(server.stored().values().all(|times| *times == 1));
        ends_soon(&scene, service, &[]);
        drop(camera);
    });
}
