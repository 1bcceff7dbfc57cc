//! Crash: whatever ends the process leaves a trace first.

use std::backtrace::Backtrace;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Zoned;

use crate::critical;

/// The crash file lies beside the log.
#[must_use]
pub fn file_beside(log_file: &Path) -> PathBuf {
    log_file.with_file_name("crash.log")
}

/// From now on a panic in any thread is written to `crash_file` and logged `[UNCAUGHT_EXCEPTION]` with
/// its place, message and backtrace before anything else happens.
pub fn trap_panics(crash_file: PathBuf) {
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("?");
        let place = panic
            .location()
            .map_or_else(|| "?".to_owned(), ToString::to_string);
        let message = panic
            .payload_as_str()
            .unwrap_or("a value that is not a text");
        let backtrace = Backtrace::force_capture();
        let text = format!(
            "[UNCAUGHT_EXCEPTION] type: panic, thread: {thread}, at {place}: {message}\n{backtrace}"
        );
        // First the file, raw: the panic may have happened inside the logger.
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&crash_file)
            .and_then(|mut f| writeln!(f, "{} {text}", Zoned::now().strftime("%Y-%m-%d %H:%M:%S")));
        if let Err(e) = written {
            // Not eprintln!, which panics where standard error is gone.
            let _ = writeln!(
                std::io::stderr(),
                "cannot write {}: {e}",
                crash_file.display()
            );
        }
        critical!("{text}");
    }));
}
