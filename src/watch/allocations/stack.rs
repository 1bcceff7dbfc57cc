//! Who is calling: the return addresses of this thread.
//!
//! By the unwinder of the C++ runtime, because Debian's libraries have no frame pointers. It finds its tables through
//! `_dl_find_object` (glibc from 2.35, gcc's library from 12), without a lock, so an allocation inside the dynamic
//! linker cannot hang here; and it allocates nothing.

use std::ffi::{c_int, c_void};

/// The unwinder's own description of a frame.
#[repr(C)]
struct Context {
    _private: [u8; 0],
}

type Visit = extern "C" fn(frame: *mut Context, to: *mut c_void) -> c_int;

// SAFETY: as in unwind.h of gcc and clang; the standard library links the same functions.
unsafe extern "C" {
    fn _Unwind_Backtrace(visit: Visit, to: *mut c_void) -> c_int;
    fn _Unwind_GetIP(frame: *mut Context) -> usize;
}

/// Go on.
const NO_REASON: c_int = 0;
/// Enough.
const END_OF_STACK: c_int = 5;

struct Filling<'a> {
    frames: &'a mut [usize],
    filled: usize,
}

/// Fills in the return addresses, the innermost first, as many as there are and fit.
pub(super) fn capture(frames: &mut [usize]) {
    let mut filling = Filling { frames, filled: 0 };
    // SAFETY: the callback gets the pointer that is given here, only during this call.
    unsafe { _Unwind_Backtrace(visit, (&raw mut filling).cast()) };
}

extern "C" fn visit(frame: *mut Context, to: *mut c_void) -> c_int {
    // SAFETY: `capture` gave a pointer to this type, which lives until the unwinder is done.
    let filling = unsafe { &mut *to.cast::<Filling>() };
    // SAFETY: the unwinder's own frame, valid during this call.
    let address = unsafe { _Unwind_GetIP(frame) };
    let Some(place) = filling.frames.get_mut(filling.filled) else {
        return END_OF_STACK;
    };
    if address == 0 {
        return END_OF_STACK;
    }
    *place = address;
    filling.filled += 1;
    NO_REASON
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn inner(frames: &mut [usize]) {
        capture(frames);
        std::hint::black_box(&frames);
    }

    #[test]
    fn the_callers_are_there_in_their_order() {
        let mut frames = [0; 32];
        inner(&mut frames);
        let addresses: Vec<u64> = frames
            .iter()
            .take_while(|a| **a > 0)
            .map(|a| *a as u64)
            .collect();
        let names = crate::watch::symbols::resolve(&addresses).unwrap();
        let at = |name: &str| {
            names
                .iter()
                .position(|s| s.iter().any(|s| s.function.ends_with(name)))
                .unwrap_or_else(|| panic!("{name} is not among {names:?}"))
        };
        assert!(at("tests::inner") < at("the_callers_are_there_in_their_order"));
    }

    #[test]
    fn no_more_than_fits() {
        let mut frames = [0; 2];
        inner(&mut frames);
        assert!(frames[0] != 0 && frames[1] != 0 && frames[0] != frames[1]);
    }
}
