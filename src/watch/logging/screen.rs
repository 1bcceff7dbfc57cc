//! Standard error: a terminal, a pipe or the journal, which may all refuse to read.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What a pipe that reports itself writable takes at once (`PIPE_BUF` on Linux).
const PIPE_BUF: usize = 4096;

/// Writes what standard error takes without waiting. A terminal that was stopped, a pipe that nobody reads or one
/// that is closed must not hold up the log; the file has the line in any case.
pub(super) fn put(line: &[u8]) {
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
