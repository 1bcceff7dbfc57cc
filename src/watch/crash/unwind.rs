//! From a thread's registers to the chain of its callers. It can begin with any registers, also those of another thread
//! and those after a jump to nowhere, and reads the stack with care, so that a stack in ruins ends the trace and not the
//! report.

use std::ops::ControlFlow;

use super::frame::{self, Context, Step, Tables};
use super::raw::OwnMemory;
use super::registers::Registers;
use crate::watch::symbols::{self, Module};

/// Longer than any real trace: eight megabytes of stack, in the smallest frames.
const ENDLESS: usize = 1_000_000;

/// What is loaded, and the tables of it.
pub(super) struct Loaded {
    /// The program and its libraries.
    pub modules: Vec<Module>,
    /// Of each module.
    tables: Vec<Option<Tables>>,
}

/// What an unwinding works with; made beforehand.
pub(super) struct Scratch {
    context: Box<Context>,
    memory: OwnMemory,
}

impl Scratch {
    pub fn new() -> Self {
        Self {
            context: Box::new(Context::new_in()),
            memory: OwnMemory::new(),
        }
    }
}

impl Loaded {
    /// What is loaded now. Not for signal handlers.
    pub fn now() -> Self {
        let modules = symbols::loaded();
        Self {
            tables: modules.iter().map(Tables::of).collect(),
            modules,
        }
    }

    /// The module that has code or data at `address`.
    pub fn module(&self, address: u64) -> Option<&Module> {
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
        let Scratch { context, memory } = scratch;
        memory.forget();
        let mut now = registers;
        let mut exact = true;
        if take(now.pc).is_break() {
            return None;
        }
        if self.module(now.pc).is_none()
            && let Some(caller) = caller_of_nowhere(&now, memory)
            && self.module(caller.pc).is_some()
        {
            (now, exact) = (caller, false);
            if take(now.pc).is_break() {
                return None;
            }
        }
        for _ in 0..ENDLESS {
            match self.step(&now, exact, context, memory) {
                None => return Some("the stack cannot be read further"),
                Some(Step::Start) => return None,
                Some(Step::Caller { registers, .. }) if registers.pc == 0 => return None,
                Some(Step::Caller {
                    registers: caller,
                    exact: interrupted,
                }) => {
                    // Only the innermost function may have no frame yet, and a signal may have changed the stack.
                    let up = caller.sp() > now.sp() || (exact && caller.sp() == now.sp());
                    if !up && !interrupted {
                        return Some("the stack makes no sense further up");
                    }
                    (now, exact) = (caller, interrupted);
                    if take(now.pc).is_break() {
                        return None;
                    }
                }
            }
        }
        Some("there is no end of it")
    }

    fn step(
        &self,
        now: &Registers,
        exact: bool,
        context: &mut Context,
        memory: &mut OwnMemory,
    ) -> Option<Step> {
        // A return address may be that of the next function already, behind a call that never returns.
        let at = now.pc.saturating_sub(u64::from(!exact));
        let step = self
            .modules
            .iter()
            .position(|m| m.range.contains(&at))
            .and_then(|n| self.tables.get(n)?.as_ref())
            .and_then(|tables| tables.step(now, at, context, memory))
            .or_else(|| frame::step_by_frame_pointer(now, memory))?;
        match step {
            Step::Caller {
                mut registers,
                exact,
            } => {
                registers.pc = without_signature(registers.pc);
                Some(Step::Caller { registers, exact })
            }
            Step::Start => Some(Step::Start),
        }
    }
}

/// The address without what some processors sign it with, in the bits above those of any address of a program.
fn without_signature(address: u64) -> u64 {
    if cfg!(target_arch = "aarch64") {
        address & ((1 << 48) - 1)
    } else {
        address
    }
}

/// After a call of what is no code: the call itself left only the return address.
fn caller_of_nowhere(registers: &Registers, memory: &mut OwnMemory) -> Option<Registers> {
    let mut caller = *registers;
    if let Some(link) = registers.link() {
        caller.pc = without_signature(link);
    } else {
        caller.pc = memory.word(registers.sp())?;
        caller.set_sp(registers.sp().checked_add(8)?);
    }
    Some(caller)
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
        let mut lost = here;
        lost.pc = 0;
        lost.set_fp(0);
        lost.set_sp(&raw const stack as u64);
        // x30 on ARM; another register, which does not matter, elsewhere.
        lost.set(30, caller);
        let (addresses, _) = trace(lost);
        assert_eq!(addresses[..2], [0, caller]);
    }

    #[test]
    fn a_stack_in_ruins_ends_the_trace() {
        let here = Registers::here().unwrap();
        for wild in [0, 8, 0xdead_beef, u64::MAX - 7] {
            let mut ruined = here;
            ruined.set_sp(wild);
            ruined.set_fp(wild);
            let (addresses, end) = trace(ruined);
            assert!(!addresses.is_empty() && addresses.len() < 5);
            assert!(end.is_some());
        }
    }
}
