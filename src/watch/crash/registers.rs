//! The registers of a thread at a moment, out of what the kernel gives a signal handler.

use std::fmt::{self, Write};

use nix::libc;

/// Registers that the tables of a program may speak of.
pub(super) const COUNT: usize = 33;

/// A thread's registers, by the numbers that the tables (DWARF) have for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Registers {
    /// The instruction.
    pub pc: u64,
    values: [u64; COUNT],
}

#[cfg(target_arch = "x86_64")]
mod numbers {
    pub const STACK: u16 = 7;
    pub const FRAME: u16 = 6;
    /// Place of each register of the kernel's context, by its number: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 ...
    pub const ORDER: [usize; 16] = [13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7];
}

#[cfg(target_arch = "aarch64")]
mod numbers {
    pub const STACK: u16 = 31;
    pub const FRAME: u16 = 29;
    pub const LINK: u16 = 30;
}

impl Registers {
    /// Those of the interrupted thread.
    #[cfg(target_arch = "x86_64")]
    #[allow(clippy::cast_sign_loss, reason = "a register has no sign")]
    pub fn of(context: &libc::ucontext_t) -> Self {
        let saved = &context.uc_mcontext.gregs;
        let mut values = [0; COUNT];
        for (value, place) in values.iter_mut().zip(numbers::ORDER) {
            *value = saved[place] as u64;
        }
        // REG_RIP
        let pc = saved[16] as u64;
        Self { pc, values }
    }

    /// Those of the interrupted thread.
    #[cfg(target_arch = "aarch64")]
    pub fn of(context: &libc::ucontext_t) -> Self {
        let machine = &context.uc_mcontext;
        let mut values = [0; COUNT];
        values[..31].copy_from_slice(&machine.regs);
        values[usize::from(numbers::STACK)] = machine.sp;
        Self {
            pc: machine.pc,
            values,
        }
    }

    /// The register of that number; 0 for one that is not kept.
    pub fn get(&self, number: u16) -> u64 {
        self.values.get(usize::from(number)).copied().unwrap_or(0)
    }

    /// Changes a register, if it is one of those kept.
    pub fn set(&mut self, number: u16, value: u64) {
        if let Some(register) = self.values.get_mut(usize::from(number)) {
            *register = value;
        }
    }

    /// The stack pointer.
    pub fn sp(&self) -> u64 {
        self.get(numbers::STACK)
    }

    /// Changes the stack pointer.
    pub fn set_sp(&mut self, value: u64) {
        self.set(numbers::STACK, value);
    }

    /// The frame pointer.
    pub fn fp(&self) -> u64 {
        self.get(numbers::FRAME)
    }

    /// Changes the frame pointer.
    pub fn set_fp(&mut self, value: u64) {
        self.set(numbers::FRAME, value);
    }

    /// Where a function returns to that has saved nothing yet, on processors that keep it in a register.
    pub fn link(&self) -> Option<u64> {
        #[cfg(target_arch = "aarch64")]
        return Some(self.get(numbers::LINK));
        #[cfg(not(target_arch = "aarch64"))]
        None
    }

    /// The same with other values, in the order of their numbers, for the way from one thread to another.
    pub fn from_words(pc: u64, words: impl Iterator<Item = u64>) -> Self {
        let mut values = [0; COUNT];
        values.iter_mut().zip(words).for_each(|(v, w)| *v = w);
        Self { pc, values }
    }

    /// All of them, in the order of their numbers.
    pub fn words(&self) -> impl Iterator<Item = u64> {
        self.values.into_iter()
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
