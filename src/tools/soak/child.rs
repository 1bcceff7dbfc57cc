//! The service as a process of its own, in a scratch folder.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::watchdog::WATCHDOG;
use crate::attend::reader::simulated;
use crate::base::stop::lock;
use crate::base::{child, planted};
use crate::watch::supervise::{End, Process};

/// Bytes of standard error that are kept: why a start failed.
const KEPT: usize = 4096;

/// Where everything of a run lies.
#[derive(Debug, Clone)]
pub(super) struct Scratch(pub PathBuf);

impl Scratch {
    pub fn config(&self) -> PathBuf {
        self.0.join("config.json")
    }

    pub fn data_dir(&self) -> PathBuf {
        self.0.join("data")
    }

    pub fn log(&self) -> PathBuf {
        self.0.join("facetap.log")
    }

    pub fn run_dir(&self) -> PathBuf {
        self.0.join("run")
    }

    pub fn trace(&self) -> PathBuf {
        self.0.join("trace")
    }

    pub fn cards(&self) -> PathBuf {
        self.0.join("cards")
    }

    pub fn faults(&self) -> PathBuf {
        self.0.join("faults")
    }

    pub fn notify(&self) -> PathBuf {
        self.0.join("notify")
    }
}

/// How the service is started.
pub(super) struct Launch {
    pub program: PathBuf,
    pub scratch: Scratch,
    /// Whether faults can be planted.
    pub faulty: bool,
    /// More environment.
    pub environment: Vec<(String, String)>,
    /// The last that was written to standard error.
    pub said: Arc<Mutex<VecDeque<u8>>>,
}

/// The last that a process wrote to standard error.
pub(super) fn text(said: &Mutex<VecDeque<u8>>) -> String {
    let bytes: Vec<u8> = lock(said).iter().copied().collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

impl Launch {
    /// Starts a process. To be called by a thread that lives as long as it does: with that thread the process ends.
    ///
    /// # Errors
    /// The system refuses.
    pub fn start(&self) -> Result<Service> {
        let mut command = self.command();
        child::end_with_this_thread(&mut command);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        if let Some(errors) = child.stderr.take() {
            let said = Arc::clone(&self.said);
            lock(&said).clear();
            // Ends with the process, or with whoever inherited its standard error.
            std::thread::Builder::new()
                .name("output".to_owned())
                .spawn(move || keep_last(errors, &said))
                .context("cannot start the thread that reads the service's output")?;
        }
        Ok(Service(child))
    }

    fn command(&self) -> Command {
        let scratch = &self.scratch;
        let mut command = Command::new(&self.program);
        let arguments: [(&str, PathBuf); 2] =
            [("--config", scratch.config()), ("--trace", scratch.trace())];
        command.args(["run", "--no-display"]);
        for (name, value) in arguments {
            command.arg(name).arg(value);
        }
        // Nothing of this machine's own service.
        for name in [
            "FACETAP_CONFIG",
            "STATE_DIRECTORY",
            "LOGS_DIRECTORY",
            "WATCHDOG_PID",
            planted::VARIABLE,
        ] {
            command.env_remove(name);
        }
        let mut environment: Vec<(&str, OsString)> = vec![
            ("RUNTIME_DIRECTORY", scratch.run_dir().into()),
            ("NOTIFY_SOCKET", scratch.notify().into()),
            ("WATCHDOG_USEC", WATCHDOG.as_micros().to_string().into()),
            (simulated::VARIABLE, scratch.cards().into()),
        ];
        if self.faulty {
            environment.push((planted::VARIABLE, scratch.faults().into()));
        }
        command
            .envs(environment)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&scratch.0)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }
}

/// Reads until the end and keeps the last bytes.
fn keep_last(mut from: impl std::io::Read, said: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        let mut said = lock(said);
        said.extend(&buffer[..n]);
        let over = said.len().saturating_sub(KEPT);
        said.drain(..over);
    }
}

/// A process of the service.
pub(super) struct Service(Child);

impl Process for Service {
    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn ended(&mut self) -> Option<End> {
        self.0.try_wait().ok().flatten().map(End::from)
    }

    fn signal(&self, signal: Signal) {
        let Ok(pid) = i32::try_from(self.0.id()) else {
            return;
        };
        let pid = Pid::from_raw(pid);
        // What it started ends with it where nothing may be left of it.
        let _ = match signal {
            Signal::SIGKILL => killpg(pid, signal),
            _ => kill(pid, signal),
        };
    }
}

/// Makes the folder's parts that have to be there before the first start.
pub(super) fn prepare(folder: &Path) -> Result<Scratch> {
    let scratch = Scratch(folder.to_owned());
    for dir in [scratch.data_dir(), scratch.run_dir()] {
        std::fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    Ok(scratch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn launch(folder: &Path, script: &str) -> Launch {
        // Called as "program run --no-display ...".
        let program = folder.join("program");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        Launch {
            program,
            scratch: prepare(folder).unwrap(),
            faulty: false,
            environment: vec![("MORE".to_owned(), "42".to_owned())],
            said: Arc::default(),
        }
    }

    fn end(service: &mut Service) -> End {
        let never = crate::base::stop::Stop::new();
        loop {
            if let Some(end) = service.ended() {
                return end;
            }
            let _ = never.wait(Duration::from_millis(5));
        }
    }

    #[test]
    fn status_and_last_words_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let launch = launch(
            folder.path(),
            "echo \"$1 $2 $MORE ${FACETAP_FAULTS-none}\" >&2; exit 3",
        );
        let mut service = launch.start().unwrap();
        assert_eq!(end(&mut service), End::Status(3));
        while text(&launch.said).is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(text(&launch.said), "run --no-display 42 none");
    }

    #[test]
    fn it_ends_by_the_signal_that_it_gets_and_with_the_thread_that_started_it() {
        let folder = tempfile::tempdir().unwrap();
        let launch = Arc::new(launch(folder.path(), "exec sleep 1000"));
        let mut service = launch.start().unwrap();
        service.signal(Signal::SIGTERM);
        assert_eq!(end(&mut service), End::Signal(Signal::SIGTERM as i32));
        let starter = Arc::clone(&launch);
        let thread = std::thread::spawn(move || starter.start().unwrap());
        let mut orphan = thread.join().unwrap();
        assert_eq!(end(&mut orphan), End::Signal(Signal::SIGKILL as i32));
    }

    #[test]
    fn only_the_last_words_are_kept() {
        let said = Mutex::default();
        let words = "x".repeat(3 * KEPT) + "the end";
        keep_last(words.as_bytes(), &said);
        assert!(text(&said).ends_with("the end") && text(&said).len() == KEPT);
    }
}
