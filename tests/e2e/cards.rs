//! Taps through the simulated reader, as fast as they are wanted, and what became of them.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;

use nix::sys::stat::Mode;
use serde_json::json;

use crate::harness::{Running, Scene, wait_until};

/// The FIFO that the simulated reader takes its cards from. Open for reading, too, so that it outlives a
/// killed service.
pub struct Cards {
    fifo: File,
    /// Every tap has a card of its own.
    next: u32,
}

/// A scene whose reader is simulated and takes its cards from the FIFO.
pub fn scene() -> (Scene, Cards) {
    let scene = Scene::new()
        .set("cards.enabled", json!(true))
        .set("cards.readers", json!("simulated"))
        .set("terminal_id", json!("AA:BB:CC:DD:EE:FF"))
        .set("retry_interval", json!(1));
    let path = scene.path("cards");
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    let fifo = OpenOptions::new().read(true).write(true).open(path);
    let cards = Cards {
        fifo: fifo.unwrap(),
        next: 0x1000_0000,
    };
    (scene, cards)
}

impl Cards {
    /// Starts the service, and waits until it is ready.
    pub fn run(&self, scene: &Scene) -> Running {
        // From an earlier run, which said that it was ready, and what became of its taps.
        let _ = std::fs::remove_file(scene.path("facetap.log"));
        let path = scene.path("cards");
        let env = [("FACETAP_SIMULATED_CARDS", path.to_str().unwrap())];
        let running = scene.run_with(&[], &env);
        running.wait_for_log("[SERVER_START]");
        running
    }

    /// Taps so many cards that were never tapped before, and waits until each has been dealt with.
    /// Returns what became of each.
    pub fn tap(&mut self, scene: &Scene, count: u32) -> BTreeMap<String, String> {
        let uids: Vec<String> = (self.next..self.next + count)
            .map(|n| format!("{n:08X}"))
            .collect();
        self.next += count;
        let lines: String = uids.iter().map(|uid| format!("{uid}\n")).collect();
        self.fifo.write_all(lines.as_bytes()).unwrap();
        let mut outcomes = BTreeMap::new();
        let all_told = || {
            let trace = scene.trace();
            let tap = |line: &serde_json::Value| {
                let word = |key: &str| Some(line[key].as_str()?.to_owned());
                Some((word("uid")?, word("outcome")?))
            };
            outcomes = trace
                .iter()
                .filter_map(tap)
                .filter(|(uid, _)| uids.contains(uid))
                .collect();
            outcomes.len() == uids.len()
        };
        wait_until("the taps in the trace", all_told, || scene.log());
        outcomes
    }
}

/// Those of the taps that became of it what `outcome` says.
pub fn those(taps: &BTreeMap<String, String>, outcome: &str) -> Vec<String> {
    let matching = taps.iter().filter(|(_, o)| *o == outcome);
    matching.map(|(uid, _)| uid.clone()).collect()
}

/// Every card in the ledger, in order; none twice, for each tap has a card of its own.
pub fn ledger(scene: &Scene) -> Vec<String> {
    let db = rusqlite::Connection::open(scene.path("data/attendance.db")).unwrap();
    let mut rows = db.prepare("SELECT uid FROM tap ORDER BY id").unwrap();
    let rows = rows.query_map([], |r| r.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}
