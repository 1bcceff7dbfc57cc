//! One step up the stack: the tables of a module (`.eh_frame`) say, for every instruction, where the caller's
//! registers are. `gimli` reads the tables; what they say is carried out here, without allocation.
//!
//! The crate `framehop` does the same, but does not follow a pointer in memory, which the compiler's tables ask for
//! where a function aligns its stack for vector instructions: the traces of OpenCV's threads ended there. The C
//! library's own unwinder cannot begin with any registers but those of its caller, and trusts the stack.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, Evaluation, EvaluationResult,
    EvaluationStorage, FrameDescriptionEntry, LittleEndian, Location, ParsedEhFrameHdr, Register,
    RegisterRule, UnwindContext, UnwindContextStorage, UnwindExpression, UnwindSection as _,
    UnwindTableRow, Value,
};

use super::raw::OwnMemory;
use super::registers::Registers;
use crate::watch::symbols::Module;

type Bytes = EndianSlice<'static, LittleEndian>;
type Entry = FrameDescriptionEntry<Bytes>;

/// Room of fixed size for what the tables need while they are read.
pub(super) struct Room;

impl UnwindContextStorage<usize> for Room {
    type Rules = [(Register, RegisterRule<usize>); 64];
    type Stack = [UnwindTableRow<usize, Self>; 4];
}

impl EvaluationStorage<Bytes> for Room {
    type Stack = [Value; 32];
    type ExpressionStack = [(Bytes, Bytes); 2];
    type Result = [gimli::Piece<Bytes>; 1];
}

/// What reading the tables works with; several kilobytes, so it is made beforehand.
pub(super) type Context = UnwindContext<usize, Room>;

/// Steps of an expression; a longer one is a damaged one.
const LONGEST_EXPRESSION: usize = 100;

/// A module's tables.
pub(super) struct Tables {
    index: ParsedEhFrameHdr<Bytes>,
    frames: EhFrame<Bytes>,
    bases: BaseAddresses,
}

/// Where a step led to.
#[allow(clippy::large_enum_variant, reason = "a signal handler cannot box it")]
pub(super) enum Step {
    /// To a caller. `exact` if its instruction itself was interrupted, by a signal, rather than having called.
    Caller { registers: Registers, exact: bool },
    /// This is where the thread began.
    Start,
}

impl Tables {
    /// The tables of a loaded module, if it has any that can be read.
    pub fn of(module: &Module) -> Option<Self> {
        let unwind = module.unwind.as_ref()?;
        let bytes = |at: &std::ops::Range<u64>| {
            let length = usize::try_from(at.end - at.start).unwrap_or(0);
            // SAFETY: a loaded segment of the program or of a library. Nothing here unloads libraries; should one go
            // all the same, a trace through it ends the report early, as any second fault does.
            let bytes = unsafe { std::slice::from_raw_parts(at.start as *const u8, length) };
            EndianSlice::new(bytes, LittleEndian)
        };
        let bases = BaseAddresses::default()
            .set_eh_frame_hdr(unwind.index.start)
            .set_eh_frame(unwind.frames.start);
        Some(Self {
            index: EhFrameHdr::from(bytes(&unwind.index))
                .parse(&bases, 8)
                .ok()?,
            frames: EhFrame::from(bytes(&unwind.frames)),
            bases,
        })
    }

    /// From a function to its caller. `at` is an address within the instruction that is being executed there.
    pub fn step(
        &self,
        now: &Registers,
        at: u64,
        context: &mut Context,
        memory: &mut OwnMemory,
    ) -> Option<Step> {
        let entry = self.entry(at)?;
        let row = entry
            .unwind_info_for_address(&self.frames, &self.bases, context, at)
            .ok()?;
        let cfa = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                now.get(register.0).wrapping_add_signed(*offset)
            }
            CfaRule::Expression(e) => self.evaluate(e, &entry, now, None, memory)?,
        };
        let mut caller = *now;
        caller.set_sp(cfa);
        for (register, rule) in row.registers() {
            let saved = |offset: i64| cfa.wrapping_add_signed(offset);
            let value = match rule {
                RegisterRule::Offset(offset) => memory.word(saved(*offset))?,
                RegisterRule::ValOffset(offset) => saved(*offset),
                RegisterRule::Register(other) => now.get(other.0),
                RegisterRule::Expression(e) => {
                    let place = self.evaluate(e, &entry, now, Some(cfa), memory)?;
                    memory.word(place)?
                }
                RegisterRule::ValExpression(e) => {
                    self.evaluate(e, &entry, now, Some(cfa), memory)?
                }
                RegisterRule::Constant(value) => *value,
                // Lost, or as it was.
                _ => continue,
            };
            caller.set(register.0, value);
        }
        let back = entry.cie().return_address_register();
        caller.pc = match row.register(back) {
            Some(RegisterRule::Undefined) => return Some(Step::Start),
            // On processors with a register for it, it may still be there.
            None | Some(RegisterRule::SameValue) => match now.link() {
                Some(link) => link,
                None => return Some(Step::Start),
            },
            Some(_) => caller.get(back.0),
        };
        Some(Step::Caller {
            registers: caller,
            exact: entry.is_signal_trampoline(),
        })
    }

    fn entry(&self, at: u64) -> Option<Entry> {
        let table = self.index.table()?;
        let found = table.lookup(at, &self.bases).ok()?;
        let offset = table.pointer_to_offset(found).ok()?;
        let entry = self
            .frames
            .fde_from_offset(&self.bases, offset, EhFrame::cie_from_offset)
            .ok()?;
        entry.contains(at).then_some(entry)
    }

    fn evaluate(
        &self,
        expression: &UnwindExpression<usize>,
        entry: &Entry,
        now: &Registers,
        cfa: Option<u64>,
        memory: &mut OwnMemory,
    ) -> Option<u64> {
        let bytes = expression.get(&self.frames).ok()?.0;
        let mut evaluation = Evaluation::<Bytes, Room>::new_in(bytes, entry.cie().encoding());
        if let Some(cfa) = cfa {
            // The expressions of registers begin with it on their stack.
            evaluation.set_initial_value(cfa);
        }
        let mut state = evaluation.evaluate().ok()?;
        for _ in 0..LONGEST_EXPRESSION {
            state = match state {
                EvaluationResult::Complete => {
                    let piece = evaluation.as_result().last()?;
                    return match piece.location {
                        Location::Address { address } => Some(address),
                        _ => None,
                    };
                }
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = Value::Generic(now.get(register.0));
                    evaluation.resume_with_register(value).ok()?
                }
                EvaluationResult::RequiresMemory { address, size, .. } => {
                    let word = memory.word(address)?;
                    let value = if size >= 8 {
                        word
                    } else {
                        word & ((1 << (8 * u32::from(size))) - 1)
                    };
                    evaluation.resume_with_memory(Value::Generic(value)).ok()?
                }
                _ => return None,
            };
        }
        None
    }
}

/// From a function without tables to its caller, by the chain of frame pointers that most code keeps.
pub(super) fn step_by_frame_pointer(now: &Registers, memory: &mut OwnMemory) -> Option<Step> {
    let frame = now.fp();
    let mut caller = *now;
    caller.set_fp(memory.word(frame)?);
    caller.pc = memory.word(frame.checked_add(8)?)?;
    caller.set_sp(frame.checked_add(16)?);
    Some(Step::Caller {
        registers: caller,
        exact: false,
    })
}
