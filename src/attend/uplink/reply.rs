//! What a request to the server has come to.

use std::time::Duration;

use super::meaning::Head;

/// Result of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An HTTP answer, whatever it says.
    Answer {
        /// Status.
        status: u16,
        /// Its text.
        body: String,
        /// What else its head tells.
        head: Head,
        /// When to come again, where it says so (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// No connection could be made. The reason, for people.
    Unreachable(String),
    /// The connection ended without a whole answer. The server may or may not have the tap, but is done with it.
    NoAnswer(String),
    /// No whole answer came in time. The server may or may not have the tap, or may store it yet.
    TooSlow(String),
}
