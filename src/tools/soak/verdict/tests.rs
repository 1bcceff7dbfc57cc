use std::time::Duration;

use super::*;
use crate::tools::soak::fault::Fault;
use crate::tools::soak::plan::{Interval, Plan};
use crate::tools::soak::probe::Reading;
use crate::tools::soak::tally::RequestKind;

/// A run of 72 s without a fault, ten requests a second, on a machine whose memory wavers.
fn healthy() -> Measured {
    run(|_| Reading::default())
}

/// The same with something on top of each second's reading.
fn run(more: impl Fn(f64) -> Reading) -> Measured {
    let mut resources = Resources::new(Duration::from_secs(10));
    resources.another();
    for second in 0..72_u32 {
        let more = more(f64::from(second));
        let reading = Reading {
            rss_mb: 60.0 + f64::from(second % 7) + more.rss_mb,
            descriptors: 30 + second % 3 + more.descriptors,
            threads: 18 + second % 2 + more.threads,
            ..more
        };
        resources.add(Duration::from_secs(second.into()), reading);
    }
    let mut tally = Tally::default();
    for _ in 0..720 {
        tally.add(RequestKind::Tap, Some(Duration::from_millis(7)));
    }
    Measured {
        tally,
        taps: Account {
            made: 360,
            confirmed: 360,
            ..Account::default()
        },
        resources,
        ends: Ends::default(),
        marks: Marks::default(),
        loop_restarts: 0,
        complete: true,
    }
}

/// What the service makes of the fault in 72 s.
fn with(fault: Fault) -> Measured {
    let plan = Plan {
        duration: Duration::from_secs(72),
        interval: Interval::parse("0.1").unwrap(),
        fault: Some(fault),
    };
    let order = fault.order(plan.after_warm_up());
    let rate = || {
        order
            .split(' ')
            .nth(1)
            .and_then(|w| w.parse::<f64>().ok())
            .unwrap()
    };
    let since = |second: f64| (second - 10.0).max(0.0);
    match fault {
        Fault::Leak => run(|s| Reading {
            rss_mb: rate() * since(s),
            ..Reading::default()
        }),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Fault::FdLeak => run(|s| Reading {
            descriptors: (rate() * since(s)) as u32,
            ..Reading::default()
        }),
        Fault::Panic => Measured {
            marks: Marks {
                uncaught: 1,
                ..Marks::default()
            },
            loop_restarts: 1,
            ..healthy()
        },
        Fault::Hang => Measured {
            marks: Marks {
                hung: 1,
                ..Marks::default()
            },
            ends: Ends {
                crashes: 1,
                restarts: 1,
                ..Ends::default()
            },
            ..healthy()
        },
        Fault::Slow => {
            let mut measured = healthy();
            (0..5).for_each(|_| measured.tally.add(RequestKind::Tap, None));
            measured
        }
        Fault::LoseTap => {
            let mut measured = healthy();
            measured.taps.lost = 300;
            measured.tally = measured.tally.corrected(300);
            measured
        }
    }
}

fn red(measured: &Measured) -> Vec<Check> {
    let rows = judge(measured);
    assert_eq!(rows.len(), Check::ALL.len());
    let failed = rows.iter().filter(|r| r.outcome == Outcome::Failed);
    let failed: Vec<_> = failed.map(|r| r.check).collect();
    assert_eq!(passed(&rows), failed.is_empty());
    failed
}

#[test]
fn a_healthy_run_passes_every_row() {
    assert_eq!(red(&healthy()), []);
}

#[test]
fn each_fault_turns_its_rows_red_and_no_others() {
    for fault in Fault::ALL {
        assert_eq!(red(&with(fault)), fault.red(), "{fault:?}");
    }
}

#[test]
fn every_row_can_fail() {
    let mut bad = run(|s| Reading {
        rss_mb: s,
        descriptors: (s as u32) * 2,
        threads: (s as u32) / 5,
        ..Reading::default()
    });
    bad.tally = bad.tally.corrected(9);
    bad.taps.lost = 1;
    bad.taps.twice = 1;
    bad.ends.crashes = 1;
    bad.marks.uncaught = 1;
    bad.marks.hung = 1;
    bad.loop_restarts = 1;
    for used in [100.0, 121.0, 120.0] {
        bad.resources.add_gpu(used);
    }
    assert_eq!(red(&bad), Check::ALL);
}

#[test]
fn what_the_log_calls_a_leak_is_red_however_small_its_rise() {
    let mut measured = healthy();
    measured.resources = Resources::new(Duration::from_secs(600));
    measured.resources.another();
    for minute in 0..12 * 60_u32 {
        let reading = Reading {
            rss_mb: 60.0 + f64::from(minute % 7) / 4.0 + f64::from(minute) / 60.0,
            descriptors: 30 + minute / 60,
            threads: 18 + minute / 80,
            ..Reading::default()
        };
        let age = Duration::from_secs(60 * u64::from(minute));
        measured.resources.add(age, reading);
    }
    let memory = measured.resources.memory().unwrap();
    assert!(memory.leak && memory.rise < MEMORY_RISE_MB, "{memory:?}");
    let leaks = [Check::MemorySlope, Check::HandleSlope, Check::Threads];
    assert_eq!(red(&measured), leaks);
    let told = judge(&measured);
    let row = told.iter().find(|r| r.check == Check::MemorySlope).unwrap();
    assert!(row.measured.ends_with(" LEAK"), "{row:?}");
}

#[test]
fn targets_are_limits_and_not_reached() {
    let mut measured = healthy();
    measured.tally.successes = 995;
    measured.tally.errors = 5;
    assert_eq!(red(&measured), [Check::SuccessRate, Check::Errors]);
    measured.tally.successes = 996;
    measured.tally.errors = 4;
    assert_eq!(red(&measured), []);
    measured.resources.add_gpu(0.0);
    assert_eq!(red(&measured), [], "a GPU that is there and not used");
}

#[test]
fn nothing_measured_is_nothing_shown() {
    let mut empty = Measured {
        resources: Resources::new(Duration::from_secs(10)),
        tally: Tally::default(),
        ..healthy()
    };
    let process = [
        Check::Handles,
        Check::MemoryGrowth,
        Check::MemorySlope,
        Check::HandleSlope,
        Check::Threads,
    ];
    let red_rows = red(&empty);
    assert!(process.iter().all(|c| red_rows.contains(c)), "{red_rows:?}");
    empty.complete = false;
    assert_eq!(red(&empty), [Check::SuccessRate, Check::Errors]);
}
