//! What a signal handler may use: system calls and memory that is there already. Nothing in this file allocates,
//! takes a lock or calls into the C library's buffered output.

use std::fmt;

use nix::libc::{self, c_int, c_void};

/// Writes text to a descriptor, gathered in a small buffer. What cannot be written is lost.
pub(super) struct RawWriter {
    fd: c_int,
    used: usize,
    buffer: [u8; 1024],
}

impl RawWriter {
    pub const fn new(fd: c_int) -> Self {
        Self {
            fd,
            used: 0,
            buffer: [0; 1024],
        }
    }

    /// Everything so far is with the kernel when this returns.
    pub fn flush(&mut self) {
        let mut rest = &self.buffer[..self.used];
        while !rest.is_empty() {
            // SAFETY: the buffer's own address and length.
            let done = unsafe { libc::write(self.fd, rest.as_ptr().cast(), rest.len()) };
            match usize::try_from(done) {
                Ok(n) if n > 0 => rest = rest.get(n..).unwrap_or(&[]),
                _ if nix::errno::Errno::last() == nix::errno::Errno::EINTR => (),
                _ => break,
            }
        }
        self.used = 0;
    }

    /// Writes bytes as they are, but no control characters.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.used == self.buffer.len() {
                self.flush();
            }
            self.buffer[self.used] = if byte.is_ascii_control() && *byte != b'\n' {
                b' '
            } else {
                *byte
            };
            self.used += 1;
        }
    }
}

impl fmt::Write for RawWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

/// A file under `/proc`, read piece by piece.
pub(super) struct RawFile(c_int);

impl RawFile {
    /// Opens `path`, which ends with a zero byte.
    pub fn open(path: &[u8]) -> Option<Self> {
        if path.last() != Some(&0) {
            return None;
        }
        // SAFETY: a C string.
        let fd = unsafe { libc::open(path.as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC) };
        (fd >= 0).then_some(Self(fd))
    }

    pub fn read(&self, buffer: &mut [u8]) -> usize {
        // SAFETY: the buffer's own address and length.
        let n = unsafe { libc::read(self.0, buffer.as_mut_ptr().cast(), buffer.len()) };
        usize::try_from(n).unwrap_or(0)
    }

    /// The descriptor, for other system calls; it is closed with this.
    pub fn fd(&self) -> c_int {
        self.0
    }

    /// Gives every line to `take`, without its end; of a long line only the first 512 bytes.
    pub fn lines(&self, mut take: impl FnMut(&[u8])) {
        let mut piece = [0; 1024];
        let mut line = [0; 512];
        let mut length = 0;
        loop {
            let n = self.read(&mut piece);
            if n == 0 {
                break;
            }
            for byte in piece.get(..n).unwrap_or(&[]) {
                if *byte == b'\n' {
                    take(&line[..length]);
                    length = 0;
                } else if length < line.len() {
                    line[length] = *byte;
                    length += 1;
                }
            }
        }
        if length > 0 {
            take(&line[..length]);
        }
    }
}

impl Drop for RawFile {
    fn drop(&mut self) {
        // SAFETY: this descriptor is nobody else's.
        unsafe { libc::close(self.0) };
    }
}

/// This thread, as the kernel counts.
pub(super) fn thread_id() -> c_int {
    // SAFETY: gettid has no arguments and always succeeds; it always fits.
    unsafe { libc::gettid() }
}

/// Milliseconds of a clock of the kernel.
pub(super) fn milliseconds(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the address of a local variable.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds
        .wrapping_mul(1000)
        .wrapping_add(nanoseconds / 1_000_000)
}

/// Lets a millisecond pass; a signal may cut it short.
pub(super) fn wait_a_millisecond() {
    let time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    // SAFETY: the address of a local variable; the rest is not wanted.
    unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
}

/// A handler that is told who sent the signal and where it met the thread.
pub(super) type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Sets the handler of a signal, on the second stack and with every other signal blocked.
pub(super) fn handle(signal: c_int, handler: Handler) {
    // SAFETY: all zeros are a valid description, which is filled here; the call copies it. The handlers given here
    // keep to what is allowed in one.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigfillset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

/// Lets a signal through to this thread again.
pub(super) fn unblock(signal: c_int) {
    // SAFETY: a local set of signals, and the mask of this thread.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
    }
}

/// Reads this process's own memory without a fault where there is none, a page at a time.
pub(super) struct OwnMemory {
    page: [u8; Self::PAGE],
    at: Option<u64>,
}

impl OwnMemory {
    /// The smallest page of all kernels; with larger ones it is a part of one.
    const PAGE: usize = 4096;

    pub const fn new() -> Self {
        Self {
            page: [0; Self::PAGE],
            at: None,
        }
    }

    /// The word at `address`.
    pub fn word(&mut self, address: u64) -> Option<u64> {
        let offset = usize::try_from(address % Self::PAGE as u64).ok()?;
        let start = address - offset as u64;
        if offset > Self::PAGE - 8 {
            // Across two pages: stacks are aligned, so this is rare, and probably nonsense.
            let mut word = [0; 8];
            return copy(address, &mut word).then(|| u64::from_ne_bytes(word));
        }
        if self.at != Some(start) {
            self.at = None;
            if !copy(start, &mut self.page) {
                return None;
            }
            self.at = Some(start);
        }
        let bytes = self.page.get(offset..)?.first_chunk::<8>()?;
        Some(u64::from_ne_bytes(*bytes))
    }

    /// Memory may have changed.
    pub fn forget(&mut self) {
        self.at = None;
    }
}

/// Copies from an address that may be anything. False if it cannot be read.
pub(super) fn copy(address: u64, to: &mut [u8]) -> bool {
    let Ok(from) = usize::try_from(address) else {
        return false;
    };
    let local = libc::iovec {
        iov_base: to.as_mut_ptr().cast(),
        iov_len: to.len(),
    };
    let remote = libc::iovec {
        iov_base: from as *mut libc::c_void,
        iov_len: to.len(),
    };
    // SAFETY: the kernel checks both ends; the local one is a slice that nobody else uses.
    let n = unsafe {
        libc::process_vm_readv(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0)
    };
    usize::try_from(n) == Ok(to.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;
    use std::os::fd::AsRawFd as _;

    #[test]
    fn long_text_is_written_whole_and_without_control_characters() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut out = RawWriter::new(file.as_raw_fd());
        for i in 0..500 {
            writeln!(out, "{i:#06x} \u{1b}").unwrap();
        }
        out.flush();
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text.lines().count(), 500);
        assert_eq!(text.lines().last(), Some("0x01f3  "));
    }

    #[test]
    fn memory_is_read_where_it_is_and_nowhere_else() {
        let word = Box::new(0x1234_5678_9abc_def0_u64);
        let mut memory = OwnMemory::new();
        assert_eq!(memory.word(&raw const *word as u64), Some(*word));
        for nowhere in [0, 8, 4090, u64::MAX - 3] {
            assert_eq!(memory.word(nowhere), None, "{nowhere:#x}");
        }
    }

    #[test]
    fn lines_of_proc_are_read_one_by_one() {
        let mut found = false;
        RawFile::open(b"/proc/self/status\0")
            .unwrap()
            .lines(|l| found |= l.starts_with(b"VmRSS:"));
        assert!(found);
        assert!(RawFile::open(b"/nowhere\0").is_none());
        assert!(RawFile::open(b"/proc/self/status").is_none());
    }
}
