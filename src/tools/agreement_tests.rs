//! The log, `facetap report` and `facetap soak` say the same of the same readings: each series is given to the monitor's
//! alarm, its lines to the report, and its readings to the soak test's verdict.

use std::time::Duration;

use super::report::{Figures, Report};
use super::soak::probe::Reading;
use super::soak::resources::Resources;
use crate::base::card_status::Queues;
use crate::base::clock::Monotime;
use crate::base::stats::Counters;
use crate::config::Config;
use crate::watch::monitor::{Line, Said, Sample, Watcher};

/// Memory of a process in MiB, so many hours after its start.
type Memory = fn(f64) -> f64;

/// Whether each of them tells a leak in processes that follow each other, each so many hours long.
#[derive(Debug, PartialEq)]
struct Told {
    alarm: bool,
    report: bool,
    report_by_run: Vec<bool>,
    soak: bool,
}

fn told(processes: &[(u32, Memory)], interval: u32) -> (Told, Vec<bool>) {
    let mut log = String::new();
    let mut alarms = Vec::new();
    let mut soak = Resources::new(Duration::from_secs(600));
    let mut random = fastrand::Rng::with_seed(11);
    let begin = "2026-11-01 00:00:00"
        .parse::<jiff::civil::DateTime>()
        .unwrap();
    let mut wall = begin;
    let mut write = |at: jiff::civil::DateTime, text: &str| {
        log += &format!(
            "{} - monitor - INFO - {text}\n",
            at.strftime("%Y-%m-%d %H:%M:%S")
        );
    };
    for (hours, memory) in processes {
        write(wall, "[SERVER_START] ready");
        let mut watcher = Watcher::new(&Config::default().monitor);
        let mut alarm = false;
        soak.another();
        for second in (0..hours * 3600).step_by(interval as usize) {
            let uptime = Duration::from_secs(second.into());
            let noise: f64 = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
            let mb = memory(f64::from(second) / 3600.0) + noise;
            // The line has two places of it.
            let rss_mb = (mb * 100.0).round() / 100.0;
            let sample = Sample {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                rss_bytes: Some((rss_mb * 1_048_576.0) as u64),
                ..Sample::default()
            };
            let line = Line {
                uptime,
                sample: &sample,
                counters: Counters::default(),
                queues: Queues::default(),
            };
            write(wall, &line.said_in(false));
            let said = watcher.look(Monotime::from_zero(uptime), uptime, &sample, Vec::new());
            alarm |= said
                .iter()
                .any(|s| matches!(s, Said::Warning(t) if t.contains("[MEMORY_LEAK_ALERT]")));
            let reading = Reading {
                rss_mb,
                ..Reading::default()
            };
            soak.add(uptime, reading);
            wall += jiff::Span::new().seconds(i64::from(interval));
        }
        alarms.push(alarm);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("facetap.log");
    std::fs::write(&file, log).unwrap();
    let report = Report::read(&[file], false).unwrap();
    let memory = report.resources().iter().position(|r| r.id == "rss_mb");
    let leaks = |all: &[Option<Figures>]| all[memory.unwrap()].as_ref().unwrap().leak;
    let source = &report.sources[0];
    let told = Told {
        alarm: alarms.contains(&true),
        report: leaks(&source.figures),
        report_by_run: source.runs.iter().map(|r| leaks(&r.figures)).collect(),
        soak: soak.memory().unwrap().leak,
    };
    (told, alarms)
}

#[track_caller]
fn agree(name: &str, processes: &[(u32, Memory)], leaks: &[bool]) {
    for interval in [60, 300] {
        let (told, alarms) = told(processes, interval);
        let any = leaks.contains(&true);
        let expected = Told {
            alarm: any,
            report: any,
            report_by_run: leaks.to_vec(),
            soak: any,
        };
        assert_eq!(told, expected, "{name}, every {interval} s");
        assert_eq!(alarms, leaks, "{name}, every {interval} s");
    }
}

fn stairs(t: f64) -> f64 {
    120.0 + 6.0 * (t / 6.0).floor()
}

#[test]
fn what_stays_where_it_is_is_no_leak() {
    agree("flat", &[(30, |_| 120.0)], &[false]);
    agree(
        "a rhythm of the day",
        &[(50, |t| {
            120.0 + 0.5 * (t * std::f64::consts::TAU / 24.0).sin()
        })],
        &[false],
    );
    agree(
        "a jump",
        &[(30, |t| if t < 11.0 { 120.0 } else { 140.0 })],
        &[false],
    );
    agree(
        "a warm-up, then flat",
        &[(30, |t| 120.0 - 60.0 * (-12.0 * t).exp())],
        &[false],
    );
    agree(
        "a saw-tooth of a cache",
        &[(30, |t| 120.0 + 6.0 * (2.0 * t).fract())],
        &[false],
    );
}

#[test]
fn what_grows_is_a_leak() {
    agree("a megabyte an hour", &[(12, |t| 120.0 + t)], &[true]);
    agree("a fast leak", &[(2, |t| 120.0 + 150.0 * t)], &[true]);
    agree(
        "a leak that comes to an end",
        &[(30, |t| 120.0 + 3.0 * t.min(8.0))],
        &[true],
    );
}

#[test]
fn stairs_are_a_leak_once_they_have_gone_on_for_days() {
    agree("stairs of a day", &[(24, stairs)], &[false]);
    agree("stairs of five days", &[(120, stairs)], &[true]);
}

#[test]
fn a_restart_begins_anew() {
    let leak: Memory = |t| 120.0 + 2.0 * t;
    agree(
        "a leak, started again",
        &[(9, leak), (9, leak)],
        &[true, true],
    );
    agree(
        "one leak among quiet runs",
        &[(24, |_| 120.0), (9, leak), (24, |_| 90.0)],
        &[false, true, false],
    );
    agree(
        "ended before it can be told",
        &[(1, leak), (1, leak), (1, leak)],
        &[false, false, false],
    );
}
