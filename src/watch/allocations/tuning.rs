//! How glibc's allocator is set for this program.

use nix::libc;

/// Memory at the end of the heap that glibc keeps instead of giving it back at once, in bytes.
///
/// A picture of 640x480 takes and frees a few megabytes. With glibc's own 128 KiB the kernel takes them away and
/// clears them again a thousand pages a picture, a quarter of all processor time of the vision loop; the peak is the
/// same. Measurements: docs/allocations.md.
const KEEP: libc::c_int = 16 << 20;

/// From this size on, in bytes, an allocation is given back to the kernel when it is freed.
const OWN_MAPPING: libc::c_int = 16 << 20;

/// Heaps that threads share. glibc's own eight a core give each of two dozen threads one of its own, and what is free
/// in one is of no use to the others: models are read by one thread and pictures worked on by another.
const HEAPS: libc::c_int = 1;

/// Sets glibc's allocator for a program that takes and frees pictures. For the beginning of `main`.
pub fn tune() {
    // SAFETY: three numbers are stored. Where glibc refuses one (OWN_MAPPING on 32 bits), its own stays.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEEP);
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_MAPPING);
    }
}

/// Gives memory that is free back to the kernel, as much as there is. It takes milliseconds and holds up whoever
/// allocates meanwhile.
pub fn trim() {
    // SAFETY: a function without preconditions.
    unsafe { libc::malloc_trim(0) };
}
