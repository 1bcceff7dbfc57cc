//! What is in the file when the disk is full, and when the same fault comes again and again.

use std::time::Duration;

use super::super::memory::MemoryOutput;
use super::*;
use crate::base::clock::ManualClock;

/// The writer of lines, at a time of the test's choice.
struct Writing {
    memory: MemoryOutput,
    clock: Arc<ManualClock>,
    worker: Worker,
}

impl Writing {
    fn new() -> Self {
        let memory = MemoryOutput::default();
        let clock = ManualClock::shared(Duration::ZERO);
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

    fn log(&mut self, severity: Severity, message: &str) {
        let line = Line::test(self.clock.now().since_zero(), severity, message);
        self.worker.line(&line);
    }
}

#[test]
fn after_a_full_disk_the_log_goes_on_and_says_what_is_missing() {
    let mut log = Writing::new();
    log.log(Severity::Info, "before");
    log.memory.set_full(true);
    for _ in 0..7 {
        log.log(Severity::Info, "lost");
    }
    log.memory.set_full(false);
    log.log(Severity::Info, "after");
    log.log(Severity::Info, "and on");
    assert_eq!(
        log.memory.file(),
        [
            "2026-11-21 09:00:00 - servo - INFO - before\n",
            "1970-01-01 00:00:00 - logging - WARNING - log lines lost: 7 (the file could not be written; is the disk full?)\n",
            "2026-11-21 09:00:00 - servo - INFO - after\n",
            "2026-11-21 09:00:00 - servo - INFO - and on\n",
        ]
    );
    let screen = log.memory.screen();
    let (said, lines): (Vec<_>, Vec<_>) = screen.iter().partition(|l| l.contains(" - logging - "));
    assert_eq!(lines.len(), 10, "all were shown");
    assert_eq!(said.len(), 1, "that the file had stopped was said once");
    assert!(said[0].contains("the log file facetap.log cannot be written: "));

    log.memory.set_full(true);
    log.log(Severity::Info, "lost again");
    assert!(
        log.memory
            .screen()
            .last()
            .unwrap()
            .contains("cannot be written")
    );
}

#[test]
fn what_the_queue_lost_is_told_where_it_is_missing() {
    let mut log = Writing::new();
    log.log(Severity::Info, "before");
    let mut line = Line::test(Duration::ZERO, Severity::Info, "after");
    line.lost_before = 3;
    log.worker.line(&line);
    log.worker.lost(2);
    let file = log.memory.file();
    assert!(file[1].contains("WARNING - log lines lost: 3 (the disk was too slow"));
    assert!(file[2].ends_with("after\n"));
    assert!(file[3].contains("log lines lost: 2"));
    assert_eq!(file.len(), 4);
}

#[test]
fn a_repeating_fault_costs_the_file_two_lines() {
    let mut log = Writing::new();
    for _ in 0..241 {
        log.log(Severity::Error, "no answer");
        log.clock.advance(Duration::from_millis(200));
    }
    assert_eq!(log.memory.file().len(), 1);
    log.clock.advance(Duration::from_secs(60));
    assert!(log.worker.next().unwrap() <= log.clock.now());
    log.worker.due();
    assert_eq!(
        log.memory.file()[1],
        "1970-01-01 00:01:48 - servo - ERROR - repeated 240 times in 108 s: no answer\n"
    );
    assert_eq!(log.worker.next(), None);
}

#[test]
fn the_end_tells_what_was_still_to_be_counted() {
    let mut log = Writing::new();
    for _ in 0..3 {
        log.log(Severity::Warning, "lost");
    }
    log.worker.finish();
    let file = log.memory.file();
    assert_eq!(file.len(), 2);
    assert!(
        file[1].contains("repeated 2 times in 0 s: lost"),
        "{file:?}"
    );
}

#[test]
fn a_flood_is_thinned_and_says_so() {
    let mut log = Writing::new();
    let text = "x".repeat(4000);
    for _ in 0..10_000 {
        log.log(Severity::Debug, &text);
    }
    let file = log.memory.file();
    let bytes: usize = file.iter().map(String::len).sum();
    assert!(bytes < 10_000_000, "{bytes}");
    assert!(
        file.last()
            .unwrap()
            .contains("more than 50 MB of log a day")
    );
    log.log(Severity::Error, "still told");
    assert!(log.memory.file().last().unwrap().contains("still told"));
    log.worker.finish();
    let left_out = 10_001 - file.len();
    let last = log.memory.file().last().unwrap().clone();
    assert!(
        last.contains(&format!("log lines left out: {left_out} ")),
        "{last}"
    );
}
