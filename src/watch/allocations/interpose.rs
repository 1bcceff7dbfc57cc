//! The C library's allocation functions, with recording: what a program that says [`record_allocations!`] has in
//! their place.
//!
//! Rust's standard library, OpenCV, SQLite and the C library itself all call the functions by these names, and the
//! linker gives all of them the program's own. (glibc allows this: "Replacing malloc" in its manual.) Each goes on to
//! glibc's function under its second name. While recording is off that is one more jump and one read of a variable.
//!
//! Nothing in here may allocate.
//!
//! [`record_allocations!`]: crate::record_allocations

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::libc;

use super::live::{DEPTH, Frames, Live, Recorded};
use super::sampling::Countdown;
use super::stack;

// SAFETY: the names under which glibc keeps its functions for exactly this use, with the same arguments.
unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(n: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(old: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    fn __libc_free(old: *mut c_void);
}

/// Whether allocations are recorded.
static RECORDING: AtomicBool = AtomicBool::new(false);

/// What was recorded and not freed yet. All zeros, so it takes no memory before recording begins.
pub(super) static LIVE: Live = Live::new();

thread_local! {
    // Constant and without a destructor: the compiler makes it plain thread-local storage, which needs no allocation.
    static COUNTDOWN: Countdown = const { Countdown::new() };
}

/// Whether allocations are recorded now.
pub(super) fn recording() -> bool {
    RECORDING.load(Ordering::Relaxed)
}

pub(super) fn begin() {
    RECORDING.store(true, Ordering::Relaxed);
}

/// Ends recording and forgets what was recorded: from here on nobody would notice that it is freed.
pub(super) fn end() {
    LIVE.clear(|| RECORDING.store(false, Ordering::Relaxed));
}

/// In a child process made by `fork`, the table's lock may be held by a thread that is not there.
pub(super) extern "C" fn child_after_fork() {
    RECORDING.store(false, Ordering::Relaxed);
}

/// Notes a new allocation if its turn has come.
#[inline]
fn note(address: *mut c_void, size: usize) {
    if !address.is_null() && COUNTDOWN.with(|c| c.passes(size)) {
        record(address, size);
    }
}

#[cold]
#[inline(never)]
fn record(address: *mut c_void, size: usize) {
    let errno = Errno::last();
    COUNTDOWN.with(|c| {
        c.alone(|| {
            let mut frames: Frames = [0; DEPTH];
            stack::capture(&mut frames);
            LIVE.insert(address as usize, &Recorded { size, frames }, recording);
        });
    });
    errno.set();
}

/// Takes an allocation out before it is freed: afterwards the address may be another thread's at once.
#[inline]
fn forget(address: *mut c_void) -> Option<Recorded> {
    if LIVE.may_have(address as usize) {
        take_out(address)
    } else {
        None
    }
}

#[cold]
#[inline(never)]
fn take_out(address: *mut c_void) -> Option<Recorded> {
    let errno = Errno::last();
    let recorded = LIVE.remove(address as usize);
    errno.set();
    recorded
}

/// `malloc`.
///
/// # Safety
/// As the C function's.
#[inline]
pub unsafe fn malloc(size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    let new = unsafe { __libc_malloc(size) };
    if recording() {
        note(new, size);
    }
    new
}

/// `calloc`.
///
/// # Safety
/// As the C function's.
#[inline]
pub unsafe fn calloc(n: usize, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    let new = unsafe { __libc_calloc(n, size) };
    if recording() {
        // It would have failed if the product overflowed.
        note(new, n.saturating_mul(size));
    }
    new
}

/// `realloc`: the old allocation is freed, the new one is one like any other.
///
/// # Safety
/// As the C function's.
#[inline]
pub unsafe fn realloc(old: *mut c_void, size: usize) -> *mut c_void {
    if !recording() {
        // SAFETY: the caller's promise.
        return unsafe { __libc_realloc(old, size) };
    }
    let recorded = forget(old);
    // SAFETY: the caller's promise.
    let new = unsafe { __libc_realloc(old, size) };
    match recorded {
        // It failed, and the old one is as it was. (With size 0, null means that it was freed.)
        Some(recorded) if new.is_null() && size > 0 => {
            LIVE.insert(old as usize, &recorded, recording);
        }
        _ => note(new, size),
    }
    new
}

/// `free`.
///
/// # Safety
/// As the C function's.
#[inline]
pub unsafe fn free(old: *mut c_void) {
    if recording() {
        forget(old);
    }
    // SAFETY: the caller's promise.
    unsafe { __libc_free(old) };
}

/// `memalign`; also `aligned_alloc`, which in glibc is the same.
///
/// # Safety
/// As the C function's.
#[inline]
pub unsafe fn memalign(alignment: usize, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    let new = unsafe { __libc_memalign(alignment, size) };
    if recording() {
        note(new, size);
    }
    new
}

/// `posix_memalign`.
///
/// # Safety
/// As the C function's.
#[inline]
pub unsafe fn posix_memalign(to: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    if !alignment.is_power_of_two() || !alignment.is_multiple_of(size_of::<*mut c_void>()) {
        return libc::EINVAL;
    }
    // It reports by its value and leaves errno alone.
    let errno = Errno::last();
    // SAFETY: the alignment is a power of two.
    let new = unsafe { memalign(alignment, size) };
    if new.is_null() {
        errno.set();
        return libc::ENOMEM;
    }
    // SAFETY: the caller promises that it may be written to.
    unsafe { *to = new };
    0
}

/// `reallocarray`.
///
/// # Safety
/// As the C function's.
#[inline]
pub unsafe fn reallocarray(old: *mut c_void, n: usize, size: usize) -> *mut c_void {
    let Some(size) = n.checked_mul(size) else {
        Errno::ENOMEM.set();
        return null_mut();
    };
    // SAFETY: the caller's promise.
    unsafe { realloc(old, size) }
}

/// `valloc` and, with `whole`, `pvalloc`: an allocation that begins at a page (and ends at one).
///
/// # Safety
/// As the C functions'.
#[inline]
pub unsafe fn valloc(size: usize, whole: bool) -> *mut c_void {
    // SAFETY: a question without arguments that point anywhere.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let size = if whole {
        size.checked_next_multiple_of(page)
    } else {
        Some(size)
    };
    let Some(size) = size else {
        Errno::ENOMEM.set();
        return null_mut();
    };
    // SAFETY: a page is a power of two.
    unsafe { memalign(page, size) }
}

