//! The report of a crash, as `crash.log` has it. Written in a signal handler: see [`super::raw`]. What matters most
//! comes first, and each part is with the kernel before the next one begins.

use std::ffi::c_int;
use std::fmt::{self, Write};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use nix::libc;

use super::key::{self, Key};
use super::raw::{self, RawFile, RawWriter};
use super::registers::{self, Registers};
use super::state::{STATE, State};
use super::time::Moment;
use super::unwind::{Loaded, Scratch};
use super::{describe, others, recent};

/// Frames shown of the crashed thread: of an endless recursion the end and the beginning tell enough.
const FIRST: usize = 200;
const LAST: usize = 50;
/// Frames shown of another thread.
const FRAMES_OF_OTHERS: usize = 64;
/// Milliseconds that the other threads may take altogether; half of it until they have stopped.
const OTHERS: u64 = 200;
/// Milliseconds until those of them that are known to hang have to have stopped; their traces take what they take.
const SUSPECTS_STOP: u64 = 1000;
/// Bytes of mappings that are shown.
const MAPPINGS: usize = 64 * 1024;

/// The report of a fatal signal.
pub(super) fn signal(signal: c_int, info: &libc::siginfo_t, context: &libc::ucontext_t) {
    let Some(state) = STATE.get() else {
        return;
    };
    let mut out = RawWriter::new(state.file.fd());
    // SAFETY: only the thread that writes the report of a fatal signal comes here, and it comes once.
    let scratch = unsafe { &mut *state.scratch.get() };
    let loaded = state.loaded();
    // Nothing here fails: what cannot be written is lost without a word.
    let _ = whole(&mut out, state, loaded, scratch, signal, info, context);
    out.flush();
    let mut short = RawWriter::new(libc::STDERR_FILENO);
    let _ = what(&mut short, signal, info, context);
    let _ = writeln!(short, " in the thread {}", Name::of(raw::thread_id()));
    short.flush();
}

fn whole(
    out: &mut RawWriter,
    state: &State,
    loaded: &Loaded,
    scratch: &mut Scratch,
    signal: c_int,
    info: &libc::siginfo_t,
    context: &libc::ucontext_t,
) -> fmt::Result {
    let key = Key::next(state);
    writeln!(out, "==== crash {key}")?;
    out.write_str("what: ")?;
    what(out, signal, info, context)?;
    out.write_str("\n")?;
    head(out, state)?;
    out.write_str("registers:\n")?;
    registers::list(context, out)?;
    out.flush();
    backtrace(out, loaded, scratch, Registers::of(context))?;
    out.flush();
    tail(out, loaded)?;
    out.flush();
    the_others(out, loaded, scratch)?;
    mappings(out)?;
    writeln!(out, "==== end {key}")
}

fn what(
    out: &mut impl Write,
    signal: c_int,
    info: &libc::siginfo_t,
    context: &libc::ucontext_t,
) -> fmt::Result {
    let (name, code) = (describe::name(signal), info.si_code);
    let cause = describe::cause(signal, code);
    write!(out, "{name} ({signal}), {cause} (code {code})")?;
    if describe::was_sent(code) {
        // SAFETY: signals that were sent have both.
        let (process, user) = unsafe { (info.si_pid(), info.si_uid()) };
        return write!(out, ", by process {process} of user {user}");
    }
    // SAFETY: signals of a fault have it.
    let address = unsafe { info.si_addr() } as u64;
    write!(out, ", address {address:#x}")?;
    if describe::is_stack_overflow(signal, code, address, Registers::of(context).sp()) {
        out.write_str(", the stack of the thread is full (stack overflow)")?;
    }
    Ok(())
}

/// When, which program, which thread.
pub(super) fn head(out: &mut impl Write, state: &State) -> fmt::Result {
    let offset = state.offset.load(Ordering::Relaxed);
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.unsigned_abs() / 60;
    let local = Moment(key::now().saturating_add(offset.into()));
    writeln!(
        out,
        "local time: {local}{sign}{:02}:{:02}",
        minutes / 60,
        minutes % 60
    )?;
    out.write_str(&state.program)?;
    let up = raw::milliseconds(libc::CLOCK_BOOTTIME).saturating_sub(state.started);
    writeln!(out, "uptime: {}.{:03} s", up / 1000, up % 1000)?;
    let thread = raw::thread_id();
    writeln!(out, "thread: {} ({thread})", Name::of(thread))
}

/// The chain of calls of the crashed thread.
pub(super) fn backtrace(
    out: &mut impl Write,
    loaded: &Loaded,
    scratch: &mut Scratch,
    from: Registers,
) -> fmt::Result {
    out.write_str("backtrace:\n")?;
    let (mut count, mut done) = (0_usize, Ok(()));
    let mut last = [0_u64; LAST];
    let end = loaded.trace(from, scratch, |address| {
        if count < FIRST {
            done = frame(out, loaded, count, address);
        } else {
            last[count % LAST] = address;
        }
        count += 1;
        ControlFlow::Continue(())
    });
    done?;
    let start = count.saturating_sub(LAST).max(FIRST);
    if start > FIRST {
        writeln!(out, "  ... {} more ...", start - FIRST)?;
    }
    for n in start..count {
        frame(out, loaded, n, last[n % LAST])?;
    }
    match end {
        Some(why) => writeln!(out, "  ({why})"),
        None => Ok(()),
    }
}

