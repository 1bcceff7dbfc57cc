//! Card to ledger to server: the real PC/SC daemon, virtual cards, and a server with the old API.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::card::Card;
use crate::daemon::{Daemon, PORTS, Turn};
use crate::harness::{Scene, wait_until};
use crate::server::Server;

fn idm(n: u8) -> [u8; 8] {
    [0x01, 0x2E, 0x44, 0xA7, 0xA5, 0x18, 0x5C, n]
}

fn hex(n: u8) -> String {
    format!("012E44A7A5185C{n:02X}")
}

/// Taps a card once, and waits until the service has dealt with it.
fn tap(scene: &Scene, port: u16, n: u8) {
    let seen = |scene: &Scene| scene.trace().iter().filter(|l| l["uid"] == hex(n)).count();
    let before = seen(scene);
    let card = Card::felica(port, idm(n));
    wait_until(
        "the tap in the trace",
        || seen(scene) > before,
        || scene.log(),
    );
    drop(card);
    // The daemon looks every 0.4 s whether the card is still there.
    std::thread::sleep(Duration::from_millis(900));
}

fn scene(server: &Server, scene: Scene) -> Scene {
    scene
        .set("cards.enabled", json!(true))
        .set(
            "server_url",
            json!(format!("http://127.0.0.1:{}/", server.port)),
        )
        .set("terminal_id", json!("AA:BB:CC:DD:EE:FF"))
}

/// Uids in the ledger and what became of them.
fn ledger(scene: &Scene) -> Vec<(String, String)> {
    let db = rusqlite::Connection::open(scene.path("data/attendance.db")).unwrap();
    let mut rows = db
        .prepare("SELECT uid, state FROM tap ORDER BY id")
        .unwrap();
    let rows = rows.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Waits until the service has noted every delivery.
fn wait_until_settled(scene: &Scene) {
    let settled = || ledger(scene).iter().all(|(_, state)| state == "delivered");
    wait_until("the ledger to know", settled, || scene.log());
}

#[test]
fn taps_reach_the_server_once_through_faults_of_daemon_and_server() {
    let Some(turn) = Turn::take() else { return };
    let base = Scene::new();
    let mut server = Server::new(&base);
    let scene = scene(&server, base);
    server.start("ok");
    let daemon = Daemon::start(&turn);
    let running = scene.run(&[]);
    running.wait_for_log("Virtual PCD 00 01");

    tap(&scene, PORTS[0], 1);
    tap(&scene, PORTS[1], 2);
    tap(&scene, PORTS[0], 1); // a repeat
    wait_until("two rows", || server.stored().len() == 2, || scene.log());

    drop(daemon);
    let _daemon = Daemon::start(&turn);
    running.wait_for_log("[READER_RECONNECT]");
    tap(&scene, PORTS[0], 3);

    server.stop();
    tap(&scene, PORTS[0], 4);
    tap(&scene, PORTS[1], 5);
    running.wait_for_log("they stay in the ledger");
    server.start("ok");
    wait_until(
        "what was tapped meanwhile",
        || server.stored().len() == 5,
        || scene.log(),
    );
    wait_until_settled(&scene);
    assert_eq!(running.stop().0.code(), Some(0));

    let once: BTreeMap<_, _> = (1..=5).map(|n| (hex(n), 1)).collect();
    assert_eq!(server.stored(), once);
    let delivered: Vec<_> = (1..=5).map(|n| (hex(n), "delivered".to_owned())).collect();
    assert_eq!(ledger(&scene), delivered);
    let outcomes: Vec<String> = scene
        .trace()
        .iter()
        .filter_map(|l| Some(l["outcome"].as_str()?.to_owned()))
        .collect();
    assert_eq!(
        outcomes,
        [
            "counted", "counted", "repeat", "counted", "counted", "counted"
        ]
    );

    // The wire form of the old client, byte for byte.
    let row = &server.rows()[0];
    let (body, time) = (
        row["body"].as_str().unwrap(),
        row["timestamp"].as_str().unwrap(),
    );
    let expected = format!(
        r#"{{"idm": "{}", "timestamp": "{time}", "terminal_id": "AA:BB:CC:DD:EE:FF"}}"#,
        hex(1)
    );
    assert_eq!(body, expected);
}

#[test]
fn nothing_is_lost_to_a_server_that_misbehaves_or_to_a_kill() {
    let Some(turn) = Turn::take() else { return };
    let base = Scene::new();
    let mut server = Server::new(&base);
    let scene = scene(&server, base);
    let _daemon = Daemon::start(&turn);
    for (n, mode) in (1..).zip(["500", "html", "nothing", "slow", "drop"]) {
        server.start(mode);
        let running = scene.run(&[]);
        running.wait_for_log("Virtual PCD 00 00");
        tap(&scene, PORTS[0], n);
        // SIGKILL, at whatever it was doing; the next run goes on with the ledger.
        drop(running);
        server.stop();
        std::fs::remove_file(scene.path("facetap.log")).unwrap();
    }
    server.start("ok");
    let running = scene.run(&[]);
    wait_until("all five", || server.stored().len() == 5, || scene.log());
    wait_until_settled(&scene);
    assert_eq!(running.stop().0.code(), Some(0));
    let once: BTreeMap<_, _> = (1..=5).map(|n| (hex(n), 1)).collect();
    assert_eq!(server.stored(), once);
    assert!(!scene.log().contains("panicked"));
}

#[test]
fn odd_answers_of_cards_are_told_and_the_next_card_is_read() {
    let Some(turn) = Turn::take() else { return };
    let scene = Scene::new().set("cards.enabled", json!(true));
    let _daemon = Daemon::start(&turn);
    let running = scene.run(&[]);
    running.wait_for_log("Virtual PCD 00 00");
    let failed = |scene: &Scene| {
        scene
            .trace()
            .iter()
            .filter(|l| l["outcome"] == "failed")
            .count()
    };
    for (i, answer) in [vec![], vec![0xA5; 300], vec![0x6A, 0x81], vec![0x90]]
        .into_iter()
        .enumerate()
    {
        let card = Card::hold(PORTS[0], crate::card::FELICA, answer);
        wait_until("a failed tap", || failed(&scene) > i, || scene.log());
        drop(card);
        std::thread::sleep(Duration::from_millis(900));
    }
    tap(&scene, PORTS[0], 9);
    assert_eq!(running.stop().0.code(), Some(0));
    assert_eq!(ledger(&scene), [(hex(9), "pending".to_owned())]);
    assert!(!scene.log().contains("panicked"));
}
