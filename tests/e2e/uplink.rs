//! From the ledger to the server, with faults of the ledger and of what lies on the way.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cards::{self, Cards, those};
use crate::gate::Gate;
use crate::harness::{Scene, facetap, wait_until};
use crate::mounts::{isolated, tmpfs};
use crate::server::Server;

/// A service whose taps go through a gate to the server.
struct Road {
    scene: Scene,
    cards: Cards,
    server: Server,
    gate: Gate,
}

impl Road {
    fn new(delay: Duration) -> Self {
        let (scene, cards) = cards::scene();
        let mut server = Server::new(&scene);
        server.start("ok");
        let gate = Gate::new(server.port, delay);
        let url = format!("http://127.0.0.1:{}", gate.port);
        Self {
            scene: scene.set("server_url", json!(url)),
            cards,
            server,
            gate,
        }
    }

    fn health(&self) -> Value {
        let text = std::fs::read(self.scene.path("run/health.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// The count of the service, which must be one that can be.
    fn under_way(&self) -> u64 {
        let health = self.health();
        let count = health["queues"]["taps_under_way"].as_u64().unwrap_or(0);
        assert!(count <= 4, "{health}");
        count
    }

    fn wait_until_under_way(&self) {
        let sent = || self.gate.seen.lock().unwrap().under_way == 4;
        wait_until("taps on their way", sent, || self.scene.log());
    }

    /// Each card is at the server once, and was sent once.
    fn wait_until_all_are_there_once(&self, cards: &[String]) {
        let once: BTreeMap<_, _> = cards.iter().map(|uid| (uid.clone(), 1)).collect();
        let settled = || {
            self.under_way();
            self.health()["queues"]["taps_waiting"] == 0 && self.server.stored() == once
        };
        wait_until("every tap at the server", settled, || self.scene.log());
        assert_eq!(self.gate.seen.lock().unwrap().posts, once, "sent once");
    }

    fn status(&self) -> String {
        let mut command = facetap();
        command
            .args(["status", "--config"])
            .arg(self.scene.path("config.json"))
            .env("RUNTIME_DIRECTORY", self.scene.path("run"));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }
}

#[test]
fn a_locked_ledger_delays_taps_and_sends_none_twice() {
    isolated(|| {
        let mut road = Road::new(Duration::from_millis(300));
        let running = road.cards.run(&road.scene);
        let taps = road.cards.tap(&road.scene, 40);
        road.wait_until_under_way();

        let ledger = rusqlite::Connection::open(road.scene.path("data/attendance.db")).unwrap();
        ledger.busy_timeout(Duration::from_secs(60)).unwrap();
        let lock = |held: Duration| {
            ledger.execute_batch("BEGIN IMMEDIATE").unwrap();
            let begin = Instant::now();
            while begin.elapsed() < held {
                road.under_way();
                std::thread::sleep(Duration::from_millis(20));
            }
            ledger.execute_batch("COMMIT").unwrap();
        };
        // Longer than anybody waits for a lock, then again and again.
        lock(Duration::from_secs(6));
        for _ in 0..20 {
            lock(Duration::from_millis(250));
            std::thread::sleep(Duration::from_millis(50));
        }
        road.wait_until_all_are_there_once(&those(&taps, "counted"));
        assert_eq!(road.health()["loops"]["uplink"]["restarts"], 0);
        assert_eq!(running.stop().0.code(), Some(0));
    });
}

#[test]
fn a_disk_that_fills_up_delays_taps_and_sends_none_twice() {
    isolated(|| {
        let mut road = Road::new(Duration::from_millis(300));
        let data = road.scene.path("data");
        std::fs::create_dir(&data).unwrap();
        tmpfs(&data, "12m");
        let running = road.cards.run(&road.scene);
        let taps = road.cards.tap(&road.scene, 40);
        road.wait_until_under_way();
        let filler = data.join("filler");
        fill(&filler);
        // The journal is emptied at first, and what that frees is filled again.
        let told = || {
            fill(&filler);
            road.under_way();
            road.scene.log().contains("nothing new is sent")
        };
        wait_until("the uplink to tell of the disk", told, || road.scene.log());
        std::thread::sleep(Duration::from_secs(2));
        std::fs::remove_file(&filler).unwrap();
        road.wait_until_all_are_there_once(&those(&taps, "counted"));
        assert_eq!(running.stop().0.code(), Some(0));
    });
}

fn fill(file: &Path) {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create(true).append(true).open(file).unwrap();
    for size in [1 << 20, 4096, 512] {
        while file.write_all(&vec![0xA5; size]).is_ok() {}
    }
}

#[test]
fn cards_that_a_firewall_refuses_are_named_and_hold_up_nobody() {
    isolated(|| {
        let mut road = Road::new(Duration::ZERO);
        let refused: Vec<String> = (0x1000_0000..0x1000_0004)
            .map(|n| format!("{n:08X}"))
            .collect();
        road.gate.seen.lock().unwrap().refused = refused.iter().cloned().collect();
        let running = road.cards.run(&road.scene);
        assert_eq!(those(&road.cards.tap(&road.scene, 4), "counted"), refused);
        let others = those(&road.cards.tap(&road.scene, 30), "counted");
        let there = || {
            others
                .iter()
                .all(|uid| road.server.stored().contains_key(uid))
        };
        wait_until("the others at the server", there, || road.scene.log());
        let held = || road.health()["troubled"]["held_up"] == 4;
        wait_until("four that are held up", held, || road.scene.log());
        let status = road.status();
        assert!(status.contains("(server: up)"), "{status}");
        assert!(
            status.contains("4 taps held up") && status.contains("403 <html>Forbidden by firewall"),
            "{status}"
        );
        for uid in &refused {
            assert!(status.contains(uid), "{uid} in {status}");
        }
        road.gate.seen.lock().unwrap().refused.clear();
        let all = || road.server.stored().len() == 34 && road.health()["troubled"]["held_up"] == 0;
        wait_until("the four at the server", all, || road.scene.log());
        assert!(road.server.stored().values().all(|times| *times == 1));
        assert_eq!(running.stop().0.code(), Some(0));
    });
}

#[test]
fn what_the_api_itself_rejects_is_seen_and_sent_again_only_by_a_person() {
    isolated(|| {
        let mut road = Road::new(Duration::ZERO);
        let running = road.cards.run(&road.scene);
        mode(&road.server, &json!({"mode": "400", "idm": "10000000"}));
        road.cards.tap(&road.scene, 3);
        let rejected = || road.health()["troubled"]["rejected"] == 1;
        wait_until("a rejected tap", rejected, || road.scene.log());
        let status = road.status();
        assert!(status.contains("rejected 1 (server: up)"), "{status}");
        assert!(status.contains("facetap attendance retry"), "{status}");
        let others = || road.server.stored().len() == 2;
        wait_until("the others at the server", others, || road.scene.log());
        assert_eq!(road.gate.seen.lock().unwrap().posts["10000000"], 1);

        mode(&road.server, &json!({"mode": "ok"}));
        let mut retry = facetap();
        retry.args(["attendance", "retry", "--all", "--config"]);
        let done = retry.arg(road.scene.path("config.json")).status().unwrap();
        assert!(done.success());
        let all = || road.server.stored().len() == 3 && road.health()["troubled"]["rejected"] == 0;
        wait_until("the tap that was sent again", all, || road.scene.log());
        assert_eq!(running.stop().0.code(), Some(0));
    });
}

/// Changes what the server does.
fn mode(server: &Server, mode: &Value) {
    let body = mode.to_string();
    let mut link = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let head = format!(
        "POST /_mode HTTP/1.1\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    link.write_all([head, body].concat().as_bytes()).unwrap();
    let mut answer = [0; 12];
    std::io::Read::read_exact(&mut link, &mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}
