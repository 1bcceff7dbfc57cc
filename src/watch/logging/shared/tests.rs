//! A disk that stands still holds nobody up, and nothing is lost that need not be.

use super::super::line::Severity;
use super::super::memory::MemoryOutput;
use super::*;
use crate::base::clock::{Monotime, SystemClock};

/// The log's shared end, with a thread of its own that writes.
struct SharedLog {
    shared: Arc<Shared>,
    memory: MemoryOutput,
}

impl SharedLog {
    fn new() -> Self {
        let memory = MemoryOutput::default();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let worker = Worker::new(Box::new(memory.clone()), Arc::clone(&clock));
        let shared = Arc::new(Shared::new(worker, clock));
        shared.start().unwrap();
        Self { shared, memory }
    }

    fn log(&self, severity: Severity, message: &str) {
        let mut line = Line::test(Duration::ZERO, severity, message);
        line.at = Monotime::default();
        self.shared.line(line);
    }
}

fn lost(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once(" - WARNING - log lines lost: ")?;
    rest.split_once(" (")?.0.parse().ok()
}

#[test]
fn everything_is_there_in_order_after_a_flush_and_after_the_end() {
    let log = SharedLog::new();
    let number = |line: &str| line.trim_end().rsplit(' ').next()?.parse::<u32>().ok();
    for i in 0..1000 {
        log.log(Severity::Info, &format!("{i}"));
    }
    while !log.shared.flush() {}
    let file = log.memory.file();
    let numbers: Vec<_> = file.iter().filter_map(|line| number(line)).collect();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    assert_eq!(file.len(), 1000);
    log.log(Severity::Info, "1000");
    log.shared.finish();
    // The end waits for a limited time; what it did not wait for is there all the same.
    log.memory
        .wait_for(|line| (number(line) == Some(1000)).then_some(()));
    assert_eq!(log.memory.file().len(), 1001);
}

#[test]
fn after_the_end_whoever_logs_writes() {
    let log = SharedLog::new();
    log.shared.finish();
    while !matches!(lock(&log.shared.state).thread, Thread::None) {
        std::thread::yield_now();
    }
    log.log(Severity::Info, "late");
    assert_eq!(log.memory.file().len(), 1);
    assert!(log.shared.flush());
    log.shared.reopen().unwrap();
    assert_eq!(log.memory.file()[1..], ["reopened\n"]);
    log.shared.finish();
}

#[test]
fn a_disk_that_stands_still_holds_nobody_up_and_eats_no_memory() {
    let log = SharedLog::new();
    log.memory.set_stalled(true);
    // Were any of these to wait for the disk, the test would never end.
    for _ in 0..50_000 {
        log.log(Severity::Info, &"x".repeat(200));
    }
    for different in 1..=10 {
        log.log(Severity::Error, &"e".repeat(different));
    }
    assert!(lock(&log.shared.state).queue.bytes() <= 1 << 20);
    assert!(!log.shared.flush(), "it is given up");
    assert!(!log.shared.flush(), "and not waited for again");
    let refused = log.shared.reopen().unwrap_err();
    assert!(
        refused.to_string().contains("does not answer"),
        "{refused:#}"
    );

    log.memory.set_stalled(false);
    while !log.shared.flush() {}
    let file = log.memory.file();
    let gaps: u64 = file.iter().filter_map(|l| lost(l)).sum();
    let count = |level: &str| file.iter().filter(|l| l.contains(level)).count() as u64;
    assert_eq!(
        count(" - INFO - ") + gaps,
        50_000,
        "each is there or counted"
    );
    assert!(gaps > 40_000);
    assert_eq!(count(" - ERROR - "), 10, "these are kept");
    assert_eq!(count("reopened"), 1, "late, but not forgotten");
}

#[test]
fn lines_that_were_lost_are_told_without_another_line() {
    let log = SharedLog::new();
    log.memory.set_stalled(true);
    for _ in 0..20_000 {
        log.log(Severity::Info, "x");
    }
    log.memory.set_stalled(false);
    let told = log.memory.wait_for(lost);
    assert!(told > 0);
}

#[test]
fn the_end_does_not_wait_for_a_disk_that_stands_still() {
    let log = SharedLog::new();
    log.memory.set_stalled(true);
    log.log(Severity::Info, "x");
    log.shared.finish();
    // Still bounded, still nobody waits.
    for _ in 0..50_000 {
        log.log(Severity::Info, &"x".repeat(200));
    }
    log.shared.finish();
    assert!(!log.shared.flush());
    log.memory.set_stalled(false);
    // The thread ends by itself once it can.
    while !log.shared.flush() {}
}

#[test]
fn a_fault_of_the_writer_is_the_end_of_its_thread_alone() {
    let log = SharedLog::new();
    log.log(Severity::Info, "poison");
    while !matches!(lock(&log.shared.state).thread, Thread::None) {
        std::thread::yield_now();
    }
    log.log(Severity::Info, "and on");
    assert!(log.memory.file().last().unwrap().ends_with("and on\n"));
    assert!(log.shared.flush());
    log.shared.reopen().unwrap();
}

#[test]
fn many_threads_log_at_once() {
    let log = SharedLog::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let shared = &log.shared;
            scope.spawn(move || {
                for i in 0..500 {
                    let message = format!("{thread} {i}");
                    shared.line(Line::test(Duration::ZERO, Severity::Info, &message));
                }
            });
        }
    });
    log.shared.finish();
    while !log.shared.flush() {}
    let file = log.memory.file();
    for thread in 0..4 {
        let own = format!(" - INFO - {thread} ");
        let of = file
            .iter()
            .filter_map(|l| l.split_once(&own)?.1.trim_end().parse().ok());
        assert_eq!(of.collect::<Vec<u32>>(), (0..500).collect::<Vec<_>>());
    }
}

/// A value that cannot be shown.
struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("on purpose")
    }
}

#[test]
fn a_panic_in_the_middle_of_a_log_call_harms_no_other() {
    use flexi_logger::{DeferredNow, writers::LogWriter as _};
    let log = SharedLog::new();
    let writer = super::super::writer::Writer {
        shared: Arc::clone(&log.shared),
        clock: Arc::new(SystemClock),
    };
    let write = |value: &dyn std::fmt::Display| {
        let mut record = log::Record::builder();
        record.level(log::Level::Error).target("critical");
        let now = &mut DeferredNow::new();
        writer.write(now, &record.args(format_args!("{value}")).build())
    };
    let broken = std::panic::AssertUnwindSafe(|| write(&Unspeakable));
    assert!(std::panic::catch_unwind(broken).is_err());
    write(&"and on").unwrap();
    // A CRITICAL line is in the file when the call returns (or half a second later, on a busy machine).
    let line = log.memory.wait_for(|line| Some(line.to_owned()));
    assert!(line.ends_with(" - facetap - CRITICAL - and on\n"), "{line}");
}
