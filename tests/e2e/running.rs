//! The service as a whole: demonstration, log, monitor, end.

use serde_json::json;

use crate::harness::{Scene, facetap};

#[test]
fn the_demonstration_follows_a_face_counts_taps_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let output = facetap()
        .args([
            "run",
            "--demo",
            "--no-display",
            "--duration",
            "9",
            "--log-file",
            "demo.log",
        ])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let summary = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{summary}");
    let value = |name: &str| -> f64 {
        let line = summary
            .lines()
            .find(|l| l.trim_start().starts_with(name))
            .expect(name);
        let rest = line.trim_start()[name.len()..].trim_start();
        rest.split([' ', '%']).next().unwrap().parse().unwrap()
    };
    assert!(value("frames ") > 20.0, "{summary}");
    assert!(value("with a face") > 60.0, "{summary}");
    assert!(value("time on target") > 30.0, "{summary}");
    assert!(value("taps") >= 2.0, "{summary}");
    assert!(value("peak memory") > 5.0, "{summary}");
    for name in ["frames a second", "delivered", "errors"] {
        assert!(value(name) >= 0.0);
    }
    // Neither ledger nor state is left behind where it was run.
    let mut left: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["crash.log", "demo.log"]);
}

#[test]
fn without_a_display_it_says_so_once_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let output = facetap()
        .args([
            "run",
            "--demo",
            "--no-camera",
            "--no-cards",
            "--no-servo",
            "--duration",
            "0.5",
        ])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().filter(|l| l.contains("display")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(
        lines[0].contains("INFO - no display for a window"),
        "{said}"
    );
}

#[test]
fn the_log_has_the_old_format_and_an_ordinary_run_contains_no_error() {
    let scene = Scene::new().set("monitor.interval", json!(0.2));
    let running = scene.run(&["--duration", "1.5"]);
    assert_eq!(running.end().0.code(), Some(0));
    let log = scene.log();
    for line in log.lines() {
        let parts: Vec<&str> = line.splitn(4, " - ").collect();
        assert_eq!(parts.len(), 4, "{line}");
        assert_eq!(parts[0].len(), "2026-11-21 09:00:00".len(), "{line}");
        assert!(
            ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"].contains(&parts[2]),
            "{line}"
        );
        assert!(!line.to_lowercase().contains("error"), "{line}");
    }
    for text in [
        "monitor active",
        "crash trap active",
        "[SERVER_START]",
        "[STATISTICS]",
    ] {
        assert!(log.contains(text), "{text}:\n{log}");
    }
    assert!(log.matches("[RESOURCE_MONITOR]").count() >= 3, "{log}");
}

