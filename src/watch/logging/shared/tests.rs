//! A disk that stands still holds nobody up, and nothing is lost that need not be.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::super::line::Severity;
use super::super::worker::Output;
use super::*;
use crate::base::clock::{Monotime, SystemClock};

/// A disk that answers only while its gate is open.
struct Disk {
    gate: Arc<(Mutex<bool>, Condvar)>,
    lines: Sender<String>,
}

impl Output for Disk {
    fn file(&mut self, line: &[u8]) -> io::Result<()> {
        let open = lock(&self.gate.0);
        drop(self.gate.1.wait_while(open, |open| !*open).unwrap());
        let text = String::from_utf8(line.to_vec()).unwrap();
        assert!(!text.contains("poison"), "a fault in the writer itself");
        for line in text.lines() {
            let _ = self.lines.send(line.to_owned());
        }
        Ok(())
    }

    fn screen(&mut self, _: &[u8]) {}

    fn reopen(&mut self) -> Result<()> {
        self.file(b"reopened\n").map_err(Into::into)
    }

    fn path(&self) -> &Path {
        Path::new("facetap.log")
    }
}

struct Desk {
    shared: Arc<Shared>,
    gate: Arc<(Mutex<bool>, Condvar)>,
    lines: Receiver<String>,
}

impl Desk {
    fn new() -> Self {
        let gate = Arc::new((Mutex::new(true), Condvar::new()));
        let (sender, lines) = channel();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let disk = Disk {
            gate: Arc::clone(&gate),
            lines: sender,
        };
        let worker = Worker::new(Box::new(disk), Arc::clone(&clock));
        let shared = Arc::new(Shared::new(worker, clock));
        shared.start().unwrap();
        Self {
            shared,
            gate,
            lines,
        }
    }

    fn stall(&self, stalled: bool) {
        *lock(&self.gate.0) = !stalled;
        self.gate.1.notify_all();
    }

    fn log(&self, severity: Severity, message: &str) {
        let mut line = Line::test(Duration::ZERO, severity, message);
        line.at = Monotime::default();
        self.shared.line(line);
    }

    /// What is in the file so far.
    fn file(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }
}

fn lost(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once(" - WARNING - log lines lost: ")?;
    rest.split_once(" (")?.0.parse().ok()
}

#[test]
fn everything_is_there_in_order_after_a_flush_and_after_the_end() {
    let desk = Desk::new();
    let number = |line: &String| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap();
    for i in 0..1000 {
        desk.log(Severity::Info, &format!("{i}"));
    }
    while !desk.shared.flush() {}
    let file: Vec<_> = desk.file().iter().map(number).collect();
    assert_eq!(file, (0..1000).collect::<Vec<_>>());
    desk.log(Severity::Info, "1000");
    desk.shared.finish();
    // The end waits for a limited time; what it did not wait for is there all the same.
    let last = desk.lines.recv().unwrap();
    assert_eq!(number(&last), 1000);
}

#[test]
fn after_the_end_whoever_logs_writes() {
    let desk = Desk::new();
    desk.shared.finish();
    while !matches!(lock(&desk.shared.state).thread, Thread::None) {
        std::thread::yield_now();
    }
    desk.log(Severity::Info, "late");
    assert_eq!(desk.file().len(), 1);
    assert!(desk.shared.flush());
    desk.shared.reopen().unwrap();
    assert_eq!(desk.file(), ["reopened"]);
    desk.shared.finish();
}

#[test]
fn a_disk_that_stands_still_holds_nobody_up_and_eats_no_memory() {
    let desk = Desk::new();
    desk.stall(true);
    // Were any of these to wait for the disk, the test would never end.
    for _ in 0..50_000 {
        desk.log(Severity::Info, &"x".repeat(200));
    }
    for different in 1..=10 {
        desk.log(Severity::Error, &"e".repeat(different));
    }
    assert!(lock(&desk.shared.state).queue.bytes() <= 1 << 20);
    assert!(!desk.shared.flush(), "it is given up");
    assert!(!desk.shared.flush(), "and not waited for again");
    let refused = desk.shared.reopen().unwrap_err();
    assert!(
        refused.to_string().contains("does not answer"),
        "{refused:#}"
    );

    desk.stall(false);
    while !desk.shared.flush() {}
    let file = desk.file();
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
    let desk = Desk::new();
    desk.stall(true);
    for _ in 0..20_000 {
        desk.log(Severity::Info, "x");
    }
    desk.stall(false);
    let told: u64 = desk.lines.iter().find_map(|l| lost(&l)).unwrap();
    assert!(told > 0);
}

#[test]
fn the_end_does_not_wait_for_a_disk_that_stands_still() {
    let desk = Desk::new();
    desk.stall(true);
    desk.log(Severity::Info, "x");
    desk.shared.finish();
    // Still bounded, still nobody waits.
    for _ in 0..50_000 {
        desk.log(Severity::Info, &"x".repeat(200));
    }
    desk.shared.finish();
    assert!(!desk.shared.flush());
    desk.stall(false);
    // The thread ends by itself once it can.
    while !desk.shared.flush() {}
}

#[test]
fn a_fault_of_the_writer_is_the_end_of_its_thread_alone() {
    let desk = Desk::new();
    desk.log(Severity::Info, "poison");
    while !matches!(lock(&desk.shared.state).thread, Thread::None) {
        std::thread::yield_now();
    }
    desk.log(Severity::Info, "and on");
    assert!(desk.file().last().unwrap().ends_with("and on"));
    assert!(desk.shared.flush());
    desk.shared.reopen().unwrap();
}

#[test]
fn many_threads_log_at_once() {
    let desk = Desk::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let desk = &desk.shared;
            scope.spawn(move || {
                for i in 0..500 {
                    let message = format!("{thread} {i}");
                    desk.line(Line::test(Duration::ZERO, Severity::Info, &message));
                }
            });
        }
    });
    desk.shared.finish();
    while !desk.shared.flush() {}
    let file = desk.file();
    for thread in 0..4 {
        let own = format!(" - INFO - {thread} ");
        let of = file
            .iter()
            .filter_map(|l| l.split_once(&own)?.1.parse().ok());
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
    let desk = Desk::new();
    let writer = super::super::writer::Writer {
        shared: Arc::clone(&desk.shared),
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
    let line = desk.lines.recv().unwrap();
    assert!(line.ends_with(" - facetap - CRITICAL - and on"), "{line}");
}
