//! The registers of a thread at a moment, out of what the kernel gives a signal handler.

use std::fmt::{self, Write};

use nix::libc;

/// What is needed to find the callers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Registers {
    /// The instruction.
    pub pc: u64,
    /// The stack pointer.
    pub sp: u64,
    /// The frame pointer.
    pub fp: u64,
    /// Where the function returns to, on processors that keep it in a register; else 0.
    pub lr: u64,
}

impl Registers {
    /// Those of the interrupted thread.
    #[cfg(target_arch = "x86_64")]
    #[allow(clippy::cast_sign_loss, reason = "a register has no sign")]
    pub fn of(context: &libc::ucontext_t) -> Self {
        let register = |n: i32| {
            let n = usize::try_from(n).unwrap_or(0);
            context.uc_mcontext.gregs.get(n).map_or(0, |v| *v as u64)
        };
        Self {
            pc: register(libc::REG_RIP),
            sp: register(libc::REG_RSP),
            fp: register(libc::REG_RBP),
            lr: 0,
        }
    }

    /// Those of the interrupted thread.
    #[cfg(target_arch = "aarch64")]
    pub fn of(context: &libc::ucontext_t) -> Self {
        let machine = &context.uc_mcontext;
        Self {
            pc: machine.pc,
            sp: machine.sp,
            fp: machine.regs[29],
            lr: machine.regs[30],
        }
    }

    /// Those of the caller, for a trace that starts here.
    #[inline(never)]
    pub fn here() -> Option<Self> {
        let mut context = std::mem::MaybeUninit::<libc::ucontext_t>::zeroed();
        // SAFETY: it fills what its argument points to, and says whether it did.
        let done = unsafe { libc::getcontext(context.as_mut_ptr()) } == 0;
        // SAFETY: filled, and all zeros are valid for it anyway.
        done.then(|| Self::of(unsafe { context.assume_init_ref() }))
    }
}

/// Names of the general registers, in the order of the kernel's context.
#[cfg(target_arch = "x86_64")]
const NAMES: [&str; 18] = [
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax",
    "rcx", "rsp", "rip", "efl",
];

/// All general registers, four a line.
#[cfg(target_arch = "x86_64")]
pub(super) fn list(context: &libc::ucontext_t, out: &mut impl Write) -> fmt::Result {
    for (i, (name, value)) in NAMES.iter().zip(&context.uc_mcontext.gregs).enumerate() {
        let end = if i % 4 == 3 { '\n' } else { ' ' };
        write!(out, "  {name:>3} {value:#018x}{end}")?;
    }
    out.write_char('\n')
}

/// All general registers, four a line.
#[cfg(target_arch = "aarch64")]
pub(super) fn list(context: &libc::ucontext_t, out: &mut impl Write) -> fmt::Result {
    let machine = &context.uc_mcontext;
    for (i, value) in machine.regs.iter().enumerate() {
        let end = if i % 4 == 3 { '\n' } else { ' ' };
        write!(out, "  x{i:<2} {value:#018x}{end}")?;
    }
    writeln!(out, "   sp {:#018x}", machine.sp)?;
    writeln!(
        out,
        "   pc {:#018x}    ps {:#018x}",
        machine.pc, machine.pstate
    )
}
