//! `facetap report`: a log of the service itself, page, table, and everything that can be wrong.

use std::fmt::Write as _;
use std::process::Output;

use serde_json::json;

use crate::harness::{Scene, facetap};

fn report(scene: &Scene, args: &[&str]) -> Output {
    facetap()
        .arg("report")
        .args(args)
        .current_dir(scene.dir.path())
        .output()
        .unwrap()
}

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output, status: i32) -> String {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Readings of the old tracker every five minutes, with a leak of 2 MB an hour.
fn tracker(hours: std::ops::Range<u32>) -> String {
    let mut log = String::new();
    for i in hours.start * 12..hours.end * 12 {
        let (h, m) = (i / 12, i % 12 * 5);
        let up = f64::from(i) / 12.0;
        // Not a straight line to the digit, and the same every time.
        let mb = 150.0 + 2.0 * up + f64::from(i * 7919 % 13) / 10.0;
        writeln!(
            log,
            "2026-01-01 {h:02}:{m:02}:00 - __main__ - INFO - [リソース監視] 稼働時間: {up:.1}h, メモリ: {mb:.1}MB, FD: 23"
        )
        .unwrap();
    }
    log
}

#[test]
fn a_log_of_the_service_itself() {
    let scene = Scene::new()
        .set("camera", json!({"source": "simulated"}))
        .set("servo", json!({"port": "simulated"}))
        .set("monitor.interval", json!(0.1));
    let (status, _) = scene.run(&["--duration", "5"]).end();
    assert!(status.success());
    let (status, _) = scene.run(&["--duration", "3"]).end();
    assert!(status.success());

    let output = report(
        &scene,
        &["facetap.log", "--html", "r.html", "--csv", "r.csv"],
    );
    let text = told(&output);
    let row = |name: &str| -> Vec<String> {
        let line = text.lines().find(|l| l.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in\n{text}"));
        line[name.len()..]
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    };
    let memory = row("memory (RSS)");
    assert_eq!(memory[0], "MB");
    let figures: Vec<f64> = memory[1..4].iter().map(|n| n.parse().unwrap()).collect();
    assert!(
        1.0 < figures[0] && figures[0] <= figures[1] && figures[1] <= figures[2],
        "{text}"
    );
    assert!(row("frames").contains(&"counter:".to_owned()), "{text}");
    assert_eq!(row("restart")[0], "1", "{text}");
    assert_eq!(row("start [SERVER_START]")[0], "2", "{text}");
    assert_eq!(row("crash [CRASH]")[0], "0", "{text}");

    let log = scene.log();
    let readings = log.matches("[RESOURCE_MONITOR] ").count();
    assert!(readings >= 20, "{log}");
    let csv = std::fs::read_to_string(scene.path("r.csv")).unwrap();
    assert!(
        csv.starts_with("\u{feff}time,rss_mb,vms_mb,handles,threads,uptime_h,"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 1 + readings);
    let page = std::fs::read_to_string(scene.path("r.html")).unwrap();
    assert!(page.matches("<polyline").count() >= 8, "{page}");
}

#[test]
fn rotated_files_in_any_order_and_one_by_one_from_a_pipe() {
    let scene = Scene::new();
    std::fs::write(scene.path("t.log.2"), tracker(0..8)).unwrap();
    std::fs::write(scene.path("t.log.1"), tracker(8..16)).unwrap();
    std::fs::write(scene.path("t.log"), tracker(16..24)).unwrap();
    let sorted = told(&report(&scene, &["t.log", "t.log.2", "t.log.1", "./t.log"]));
    assert!(
        sorted.contains("2026-01-01 00:00:00 to 2026-01-01 23:55:00"),
        "{sorted}"
    );
    assert!(
        sorted.contains("readings 288 (every 5 min), runs 1"),
        "{sorted}"
    );
    assert!(
        sorted.contains("LINE = LEAK") && sorted.contains("+2.00"),
        "{sorted}"
    );

    std::fs::write(scene.path("all"), tracker(0..24)).unwrap();
    let all = std::fs::File::open(scene.path("all")).unwrap();
    let piped = facetap().args(["report", "-"]).stdin(all).output().unwrap();
    let body = |text: &str| {
        text.lines()
            .skip(1)
            .map(|l| format!("{l}\n"))
            .collect::<String>()
    };
    assert_eq!(body(&told(&piped)), body(&sorted));

    let japanese = facetap()
        .args(["report", "all"])
        .current_dir(scene.dir.path())
        .env("LANG", "ja_JP.UTF-8")
        .output()
        .unwrap();
    assert!(told(&japanese).contains("直線 = リーク"));
}

#[test]
fn the_page_needs_nothing_and_obeys_nothing() {
    let scene = Scene::new();
    // A file's name cannot hold a slash; a folder's and a file's together do.
    let name = "<script>alert(1)</script>.log";
    let mut log = tracker(0..24);
    log += "2026-01-01 23:56:00 - monitor - INFO - [リソース監視] 稼働時間: 23.9h, <b>x</b>: 5 MB, =cmd: 1\n";
    log += "2026-01-01 23:57:00 - crash - CRITICAL - [CRASH] \"><img src=x>\n";
    std::fs::create_dir(scene.path("<script>alert(1)<")).unwrap();
    std::fs::write(scene.path(name), &log).unwrap();
    told(&report(
        &scene,
        &[name, "--html", "r.html", "--csv", "r.csv"],
    ));
    let page = std::fs::read_to_string(scene.path("r.html")).unwrap();
    for bad in [
        "<script", "<b>", "<img", "http:", "https:", "url(", "@import", "src=", "href=",
    ] {
        assert!(!page.contains(bad), "{bad}");
    }
    assert!(page.contains("&lt;script&gt;") && page.contains("class=\"bad\" x1"));
    assert!(page.len() < 500_000, "{}", page.len());
    let csv = std::fs::read_to_string(scene.path("r.csv")).unwrap();
    assert!(csv.lines().next().unwrap().contains(",'=cmd"), "{csv}");
}

#[test]
fn what_cannot_be_read_or_written_is_said() {
    let scene = Scene::new();
    std::fs::write(
        scene.path("foreign"),
        "Nov 21 kernel: hello\n2026-11-21 09:00:00 hello\n",
    )
    .unwrap();
    let why = complaint(&report(&scene, &["foreign"]), 1);
    assert!(
        why.contains("[RESOURCE_MONITOR]") && why.contains("経過"),
        "{why}"
    );
    let why = complaint(&report(&scene, &["none.log", "."]), 1);
    assert!(
        why.contains("none.log") && why.contains("nothing was read"),
        "{why}"
    );
    complaint(&report(&scene, &[]), 2);

    std::fs::write(scene.path("t.log"), tracker(0..1)).unwrap();
    let before = std::fs::read(scene.path("t.log")).unwrap();
    for args in [
        &["t.log", "--html", "./t.log"][..],
        &["t.log", "--csv", "x", "--html", "x"],
    ] {
        let why = complaint(&report(&scene, args), 2);
        assert!(why.contains("named twice"), "{why}");
    }
    assert_eq!(std::fs::read(scene.path("t.log")).unwrap(), before);
    let why = complaint(&report(&scene, &["t.log", "--html", "none/x.html"]), 1);
    assert!(why.contains("--html"), "{why}");
    let half = report(&scene, &["t.log", "none.log"]);
    assert!(complaint(&half, 0).contains("none.log"));
    std::fs::write(scene.path("t.gz"), b"\x1f\x8b\x08rest").unwrap();
    assert!(complaint(&report(&scene, &["t.gz"]), 1).contains("zcat"));
}
