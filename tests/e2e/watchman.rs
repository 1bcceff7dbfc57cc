//! `scripts/monitor.sh` over the built binary.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::harness::{Scene, wait_until};

/// A script that finds the binary under test.
pub fn script(name: &str) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("scripts")
        .join(name);
    // A shell never hears a signal that it was started to ignore, as all are that nohup starts.
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP,INT").arg(path);
    let program = crate::program::facetap();
    let path = std::env::var("PATH").unwrap();
    command
        .env(
            "PATH",
            format!("{}:{path}", program.parent().unwrap().display()),
        )
        .env_remove("RUNTIME_DIRECTORY")
        .env_remove("FACETAP_CONFIG")
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// A folder with a watchman; whatever he has started is ended with it.
struct Watch {
    scene: Scene,
    watchman: Option<Child>,
}

impl Watch {
    fn new() -> Self {
        Self {
            scene: Scene::new(),
            watchman: None,
        }
    }

    fn folder(&self) -> PathBuf {
        self.scene.path("watch")
    }

    /// `monitor.sh ACTION --folder ... OPTIONS -- COMMAND`.
    fn command(&self, action: &str, options: &[&str], service: &[&str]) -> Command {
        let mut command = script("monitor.sh");
        command.arg(action).arg("--folder").arg(self.folder());
        command.args(options);
        if !service.is_empty() {
            command.arg("--").args(service);
        }
        command
            .current_dir(self.scene.dir.path())
            .env("RUNTIME_DIRECTORY", self.scene.path("run"));
        command
    }

    fn service(&self) -> Vec<String> {
        let config = self.scene.path("config.json");
        std::fs::write(&config, self.scene.config.to_string()).unwrap();
        let config = config.to_str().unwrap().to_owned();
        ["facetap", "run", "--no-display", "--config", &config]
            .map(str::to_owned)
            .to_vec()
    }

    /// A watchman over a service without devices, who looks every second.
    fn over_facetap(options: &[&str]) -> Self {
        let mut watch = Self::new();
        let service = watch.service();
        let service: Vec<&str> = service.iter().map(String::as_str).collect();
        let log = watch.scene.path("facetap.log");
        let all = [
            &["--interval", "1", "--log", log.to_str().unwrap()],
            options,
        ]
        .concat();
        watch.watchman = Some(watch.command("run", &all, &service).spawn().unwrap());
        watch
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("monitor.log")).unwrap_or_default()
    }

    fn wait_for_log(&self, text: &str) {
        wait_until(text, || self.log().contains(text), || self.log());
    }

    fn pid(&self) -> Option<Pid> {
        let text = std::fs::read_to_string(self.folder().join("facetap.pid")).ok()?;
        let pid = text.lines().find_map(|l| l.strip_prefix("pid="))?;
        Some(Pid::from_raw(pid.parse().unwrap()))
    }

    /// The process of a service that is at work and has its health file, and is not `before`.
    fn at_work(&self, before: Option<Pid>) -> Pid {
        let healthy = || {
            let pid = self.pid().filter(|p| Some(*p) != before)?;
            let health = std::fs::read_to_string(self.scene.path("run/health.json")).ok()?;
            let health: serde_json::Value = serde_json::from_str(&health).ok()?;
            (health["pid"] == json!(pid.as_raw()) && health["state"] == "ready").then_some(pid)
        };
        wait_until("a service at work", || healthy().is_some(), || self.log());
        self.pid().unwrap()
    }

    fn action(&self, action: &str) -> Option<i32> {
        self.command(action, &[], &[]).status().unwrap().code()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.action("stop");
        if let Some(mut watchman) = self.watchman.take() {
            let _ = watchman.kill();
            let _ = watchman.wait();
        }
    }
}

