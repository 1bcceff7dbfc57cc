//! Where a formatted line goes: to the file, and to standard error.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;

use flexi_logger::writers::LogWriter;
use flexi_logger::{DeferredNow, FlexiLoggerError};
use log::Record;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::format;
use super::rotating::RotatingFile;

/// What a pipe that reports itself writable takes at once (`PIPE_BUF` on Linux).
const PIPE_BUF: usize = 4096;

/// Writes every line to the file and to standard error.
pub(super) struct Writer {
    pub(super) file: RotatingFile,
}

impl LogWriter for Writer {
    fn write(&self, now: &mut DeferredNow, record: &Record) -> io::Result<()> {
        let mut line = Vec::with_capacity(160);
        format::line(&mut line, now, record)?;
        line.push(b'\n');
        self.file.put(&line);
        to_standard_error(&line);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn reopen_output(&self) -> Result<(), FlexiLoggerError> {
        self.file
            .open()
            .map_err(|e| io::Error::other(format!("{e:#}")).into())
    }
}

/// Writes to standard error what it takes without waiting. A terminal that was stopped, a pipe that nobody
/// reads or one that is closed must not hold up a loop; the file has the line in any case.
fn to_standard_error(line: &[u8]) {
    let mut stderr = io::stderr().lock();
    let mut asked = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    let takes = matches!(poll(&mut asked, PollTimeout::ZERO), Ok(1..))
        && asked[0]
            .revents()
            .is_some_and(|r| r.contains(PollFlags::POLLOUT));
    if takes {
        let _ = stderr.write_all(&line[..line.len().min(PIPE_BUF)]);
    }
}
