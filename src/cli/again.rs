//! The same process begins again in place, where no service manager would start it again.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use log::warn;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde::{Deserialize, Serialize};

use crate::service::summary::Summary;

/// Tells the process what it was before. Not for people.
const VARIABLE: &str = "FACETAP_AGAIN";

/// What a process that has begun again in place has to know.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Again {
    /// What is left of `--duration`, in seconds.
    pub left: Option<f64>,
    /// When the trace began, in seconds of the monotonic clock, which goes on.
    pub trace_start: f64,
    /// What it did until then.
    pub earlier: Summary,
}

/// What was handed over, if this process has begun again in place.
pub(super) fn taken_up() -> Option<Again> {
    serde_json::from_str(&super::env(VARIABLE)?).ok()
}

/// The variable that lets a service write the times of its trace as the monotonic clock shows them, so that they can be
/// compared with one's own.
pub(super) fn trace_from_zero() -> (&'static str, String) {
    let again = serde_json::to_string(&Again::default());
    (VARIABLE, again.unwrap_or_default())
}

/// The file of this program; found at the start, for an update may replace it meanwhile.
pub(super) fn program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into())
}

/// Replaces this process by a fresh one with the same arguments. Returns only if that fails, with the reason.
pub(super) fn exec(program: &PathBuf, again: &Again) -> std::io::Error {
    close_at_exec();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let run = |program: &PathBuf| {
        Command::new(program)
            .args(&arguments)
            .env(VARIABLE, serde_json::to_string(again).unwrap_or_default())
            .exec()
    };
    let why = run(program);
    warn!("{}: {why}", program.display());
    // It was removed: then the one that runs.
    run(&"/proc/self/exe".into())
}

/// Libraries leave descriptors open that a new program would inherit.
fn close_at_exec() {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let numbers: Vec<i32> = open
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|n| *n > 2)
        .collect();
    for number in numbers {
        // SAFETY: the number was in the list of open descriptors; if it has been closed meanwhile, setting the flag
        // fails.
        let descriptor = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
        let _ = fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    }
}