/// Whether it still runs. One whose watchman was killed may stay a zombie, where nobody takes over orphans.
pub fn alive(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn what_was_killed_is_started_again_and_a_stop_ends_both() {
    let mut watch = Watch::over_facetap(&[]);
    let first = watch.at_work(None);
    kill(first, Signal::SIGKILL).unwrap();
    let second = watch.at_work(Some(first));
    assert!(watch.log().contains("starting again: the process is gone"));
    assert_eq!(watch.action("status"), Some(0));

    // A second watchman has no business here.
    let refused = watch.command("run", &[], &["true"]).status().unwrap();
    assert_eq!(refused.code(), Some(2));
    assert_eq!(watch.pid(), Some(second));

    assert_eq!(watch.action("stop"), Some(0));
    let mut watchman = watch.watchman.take().unwrap();
    assert_eq!(watchman.wait().unwrap().code(), Some(0));
    assert!(!alive(second));
    // TERM was enough: the service could end in good order.
    assert!(watch.scene.log().contains("SIGTERM"));
    assert!(!watch.log().contains("is killed"), "{}", watch.log());
    assert_eq!(watch.action("status"), Some(1));
}

#[test]
fn a_new_watchman_takes_over_what_runs_and_hands_a_reload_on() {
    let mut watch = Watch::over_facetap(&[]);
    let service = watch.at_work(None);
    let mut watchman = watch.watchman.take().unwrap();
    watchman.kill().unwrap();
    watchman.wait().unwrap();
    assert!(alive(service), "the service does not end with the watchman");

    let options = ["--interval", "1"];
    let second = watch.command("run", &options, &["facetap", "run"]).spawn();
    let second = watch.watchman.insert(second.unwrap());
    let pid = Pid::from_raw(second.id().try_into().unwrap());
    watch.wait_for_log(&format!("the service runs already, as process {service}"));
    kill(pid, Signal::SIGHUP).unwrap();
    let log = || watch.scene.log();
    let both = || format!("{}\nthe watchman's: {}", log(), watch.log());
    wait_until("a reload", || log().contains("SIGHUP: reloading"), both);
    assert_eq!(watch.action("stop"), Some(0));
    assert!(!alive(service));
}

#[test]
fn what_gives_no_sign_of_life_is_killed_and_started_again() {
    let watch = Watch::over_facetap(&["--silent", "3"]);
    let first = watch.at_work(None);
    kill(first, Signal::SIGSTOP).unwrap();
    watch.at_work(Some(first));
    let log = watch.log();
    assert!(
        log.contains("starting again: no sign of life for "),
        "{log}"
    );
    assert!(
        log.contains("did not end within 5 s and is killed"),
        "{log}"
    );
    assert!(!alive(first));
}

#[test]
fn a_log_that_stands_still_is_enough_where_there_is_no_health_file() {
    let watch = Watch::new();
    let log = watch.scene.path("other.log");
    let log = log.to_str().unwrap();
    // Any program, as long as it writes a log; this one stops writing at once.
    let service = ["sh", "-c", &format!("echo begun >>{log}; exec sleep 1000")];
    let options = ["--interval", "1", "--silent", "2", "--log", log];
    let mut watchman = watch.command("run", &options, &service).spawn().unwrap();
    watch.wait_for_log("starting again: no sign of life for ");
    assert_eq!(watch.action("stop"), Some(0));
    let status = watchman.wait().unwrap();
    assert!(status.success(), "{status}: {}", watch.log());
}

#[test]
fn what_takes_too_much_memory_is_started_again() {
    let watch = Watch::over_facetap(&["--memory", "5"]);
    watch.wait_for_log("starting again: memory: ");
    let line = watch.log();
    let line = line.lines().find(|l| l.contains("again: memory")).unwrap();
    assert!(line.ends_with("more than 5 MB"), "{line}");
}

/// The lines by which the watchman knows a process.
fn identity(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start = stat
        .rsplit_once(") ")
        .unwrap()
        .1
        .split(' ')
        .nth(19)
        .unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    format!("pid={pid}\nstart={start}\nboot={}\n", boot.trim())
}

/// A program that only waits.
fn sleeper() -> Child {
    Command::new("sleep").arg("1000").spawn().unwrap()
}

#[test]
fn the_pid_of_another_process_fools_nobody() {
    let watch = Watch::new();
    std::fs::create_dir(watch.folder()).unwrap();
    let mut other = sleeper();
    let true_one = identity(other.id());
    let change = |key: &str, value: &str| -> String {
        let lines = true_one.lines().map(|line| match line.split_once('=') {
            Some((k, _)) if k == key => format!("{key}={value}\n"),
            _ => format!("{line}\n"),
        });
        lines.collect()
    };
    let fakes = [
        change("start", "1"),
        change("boot", "00000000-0000-0000-0000-000000000000"),
        change("pid", "x"),
        format!("{}\n", other.id()),
        String::new(),
    ];
    for fake in &fakes {
        std::fs::write(watch.folder().join("facetap.pid"), fake).unwrap();
        assert_eq!(watch.action("status"), Some(1), "{fake}");
        assert_eq!(watch.action("stop"), Some(0), "{fake}");
        assert!(
            other.try_wait().unwrap().is_none(),
            "ended by mistake: {fake}"
        );
    }
    // The check can also succeed: with everything right it is the one.
    std::fs::write(watch.folder().join("facetap.pid"), &true_one).unwrap();
    assert_eq!(watch.action("stop"), Some(0));
    wait_until(
        "its end",
        || other.try_wait().unwrap().is_some(),
        String::new,
    );
}

#[test]
fn a_zombie_is_replaced_at_the_next_look_of_cron() {
    let watch = Watch::new();
    std::fs::create_dir(watch.folder()).unwrap();
    // Nobody has asked for its end, so it stays a zombie until this test does.
    let mut zombie = sleeper();
    let known = identity(zombie.id());
    std::fs::write(watch.folder().join("facetap.pid"), known).unwrap();
    kill(
        Pid::from_raw(zombie.id().try_into().unwrap()),
        Signal::SIGKILL,
    )
    .unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", zombie.id())).unwrap();
    wait_until("a zombie", || state().contains(") Z "), state);

    let service = watch.service();
    let service: Vec<&str> = service.iter().map(String::as_str).collect();
    let look = || watch.command("once", &[], &service).status().unwrap();
    assert!(look().success());
    assert!(watch.log().contains("is a zombie"), "{}", watch.log());
    let begun = watch.at_work(None);
    // While it is well, a look changes nothing.
    assert!(look().success());
    assert_eq!(watch.pid(), Some(begun));
    assert_eq!(watch.action("stop"), Some(0));
    assert!(!watch.folder().join("facetap.pid").exists());
    zombie.wait().unwrap();
}

#[test]
fn what_ends_at_once_is_started_more_and_more_slowly() {
    let watch = Watch::new();
    let service = ["sh", "-c", "echo cannot find the camera >&2; exit 2"];
    let mut watchman = watch
        .command("run", &["--interval", "1"], &service)
        .spawn()
        .unwrap();
    for seconds in [1, 2, 4] {
        watch.wait_for_log(&format!("the run was short, waiting {seconds} s"));
    }
    assert!(watch.log().contains("it said last: cannot find the camera"));
    assert_eq!(watch.action("stop"), Some(0));
    assert!(watchman.wait().unwrap().success());
}

#[test]
fn a_watchman_in_the_background_is_started_asked_and_stopped() {
    let watch = Watch::new();
    let service = watch.service();
    let service: Vec<&str> = service.iter().map(String::as_str).collect();
    let start = || {
        watch
            .command("start", &["--interval", "1"], &service)
            .status()
            .unwrap()
    };
    assert!(start().success());
    let pid = watch.at_work(None);
    assert_eq!(start().code(), Some(2), "there is one already");
    assert_eq!(watch.action("status"), Some(0));
    assert_eq!(watch.action("stop"), Some(0));
    assert!(!alive(pid));
}

#[test]
fn wrong_usage_is_told() {
    let watch = Watch::new();
    for arguments in [
        &["run"][..],
        &["dance"],
        &["status", "--interval", "soon"],
        &["stop", "--colour"],
    ] {
        let status = script("monitor.sh")
            .args(arguments)
            .current_dir(watch.scene.dir.path())
            .status();
        assert_eq!(status.unwrap().code(), Some(2), "{arguments:?}");
    }
    let help = script("monitor.sh")
        .arg("--help")
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert!(String::from_utf8(help.stdout).unwrap().contains("crontab"));
}
