//! From a thread's registers to the chain of its callers, by the tables that compilers put into every program and
//! library (`.eh_frame`), without allocation.
//!
//! `framehop` and not the C library's own unwinder: it can begin with any registers (also of another thread, also
//! after a jump to nowhere) and reads the stack through us, so that a stack in ruins ends the trace and not the report.

use std::ops::ControlFlow;

use framehop::{
    CacheNative, ExplicitModuleSectionInfo, FrameAddress, Module, MustNotAllocateDuringUnwind,
    UnwindRegsNative, Unwinder as _, UnwinderNative,
};

use super::raw::Memory;
use super::registers::Registers;
use crate::symbols;

type Tables = UnwinderNative<&'static [u8], MustNotAllocateDuringUnwind>;

/// Why a trace is longer than any real one.
const ENDLESS: usize = 1_000_000;

/// What is loaded, and the tables of it.
pub(super) struct Loaded {
    /// The program and its libraries.
    pub modules: Vec<symbols::Module>,
    tables: Tables,
}

/// What an unwinding works with; made beforehand.
pub(super) struct Scratch {
    cache: CacheNative<MustNotAllocateDuringUnwind>,
    /// The way to the stacks.
    pub memory: Memory,
}

impl Scratch {
    pub fn new() -> Self {
        Self {
            cache: CacheNative::new_in(),
            memory: Memory::new(),
        }
    }
}

impl Loaded {
    /// What is loaded now. Not for signal handlers.
    pub fn now() -> Self {
        let modules = symbols::loaded();
        let mut tables = Tables::new();
        for module in &modules {
            tables.add_module(described(module));
        }
        Self { modules, tables }
    }

    /// The module that has code or data at `address`.
    pub fn module(&self, address: u64) -> Option<&symbols::Module> {
        self.modules.iter().find(|m| m.range.contains(&address))
    }

    /// Gives the innermost address and then every return address to `take`, until it has enough. Says why the trace
    /// ends early, if it does.
    pub fn trace(
        &self,
        registers: Registers,
        scratch: &mut Scratch,
        mut take: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Option<&'static str> {
        let Scratch { cache, memory } = scratch;
        memory.forget();
        let mut now = registers;
        let mut address = FrameAddress::from_instruction_pointer(now.pc);
        if take(now.pc).is_break() {
            return None;
        }
        if self.module(now.pc).is_none()
            && let Some(caller) = caller_of_nowhere(&now, memory)
            && self.module(caller.pc).is_some()
            && let Some(back) = FrameAddress::from_return_address(caller.pc)
        {
            now = caller;
            address = back;
            if take(now.pc).is_break() {
                return None;
            }
        }
        let mut state = state(&now);
        for _ in 0..ENDLESS {
            let mut read = |at| memory.word(at).ok_or(());
            match self
                .tables
                .unwind_frame(address, &mut state, cache, &mut read)
            {
                Ok(Some(caller)) => {
                    address = FrameAddress::from_return_address(caller)?;
                    if take(caller).is_break() {
                        return None;
                    }
                }
                Ok(None) | Err(framehop::Error::ReturnAddressIsNull) => return None,
                Err(framehop::Error::CouldNotReadStack(_)) => {
                    return Some("the stack cannot be read further");
                }
                Err(_) => return Some("the stack makes no sense further up"),
            }
        }
        Some("there is no end of it")
    }
}

/// After a call of what is no code: the call itself left only the return address.
#[cfg(target_arch = "x86_64")]
fn caller_of_nowhere(registers: &Registers, memory: &mut Memory) -> Option<Registers> {
    Some(Registers {
        pc: memory.word(registers.sp)?,
        sp: registers.sp.checked_add(8)?,
        ..*registers
    })
}

/// After a call of what is no code: the call itself left only the return address.
#[cfg(target_arch = "aarch64")]
fn caller_of_nowhere(registers: &Registers, _: &mut Memory) -> Option<Registers> {
    (registers.lr != 0).then_some(Registers {
        pc: registers.lr,
        ..*registers
    })
}

#[cfg(target_arch = "x86_64")]
fn state(registers: &Registers) -> UnwindRegsNative {
    UnwindRegsNative::new(registers.pc, registers.sp, registers.fp)
}

#[cfg(target_arch = "aarch64")]
fn state(registers: &Registers) -> UnwindRegsNative {
    UnwindRegsNative::new(registers.lr, registers.sp, registers.fp)
}

fn described(module: &symbols::Module) -> Module<&'static [u8]> {
    let section = |at: &std::ops::Range<u64>| {
        let length = usize::try_from(at.end - at.start).unwrap_or(0);
        // SAFETY: a loaded segment of the program or a library. Nothing here unloads libraries; should one go all the
        // same, a trace through it ends the report early, as any second fault does.
        unsafe { std::slice::from_raw_parts(at.start as *const u8, length) }
    };
    let in_file = |at: &std::ops::Range<u64>| {
        at.start.wrapping_sub(module.bias)..at.end.wrapping_sub(module.bias)
    };
    let mut sections = ExplicitModuleSectionInfo::default();
    if let Some(unwind) = &module.unwind {
        sections.eh_frame_hdr_svma = Some(in_file(&unwind.index));
        sections.eh_frame_hdr = Some(section(&unwind.index));
        sections.eh_frame_svma = Some(in_file(&unwind.frames));
        sections.eh_frame = Some(section(&unwind.frames));
    }
    let name = module.file.to_string_lossy().into_owned();
    Module::new(name, module.range.clone(), module.bias, sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(registers: Registers) -> (Vec<u64>, Option<&'static str>) {
        let mut addresses = Vec::new();
        let end = Loaded::now().trace(registers, &mut Scratch::new(), |a| {
            addresses.push(a);
            ControlFlow::Continue(())
        });
        (addresses, end)
    }

    fn names(addresses: &[u64]) -> Vec<String> {
        let found = symbols::resolve(addresses).unwrap();
        found.into_iter().flatten().map(|s| s.function).collect()
    }

    #[inline(never)]
    fn deeper(depth: usize) -> (Vec<u64>, Option<&'static str>) {
        if depth == 0 {
            trace(Registers::here().unwrap())
        } else {
            std::hint::black_box(deeper(depth - 1))
        }
    }

    #[test]
    fn the_callers_are_found_up_to_the_start_of_the_thread() {
        let (addresses, end) = deeper(20);
        assert_eq!(end, None);
        let names = names(&addresses);
        let own = names.iter().filter(|n| n.ends_with("::deeper")).count();
        assert_eq!(own, 21, "{names:?}");
        assert!(
            names
                .iter()
                .any(|n| n.contains("thread_start") || n.contains("start_thread")),
            "{names:?}"
        );
    }

    #[test]
    fn after_a_call_of_nothing_the_caller_is_found() {
        let here = Registers::here().unwrap();
        let caller = here.pc;
        let stack = [caller, 0];
        let lost = Registers {
            pc: 0,
            sp: &raw const stack as u64,
            lr: caller,
            fp: 0,
        };
        let (addresses, _) = trace(lost);
        assert_eq!(addresses[..2], [0, caller]);
    }

    #[test]
    fn a_stack_in_ruins_ends_the_trace() {
        let here = Registers::here().unwrap();
        for wild in [0, 8, 0xdead_beef, u64::MAX - 7] {
            let ruined = Registers {
                sp: wild,
                fp: wild,
                ..here
            };
            let (addresses, end) = trace(ruined);
            assert!(!addresses.is_empty() && addresses.len() < 5);
            assert!(end.is_some());
        }
    }
}
