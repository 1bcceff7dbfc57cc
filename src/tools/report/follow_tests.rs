//! Whole logs: restarts, silence, clocks that jump, damage.

use super::*;
use crate::tools::report::run::End;
use crate::tools::report::stamp;

/// 2026-11-21 09:00:00.
const NINE: f64 = 1_795_251_600.0;

fn follow(log: &str) -> (Source, Resources) {
    let mut resources = Resources::default();
    let mut follow = Follow::default();
    for line in log.lines() {
        follow
            .line(line, &mut resources, &mut |_, _| Ok(()))
            .unwrap();
    }
    (
        follow.finish("log".to_owned(), &resources).unwrap(),
        resources,
    )
}

fn line(wall: f64, text: &str) -> String {
    format!("{} - monitor - INFO - {text}\n", stamp::show(wall))
}

fn tracker(wall: f64, hours: f64, mb: f64, reinits: u32) -> String {
    line(
        wall,
        &format!(
            "[リソース監視] 稼働時間: {hours:.1}h, メモリ: {mb:.1}MB, FD: 23, フレーム数: {:.0}, カメラ再初期化: {reinits}",
            hours * 1e5
        ),
    )
}

fn count(source: &Source, kind: EventKind) -> u64 {
    source.events.get(&kind).map_or(0, |t| t.count)
}

#[test]
fn nine_is_nine() {
    assert_eq!(stamp::show(NINE), "2026-11-21 09:00:00");
}

#[test]
fn an_uptime_that_falls_is_a_restart_and_the_silence_before_it_a_gap() {
    let mut log = String::new();
    for i in 0..100 {
        let t = f64::from(i) * 300.0;
        log += &tracker(NINE + t, t / 3600.0, 150.0, i / 40);
    }
    for i in 0..50 {
        let t = f64::from(i) * 300.0;
        log += &tracker(NINE + 40_000.0 + t, t / 3600.0, 100.0, 0);
    }
    let (source, resources) = follow(&log);
    assert_eq!((source.run_count, source.samples), (2, 150));
    assert_eq!(source.interval, Some(300.0));
    assert_eq!(source.runs[0].end, End::Silent);
    assert_eq!(source.runs[0].finish, NINE + 29_700.0);
    assert_eq!(source.runs[1].begin, NINE + 40_000.0);
    assert_eq!(source.runs[1].end, End::Open);
    let [gap] = source.gaps.as_slice() else {
        panic!("{:?}", source.gaps);
    };
    assert_eq!((gap.seconds, gap.restart), (10_300.0, true));
    assert_eq!(
        (
            count(&source, EventKind::Restart),
            count(&source, EventKind::CameraReinit)
        ),
        (1, 2)
    );
    let rss = resources.find("rss_mb").unwrap();
    let of_run = |run: usize| source.runs[run].figures[rss].as_ref().unwrap();
    assert_eq!((of_run(0).mean, of_run(1).mean), (150.0, 100.0));
    let all = source.figures[rss].as_ref().unwrap();
    assert_eq!((all.min, all.max, all.count), (100.0, 150.0, 150));
}

#[test]
fn a_start_that_figures_and_mark_tell_is_one() {
    let mut log = line(NINE, "[SERVER_START] ready");
    log += &tracker(NINE + 1.0, 0.0, 100.0, 0);
    log += &tracker(NINE + 3600.0, 1.0, 100.0, 0);
    log += &line(NINE + 3700.0, "[SIGNAL_HANDLER] SIGTERM: stopping cleanly");
    log += &line(NINE + 3900.0, "crash trap active");
    log += &tracker(NINE + 3901.0, 0.0, 100.0, 0);
    log += &line(NINE + 3902.0, "[SERVER_START] ready");
    log += &tracker(NINE + 4200.0, 0.1, 100.0, 0);
    log += &line(NINE + 4201.0, "[SERVER_START] ready");
    log += &line(NINE + 4202.0, "[CRASH] SIGSEGV in thread vision");
    log += &line(NINE + 4300.0, "[UNCAUGHT_EXCEPTION] type: panic");
    log += &line(NINE + 4300.0, "[STATISTICS] uptime: 0.03h, frames: 1");
    log += &line(NINE + 4302.0, "[SERVER_START] ready");
    log += &line(NINE + 4402.0, "[STATISTICS] uptime: 0.03h, frames: 1");
    let (source, _) = follow(&log);
    assert_eq!(source.run_count, 4, "{:?}", source.runs);
    let ends: Vec<_> = source.runs.iter().map(|r| r.end).collect();
    assert_eq!(ends, [End::Clean, End::Crash, End::Crash, End::Clean]);
    assert_eq!(
        source.runs[1].begin,
        NINE + 3900.0,
        "the first line after the pause"
    );
}

