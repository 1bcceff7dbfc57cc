//! What is in the file when the disk is full, and when the same fault comes again and again.

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::base::clock::ManualClock;
use crate::base::stop::lock;

/// A file and a screen in memory; the file takes nothing while it is full.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Tape>>);

#[derive(Default)]
struct Tape {
    file: Vec<String>,
    screen: Vec<String>,
    full: bool,
}

impl Output for Memory {
    fn file(&mut self, line: &[u8]) -> io::Result<()> {
        let mut memory = lock(&self.0);
        if memory.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let text = String::from_utf8(line.to_vec()).unwrap();
        memory
            .file
            .extend(text.split_inclusive('\n').map(str::to_owned));
        Ok(())
    }

    fn screen(&mut self, line: &[u8]) {
        let line = String::from_utf8(line.to_vec()).unwrap();
        lock(&self.0).screen.push(line);
    }

    fn reopen(&mut self) -> Result<()> {
        Ok(())
    }

    fn path(&self) -> &Path {
        Path::new("facetap.log")
    }
}

struct Desk {
    memory: Memory,
    clock: Arc<ManualClock>,
    worker: Worker,
}

impl Desk {
    fn new() -> Self {
        let memory = Memory::default();
        let clock = Arc::new(ManualClock::new(Duration::ZERO, Timestamp::UNIX_EPOCH));
        let worker = Worker::new(
            Box::new(memory.clone()),
            Arc::clone(&clock) as Arc<dyn Clock>,
        );
        Self {
            memory,
            clock,
            worker,
        }
    }

    fn full(&self, full: bool) {
        lock(&self.memory.0).full = full;
    }

    fn log(&mut self, severity: Severity, message: &str) {
        let line = Line::test(self.clock.now().since_zero(), severity, message);
        self.worker.line(&line);
    }

    fn file(&self) -> Vec<String> {
        lock(&self.memory.0).file.clone()
    }
}

#[test]
fn after_a_full_disk_the_log_goes_on_and_says_what_is_missing() {
    let mut desk = Desk::new();
    desk.log(Severity::Info, "before");
    desk.full(true);
    for _ in 0..7 {
        desk.log(Severity::Info, "lost");
    }
    desk.full(false);
    desk.log(Severity::Info, "after");
    desk.log(Severity::Info, "and on");
    assert_eq!(
        desk.file(),
        [
            "2026-11-21 09:00:00 - servo - INFO - before\n",
            "1970-01-01 00:00:00 - logging - WARNING - log lines lost: 7 (the file could not be written; is the disk full?)\n",
            "2026-11-21 09:00:00 - servo - INFO - after\n",
            "2026-11-21 09:00:00 - servo - INFO - and on\n",
        ]
    );
    let screen = lock(&desk.memory.0).screen.clone();
    let (said, lines): (Vec<_>, Vec<_>) = screen.iter().partition(|l| l.contains(" - logging - "));
    assert_eq!(lines.len(), 10, "all were shown");
    assert_eq!(said.len(), 1, "that the file had stopped was said once");
    assert!(said[0].contains("the log file facetap.log cannot be written: "));

    desk.full(true);
    desk.log(Severity::Info, "lost again");
    assert!(
        lock(&desk.memory.0)
            .screen
            .last()
            .unwrap()
            .contains("cannot be written")
    );
}

#[test]
fn what_the_queue_lost_is_told_where_it_is_missing() {
    let mut desk = Desk::new();
    desk.log(Severity::Info, "before");
    let mut line = Line::test(Duration::ZERO, Severity::Info, "after");
    line.lost_before = 3;
    desk.worker.line(&line);
    desk.worker.lost(2);
    let file = desk.file();
    assert!(file[1].contains("WARNING - log lines lost: 3 (the disk was too slow"));
    assert!(file[2].ends_with("after\n"));
    assert!(file[3].contains("log lines lost: 2"));
    assert_eq!(file.len(), 4);
}

#[test]
fn a_repeating_fault_costs_the_file_two_lines() {
    let mut desk = Desk::new();
    for _ in 0..241 {
        desk.log(Severity::Error, "no answer");
        desk.clock.advance(Duration::from_millis(200));
    }
    assert_eq!(desk.file().len(), 1);
    desk.clock.advance(Duration::from_secs(60));
    assert!(desk.worker.next().unwrap() <= desk.clock.now());
    desk.worker.due();
    assert_eq!(
        desk.file()[1],
        "1970-01-01 00:01:48 - servo - ERROR - repeated 240 times in 108 s: no answer\n"
    );
    assert_eq!(desk.worker.next(), None);
}

#[test]
fn the_end_tells_what_was_still_to_be_counted() {
    let mut desk = Desk::new();
    for _ in 0..3 {
        desk.log(Severity::Warning, "lost");
    }
    desk.worker.finish();
    let file = desk.file();
    assert_eq!(file.len(), 2);
    assert!(
        file[1].contains("repeated 2 times in 0 s: lost"),
        "{file:?}"
    );
}

#[test]
fn a_flood_is_thinned_and_says_so() {
    let mut desk = Desk::new();
    let text = "x".repeat(4000);
    for _ in 0..10_000 {
        desk.log(Severity::Debug, &text);
    }
    let file = desk.file();
    let bytes: usize = file.iter().map(String::len).sum();
    assert!(bytes < 10_000_000, "{bytes}");
    assert!(
        file.last()
            .unwrap()
            .contains("more than 50 MB of log a day")
    );
    desk.log(Severity::Error, "still told");
    assert!(desk.file().last().unwrap().contains("still told"));
    desk.worker.finish();
    let left_out = 10_001 - file.len();
    let last = desk.file().last().unwrap().clone();
    assert!(
        last.contains(&format!("log lines left out: {left_out} ")),
        "{last}"
    );
}
