//! Panics: the report first, raw, then the log. The thread that panics may hold any lock, that of the logger too, so it
//! never logs by itself.

use std::fmt::Write as _;
use std::panic::PanicHookInfo;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use log::error;
use nix::libc;

use super::key::Key;
use super::registers::Registers;
use super::report;
use super::review;
use super::trap::{STATE, State};
use super::unwind::{Loaded, Scratch};
use super::{fatal, raw};
use crate::{critical, say};

/// The thread that logs what another one has panicked of.
const HELPER: &str = "crash";
/// Helpers at once; should more panic at the same time, their reports are read at the next start.
const HELPERS: usize = 2;
/// How long a panic waits until it is in the log. The logger may be what has panicked, and then it is not there yet.
const PATIENCE: Duration = Duration::from_millis(500);
/// Lines of the trace in the log before the functions have their names.
const LINES_IN_LOG: usize = 40;

static RUNNING: AtomicUsize = AtomicUsize::new(0);

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
    log(text, thread, key.to_string());
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
fn log(text: String, thread: String, key: String) {
    if RUNNING.fetch_add(1, Ordering::AcqRel) >= HELPERS {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
        return;
    }
    let (done, wait) = mpsc::sync_channel(1);
    // Not by `Threads`: this is no part of the service, and has to work while that falls apart.
    let started = std::thread::Builder::new()
        .name(HELPER.to_owned())
        .spawn(move || {
            let _slot = Slot;
            critical!("{text}");
            log::logger().flush();
            let _ = done.send(());
            if let Some(state) = STATE.get() {
                name(&state.path(), &thread, &key);
            }
        });
    match started {
        // An error is a timeout, or a logger that has panicked in its turn: the report has it.
        Ok(_) => drop(wait.recv_timeout(PATIENCE)),
        Err(_) => drop(Slot),
    }
}

/// Writes the trace once more, with the names of the functions.
fn name(crash_file: &Path, thread: &str, key: &str) {
    for crash in review::name_all(crash_file, |k| k == key) {
        let trace = crash.trace();
        error!(
            "{}",
            say!(
                "where the thread \"{thread}\" panicked:\n{trace}",
                "スレッド「{thread}」のパニック発生箇所:\n{trace}"
            )
        );
    }
    log::logger().flush();
}

struct Slot;

impl Drop for Slot {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
    }
}
