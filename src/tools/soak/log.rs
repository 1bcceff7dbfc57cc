//! What the service's log tells, followed through its rotations.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// How the health thread begins when it names loops that have hung.
const HUNG: [&str; 2] = ["hung, no sign of life: ", "応答のないループがあります: "];

/// Length of `YYYY-MM-DD HH:MM:SS`.
const STAMP: usize = 19;

/// What has been seen in the log.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Marks {
    /// Panics (`[UNCAUGHT_EXCEPTION]`).
    pub uncaught: u64,
    /// Times that the health thread named loops that hung.
    pub hung: u64,
    /// Restarts of its own accord (`[AUTO_RESTART]`).
    pub auto_restarts: u64,
}

/// Follows the log file.
pub(super) struct Log {
    path: PathBuf,
    file: Option<(u64, BufReader<File>)>,
    line: Vec<u8>,
    /// What has been seen.
    pub marks: Marks,
}

impl Log {
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            line: Vec::new(),
            marks: Marks::default(),
        }
    }

    /// Reads what has been written since the last time; hands the GPU memory in use, in MiB, to `gpu` where the log
    /// tells it.
    pub fn read(&mut self, gpu: &mut dyn FnMut(f64)) {
        loop {
            // Asked before reading: what is written to the old file afterwards is nothing.
            let now = std::fs::metadata(&self.path).map(|m| m.ino()).ok();
            if self.file.is_none() {
                let opened = File::open(&self.path).ok();
                self.file =
                    opened.and_then(|f| Some((f.metadata().ok()?.ino(), BufReader::new(f))));
            }
            let Some((inode, file)) = &mut self.file else {
                return;
            };
            let inode = *inode;
            while let Ok(n) = file.read_until(b'\n', &mut self.line) {
                if n == 0 {
                    break;
                }
                if self.line.ends_with(b"\n") {
                    take(&String::from_utf8_lossy(&self.line), &mut self.marks, gpu);
                    self.line.clear();
                }
            }
            if now.is_none() || now == Some(inode) {
                return;
            }
            // It was rotated; the next one begins.
            self.file = None;
        }
    }
}

/// A line of the log: `YYYY-MM-DD HH:MM:SS - module - LEVEL - text`.
fn take(line: &str, marks: &mut Marks, gpu: &mut dyn FnMut(f64)) {
    let mut parts = line.splitn(4, " - ");
    let stamp = parts.next().unwrap_or_default();
    let (Some(level), Some(text)) = (parts.nth(1), parts.next()) else {
        return;
    };
    // The further lines of a trace begin otherwise, and may hold anything.
    if stamp.len() != STAMP || !stamp.starts_with(|c: char| c.is_ascii_digit()) {
        return;
    }
    if text.starts_with("[UNCAUGHT_EXCEPTION]") {
        marks.uncaught += 1;
    } else if text.starts_with("[AUTO_RESTART]") {
        marks.auto_restarts += 1;
    } else if level == "CRITICAL" && HUNG.iter().any(|hung| text.starts_with(hung)) {
        marks.hung += 1;
    } else if text.starts_with("[RESOURCE_MONITOR]") || text.starts_with("[リソース監視]") {
        vram(text).into_iter().for_each(gpu);
    }
}

/// `VRAM: 523.12/8192.00 MB (6.4%)`; `n/a` where there is none.
fn vram(text: &str) -> Option<f64> {
    let (_, rest) = text.split_once("VRAM: ")?;
    rest.split_once('/')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn the_health_thread_says_it_so() {
        let source = include_str!("../../watch/health/watch.rs");
        assert!(HUNG.iter().all(|hung| source.contains(hung)));
    }

    #[test]
    fn lines_are_counted_once_through_rotations_and_halves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("facetap.log");
        let mut log = Log::new(path.clone());
        let mut gpu = Vec::new();
        let mut read = |log: &mut Log| log.read(&mut |mb| gpu.push(mb));
        read(&mut log);
        let mut file = File::create(&path).unwrap();
        let line = "2026-11-21 09:00:00 - facetap::watch::crash - CRITICAL - [UNCAUGHT_EXCEPTION] type: panic";
        writeln!(
            file,
            "{line}\n   0: a frame - of - CRITICAL - hung, no sign of life"
        )
        .unwrap();
        write!(file, "{}", &line[..40]).unwrap();
        read(&mut log);
        assert_eq!(log.marks.uncaught, 1);
        writeln!(file, "{}", &line[40..]).unwrap();
        read(&mut log);
        read(&mut log);
        assert_eq!(log.marks.uncaught, 2);
        writeln!(
            file,
            "2026-11-21 09:00:01 - m - CRITICAL - 応答のないループがあります: servo (15 s)。"
        )
        .unwrap();
        std::fs::rename(&path, folder.path().join("facetap.log.1")).unwrap();
        let mut file = File::create(&path).unwrap();
        for text in [
            "INFO - [RESOURCE_MONITOR] CPU_RAM: 512.34 MB (VMS: 1024.56 MB), VRAM: 523.12/8192.00 MB (6.4%), Handles: 1",
            "INFO - [RESOURCE_MONITOR] CPU_RAM: 512.34 MB (VMS: 1024.56 MB), VRAM: n/a, Handles: 234, Threads: 12",
            "INFO - [AUTO_RESTART] planned",
            "CRITICAL - hung, no sign of life: servo (15 s); ending, to be started again",
            "INFO - somebody wrote [UNCAUGHT_EXCEPTION]",
        ] {
            writeln!(file, "2026-11-21 09:00:02 - m - {text}").unwrap();
        }
        read(&mut log);
        let want = Marks {
            uncaught: 2,
            hung: 2,
            auto_restarts: 1,
        };
        assert_eq!(log.marks, want);
        assert_eq!(gpu, [523.12]);
    }
}
