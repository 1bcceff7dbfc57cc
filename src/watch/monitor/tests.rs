//! The monitor through a day of virtual time.

use std::sync::Mutex;

use super::*;
use crate::base::clock::ManualClock;
use crate::base::stop::{Reason, lock};
use crate::config::Config;

/// Readings that a test invents, counted.
struct Invented<F> {
    of: F,
    taken: Arc<Mutex<u64>>,
    end: (Stop, Duration),
}

impl<F: Fn(Duration) -> (Sample, Vec<Failure>) + Send> Readings for Invented<F> {
    fn sample(&mut self, now: Monotime) -> (Sample, Vec<Failure>) {
        *lock(&self.taken) += 1;
        let age = now.since(Monotime::default());
        if age >= self.end.1 {
            self.end.0.request(Reason::Duration);
        }
        (self.of)(age)
    }
}

/// Runs the monitor for a virtual day; tells how many samples it took.
fn day(
    interval: f64,
    memory: config::MemoryMonitor,
    log_file: PathBuf,
    latest: &Arc<Latest>,
    of: impl Fn(Duration) -> (Sample, Vec<Failure>) + Send + 'static,
) -> u64 {
    let config = Config::default();
    let stop = Stop::new();
    let taken = Arc::new(Mutex::new(0));
    let readings = Invented {
        of,
        taken: Arc::clone(&taken),
        end: (stop.clone(), Duration::from_secs(86_400)),
    };
    let mut monitor = Monitor {
        live: every(interval),
        memory,
        log_file,
        log: config.log,
        readings: Box::new(readings),
        sites: None,
        stats: Arc::default(),
        card_status: Arc::default(),
        latest: Arc::clone(latest),
        clock: ManualClock::shared(Duration::ZERO),
        stop,
        beat: Beat::default(),
    };
    monitor.run();
    *lock(&taken)
}

/// The default configuration, with this interval in seconds.
fn every(interval: f64) -> config::Live {
    let mut config = Config::default();
    config.monitor.interval = interval;
    config::Live::new(config)
}

fn leaking(age: Duration) -> (Sample, Vec<Failure>) {
    let sample = Sample {
        rss_bytes: Some((40 << 20) + age.as_secs() * 300),
        vms_bytes: Some(1 << 30),
        system: Some(SystemMemory {
            total_bytes: 4 << 30,
            available_bytes: 2 << 30,
        }),
        ..Sample::default()
    };
    (sample, Vec::new())
}

#[test]
fn a_day_passes_in_a_moment_with_both_schedules_and_a_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let latest = Arc::new(Latest::default());
    let memory = config::MemoryMonitor {
        enabled: true,
        interval: 450.0,
        tracemalloc: false,
    };
    let log_file = dir.path().join("facetap.log");
    let taken = day(300.0, memory, log_file, &latest, leaking);
    // Every minute, and at the memory log's half minutes.
    assert_eq!(taken, 1441 + 96);
    let written = std::fs::read_to_string(dir.path().join("memory_usage.log")).unwrap();
    let lines: Vec<_> = written.lines().filter(|l| l.starts_with('[')).collect();
    assert_eq!(lines.len(), 193);
    assert!(
        lines[0]
            .starts_with("[1970-01-01 00:00:00] 経過: 00:00:00 | RSS: 40.00MB (初期比: +0.00MB)")
    );
    assert!(
        lines[192].contains("経過: 24:00:00 | RSS: 64.72MB (初期比: +24.72MB)"),
        "{}",
        lines[192]
    );
    let verdicts = latest.verdicts();
    let rss = verdicts.rss.unwrap();
    assert!(rss.leaking && (0.9..1.2).contains(&rss.growth), "{rss:?}");
    assert!(verdicts.memory_full_in().unwrap() > Duration::from_secs(400 * 3600));
    assert_eq!(
        latest.get().unwrap().rss_bytes,
        leaking(Duration::from_secs(86_400)).0.rss_bytes
    );
}

#[test]
fn failing_readings_hold_nothing_up() {
    let latest = Arc::new(Latest::default());
    let off = Config::default().memory_monitor;
    let taken = day(3600.0, off, "x.log".into(), &latest, |_| {
        let why = anyhow::anyhow!("no such file");
        (Sample::default(), vec![Failure { what: "load", why }])
    });
    assert_eq!(taken, 1441);
    assert_eq!(latest.get(), Some(Sample::default()));
    assert_eq!(latest.verdicts(), Verdicts::default());
}

#[test]
fn the_stop_ends_it_at_once() {
    let stop = Stop::new();
    let config = Config::default();
    let here = std::path::Path::new(".");
    let latest = Arc::new(Latest::default());
    let mut monitor = Monitor {
        live: every(86_400.0),
        memory: config.memory_monitor,
        log_file: "x.log".into(),
        log: config.log,
        readings: Box::new(Live::new(std::path::Path::new("/"), here, here)),
        sites: None,
        stats: Arc::default(),
        card_status: Arc::default(),
        latest: Arc::clone(&latest),
        clock: Arc::new(crate::base::clock::SystemClock),
        stop: stop.clone(),
        beat: Beat::default(),
    };
    let thread = std::thread::spawn(move || monitor.run());
    while latest.get().is_none() {
        std::thread::yield_now();
    }
    // An interval of a day: the join returns only if the order wakes it.
    stop.request(Reason::Duration);
    thread.join().unwrap();
}
