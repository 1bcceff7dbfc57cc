//! How the C library's heap is used, by Rust and by OpenCV alike.

use nix::libc;

/// Blocks from this size on are mapped by themselves and go back to the system when they are freed. It is the C
/// library's own first value; by itself it raises that with every block that is freed, up to 32 MiB, and what was
/// used once (a picture decoded, a network being loaded) then stays resident for months.
const MAPPED_FROM_BYTES: libc::c_int = 128 * 1024;

/// One heap for the threads that allocate much, one for the rest. The library would make eight for each processor,
/// each of which keeps its peak.
const HEAPS: libc::c_int = 2;

/// Keeps resident memory near to what is used. To be called before the first thread is started.
pub fn keep_small() {
    // SAFETY: mallopt only sets the allocator's parameters; no other thread allocates yet. Should it refuse, the heap
    // is as it would have been.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM_BYTES);
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
    }
}
