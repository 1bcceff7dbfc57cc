//! Servos that share no code with the program: `tests/tools/sts_servos.py` and its kin.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// The running program; killed when dropped.
pub struct Servos {
    child: Child,
    record: PathBuf,
}

impl Servos {
    /// Servos at the port `link` that write the frames they receive to `record`. None, and loudly, where
    /// there is no Python.
    pub fn start(link: &Path, record: &Path, options: &[&str]) -> Option<Self> {
        Self::start_family("sts", link, record, options)
    }

    /// The same of another family.
    pub fn start_family(
        family: &str,
        link: &Path,
        record: &Path,
        options: &[&str],
    ) -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools");
        let program = folder.join(format!("{family}_servos.py"));
        let child = Command::new("python3")
            .arg(program)
            .arg(link)
            .arg("--log")
            .arg(record)
            .args(options)
            .stdin(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Self {
                child,
                record: record.to_owned(),
            }),
            Err(e) => {
                eprintln!("SKIPPED: python3 cannot be started: {e}");
                None
            }
        }
    }

    /// Everything received so far.
    pub fn frames(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.record).unwrap_or_default();
        // The last line may be half written.
        text.lines()
            .filter_map(|l| serde_json::from_str(l).ok())
            .collect()
    }

    /// The goals of one servo in steps, in order.
    pub fn goals(&self, id: &str) -> Vec<i64> {
        self.frames()
            .iter()
            .filter_map(|f| f["goals"][id].as_i64())
            .collect()
    }

    /// What was last written to the torque register of a servo.
    pub fn torque(&self, id: u64) -> Option<u64> {
        self.frames()
            .iter()
            .rev()
            .find(|f| f["instruction"] == "write" && f["register"] == 40 && f["id"] == id)
            .and_then(|f| f["data"][0].as_u64())
    }
}

impl Drop for Servos {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