/// Makes this program's allocations, those of C and C++ among them, ones that can be recorded with
/// [`allocations::start`]. To be said once in a program's crate, not in a library: a program with an allocator of its
/// own (a fuzzer with an address sanitizer) must be free to leave it out.
///
/// [`allocations::start`]: crate::watch::allocations::start
#[macro_export]
macro_rules! record_allocations {
    () => {
        mod recorded_allocations {
            use ::std::ffi::{c_int, c_void};

            use $crate::watch::allocations::interpose;

            $crate::record_allocations! { @
                malloc(size: usize) -> *mut c_void = interpose::malloc(size);
                calloc(n: usize, size: usize) -> *mut c_void = interpose::calloc(n, size);
                realloc(old: *mut c_void, size: usize) -> *mut c_void = interpose::realloc(old, size);
                reallocarray(old: *mut c_void, n: usize, size: usize) -> *mut c_void
                    = interpose::reallocarray(old, n, size);
                free(old: *mut c_void) -> () = interpose::free(old);
                memalign(alignment: usize, size: usize) -> *mut c_void = interpose::memalign(alignment, size);
                aligned_alloc(alignment: usize, size: usize) -> *mut c_void
                    = interpose::memalign(alignment, size);
                posix_memalign(to: *mut *mut c_void, alignment: usize, size: usize) -> c_int
                    = interpose::posix_memalign(to, alignment, size);
                valloc(size: usize) -> *mut c_void = interpose::valloc(size, false);
                pvalloc(size: usize) -> *mut c_void = interpose::valloc(size, true);
            }
        }
    };
    (@ $($name:ident($($argument:ident: $type:ty),*) -> $result:ty = $call:expr;)*) => {
        $(
            // SAFETY: the C library's function of this name, kept to what its manual says.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: $type),*) -> $result {
                // SAFETY: the caller keeps to the same manual.
                unsafe { $call }
            }
        )*
    };
}
