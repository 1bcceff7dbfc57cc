//! The handler of fatal signals: it writes the report and then lets the signal do what it does without a handler, so
//! that the service manager sees how the process really ended.
//!
//! Own handlers and not those of the `crash-handler` crate, which holds a lock while it handles, lets a second thread
//! that crashes wait for it unseen, and leaves out SIGSYS.

use std::sync::atomic::{AtomicI32, Ordering};

use nix::libc::{self, c_int, c_void};

use super::{describe, others, raw, report};

/// Seconds after which a report that hangs (on a disk that does not answer) is given up.
const LIMIT: u32 = 3;

/// The thread that writes the report; 0 while none does.
static WRITING: AtomicI32 = AtomicI32::new(0);
/// The signal that it is about.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Handles the fatal signals from now on.
pub(super) fn install() {
    for signal in describe::FATAL {
        raw::handle(signal, on_fatal);
    }
}

/// Whether this thread is writing the report of a fatal signal.
pub(super) fn is_writing() -> bool {
    WRITING.load(Ordering::Relaxed) == raw::thread_id()
}

extern "C" fn on_fatal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO both.
    let (info, context) = unsafe { (&*info, &*context.cast::<libc::ucontext_t>()) };
    let own = raw::thread_id();
    match WRITING.compare_exchange(0, own, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => (),
        // A fault in this very handler, or a signal that somebody sends it.
        Err(writer) if writer == own => end(signal),
        Err(_) => others::halt(context),
    }
    SIGNAL.store(signal, Ordering::Relaxed);
    limit();
    report::signal(signal, info, context);
    end(signal);
}

/// Ends the report after [`LIMIT`], wherever it is then.
fn limit() {
    raw::handle(libc::SIGALRM, on_limit);
    raw::unblock(libc::SIGALRM);
    // SAFETY: only arms the timer. Another thread may get its signal; it ends the process all the same.
    unsafe { libc::alarm(LIMIT) };
}

extern "C" fn on_limit(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    end(SIGNAL.load(Ordering::Relaxed));
}

/// Ends the process by the signal, as if it had no handler.
pub(super) fn end(signal: c_int) -> ! {
    // SAFETY: sets the default action and sends the signal to this thread; all of these are allowed in a handler.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::syscall(libc::SYS_tgkill, libc::getpid(), raw::thread_id(), signal);
    }
    raw::unblock(signal);
    // Only the first process of a container comes here: the kernel keeps such signals from it.
    // SAFETY: ends the process without anything else.
    unsafe { libc::_exit(128 + signal) }
}
