//! The other threads: they are stopped where they are, and their stacks are read from here.
//!
//! A signal makes each of them note its registers in a place prepared for it and then wait for the end of the process.
//! One that blocks signals, or hangs in the kernel, is named without a trace. Threads that are known to hang come first.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use nix::libc::{self, c_int};

use super::raw::{self, RawFile};
use super::registers::{COUNT, Registers};

/// More threads than the service has (the unit allows 128 tasks); the rest are not shown.
pub(super) const MOST: usize = 128;

/// The threads of which [`show_first`] was told; 0 for none.
static SUSPECTS: [AtomicI32; 16] = [const { AtomicI32::new(0) }; 16];

/// Length of a thread's name in the kernel, which cuts longer ones off.
const NAME: usize = 15;

/// In the report of a crash that comes now, the threads of these names are the first of the others, and have their
/// whole trace however long that takes. Not for signal handlers.
pub fn show_first(names: &[&str]) {
    let is_meant = |task: &Path| {
        std::fs::read_to_string(task.join("comm")).is_ok_and(|given| {
            let given = given.trim_end_matches('\n').as_bytes();
            names
                .iter()
                .any(|name| name.as_bytes().iter().take(NAME).eq(given))
        })
    };
    let tasks = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let meant = tasks
        .filter(|task| is_meant(&task.path()))
        .filter_map(|task| number(task.file_name().as_encoded_bytes()));
    for (place, thread) in SUSPECTS.iter().zip(meant) {
        place.store(thread, Ordering::Relaxed);
    }
}

/// The real-time signal that stops a thread. Those before it are the C library's, and the first few are popular.
fn stop_signal() -> c_int {
    libc::SIGRTMIN() + 9
}

/// One thread.
pub(super) struct Slot {
    thread: AtomicI32,
    /// 1 when the registers are there.
    stopped: AtomicI32,
    pc: AtomicU64,
    registers: [AtomicU64; COUNT],
}

static SLOTS: [Slot; MOST] = [const {
    Slot {
        thread: AtomicI32::new(0),
        stopped: AtomicI32::new(0),
        pc: AtomicU64::new(0),
        registers: [const { AtomicU64::new(0) }; COUNT],
    }
}; MOST];

impl Slot {
    /// The thread, as the kernel counts.
    pub fn thread(&self) -> c_int {
        self.thread.load(Ordering::Acquire)
    }

    /// Whether [`show_first`] has named it.
    pub fn is_suspect(&self) -> bool {
        let thread = self.thread();
        SUSPECTS.iter().any(|s| s.load(Ordering::Relaxed) == thread)
    }

    /// Where it was stopped; nothing if it has not answered.
    pub fn registers(&self) -> Option<Registers> {
        if self.stopped.load(Ordering::Acquire) == 0 {
            return None;
        }
        let words = self.registers.iter().map(|w| w.load(Ordering::Relaxed));
        Some(Registers::from_words(
            self.pc.load(Ordering::Relaxed),
            words,
        ))
    }

    /// The slot of a thread, which is taken for it if it has none yet.
    fn of(thread: c_int) -> Option<&'static Self> {
        SLOTS.iter().find(|slot| {
            let taken =
                slot.thread
                    .compare_exchange(0, thread, Ordering::AcqRel, Ordering::Acquire);
            taken.is_ok() || taken == Err(thread)
        })
    }
}

/// Notes where this thread is and never returns: another one is writing the report and will end the process.
pub(super) fn halt(context: &libc::ucontext_t) -> ! {
    if let Some(slot) = Slot::of(raw::thread_id()) {
        let now = Registers::of(context);
        slot.pc.store(now.pc, Ordering::Relaxed);
        for (place, value) in slot.registers.iter().zip(now.words()) {
            place.store(value, Ordering::Relaxed);
        }
        slot.stopped.store(1, Ordering::Release);
    }
    loop {
        // SAFETY: no arguments; returns at a signal.
        unsafe { libc::pause() };
    }
}

extern "C" fn on_stop(_: c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO its context.
    halt(unsafe { &*context.cast::<libc::ucontext_t>() });
}

/// Stops every other thread, waiting until `deadline` at most, and longer for those that [`show_first`] has named
/// (milliseconds of the monotonic clock).
pub(super) fn stop(deadline: u64, longer: u64) {
    let own = raw::thread_id();
    raw::handle(stop_signal(), on_stop);
    each_thread(|thread| {
        if thread != own && Slot::of(thread).is_some() {
            // SAFETY: a signal to a thread of this process; one that has ended meanwhile does not get it.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, stop_signal()) };
        }
    });
    let waits_for = |slot: &Slot| {
        let until = if slot.is_suspect() { longer } else { deadline };
        slot.registers().is_none() && raw::milliseconds(libc::CLOCK_MONOTONIC) < until
    };
    while stopped().any(waits_for) {
        raw::wait_a_millisecond();
    }
}

/// Every other thread that was found, those that [`show_first`] has named before the rest.
pub(super) fn stopped() -> impl Iterator<Item = &'static Slot> {
    let found = |suspects: bool| {
        let which = move |slot: &&Slot| slot.thread() != 0 && slot.is_suspect() == suspects;
        SLOTS.iter().filter(which)
    };
    found(true).chain(found(false))
}

/// Calls `take` with every thread of this process.
fn each_thread(mut take: impl FnMut(c_int)) {
    let Some(folder) = RawFile::open(b"/proc/self/task\0") else {
        return;
    };
    let mut entries = [0_u8; 2048];
    loop {
        // SAFETY: the buffer's own address and length.
        let length = unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                folder.fd(),
                entries.as_mut_ptr(),
                entries.len(),
            )
        };
        let Some(mut rest) = usize::try_from(length).ok().and_then(|n| entries.get(..n)) else {
            return;
        };
        if rest.is_empty() {
            return;
        }
        while let ControlFlow::Continue((name, next)) = entry(rest) {
            if let Some(thread) = number(name) {
                take(thread);
            }
            rest = next;
        }
    }
}

/// The name of the first of the kernel's directory entries, and the others. An entry is its inode (8 bytes), its
/// position (8), its length (2), its type (1) and its name with a zero byte behind it.
fn entry(entries: &[u8]) -> ControlFlow<(), (&[u8], &[u8])> {
    let parts = || {
        let length = entries.get(16..)?.first_chunk::<2>()?;
        let (own, rest) = entries.split_at_checked(u16::from_ne_bytes(*length).into())?;
        Some((own.get(19..)?.split(|b| *b == 0).next()?, rest))
    };
    parts().map_or(ControlFlow::Break(()), ControlFlow::Continue)
}

fn number(name: &[u8]) -> Option<c_int> {
    std::str::from_utf8(name).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_thread_is_among_the_threads() {
        let mut found = false;
        each_thread(|t| found |= t == raw::thread_id());
        assert!(found);
    }

    #[test]
    fn entries_that_are_cut_end_the_list() {
        let mut one = [0_u8; 24];
        one[16] = 24;
        one[19..22].copy_from_slice(b"123");
        let ControlFlow::Continue((name, rest)) = entry(&one) else {
            panic!("an entry");
        };
        assert_eq!((number(name), rest.len()), (Some(123), 0));
        for cut in 0..one.len() {
            assert!(entry(&one[..cut]).is_break());
        }
        assert_eq!(number(b".."), None);
    }
}
