//! Crashes on purpose, each of a kind that happens by itself, too.

use std::ffi::c_void;
use std::hint::black_box;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;

use nix::libc;
use opencv::core::{CV_8UC3, Mat};
use opencv::imgproc;

/// The kinds that [`provoke`] knows.
pub const KINDS: [&str; 11] = [
    "segv",
    "segv-cpp",
    "bus",
    "ill",
    "fpe",
    "abort",
    "heap",
    "exec-null",
    "stack-overflow",
    "stack-overflow-cpp",
    "panic-while-panicking",
];

/// An address where nothing ever is; not 0, which debug builds look for.
const NOWHERE: usize = 8;

/// Crashes the process in the way of that name. Comes back only if there is no such kind (false), or if the crash
/// could not be brought about (true).
pub fn provoke(kind: &str) -> bool {
    match kind {
        "segv" => write_to_nowhere(),
        "segv-cpp" => in_a_thread_of_c(convert_a_picture_that_is_not_there),
        "bus" => read_behind_the_end_of_a_file(),
        "ill" => illegal_instruction(),
        "fpe" => divide_by_zero(),
        "abort" => std::process::abort(),
        "heap" => free_twice(),
        "exec-null" => call_nothing(),
        "stack-overflow" => drop(black_box(recurse(black_box(0)))),
        "stack-overflow-cpp" => in_a_thread_of_c(recurse_in_c),
        "panic-while-panicking" => panic_while_panicking(),
        _ => return false,
    }
    true
}

#[inline(never)]
fn write_to_nowhere() {
    // SAFETY: none; the fault is what is wanted.
    unsafe { (black_box(NOWHERE) as *mut u64).write_volatile(1) };
}

/// Starts a thread as a library of C++ does, without the standard library of Rust, and waits for it.
fn in_a_thread_of_c(body: extern "C" fn(*mut c_void) -> *mut c_void) {
    let mut thread = 0;
    // SAFETY: the body takes nothing and gives nothing back.
    unsafe {
        let made = libc::pthread_create(
            &raw mut thread,
            std::ptr::null(),
            body,
            std::ptr::null_mut(),
        );
        if made == 0 {
            libc::pthread_join(thread, std::ptr::null_mut());
        }
    }
}

extern "C" fn convert_a_picture_that_is_not_there(_: *mut c_void) -> *mut c_void {
    let data = black_box(NOWHERE) as *mut c_void;
    // SAFETY: none; OpenCV believes what it is told of the picture, and reads it.
    let picture = unsafe { Mat::new_rows_cols_with_data_unsafe(480, 640, CV_8UC3, data, 640 * 3) };
    if let Ok(picture) = picture {
        let mut grey = Mat::default();
        let _ = imgproc::cvt_color_def(&picture, &mut grey, imgproc::COLOR_BGR2GRAY);
    }
    std::ptr::null_mut()
}

/// As when a memory card goes away below a file that is mapped.
#[inline(never)]
fn read_behind_the_end_of_a_file() {
    const LENGTH: usize = 4096;
    let Ok(mut file) = tempfile::tempfile() else {
        return;
    };
    if file.write_all(&[1; LENGTH]).is_err() {
        return;
    }
    // SAFETY: a mapping of its own; the fault is what is wanted.
    unsafe {
        let (read, shared) = (libc::PROT_READ, libc::MAP_SHARED);
        let at = libc::mmap(
            std::ptr::null_mut(),
            LENGTH,
            read,
            shared,
            file.as_raw_fd(),
            0,
        );
        if at != libc::MAP_FAILED && file.set_len(0).is_ok() {
            black_box(at.cast::<u8>().read_volatile());
        }
    }
}

#[inline(never)]
fn illegal_instruction() {
    // SAFETY: none; the fault is what is wanted.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("ud2");
    }
    // SAFETY: none; the fault is what is wanted.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("udf #0");
    }
}

#[inline(never)]
fn divide_by_zero() {
    // SAFETY: none; the fault is what is wanted.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("xor edx, edx", "div {0:e}", in(reg) 0, inout("eax") 1 => _, out("edx") _);
    }
    // This processor gives 0 for a division by zero; the signal comes from C libraries alone.
    // SAFETY: the fault is what is wanted.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        libc::raise(libc::SIGFPE);
    }
}

/// What the C library finds out by itself and ends the process for.
#[inline(never)]
fn free_twice() {
    // SAFETY: none; the fault is what is wanted.
    unsafe {
        let memory = black_box(libc::malloc(black_box(40)));
        libc::free(black_box(memory));
        libc::free(black_box(memory));
    }
}

#[inline(never)]
fn call_nothing() {
    // SAFETY: none; the fault is what is wanted.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("call {}", in(reg) 0_usize, clobber_abi("C"));
    }
    // SAFETY: none; the fault is what is wanted.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("blr {}", in(reg) 0_usize, clobber_abi("C"));
    }
}

#[inline(never)]
#[allow(unconditional_recursion, reason = "the stack is to overflow")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    // Used after the call, so that this is no loop.
    recurse(depth.wrapping_add(1)).wrapping_add(frame[7])
}

extern "C" fn recurse_in_c(_: *mut c_void) -> *mut c_void {
    black_box(recurse(black_box(0))) as *mut c_void
}

fn panic_while_panicking() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("the second panic");
        }
    }
    let _bad = Bad;
    panic!("the first panic");
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_no_kind_does_nothing() {
        assert!(!super::provoke("nonsense"));
        assert!(!super::provoke(""));
    }
}
