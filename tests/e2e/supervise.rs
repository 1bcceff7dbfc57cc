//! `facetap supervise` over real processes. What it does with a folder is tried through `scripts/monitor.sh` (watchman.rs).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{facetap, wait_until};
use crate::watchman::alive;

/// A folder to work in, and a supervisor, which is killed when dropped.
struct Supervised {
    dir: tempfile::TempDir,
    child: Option<Child>,
}

impl Supervised {
    /// `facetap supervise OPTIONS -- COMMAND` in a folder of its own.
    fn over(options: &[&str], command: &[&str]) -> Self {
        let mut this = Self::without_supervisor();
        let mut supervise = this.command(options, command);
        this.child = Some(supervise.spawn().unwrap());
        this
    }

    fn without_supervisor() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            child: None,
        }
    }

    fn command(&self, options: &[&str], command: &[&str]) -> Command {
        let mut supervise = facetap();
        supervise.arg("supervise").args(options);
        if !command.is_empty() {
            supervise.arg("--").args(command);
        }
        self.surround(&mut supervise);
        supervise
    }

    fn surround(&self, command: &mut Command) {
        command
            .current_dir(self.dir.path())
            .env("RUNTIME_DIRECTORY", self.path("run"))
            .stdin(Stdio::null())
            .stdout(File::create(self.path("stdout")).unwrap())
            .stderr(File::create(self.path("stderr")).unwrap());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn wait_for(&self, text: &str, file: &str) {
        let why_not = || format!("{}\n{}", self.read("stderr"), self.read(file));
        wait_until(text, || self.read(file).contains(text), why_not);
    }

    /// The process that was started last.
    fn process(&self) -> Pid {
        self.wait_for("started as process ", "stderr");
        let log = self.read("stderr");
        let (_, behind) = log.rsplit_once("started as process ").unwrap();
        Pid::from_raw(behind.split(':').next().unwrap().parse().unwrap())
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().unwrap().id();
        kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
    }

    fn end(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let log = || self.read("stderr");
        wait_until("its end", || child.try_wait().unwrap().is_some(), log);
        child.wait().unwrap()
    }

    fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.end().code(), Some(0), "{}", self.read("stderr"));
        assert!(
            self.read("stderr")
                .contains("watchman and service have ended")
        );
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn executable(file: &Path, script: &str) {
    let new = file.with_extension("new");
    fs::write(&new, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&new, mode).unwrap();
    fs::rename(&new, file).unwrap();
}

#[test]
fn whatever_ends_well_or_badly_is_started_again() {
    let script = "echo run >>runs
        case $(wc -l <runs) in
            1) exit 0 ;;
            2) exit 3 ;;
            3) kill -SEGV $$ ;;
            *) echo at work; exec sleep 1000 ;;
        esac";
    let mut supervised = Supervised::over(&[], &["sh", "-c", script]);
    supervised.wait_for("at work", "stdout");
    let log = supervised.read("stderr");
    for seconds in [1, 2, 4] {
        let pause = format!(" - monitor - INFO - the run was short, waiting {seconds} s\n");
        assert_eq!(log.matches(&pause).count(), 1, "{log}");
    }
    let gone = " - monitor - WARNING - starting again: the process is gone\n";
    assert_eq!(log.matches(gone).count(), 3, "{log}");
    let process = supervised.process();
    supervised.stop();
    assert!(!alive(process));
    assert!(
        !supervised.path("monitor.log").exists(),
        "nothing is left without a folder"
    );
}

#[test]
fn a_pause_does_not_hold_up_the_end() {
    let mut supervised = Supervised::over(&["--pause", "300"], &["false"]);
    supervised.wait_for("waiting 300 s", "stderr");
    supervised.stop();
}

#[test]
fn what_ignores_the_request_to_end_is_killed() {
    let script = "trap '' TERM; echo at work; while :; do sleep 1; done";
    let mut supervised = Supervised::over(&[], &["sh", "-c", script]);
    supervised.wait_for("at work", "stdout");
    let process = supervised.process();
    supervised.stop();
    let killed = format!("process {process} did not end within 5 s and is killed");
    assert!(supervised.read("stderr").contains(&killed));
    assert!(!alive(process));
}

#[test]
fn signals_are_handed_on_also_where_a_shell_has_them_ignored() {
    let script = "trap 'echo reloaded' HUP; trap 'echo told to end; exit 0' TERM; echo at work
        while :; do sleep 0.1; done";
    for end in [Signal::SIGTERM, Signal::SIGINT] {
        let mut supervised = Supervised::without_supervisor();
        let mut command = Command::new("env");
        command
            .arg("--ignore-signal=HUP,INT,TERM")
            .arg(crate::program::facetap())
            .args(["supervise", "--", "sh", "-c", script]);
        supervised.surround(&mut command);
        supervised.child = Some(command.spawn().unwrap());
        supervised.wait_for("at work", "stdout");
        supervised.signal(Signal::SIGHUP);
        supervised.wait_for("reloaded", "stdout");
        supervised.signal(end);
        assert_eq!(supervised.end().code(), Some(0));
        assert!(supervised.read("stdout").ends_with("told to end\n"));
    }
}

