//! Lines from a file or FIFO that may be written at any time by anybody.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::libc::O_NONBLOCK;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::base::clock::Clock;
use crate::base::stop::Stop;

/// A longer line is garbage: what is beyond is dropped.
const LONGEST_LINE: usize = 200;
/// How soon the order to stop is heard, and what was added to a plain file is found.
const STEP: Duration = Duration::from_millis(50);

/// Lines, one at a time. No byte beyond the line is taken: what is left stays for the next process, even
/// if this one is killed.
pub(super) struct Lines {
    file: File,
    fifo: bool,
    line: Vec<u8>,
}

impl Lines {
    /// Opens a file, read from its beginning, or a FIFO, whose writers may go away and come back.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let open = || -> std::io::Result<Self> {
            let fifo = std::fs::metadata(path)?.file_type().is_fifo();
            // A FIFO that is open for writing, too, never ends and never reports a writer that went away.
            let file = OpenOptions::new()
                .read(true)
                .write(fifo)
                .custom_flags(O_NONBLOCK)
                .open(path)?;
            Ok(Self {
                file,
                fifo,
                line: Vec::new(),
            })
        };
        open().with_context(|| format!("cannot read cards from {}", path.display()))
    }

    /// The next line without its end, once it is complete. None if there is none within `timeout` or
    /// before the order to stop.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn next(
        &mut self,
        clock: &dyn Clock,
        stop: &Stop,
        timeout: Duration,
    ) -> Result<Option<String>> {
        let end = clock.now() + timeout;
        loop {
            if let Some(line) = self.read().context("cannot read the next card")? {
                return Ok(Some(line));
            }
            let left = end.since(clock.now());
            if left.is_zero() || self.wait(clock, stop, left.min(STEP))? {
                return Ok(None);
            }
        }
    }

    /// What is there now, up to the end of a line.
    fn read(&mut self) -> std::io::Result<Option<String>> {
        let mut byte = [0];
        loop {
            match self.file.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) if byte == *b"\n" => {
                    let line = String::from_utf8_lossy(&self.line).into_owned();
                    self.line.clear();
                    return Ok(Some(line));
                }
                Ok(_) if self.line.len() < LONGEST_LINE => self.line.push(byte[0]),
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Waits for more. True at the order to stop.
    fn wait(&self, clock: &dyn Clock, stop: &Stop, timeout: Duration) -> Result<bool> {
        if !self.fifo {
            return Ok(clock.wait(stop, timeout));
        }
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        let limit = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::ZERO);
        match poll(&mut fds, limit) {
            Ok(_) | Err(Errno::EINTR) => Ok(stop.requested()),
            Err(e) => Err(e).context("cannot wait for the next card"),
        }
    }
}
