//! The service as a process: how it is started, and what it says beside its log.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::{AccessFlags, Pid, access, setsid};

use super::identity::{Known, is_zombie};
use super::supervisor::{End, Process};
use crate::base::child::end_with_this_thread;
use crate::base::files;

/// The output is shortened when it is larger than this, to its last lines.
const MOST_BYTES: u64 = 1 << 20;
const LAST_LINES: usize = 50;
/// Of an output that large, so much is looked at for its last lines.
const LAST_BYTES: u64 = 64 << 10;

/// How the service is started.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub command: Vec<OsString>,
    /// Where it writes its health every second: in memory, to spare the disk.
    pub run: Option<PathBuf>,
    /// What it says beside its log goes here; without one, where the watchman's own goes.
    pub output: Option<Output>,
    /// Whether it goes on when the watchman is killed, to be taken over by the next.
    pub outlives: bool,
}

impl Launch {
    /// Starts it. To be called by a thread that lives as long as the watchman.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(&self) -> Result<Service> {
        ensure!(!self.command.is_empty(), "there is no command");
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).stdin(Stdio::null());
        if let Some(run) = &self.run {
            command.env("RUNTIME_DIRECTORY", run);
        }
        if let Some(output) = &self.output {
            let file = output.begin()?;
            command.stdout(file.try_clone()?).stderr(file);
        }
        detach(&mut command);
        if !self.outlives {
            end_with_this_thread(&mut command);
        }
        let child = command.spawn();
        let shown = self.command[0].display();
        Ok(Service::Child(
            child.with_context(|| format!("cannot start {shown}"))?,
        ))
    }

    /// The command as one line.
    pub fn shown(&self) -> String {
        let words: Vec<_> = self.command.iter().map(|w| w.to_string_lossy()).collect();
        words.join(" ")
    }
}

/// Has a program run away from the terminal, whose Ctrl-C is for the watchman: he ends the service in order.
pub(super) fn detach(command: &mut Command) {
    // SAFETY: the closure runs between fork and exec and makes system calls only.
    unsafe {
        command.pre_exec(|| {
            setsid()?;
            // nohup and shells leave signals ignored to all whom they start.
            for of in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
                signal(of, SigHandler::SigDfl)?;
            }
            Ok(())
        });
    }
}

/// The first of these folders that can be made and written: the run folder of the service manager, of root, of the user.
pub(super) fn run_folder(env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name| env(name).filter(|value| !value.is_empty());
    let folders = [
        set("RUNTIME_DIRECTORY").map(PathBuf::from),
        Some("/run/facetap".into()),
        set("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("facetap")),
    ];
    folders.into_iter().flatten().find(|folder| {
        std::fs::create_dir_all(folder).is_ok() && access(folder, AccessFlags::W_OK).is_ok()
    })
}

/// A process of the service.
pub(super) enum Service {
    Child(Child),
    /// Started by an earlier watchman.
    TakenOver(Known),
}

impl Process for Service {
    fn pid(&self) -> u32 {
        match self {
            Self::Child(child) => child.id(),
            Self::TakenOver(known) => known.pid,
        }
    }

    fn ended(&mut self) -> Option<End> {
        match self {
            Self::Child(child) => child.try_wait().ok().flatten().map(End::from),
            Self::TakenOver(known) => {
                (!known.is_there() || is_zombie(known.pid)).then_some(End::Unseen)
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Self::TakenOver(known) = self
            && !known.is_there()
        {
            return;
        }
        if let Ok(pid) = i32::try_from(self.pid()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

/// The file of what the service says on standard output and standard error.
#[derive(Debug, Clone)]
pub(super) struct Output(pub PathBuf);

impl Output {
    /// Empties it; opened for appending, so that it can be emptied while the service writes.
    fn begin(&self) -> io::Result<File> {
        let file = OpenOptions::new().create(true).append(true).open(&self.0)?;
        file.set_len(0)?;
        Ok(file)
    }

    /// The last line.
    pub fn said_last(&self) -> Option<String> {
        let tail = files::tail(&self.0, LAST_BYTES).ok()?;
        tail.lines().last().map(str::to_owned)
    }

    /// Bounds it; its last lines go into a file beside it.
    pub fn trim(&self) -> io::Result<()> {
        if std::fs::metadata(&self.0)?.len() <= MOST_BYTES {
            return Ok(());
        }
        let tail = files::tail(&self.0, LAST_BYTES)?;
        let lines: Vec<&str> = tail.split_inclusive('\n').collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].concat();
        let mut beside = self.0.clone().into_os_string();
        beside.push(".1");
        std::fs::write(beside, last)?;
        OpenOptions::new().write(true).open(&self.0)?.set_len(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn the_output_is_bounded_and_its_last_lines_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output(folder.path().join("service.out"));
        assert_eq!(output.said_last(), None);
        let mut file = output.begin().unwrap();
        assert_eq!(output.said_last(), None);
        writeln!(file, "the first").unwrap();
        output.trim().unwrap();
        assert_eq!(output.said_last().unwrap(), "the first");
        for n in 0..40_000 {
            writeln!(file, "this is the line {n:06} of many").unwrap();
        }
        output.trim().unwrap();
        writeln!(file, "the next").unwrap();
        assert_eq!(std::fs::read_to_string(&output.0).unwrap(), "the next\n");
        let kept = std::fs::read_to_string(folder.path().join("service.out.1")).unwrap();
        assert_eq!(kept.lines().count(), LAST_LINES);
        assert!(kept.ends_with("line 039999 of many\n"));
    }

    #[test]
    fn the_run_folder_is_the_first_that_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("named");
        let text = named.display().to_string();
        let found = run_folder(&|name| (name == "RUNTIME_DIRECTORY").then(|| text.clone()));
        assert_eq!(found, Some(named));
    }
}
