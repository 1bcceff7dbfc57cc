//! What a signal means, in words. English only: the report is for whoever mends the program, and is written where no
//! language can be asked for.

use nix::libc::{self, c_int};

/// The signals that end a program at a fault of its own.
pub(super) const FATAL: [c_int; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
    libc::SIGSYS,
    libc::SIGTRAP,
];

/// The name of a signal of [`FATAL`].
pub(super) fn name(signal: c_int) -> &'static str {
    match signal {
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        libc::SIGFPE => "SIGFPE",
        libc::SIGABRT => "SIGABRT",
        libc::SIGSYS => "SIGSYS",
        libc::SIGTRAP => "SIGTRAP",
        _ => "signal",
    }
}

/// Whether somebody sent the signal, rather than the processor or the kernel finding a fault.
pub(super) fn was_sent(code: c_int) -> bool {
    matches!(code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL)
}

/// What the kernel says of the cause (`si_code`; the numbers stand in `sigaction(2)`).
pub(super) fn cause(signal: c_int, code: c_int) -> &'static str {
    match (signal, code) {
        (_, libc::SI_USER) => "sent by kill",
        (_, libc::SI_QUEUE) => "sent by sigqueue",
        (libc::SIGABRT, libc::SI_TKILL) => "the program gave itself up (abort)",
        (_, libc::SI_TKILL) => "sent by tgkill",
        // Of a non-canonical address on x86, which is what most wild pointers are.
        (libc::SIGSEGV, libc::SI_KERNEL) => "an address that cannot exist",
        (_, libc::SI_KERNEL) => "sent by the kernel",
        (libc::SIGSEGV, 1) => "nothing is mapped at the address",
        (libc::SIGSEGV, 2) => "the mapping forbids it",
        (libc::SIGSEGV, 8 | 9) => "the memory's tag forbids it",
        (libc::SIGBUS, 1) => "an address that is not aligned",
        (libc::SIGBUS, 2) => "a mapped file has no such part, or it cannot be read",
        (libc::SIGBUS, 4 | 5) => "the memory is defective",
        (libc::SIGILL, 1 | 2) => "no instruction of this processor",
        (libc::SIGILL, 5 | 6) => "a privileged instruction",
        (libc::SIGFPE, 1) => "division of an integer by zero",
        (libc::SIGFPE, 2) => "overflow of an integer",
        (libc::SIGFPE, 3..=8) => "a floating-point exception",
        (libc::SIGSYS, 1) => "a forbidden system call",
        (libc::SIGTRAP, _) => "a breakpoint",
        _ => "of an unknown cause",
    }
}

/// How far from the stack pointer an access still belongs to the stack: compilers touch every page of a large frame,
/// and the kernel keeps a gap of a megabyte below stacks that grow.
const NEAR: u64 = 1024 * 1024;

/// Whether a fault at `address` is that of a stack that is full, given the stack pointer.
pub(super) fn is_stack_overflow(signal: c_int, code: c_int, address: u64, sp: u64) -> bool {
    (signal == libc::SIGSEGV || signal == libc::SIGBUS)
        && !was_sent(code)
        && address != 0
        && address.abs_diff(sp) < NEAR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fatal_signal_has_a_name() {
        for signal in FATAL {
            assert_ne!(name(signal), "signal");
        }
    }

    #[test]
    fn causes_are_told_apart() {
        assert_eq!(cause(libc::SIGSEGV, 1), "nothing is mapped at the address");
        assert_eq!(cause(libc::SIGFPE, 1), "division of an integer by zero");
        assert_eq!(
            cause(libc::SIGABRT, libc::SI_TKILL),
            "the program gave itself up (abort)"
        );
        assert_eq!(cause(libc::SIGABRT, libc::SI_USER), "sent by kill");
        assert_eq!(cause(libc::SIGILL, 99), "of an unknown cause");
    }

    #[test]
    fn a_fault_beside_the_stack_pointer_is_a_full_stack() {
        let sp = 0x7fff_0000_0000;
        assert!(is_stack_overflow(libc::SIGSEGV, 2, sp - 8, sp));
        assert!(is_stack_overflow(libc::SIGSEGV, 1, sp + 4096, sp));
        assert!(!is_stack_overflow(libc::SIGSEGV, 1, 0, sp));
        assert!(!is_stack_overflow(libc::SIGSEGV, 1, 0x1234, sp));
        assert!(!is_stack_overflow(libc::SIGFPE, 1, sp, sp));
        assert!(!is_stack_overflow(libc::SIGSEGV, libc::SI_USER, sp, sp));
    }
}
