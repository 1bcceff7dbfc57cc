//! Runs the built binary the way a person or systemd does, and watches it from outside.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Long enough for a loaded machine; reached only when something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of its own with a configuration, log, ledger and trace.
pub struct Scene {
    pub dir: tempfile::TempDir,
    pub config: Value,
}

impl Scene {
    /// A service without any device; tests add what they need with [`set`](Self::set).
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = json!({
            "language": "en",
            "data_dir": dir.path().join("data"),
            "log": {"file": dir.path().join("facetap.log")},
            "camera": {"enabled": false},
            "servo": {"enabled": false},
            "cards": {"enabled": false},
        });
        Self { dir, config }
    }

    /// Sets a key of the configuration by its path (`camera.source`).
    pub fn set(mut self, path: &str, value: Value) -> Self {
        let mut at = &mut self.config;
        for part in path.split('.') {
            at = &mut at[part];
        }
        *at = value;
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("facetap.log")).unwrap_or_default()
    }

    /// The trace lines that are complete so far.
    pub fn trace(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("trace.jsonl")).unwrap_or_default();
        text.lines()
            .filter_map(|l| serde_json::from_str(l).ok())
            .collect()
    }

    /// Writes the configuration and runs the service with further options.
    pub fn run(&self, options: &[&str]) -> Running {
        self.run_with(options, &[])
    }

    /// The same with further environment variables.
    pub fn run_with(&self, options: &[&str], env: &[(&str, &str)]) -> Running {
        let options: Vec<&str> = ["--no-display"].iter().chain(options).copied().collect();
        self.run_on_display(&options, env)
    }

    /// The same without `--no-display`.
    pub fn run_on_display(&self, options: &[&str], env: &[(&str, &str)]) -> Running {
        let config = self.path("config.json");
        std::fs::write(&config, self.config.to_string()).unwrap();
        let mut command = facetap();
        command.args(["run", "--config"]).arg(&config);
        command
            .arg("--trace")
            .arg(self.path("trace.jsonl"))
            .args(options);
        command
            .current_dir(self.dir.path())
            // Where a configuration names no folder, nothing outside of the scene is touched.
            .env("STATE_DIRECTORY", self.path("data"))
            .env("RUNTIME_DIRECTORY", self.path("run"))
            .envs(env.iter().copied());
        let errors = std::fs::File::create(self.path("stderr")).unwrap();
        let child = command
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        Running {
            child: Some(child),
            log: self.path("facetap.log"),
        }
    }
}

/// The binary under test, with nothing of this machine's configuration: the one that was built with the tests, unless
/// `FACETAP_BINARY` names another (a release, which must not differ).
pub fn facetap() -> Command {
    let mut command = Command::new(crate::program::facetap());
    for name in [
        "FACETAP_CONFIG",
        "STATE_DIRECTORY",
        "LOGS_DIRECTORY",
        "NOTIFY_SOCKET",
        "LC_ALL",
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "XAUTHORITY",
    ] {
        command.env_remove(name);
    }
    command.env("LANG", "C.UTF-8").stdin(Stdio::null());
    command
}

/// A running service; killed when dropped.
pub struct Running {
    child: Option<Child>,
    log: PathBuf,
}

impl Running {
    pub fn pid(&self) -> Pid {
        let id = self.child.as_ref().unwrap().id();
        Pid::from_raw(i32::try_from(id).unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits until the log contains `text`; panics with the log if it never does.
    pub fn wait_for_log(&self, text: &str) {
        let log = self.log.clone();
        wait_until(
            &format!("\"{text}\" in the log"),
            || read(&log).contains(text),
            || read(&log),
        );
    }

    /// Sends `SIGTERM` and waits for the end. Returns the status and how long it took.
    pub fn stop(self) -> (ExitStatus, Duration) {
        self.signal(Signal::SIGTERM);
        let begin = Instant::now();
        let (status, _) = self.end();
        (status, begin.elapsed())
    }

    /// Waits for the end by itself. Returns the status and what was printed.
    pub fn end(mut self) -> (ExitStatus, String) {
        let mut child = self.child.take().unwrap();
        let log = self.log.clone();
        wait_until(
            "the end of the process",
            || child.try_wait().unwrap().is_some(),
            || read(&log),
        );
        let output = child.wait_with_output().unwrap();
        (output.status, String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Waits for something that has to come; panics with `why_not` if it does not.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool, why_not: impl Fn() -> String) {
    let begin = Instant::now();
    while !done() {
        assert!(
            begin.elapsed() < PATIENCE,
            "waited in vain for {what}; log:\n{}",
            why_not()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A program of `tests/tools`, killed when dropped.
pub struct Tool(Child);

impl Tool {
    pub fn start(name: &str, args: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/tools")
            .join(name);
        let child = Command::new("python3")
            .arg(script)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("python3 is needed (scripts/setup.sh test)");
        Self(child)
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Test data that cannot lie in the repository. None where it is absent: the test is then skipped, and
/// says so.
pub fn shared(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("FACETAP_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: {} is not here (set FACETAP_SHARED)",
        path.display()
    );
    None
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
