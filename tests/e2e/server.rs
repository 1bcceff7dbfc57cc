//! The attendance server of `tests/tools`, from outside.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::{Scene, Tool, free_port, wait_until};

/// The attendance server, from outside.
pub struct Server {
    tool: Option<Tool>,
    pub port: u16,
    log: std::path::PathBuf,
}

impl Server {
    pub fn new(scene: &Scene) -> Self {
        Self {
            tool: None,
            port: free_port(),
            log: scene.path("rows.jsonl"),
        }
    }

    pub fn start(&mut self, mode: &str) {
        let port = self.port.to_string();
        let args = [
            "--port",
            &port,
            "--log",
            self.log.to_str().unwrap(),
            "--fail",
            mode,
            "--delay",
            "6",
        ];
        self.tool = Some(Tool::start("attendance_server.py", &args));
        let port = self.port;
        let listens = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        wait_until("the server", listens, String::new);
    }

    pub fn stop(&mut self) {
        self.tool = None;
    }

    /// How often each card was stored, duplicates left out.
    pub fn stored(&self) -> BTreeMap<String, usize> {
        let mut stored = BTreeMap::new();
        for row in self.rows().iter().filter(|r| r["status"] == "success") {
            *stored
                .entry(row["idm"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        stored
    }

    pub fn rows(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines()
            .filter_map(|l| serde_json::from_str(l).ok())
            .collect()
    }
}
