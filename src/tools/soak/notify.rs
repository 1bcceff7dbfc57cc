//! The service manager's end of sd_notify.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// A message is a few lines; a longer one is cut off.
const LONGEST_MESSAGE: usize = 4096;

/// What the service says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// It is ready.
    Ready,
    /// Every loop goes on.
    Watchdog,
    /// It is about to end.
    Stopping,
    /// Its start takes up to so long.
    Extend(Duration),
}

/// The socket.
pub(super) struct Notify(UnixDatagram);

impl Notify {
    /// Makes it.
    ///
    /// # Errors
    /// The path is taken, or too long.
    pub fn bind(path: &Path) -> Result<Self> {
        let socket = UnixDatagram::bind(path)
            .with_context(|| format!("cannot make the socket {}", path.display()))?;
        Ok(Self(socket))
    }

    /// Everything that was said; waits up to `timeout` for the first message.
    pub fn hear(&self, timeout: Duration) -> Vec<Word> {
        let mut heard = Vec::new();
        let mut buffer = [0; LONGEST_MESSAGE];
        // Zero would mean for ever.
        let timeout = timeout.max(Duration::from_millis(1));
        if self.0.set_read_timeout(Some(timeout)).is_err() {
            return heard;
        }
        while let Ok(n) = self.0.recv(&mut buffer) {
            heard.extend(words(&String::from_utf8_lossy(&buffer[..n])));
            if self.0.set_nonblocking(true).is_err() {
                break;
            }
        }
        let _ = self.0.set_nonblocking(false);
        heard
    }
}

/// The words of a message; others are left alone, as systemd does. Pure.
fn words(message: &str) -> impl Iterator<Item = Word> + '_ {
    message.lines().filter_map(|line| {
        Some(match line.trim_end_matches('\0').split_once('=')? {
            ("READY", "1") => Word::Ready,
            ("WATCHDOG", "1") => Word::Watchdog,
            ("STOPPING", "1") => Word::Stopping,
            ("EXTEND_TIMEOUT_USEC", n) => Word::Extend(Duration::from_micros(n.parse().ok()?)),
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_heard_and_others_left_alone() {
        let heard = |text| words(text).collect::<Vec<_>>();
        assert_eq!(heard("READY=1\nSTATUS=fine"), [Word::Ready]);
        assert_eq!(heard("WATCHDOG=1"), [Word::Watchdog]);
        assert_eq!(
            heard("EXTEND_TIMEOUT_USEC=60000000\n"),
            [Word::Extend(Duration::from_secs(60))]
        );
        for nothing in [
            "",
            "READY",
            "READY=0",
            "EXTEND_TIMEOUT_USEC=x",
            "WATCHDOG=trigger",
        ] {
            assert_eq!(heard(nothing), [], "{nothing}");
        }
    }

    #[test]
    fn all_that_waits_is_heard_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let notify = Notify::bind(&path).unwrap();
        assert_eq!(notify.hear(Duration::ZERO), []);
        let service = UnixDatagram::unbound().unwrap();
        for message in ["READY=1", "WATCHDOG=1", "STOPPING=1"] {
            service.send_to(message.as_bytes(), &path).unwrap();
        }
        assert_eq!(
            notify.hear(Duration::from_secs(60)),
            [Word::Ready, Word::Watchdog, Word::Stopping]
        );
    }
}
