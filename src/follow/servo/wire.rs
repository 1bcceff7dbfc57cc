//! What carries the bytes.

use std::io;
use std::time::Duration;

/// A half-duplex line to the servos: bytes out, bytes in, both within bounded time.
///
/// After an error of either direction the line is gone and is to be dropped; a timeout of
/// [`receive`](Self::receive) is no error.
pub trait Wire: Send {
    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// The line is gone or takes no bytes; part of them may have been sent.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits up to `timeout` for bytes and returns how many came; 0 if none did.
    ///
    /// # Errors
    /// The line is gone.
    fn receive(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize>;

    /// Throws away what has come in unasked.
    ///
    /// # Errors
    /// The line is gone.
    fn discard_input(&mut self) -> io::Result<()>;

    /// The line's name for people.
    fn name(&self) -> &str;
}