#[test]
fn the_old_server_has_neither_uptime_nor_times_at_its_marks() {
    let sample = |wall: f64, mb: f64| {
        format!(
            "{},123 - [RESOURCE_MONITOR] CPU_RAM: {mb:.2} MB (VMS: {:.2} MB), VRAM: n/a, Handles: 234, Threads: 12\n",
            stamp::show(wall),
            mb * 2.0
        )
    };
    let mut log = "[SERVER_START]\n".to_owned();
    for i in 0..20 {
        log += &sample(NINE + f64::from(i) * 300.0, 500.0 + f64::from(i) * 20.0);
    }
    // Told by the mark.
    log += "Fatal Python error: Segmentation fault\n[SERVER_START]\n";
    for i in 0..20 {
        log += &sample(
            NINE + 20_000.0 + f64::from(i) * 300.0,
            500.0 + f64::from(i) * 20.0,
        );
    }
    // Told by the memory alone.
    for i in 0..20 {
        log += &sample(NINE + 30_000.0 + f64::from(i) * 300.0, 500.0);
    }
    let (source, _) = follow(&log);
    let ends: Vec<_> = source.runs.iter().map(|r| r.end).collect();
    assert_eq!(ends, [End::Crash, End::Silent, End::Open]);
    assert_eq!(source.gaps.len(), 2, "{:?}", source.gaps);
    assert!(source.gaps.iter().all(|g| g.restart));
}

#[test]
fn a_clock_that_is_set_makes_neither_gap_nor_slope() {
    let mut log = String::new();
    for i in 0..40 {
        let t = f64::from(i) * 300.0;
        // It starts in 1970, is set, goes an hour back in autumn, and is set a day ahead by somebody.
        let wall = match i {
            0..5 => t,
            5..20 => NINE + t,
            20..30 => NINE + t - 3600.0,
            _ => NINE + t + 86_400.0,
        };
        log += &tracker(wall, t / 3600.0, 150.0, 0);
    }
    let (source, resources) = follow(&log);
    assert_eq!(source.run_count, 1);
    assert_eq!(count(&source, EventKind::ClockJump), 3);
    assert_eq!(source.gap_count, 0, "{:?}", source.gaps);
    assert!(
        (source.runs[0].hours - 3.25).abs() < 0.2,
        "{:?}",
        source.runs[0]
    );
    let frames = resources.find("frames").unwrap();
    let slope = source.figures[frames]
        .as_ref()
        .unwrap()
        .shape
        .slope
        .unwrap();
    assert!((slope / 1e5 - 1.0).abs() < 0.1, "{slope}");
    assert!((source.origin + source.runs[0].hours * 3600.0 - source.last).abs() < 1.0);
}

#[test]
fn damage_and_foreign_lines_change_nothing() {
    let mut log = String::new();
    let mut damaged = String::new();
    for i in 0..60 {
        let t = f64::from(i) * 300.0;
        let good = tracker(NINE + t, t / 3600.0, 150.0, 0);
        log += &good;
        damaged +=
            "\u{fffd}\u{fffd}\u{0}\n    at src/x.rs\n{\"json\": 1}\n2026-99-99 99:99:99 - x\n";
        damaged += &good;
        damaged += &good[..good.floor_char_boundary(good.len() / 3)].replace('\n', "");
        damaged += "\n";
    }
    let ((clean, _), (rough, resources)) = (follow(&log), follow(&damaged));
    assert_eq!(clean.figures, rough.figures[..clean.figures.len()]);
    assert_eq!(
        (clean.runs.len(), clean.gaps.len()),
        (rough.runs.len(), rough.gaps.len())
    );
    assert_eq!(resources.list().len(), clean.figures.len());
}

#[test]
fn hours_of_the_day_alone_are_followed_over_midnight() {
    let log = "[22:00] VRAM: 500.00 MB (6.4%)\n[23:00] VRAM: 510.00 MB\n[00:00] VRAM: 520.00 MB\n[01:00] VRAM: 530 MB";
    let (source, resources) = follow(log);
    assert_eq!((source.samples, source.run_count), (4, 1));
    let vram = resources.find("vram_mb").unwrap();
    assert_eq!(source.figures[vram].as_ref().unwrap().max, 530.0);
    assert_eq!(source.runs[0].hours, 3.0);
}

#[test]
fn thousands_of_restarts_take_bounded_room() {
    let mut resources = Resources::default();
    let mut follow = Follow::default();
    for i in 0..5000 {
        let wall = NINE + f64::from(i) * 3.0;
        for text in ["[SERVER_START] ready", "[UNCAUGHT_EXCEPTION] type: panic"] {
            follow
                .line(&line(wall, text), &mut resources, &mut |_, _| Ok(()))
                .unwrap();
        }
    }
    let source = follow.finish("log".to_owned(), &resources).unwrap();
    assert_eq!((source.run_count, source.runs.len()), (5000, MOST_RUNS));
    assert!(source.runs.iter().all(|r| r.end == End::Crash));
    assert_eq!(count(&source, EventKind::Uncaught), 5000);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_panic(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400),
        cut in 0..200_usize,
    ) {
        // Bytes among lines that would be understood.
        let good = tracker(NINE, 1.0, 150.0, 0) + "[2026-11-21 09:00:00] 経過: 00:05:00 | RSS: 45.23MB\n";
        let mut log = good.as_bytes()[..cut.min(good.len())].to_vec();
        log.extend(&bytes);
        log.extend(good.as_bytes());
        let mut lines = crate::tools::report::lines::Lines::new(log.as_slice());
        let mut resources = Resources::default();
        let mut follow = Follow::default();
        while let Some(text) = lines.next().unwrap() {
            follow.line(&text, &mut resources, &mut |_, _| Ok(())).unwrap();
        }
        let source = follow.finish("log".to_owned(), &resources).unwrap();
        proptest::prop_assert!(source.samples >= 1);
    }
}