fn frame(out: &mut impl Write, loaded: &Loaded, number: usize, address: u64) -> fmt::Result {
    write!(out, "  #{number} {address:#018x}")?;
    match loaded.module(address) {
        Some(module) => writeln!(
            out,
            " +{:#x} {}",
            address.wrapping_sub(module.bias),
            module.file.display()
        ),
        None => out.write_str(" ?\n"),
    }
}

/// What is needed to name the functions, the last lines of the log, and memory.
pub(super) fn tail(out: &mut impl Write, loaded: &Loaded) -> fmt::Result {
    out.write_str("modules:\n")?;
    for module in &loaded.modules {
        let (start, end) = (module.range.start, module.range.end);
        let id = module.build_id.as_deref().unwrap_or("-");
        writeln!(out, "  {start:x}-{end:x} {id} {}", module.file.display())?;
    }
    out.write_str("last lines of the log:\n")?;
    let mut done = Ok(());
    recent::each(|line| done = indented(out, line));
    done?;
    out.write_str("memory:\n")?;
    for (file, wanted) in [
        (&b"/proc/self/status\0"[..], &OF_THE_PROCESS[..]),
        (b"/proc/meminfo\0", &OF_THE_SYSTEM),
    ] {
        if let Some(file) = RawFile::open(file) {
            file.lines(|line| {
                if wanted.iter().any(|w| line.starts_with(w.as_bytes())) {
                    done = indented(out, line);
                }
            });
        }
    }
    done
}

const OF_THE_PROCESS: [&str; 8] = [
    "VmPeak:", "VmSize:", "VmHWM:", "VmRSS:", "RssAnon:", "RssFile:", "VmSwap:", "Threads:",
];
const OF_THE_SYSTEM: [&str; 5] = [
    "MemTotal:",
    "MemFree:",
    "MemAvailable:",
    "SwapFree:",
    "CmaFree:",
];

fn indented(out: &mut impl Write, line: &[u8]) -> fmt::Result {
    // In whole lines only, so that nothing in them looks like a mark of this file.
    out.write_str("  ")?;
    for piece in line.utf8_chunks() {
        for part in piece.valid().split('\n') {
            out.write_str(part)?;
        }
    }
    out.write_str("\n")
}

fn the_others(out: &mut RawWriter, loaded: &Loaded, scratch: &mut Scratch) -> fmt::Result {
    out.write_str("other threads:\n")?;
    let start = raw::milliseconds(libc::CLOCK_MONOTONIC);
    others::stop(
        start.saturating_add(OTHERS / 2),
        start.saturating_add(SUSPECTS_STOP),
    );
    for slot in others::stopped() {
        let thread = slot.thread();
        writeln!(out, "  thread {} ({thread}):", Name::of(thread))?;
        let Some(from) = slot.registers() else {
            out.write_str("  (it does not answer: it blocks signals or hangs in the kernel)\n")?;
            continue;
        };
        let (mut count, mut done) = (0, Ok(()));
        let end = loaded.trace(from, scratch, |address| {
            done = frame(out, loaded, count, address);
            count += 1;
            let took = raw::milliseconds(libc::CLOCK_MONOTONIC).saturating_sub(start);
            if count < FRAMES_OF_OTHERS && (took < OTHERS || slot.is_suspect()) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        done?;
        if let Some(why) = end {
            writeln!(out, "  ({why})")?;
        }
        out.flush();
    }
    Ok(())
}

fn mappings(out: &mut RawWriter) -> fmt::Result {
    out.write_str("executable mappings:\n")?;
    let (mut written, mut done) = (0, Ok(()));
    if let Some(file) = RawFile::open(b"/proc/self/maps\0") {
        file.lines(|line| {
            let executable = line
                .split(|b| *b == b' ')
                .nth(1)
                .is_some_and(|p| p.get(2) == Some(&b'x'));
            if executable && written < MAPPINGS {
                written += line.len();
                done = indented(out, line);
            }
        });
    }
    done
}

/// The name of a thread. Not for signal handlers.
pub(super) fn name_of(thread: c_int) -> String {
    Name::of(thread).to_string()
}

/// The name of a thread, at most 15 bytes.
struct Name {
    bytes: [u8; 32],
    length: usize,
}

impl Name {
    fn of(thread: c_int) -> Self {
        struct Path([u8; 64], usize);
        impl Write for Path {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                let end = self.1.saturating_add(text.len());
                self.0
                    .get_mut(self.1..end)
                    .ok_or(fmt::Error)?
                    .copy_from_slice(text.as_bytes());
                self.1 = end;
                Ok(())
            }
        }
        let mut path = Path([0; 64], 0);
        let mut name = Self {
            bytes: [0; 32],
            length: 0,
        };
        if write!(path, "/proc/self/task/{thread}/comm\0").is_ok()
            && let Some(file) = path.0.get(..path.1).and_then(RawFile::open)
        {
            name.length = file.read(&mut name.bytes);
        }
        name
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self
            .bytes
            .get(..self.length)
            .unwrap_or(&[])
            .trim_ascii_end();
        for piece in bytes.utf8_chunks() {
            for c in piece.valid().chars() {
                f.write_char(if c.is_control() { ' ' } else { c })?;
            }
        }
        Ok(())
    }
}
