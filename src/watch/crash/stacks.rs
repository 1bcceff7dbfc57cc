//! A stack for the signal handler in every thread, also in those that C++ starts.
//!
//! A thread whose stack has overflown has no room left for a signal handler: the kernel would end the process without
//! a trace. Rust's library gives its own threads a small second stack, but OpenCV's threads have none. All of them
//! are made by `pthread_create`, so this program has one of its own that comes before the C library's.

use std::ffi::c_void;
use std::sync::OnceLock;

use nix::libc::{self, c_int};

/// Room for the handler. Only what is used of it takes memory, and that only in a crash.
const SIZE: usize = 128 * 1024;

type Start = extern "C" fn(*mut c_void) -> *mut c_void;
type Create = unsafe extern "C" fn(
    *mut libc::pthread_t,
    *const libc::pthread_attr_t,
    Start,
    *mut c_void,
) -> c_int;

/// What the C library offers; looked up once.
struct Library {
    create: Create,
    /// Its destructor frees a thread's second stack when the thread ends, however it ends.
    key: libc::pthread_key_t,
}

static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();

fn library() -> Option<&'static Library> {
    LIBRARY
        .get_or_init(|| {
            // SAFETY: the lookup of a name in the libraries that come after this program.
            let found = unsafe { libc::dlsym(libc::RTLD_NEXT, c"pthread_create".as_ptr()) };
            if found.is_null() {
                return None;
            }
            let mut key = 0;
            // SAFETY: a local variable and a function for its values, which are what `give` returns.
            if unsafe { libc::pthread_key_create(&raw mut key, Some(take_back)) } != 0 {
                return None;
            }
            Some(Library {
                // SAFETY: this is the signature of `pthread_create`.
                create: unsafe { std::mem::transmute::<*mut c_void, Create>(found) },
                key,
            })
        })
        .as_ref()
}

struct Thread {
    start: Start,
    argument: *mut c_void,
}

/// The C library's `pthread_create`, but the new thread gets a second stack for signal handlers first.
///
/// # Safety
/// As that of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    start: Start,
    argument: *mut c_void,
) -> c_int {
    let Some(library) = library() else {
        return libc::EAGAIN;
    };
    let with = Box::into_raw(Box::new(Thread { start, argument }));
    // SAFETY: the caller's arguments, and a function that takes back the box.
    let result = unsafe { (library.create)(thread, attributes, begin, with.cast()) };
    if result != 0 {
        // SAFETY: no thread was made, so nobody else has the box.
        drop(unsafe { Box::from_raw(with) });
    }
    result
}

extern "C" fn begin(with: *mut c_void) -> *mut c_void {
    // SAFETY: the box that `pthread_create` above made for this thread alone.
    let Thread { start, argument } = *unsafe { Box::from_raw(with.cast::<Thread>()) };
    if let (Some(library), Some(stack)) = (library(), give()) {
        // SAFETY: the key exists for as long as the process.
        unsafe { libc::pthread_setspecific(library.key, stack) };
    }
    start(argument)
}

/// Gives the calling thread a second stack; none if there is no memory, and then it goes without.
pub(super) fn give() -> Option<*mut c_void> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
    // SAFETY: a new mapping of its own.
    let stack = unsafe { libc::mmap(std::ptr::null_mut(), SIZE, protection, kind, -1, 0) };
    if stack == libc::MAP_FAILED {
        return None;
    }
    let description = libc::stack_t {
        ss_sp: stack,
        ss_flags: 0,
        ss_size: SIZE,
    };
    // SAFETY: a mapping of that size, which stays until the thread ends.
    if unsafe { libc::sigaltstack(&raw const description, std::ptr::null_mut()) } != 0 {
        // SAFETY: the mapping of above, which nobody uses.
        unsafe { libc::munmap(stack, SIZE) };
        return None;
    }
    Some(stack)
}

unsafe extern "C" fn take_back(stack: *mut c_void) {
    let none = libc::stack_t {
        ss_sp: std::ptr::null_mut(),
        ss_flags: libc::SS_DISABLE,
        ss_size: 0,
    };
    // SAFETY: the thread is about to end and not on this stack; then nobody uses the mapping any more.
    unsafe {
        if libc::sigaltstack(&raw const none, std::ptr::null_mut()) == 0 {
            libc::munmap(stack, SIZE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second_stack() -> libc::stack_t {
        // SAFETY: all zeros are valid; the call fills it.
        let mut now: libc::stack_t = unsafe { std::mem::zeroed() };
        // SAFETY: only asks.
        let done = unsafe { libc::sigaltstack(std::ptr::null(), &raw mut now) };
        assert_eq!(done, 0);
        now
    }

    #[test]
    fn threads_of_rust_and_of_c_have_a_second_stack() {
        let of_rust = std::thread::spawn(|| second_stack().ss_size)
            .join()
            .unwrap();
        assert_eq!(of_rust, SIZE);

        extern "C" fn body(_: *mut c_void) -> *mut c_void {
            second_stack().ss_size as *mut c_void
        }
        let mut thread = 0;
        let mut size = std::ptr::null_mut();
        // SAFETY: the C library's own function as a library would call it, found by its name.
        unsafe {
            let create = libc::dlsym(libc::RTLD_DEFAULT, c"pthread_create".as_ptr());
            let create = std::mem::transmute::<*mut c_void, Create>(create);
            let no_attributes = std::ptr::null();
            assert_eq!(
                create(&raw mut thread, no_attributes, body, std::ptr::null_mut()),
                0
            );
            assert_eq!(libc::pthread_join(thread, &raw mut size), 0);
        }
        assert_eq!(size as usize, SIZE);
    }

    #[test]
    fn the_second_stacks_of_ended_threads_are_freed() {
        let mappings = || {
            std::fs::read_to_string("/proc/self/maps")
                .unwrap()
                .lines()
                .count()
        };
        let run = || std::thread::spawn(|| ()).join().unwrap();
        run();
        let before = mappings();
        (0..200).for_each(|_| run());
        // Other tests run meanwhile and have threads of their own.
        assert!(mappings() < before + 100);
    }
}
