//! Panics: the report first, raw, then the log. The thread that panics may hold any lock, that of the logger too, so it
//! never logs by itself.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use nix::libc;

use super::key::{Key, Run};
use super::registers::Registers;
use super::report;
use super::review;
use super::state::{STATE, State};
use super::unwind::{Loaded, Scratch};
use super::{fatal, raw};
use crate::{critical, say_error};

/// The thread that logs what another one has panicked of.
const HELPER: &str = "crash";
/// Helpers at once; should more panic at the same time, their reports are read at the next start.
const HELPERS: usize = 8;
/// How long a panic waits until it is in the log. The logger may be what has panicked, and then it is not there yet.
const PATIENCE: Duration = Duration::from_millis(500);
/// Lines of the trace in the log before the functions have their names.
const LINES_IN_LOG: usize = 40;

static RUNNING: AtomicUsize = AtomicUsize::new(0);
/// Whether a helper looks for names, which takes seconds on a board. It sees to the reports that come meanwhile, too.
static NAMING: AtomicBool = AtomicBool::new(false);

pub(super) fn install() {
    std::panic::set_hook(Box::new(hook));
}

fn hook(panic: &PanicHookInfo) {
    if fatal::is_writing() {
        // In the handler of a fatal signal nothing of the below may be done.
        fatal::end(libc::SIGABRT);
    }
    let Some(state) = STATE.get() else {
        return;
    };
    let place = panic
        .location()
        .map_or_else(|| "?".to_owned(), ToString::to_string);
    let message = panic
        .payload_as_str()
        .unwrap_or("a value that is not a text");
    let key = Key::next(state);
    let thread = report::name_of(raw::thread_id());
    let mut trace = String::new();
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = write_report(&mut text, &mut trace, state, &key, &place, message);
    append(state, text.as_bytes());

    if thread == HELPER {
        return;
    }
    let lines: Vec<&str> = trace.lines().skip(1).take(LINES_IN_LOG).collect();
    let text = format!(
        "[UNCAUGHT_EXCEPTION] type: panic, thread: {thread}, at {place}: {message}\n{}",
        lines.join("\n")
    );
    log(text);
}

fn write_report(
    text: &mut String,
    trace: &mut String,
    state: &State,
    key: &Key,
    place: &str,
    message: &str,
) -> std::fmt::Result {
    let loaded = Loaded::now();
    if let Some(here) = Registers::here() {
        report::backtrace(trace, &loaded, &mut Scratch::new(), here)?;
    }
    writeln!(text, "==== crash {key}")?;
    let message = message.replace(|c: char| c.is_control(), " ");
    writeln!(
        text,
        "what: [UNCAUGHT_EXCEPTION] panic at {place}: {message}"
    )?;
    report::head(text, state)?;
    text.push_str(trace);
    report::tail(text, &loaded)?;
    writeln!(text, "==== end {key}")
}

fn append(state: &State, report: &[u8]) {
    let path = state.path();
    // A loop that panics again and again must not fill the disk: opening looks at the size.
    let opened = state.file.open(&path);
    // SAFETY: the text's own address and length. One call, so that reports of two threads do not mix.
    let n = unsafe { libc::write(state.file.fd(), report.as_ptr().cast(), report.len()) };
    if n < 0 || opened.is_err() {
        // Not eprintln!, which panics where standard error is gone.
        let mut out = raw::RawWriter::new(libc::STDERR_FILENO);
        let _ = writeln!(out, "cannot write {}", path.display());
        out.bytes(report);
        out.flush();
    }
}

/// Logs from a thread of its own and waits until that is done, if it is done soon.
fn log(text: String) {
    if RUNNING.fetch_add(1, Ordering::AcqRel) >= HELPERS {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
        return;
    }
    let (done, wait) = mpsc::sync_channel(1);
    // Not by `Threads`: this is no part of the service, and has to work while that falls apart.
    let started = std::thread::Builder::new()
        .name(HELPER.to_owned())
        .spawn(move || {
            {
                let _slot = Slot;
                critical!("{text}");
                log::logger().flush();
                let _ = done.send(());
            }
            if let Some(state) = STATE.get()
                && !NAMING.swap(true, Ordering::AcqRel)
            {
                let _end = EndOfNaming;
                let mut seen = BTreeSet::new();
                while name(state, &mut seen) {}
            }
        });
    match started {
        // An error is a timeout, or a logger that has panicked in its turn: the report has it.
        Ok(_) => drop(wait.recv_timeout(PATIENCE)),
        Err(_) => drop(Slot),
    }
}

/// Writes the traces of this run's panics once more, with the names of the functions. False if there was none that
/// had not been `seen` before: on a full disk a report keeps to be without names.
fn name(state: &State, seen: &mut BTreeSet<String>) -> bool {
    let run = Run::of(state);
    let new = |key: &str| run.owns(key) && seen.insert(key.to_owned());
    let named = review::name_all(&state.path(), new);
    for crash in &named {
        let (thread, trace) = (&crash.thread, crash.trace());
        say_error!(
            "where the thread \"{thread}\" panicked:\n{trace}",
            "スレッド「{thread}」のパニック発生箇所:\n{trace}"
        );
    }
    log::logger().flush();
    !named.is_empty()
}

struct EndOfNaming;

impl Drop for EndOfNaming {
    fn drop(&mut self) {
        NAMING.store(false, Ordering::Release);
    }
}

struct Slot;

impl Drop for Slot {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
    }
}