#[test]
fn the_command_ends_with_a_supervisor_that_is_killed() {
    let mut supervised = Supervised::over(&[], &["sleep", "1000"]);
    let process = supervised.process();
    assert!(alive(process));
    supervised.signal(Signal::SIGKILL);
    supervised.end();
    wait_until("its end", || !alive(process), String::new);
}

#[test]
fn as_the_first_process_of_a_container_it_leaves_no_zombies() {
    let mut supervised = Supervised::without_supervisor();
    let namespace = |command: &mut Command| {
        command.args(["--fork", "--pid", "--mount-proc", "--kill-child"]);
    };
    let mut possible = Command::new("unshare");
    namespace(&mut possible);
    if !possible.arg("true").status().is_ok_and(|s| s.success()) {
        eprintln!("SKIPPED: no namespace of processes can be made here");
        return;
    }
    let script = "sh -c 'sleep 0.1 & echo $! >orphan'
        while [ -e /proc/$(cat orphan) ]; do sleep 0.1; done
        echo reaped; kill -TERM 1; exec sleep 1000";
    let mut command = Command::new("unshare");
    namespace(&mut command);
    command
        .arg(crate::program::facetap())
        .args(["supervise", "--", "sh", "-c", script]);
    supervised.surround(&mut command);
    supervised.child = Some(command.spawn().unwrap());
    supervised.wait_for("reaped", "stdout");
    assert_eq!(supervised.end().code(), Some(0));
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let supervised = Supervised::without_supervisor();
    fs::write(supervised.path("no-program"), "").unwrap();
    for command in [
        &[][..],
        &["facetap-that-is-not-there"],
        &["./no-program"],
        &["/"],
    ] {
        let status = supervised.command(&[], command).status().unwrap();
        assert_eq!(status.code(), Some(2), "{command:?}");
        let said = supervised.read("stderr");
        let name = command.first().unwrap_or(&"which command?");
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn a_program_that_is_away_during_an_update_is_tried_again() {
    let mut supervised = Supervised::without_supervisor();
    let program = supervised.path("program");
    executable(&program, "#!/bin/sh\nrm program; exit 1\n");
    let mut command = supervised.command(&[], &["./program"]);
    supervised.child = Some(command.spawn().unwrap());
    supervised.wait_for("cannot start ./program", "stderr");
    executable(&program, "#!/bin/sh\necho updated; exec sleep 1000\n");
    supervised.wait_for("updated", "stdout");
    supervised.stop();
}

#[test]
fn in_the_background_it_works_in_the_current_folder() {
    let supervised = Supervised::without_supervisor();
    let status = |options: &[&str], command: &[&str]| {
        let status = supervised.command(options, command).status().unwrap();
        status.code()
    };
    assert_eq!(status(&["--status"], &[]), Some(1));
    assert_eq!(status(&["--start"], &["sleep", "1000"]), Some(0));
    let said = supervised.read("stdout");
    let pid = said.strip_prefix("watching process ");
    let pid = pid.and_then(|rest| rest.split_once(';')?.0.parse().ok());
    let process = Pid::from_raw(pid.unwrap_or_else(|| panic!("no process in {said}")));
    assert_eq!(status(&["--status"], &[]), Some(0));
    assert!(supervised.read("stdout").contains("watchman: process "));
    assert!(alive(process));
    assert_eq!(status(&["--stop"], &[]), Some(0));
    assert!(!alive(process));
    assert!(
        supervised
            .read("monitor.log")
            .contains("started as process")
    );
    assert_eq!(status(&["--stop", "--status"], &[]), Some(2), "one of them");
    for action in ["--start", "--once"] {
        let nowhere = [action, "--folder", "/proc/nowhere"];
        assert_eq!(status(&nowhere, &["true"]), Some(2), "{action}");
    }
}

#[test]
fn the_script_runs_from_its_own_folder_without_the_execute_bit() {
    let folder = tempfile::tempdir().unwrap();
    let scripts = folder.path().join("scripts");
    fs::create_dir(&scripts).unwrap();
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/monitor.sh");
    fs::write(scripts.join("monitor.sh"), fs::read(original).unwrap()).unwrap();
    std::os::unix::fs::symlink(facetap().get_program(), folder.path().join("facetap")).unwrap();
    for shell in ["sh", "bash"] {
        let run = |action: &str| {
            let out = Command::new(shell)
                .args(["monitor.sh", action])
                .current_dir(&scripts)
                .env("PATH", "/usr/bin:/bin")
                .env("LANG", "C.UTF-8")
                .output()
                .unwrap();
            let said = [out.stdout, out.stderr].concat();
            (out.status.code(), String::from_utf8(said).unwrap())
        };
        let (status, said) = run("--help");
        assert!(
            status == Some(0) && said.contains("in the background"),
            "{shell}: {said}"
        );
        // Nothing is watched over, which facetap says, not the shell.
        let (status, said) = run("status");
        assert_eq!(status, Some(1), "{shell}: {said}");
        assert!(
            !said.contains("monitor:") && !said.contains("not found"),
            "{shell}: {said}"
        );
    }
}