#[test]
fn what_people_grep_works_on_a_japanese_log() {
    let scene = Scene::new()
        .set("language", json!("ja"))
        .set("monitor.interval", json!(0.2))
        .set("camera.enabled", json!(true))
        .set("camera.source", json!("/dev/video-that-is-not-there"))
        .set("servo.enabled", json!(true))
        .set("servo.port", json!("/dev/tty-that-is-not-there"));
    assert_eq!(scene.run(&["--duration", "1.5"]).end().0.code(), Some(0));
    let log = scene.path("facetap.log");
    let shell = |command: &str| -> Vec<String> {
        let output = std::process::Command::new("sh")
            .args(["-c", command])
            .env("LC_ALL", "C.UTF-8")
            .env("log", &log)
            .output()
            .unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    };
    let memory = shell(r#"grep "リソース監視" "$log" | grep -o "メモリ: [0-9.]*MB""#);
    assert!(
        memory.len() >= 3 && memory[0].starts_with("メモリ: "),
        "{memory:?}"
    );
    assert!(
        shell(r#"grep "リソース監視" "$log" | tail -20"#)
            .iter()
            .all(|l| l.contains("稼働時間"))
    );
    assert!(!shell(r#"grep -E "(カメラ|camera)" "$log" | tail -50"#).is_empty());
    assert!(!shell(r#"grep -E "(サーボ|servo)" "$log" | grep -i error"#).is_empty());
    assert!(shell(r#"grep -i error "$log" | grep SERVER_START"#).is_empty());
}

#[test]
fn the_log_rotates_within_its_limits() {
    let scene = Scene::new()
        .set("log.max_mb", json!(0.05))
        .set("log.keep", json!(5))
        .set("monitor.interval", json!(0.1));
    // As after a long time: everything is there already, and the current file is nearly full.
    let line = "2026-11-21 09:00:00 - test - INFO - an old line\n";
    let nearly = line.repeat(52_000 / line.len());
    std::fs::write(scene.path("facetap.log"), &nearly).unwrap();
    for n in 1..=5 {
        std::fs::write(scene.path(&format!("facetap.log.{n}")), &nearly).unwrap();
    }
    assert_eq!(scene.run(&["--duration", "2"]).end().0.code(), Some(0));
    let mut files = 0;
    for entry in std::fs::read_dir(scene.dir.path()).unwrap() {
        let entry = entry.unwrap();
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with("facetap.log")
        {
            files += 1;
            assert!(
                entry.metadata().unwrap().len() <= 52_428,
                "{:?}",
                entry.file_name()
            );
        }
    }
    assert_eq!(files, 6);
    assert!(
        scene.log().contains("[STATISTICS]"),
        "the newest lines are in the current file"
    );
    let one = std::fs::read_to_string(scene.path("facetap.log.1")).unwrap();
    assert!(one.starts_with(line) && !one.contains("[STATISTICS]"));
}

#[test]
fn the_old_clients_file_starts_the_service() {
    let mut scene = Scene::new();
    scene.config = json!({
        "server_url": "http://127.0.0.1:9", "retry_interval": 600,
        "lcd_settings": {"i2c_addr": 39, "i2c_bus": 1, "backlight": true},
        "beep_settings": {"enabled": true, "card_read": false, "success": true, "fail": true},
        "memory_monitor": {"enabled": true, "interval": 300, "tracemalloc": false},
    });
    let log = scene.path("facetap.log");
    let options = [
        "--no-camera",
        "--no-servo",
        "--no-cards",
        "--duration",
        "0.5",
        "--log-file",
    ];
    let running = scene.run(&[&options[..], &[log.to_str().unwrap()]].concat());
    assert_eq!(running.end().0.code(), Some(0));
    let log = scene.log();
    assert!(
        log.contains("[SERVER_START]") && !log.contains("memory_monitor."),
        "{log}"
    );
    let memory = std::fs::read_to_string(scene.path("memory_usage.log")).unwrap();
    assert!(memory.contains("(初期比: +0.00MB)"), "{memory}");
}

#[test]
fn a_terminal_that_goes_away_ends_nothing() {
    let scene = Scene::new().set("monitor.interval", json!(0.2));
    let config = scene.path("config.json");
    std::fs::write(&config, scene.config.to_string()).unwrap();
    let mut child = facetap()
        .args(["run", "--no-display", "--duration", "2", "--config"])
        .arg(&config)
        .current_dir(scene.dir.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Nobody reads any more, as after a lost SSH connection.
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let log = scene.log();
    assert!(log.matches("[RESOURCE_MONITOR]").count() > 3, "{log}");
    assert!(
        log.contains("[STATISTICS]") && !log.contains("[UNCAUGHT_EXCEPTION]"),
        "{log}"
    );
}

#[test]
fn standard_error_that_nobody_reads_holds_nothing_up() {
    let scene = Scene::new().set("monitor.interval", json!(0.1));
    let (read, write) = std::io::pipe().unwrap();
    // Filled up before the start.
    let full = std::process::Command::new("timeout")
        .args(["0.5", "dd", "if=/dev/zero", "bs=4096"])
        .stdout(write.try_clone().unwrap())
        .stderr(std::process::Stdio::null())
        .status();
    assert!(full.is_ok());
    let config = scene.path("config.json");
    std::fs::write(&config, scene.config.to_string()).unwrap();
    let mut child = facetap()
        .args(["run", "--no-display", "--duration", "1", "--config"])
        .arg(&config)
        .current_dir(scene.dir.path())
        .stdout(std::process::Stdio::null())
        .stderr(write)
        .spawn()
        .unwrap();
    let end = || child.try_wait().unwrap().is_some();
    crate::harness::wait_until("the end", end, || scene.log());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(scene.log().contains("[STATISTICS]"));
    drop(read);
}

#[test]
fn the_service_manager_is_told_starting_ready_and_stopping() {
    let scene = Scene::new();
    let socket = scene.path("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    manager
        .set_read_timeout(Some(std::time::Duration::from_secs(60)))
        .unwrap();
    let watchdog = std::cell::Cell::new(0);
    // What comes in between, again and again, is counted.
    let told = || loop {
        let mut buffer = [0; 256];
        let n = manager.recv(&mut buffer).expect("a message");
        let message = String::from_utf8_lossy(&buffer[..n]).into_owned();
        if message.contains("WATCHDOG=1") {
            watchdog.set(watchdog.get() + 1);
        } else if !message.contains("STATUS=") {
            return message;
        }
    };
    let running = scene.run_with(&[], &[("NOTIFY_SOCKET", socket.to_str().unwrap())]);
    assert!(told().contains("EXTEND_TIMEOUT_USEC=60000000"));
    assert!(told().contains("READY=1"));
    running.wait_for_log("[SERVER_START]");
    std::thread::sleep(std::time::Duration::from_secs(2));
    running.signal(nix::sys::signal::Signal::SIGINT);
    assert!(told().contains("STOPPING=1"));
    assert!(watchdog.get() > 0, "the watchdog was not fed");
    assert_eq!(running.end().0.code(), Some(0));
}

#[test]
fn two_services_never_share_a_ledger() {
    let scene = Scene::new()
        .set("cards.enabled", json!(true))
        .set("cards.readers", json!("simulated"));
    let first = scene.run(&[]);
    first.wait_for_log("[SERVER_START]");
    let (status, _) = scene.run(&["--duration", "5"]).end();
    assert_eq!(status.code(), Some(1));
    let said = std::fs::read_to_string(scene.path("stderr")).unwrap();
    assert!(said.contains("data"), "{said}");
    assert_eq!(first.stop().0.code(), Some(0));
}

#[test]
fn check_prints_a_table_and_its_status_tells() {
    let scene = Scene::new()
        .set("camera.enabled", json!(true))
        .set("camera.source", json!("simulated"))
        .set("servo.enabled", json!(true))
        .set("servo.port", json!("simulated"))
        .set("cards.enabled", json!(true))
        .set("cards.readers", json!("simulated"));
    let check = |scene: &Scene| {
        let file = scene.path("check.json");
        std::fs::write(&file, scene.config.to_string()).unwrap();
        let output = facetap()
            .args(["check", "--config"])
            .arg(&file)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (status, table) = check(&scene);
    assert_eq!(status, Some(0), "{table}");
    for part in [
        "camera", "detector", "servo", "reader", "ledger", "server", "gpio",
    ] {
        assert!(
            table.lines().any(|l| l.starts_with(part)),
            "{part}:\n{table}"
        );
    }
    let (status, table) = check(&scene.set("servo.port", json!("/nonexistent")));
    assert_eq!(status, Some(1), "{table}");
    assert!(
        table.contains("FAILED") && table.contains("/nonexistent"),
        "{table}"
    );
}
