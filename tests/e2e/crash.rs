//! Every kind of crash, for real, in a process of its own: how it ends, what it leaves, and whether the names are right.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use facetap::watch::fault::crash::KINDS;
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What hangs takes for ever; a crash takes a second, ten on a loaded machine.
const HANGS: Duration = Duration::from_secs(60);
/// A report that is not done by then is cut, so that the process ends: on a machine that has no time to spare.
const CUT: Duration = Duration::from_secs(3);

struct Crash {
    status: ExitStatus,
    report: String,
    _dir: tempfile::TempDir,
    file: PathBuf,
}

fn wait(child: &mut std::process::Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > HANGS {
            let _ = child.kill();
            panic!("it hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn crash(kind: &str, busy: u8) -> Crash {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("crash.log");
    let mut child = Command::new(crate::program::facetap())
        .args(["crash-now", kind, "--busy", &busy.to_string()])
        .arg("--crash-file")
        .arg(&file)
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = wait(&mut child);
    Crash {
        status,
        report: std::fs::read_to_string(&file).unwrap(),
        _dir: dir,
        file,
    }
}

fn named(file: &Path) -> String {
    let done = Command::new(crate::program::facetap())
        .args(["symbolise", "--report"])
        .arg(file)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

/// Signal, words of its description, and a function (or, in a library without symbols, the library) of its trace.
fn expected(kind: &str) -> (i32, &'static str, &'static str) {
    match kind {
        "segv" => (
            libc::SIGSEGV,
            "address 0x8",
            "facetap::watch::fault::crash::write_to_nowhere",
        ),
        "segv-cpp" => (libc::SIGSEGV, "nothing is mapped", "opencv"),
        "bus" => (
            libc::SIGBUS,
            "a mapped file",
            "read_behind_the_end_of_a_file",
        ),
        "ill" => (libc::SIGILL, "no instruction", "illegal_instruction"),
        "fpe" => (libc::SIGFPE, "SIGFPE", "divide_by_zero"),
        "abort" => (libc::SIGABRT, "gave itself up", "std::process::abort"),
        "heap" => (
            libc::SIGABRT,
            "gave itself up",
            "facetap::watch::fault::crash::free_twice",
        ),
        "exec-null" => (
            libc::SIGSEGV,
            "address 0x0",
            "facetap::watch::fault::crash::call_nothing",
        ),
        "stack-overflow" | "stack-overflow-cpp" => (
            libc::SIGSEGV,
            "stack overflow",
            "facetap::watch::fault::crash::recurse",
        ),
        "panic-while-panicking" => (libc::SIGABRT, "gave itself up", "panic_while_panicking"),
        _ => panic!("no expectation for {kind}"),
    }
}

#[test]
fn every_kind_leaves_a_whole_report_and_ends_by_its_signal() {
    for kind in KINDS {
        for busy in [0, 2] {
            let crash = crash(kind, busy);
            let (signal, words, function) = expected(kind);
            assert_eq!(
                crash.status.signal(),
                Some(signal),
                "{kind}: {:?}",
                crash.status
            );
            let text = &crash.report[crash.report.rfind("==== crash ").expect(kind)..];
            for part in [
                words,
                "\nlocal time: 20",
                "\nprogram: facetap ",
                "\nboot id: ",
                "\nuptime: ",
                "\nthread: doomed (",
                "\nregisters:\n",
                "\nbacktrace:\n  #0 0x",
                "\nmodules:\n  ",
                "\nlast lines of the log:\n  about to crash on purpose\n",
                "VmRSS:",
                "MemAvailable:",
                "\nother threads:\n  thread ",
                "\n  thread facetap (",
                "\nexecutable mappings:\n  ",
                "\n==== end ",
            ] {
                assert!(text.contains(part), "{kind}: {part:?} in {text}");
            }
            if busy > 0 {
                let of_busy = text.split("  thread busy-0 (").nth(1).expect(kind);
                assert!(of_busy.contains("):\n  #0 0x"), "{kind}: {of_busy}");
            }
            let names = named(&crash.file);
            let of_crashed = names.split("\n  thread ").next().unwrap_or("");
            assert!(
                of_crashed.contains(function),
                "{kind}: {function} in {names}"
            );
            assert!(
                of_crashed.contains("start_thread") || of_crashed.contains("libc.so"),
                "{kind}: not up to the start of the thread: {names}"
            );
        }
    }
}

#[test]
fn the_innermost_frame_is_that_of_the_fault_with_its_line() {
    let crash = crash("segv", 0);
    let names = named(&crash.file);
    let first = names.lines().find(|l| l.trim_start().starts_with('#'));
    // Inlined functions of the library may stand above it, under the same number.
    assert!(first.is_some_and(|l| l.contains("#0 ")), "{names}");
    assert!(
        names.lines().any(
            |l| l.contains("#0 facetap::watch::fault::crash::write_to_nowhere")
                && l.contains("src/watch/fault/crash.rs:")
        ),
        "{names}"
    );
    let head = names.lines().next().unwrap();
    assert!(
        head.contains("in facetap::watch::fault::crash::write_to_nowhere"),
        "{head}"
    );
}

#[test]
fn an_endless_recursion_is_shown_from_both_ends() {
    let crash = crash("stack-overflow-cpp", 0);
    let more = crash.report.lines().find(|l| l.ends_with(" more ..."));
    assert!(more.is_some(), "{}", crash.report);
    let names = named(&crash.file);
    assert!(names.contains("#199 facetap::watch::fault::crash::recurse"));
    assert!(
        names.contains("facetap::watch::fault::crash::recurse_in_c"),
        "{names}"
    );
}

#[test]
fn a_crash_while_others_ask_for_memory_never_hangs() {
    for trial in 0..20 {
        let kind = ["segv", "heap", "stack-overflow-cpp", "abort"][trial % 4];
        let start = Instant::now();
        let crash = crash(kind, 4);
        assert_eq!(crash.status.signal(), Some(expected(kind).0));
        let whole = crash.report.contains("\n==== end ");
        assert!(whole || start.elapsed() >= CUT, "{}", crash.report);
    }
}

#[test]
fn a_signal_from_outside_shows_what_every_thread_was_doing() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("facetap.log");
    let mut child = Command::new(crate::program::facetap())
        .args(["run", "--demo", "--no-display", "--log-file"])
        .arg(&log)
        .env("LC_ALL", "C")
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let threads = ["servo", "vision", "camera", "reader", "ledger"];
    // A thread that is there may not have come to its loop yet: it has once it has waited some times.
    let in_its_loop = |task: &Path| {
        let status = std::fs::read_to_string(task.join("status")).unwrap_or_default();
        let waits = status
            .lines()
            .find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
        waits.is_some_and(|n| n.trim().parse::<u32>().is_ok_and(|n| n >= 3))
    };
    let started = |name: &&str| {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id()));
        let mut tasks = tasks.into_iter().flatten().flatten();
        tasks.any(|t| {
            std::fs::read_to_string(t.path().join("comm")).is_ok_and(|n| n.trim() == *name)
                && in_its_loop(&t.path())
        })
    };
    while !threads.iter().all(started) {
        assert!(start.elapsed() < HANGS, "it does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    // As the service manager does when its watchdog has had no news.
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGABRT).unwrap();
    assert_eq!(wait(&mut child).signal(), Some(libc::SIGABRT));
    let file = dir.path().join("crash.log");
    let report = std::fs::read_to_string(&file).unwrap();
    let by = format!("sent by kill (code 0), by process {}", std::process::id());
    assert!(report.contains(&by), "{report}");
    let names = named(&file);
    for thread in threads {
        let own = names
            .split(&format!("thread {thread} ("))
            .nth(1)
            .expect(&names);
        let own = own.split("\n  thread ").next().unwrap_or("");
        assert!(own.contains("facetap::"), "{thread}: {own}");
    }
}

#[test]
fn a_report_that_cannot_be_written_keeps_nothing_from_ending() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("crash.log");
    // A disk that is full, from the first byte on.
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    let mut child = Command::new(crate::program::facetap())
        .args(["crash-now", "segv", "--crash-file"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(wait(&mut child).signal(), Some(libc::SIGSEGV));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert!(
        said.contains("SIGSEGV (11)") && said.contains("thread doomed"),
        "{said}"
    );
}
