//! What the service's trace tells, read from a FIFO: nothing of it reaches a disk, and each line is seen at once.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use log::debug;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::O_NONBLOCK;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde::Deserialize;

use super::taps::Taps;
use crate::attend::trace::Outcome;
use crate::base::clock::Monotime;
use crate::base::slot::Slot;
use crate::base::stop::{Stop, lock};

/// Room of the FIFO, should this program be held up: some seconds' worth of frames.
const ROOM: i32 = 1 << 20;
/// How soon the order to stop is heard.
const STEP: Duration = Duration::from_millis(100);
/// A longer line is garbage.
const LONGEST_LINE: usize = 1 << 20;

/// What has been seen of the service's work.
#[derive(Default)]
pub(super) struct Seen {
    /// The taps.
    pub taps: Mutex<Taps>,
    frame: Mutex<Option<Monotime>>,
    /// Rung at every line.
    pub bell: Slot<()>,
}

impl Seen {
    /// When the newest picture was captured that the service is done with.
    pub fn frame(&self) -> Option<Monotime> {
        *lock(&self.frame)
    }

    fn take(&self, line: &str) {
        match serde_json::from_str(line) {
            Ok(Line::Frame { t, .. }) => {
                let at = Duration::try_from_secs_f64(t).unwrap_or_default();
                let mut frame = lock(&self.frame);
                *frame = (*frame).max(Some(Monotime::from_zero(at)));
            }
            Ok(Line::Tap { uid, outcome, .. }) => {
                if let Some(outcome) = parse_outcome(&outcome) {
                    lock(&self.taps).told(&uid, outcome);
                }
            }
            // A process that was killed leaves half a line behind.
            Err(e) => debug!("{e}: {line}"),
        }
        self.bell.put(());
    }
}

/// One line; times are those of the monotonic clock, for the service was told so.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Frame {
        #[serde(rename = "frame")]
        _frame: u64,
        t: f64,
    },
    Tap {
        #[serde(rename = "tap")]
        _tap: u64,
        uid: String,
        outcome: String,
    },
}

fn parse_outcome(word: &str) -> Option<Outcome> {
    [
        Outcome::Counted,
        Outcome::Repeat,
        Outcome::Refused,
        Outcome::Failed,
    ]
    .into_iter()
    .find(|o| o.word() == word)
}

/// Makes a FIFO and opens it for both directions: it never ends, and no writer ever waits for a reader to come.
pub(super) fn fifo(path: &Path) -> Result<File> {
    mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)
        .with_context(|| format!("cannot make {}", path.display()))?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(O_NONBLOCK)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    // Refused to users who have many; the usual 64 KiB will do then.
    let _ = fcntl(&file, FcntlArg::F_SETPIPE_SZ(ROOM));
    Ok(file)
}

/// Reads the trace until the order to stop.
pub(super) fn follow(mut fifo: File, seen: &Arc<Seen>, stop: &Stop) {
    let (mut buffer, mut line) = (vec![0; 64 << 10], Vec::new());
    while !stop.requested() {
        match fifo.read(&mut buffer) {
            Ok(n) => {
                for byte in &buffer[..n] {
                    if *byte == b'\n' {
                        seen.take(&String::from_utf8_lossy(&line));
                        line.clear();
                    } else if line.len() < LONGEST_LINE {
                        line.push(*byte);
                    }
                }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                let mut fds = [PollFd::new(fifo.as_fd(), PollFlags::POLLIN)];
                let _ = poll(
                    &mut fds,
                    PollTimeout::try_from(STEP).unwrap_or(PollTimeout::ZERO),
                );
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => {
                debug!("the trace: {e}");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::taps::uid;
    use super::*;
    use crate::base::stop::Reason;
    use std::io::Write as _;

    #[test]
    fn lines_are_told_and_half_ones_skipped() {
        let seen = Seen::default();
        let n = lock(&seen.taps).add();
        seen.take(r#"{"frame": 5, "t": 12.5, "age_ms": 1.0, "faces": [], "pan": null}"#);
        seen.take(r#"{"frame": 6, "t": 12.4}"#);
        assert_eq!(
            seen.frame(),
            Some(Monotime::from_zero(Duration::from_millis(12_500)))
        );
        seen.take(r#"{"frame": 7, "t": 99.0, "ag{"tap": 1}"#);
        seen.take("");
        seen.take(r#"{"frame": 7, "t": -1.0}"#);
        assert_eq!(lock(&seen.taps).outcome(n), None);
        seen.take(&format!(
            r#"{{"tap": 1, "t": 1.2, "uid": "{}", "reader": "r", "outcome": "counted", "durable_ms": 4.1}}"#,
            uid(n)
        ));
        assert_eq!(lock(&seen.taps).outcome(n), Some(Outcome::Counted));
        assert_eq!(
            seen.frame(),
            Some(Monotime::from_zero(Duration::from_millis(12_500)))
        );
    }

    #[test]
    fn writers_may_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        let (reader, seen, stop) = (fifo(&path).unwrap(), Arc::<Seen>::default(), Stop::new());
        let thread = std::thread::spawn({
            let (seen, stop) = (Arc::clone(&seen), stop.clone());
            move || follow(reader, &seen, &stop)
        });
        for t in 1..=3_u32 {
            let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
            writeln!(writer, r#"{{"frame": {t}, "t": {t}.0}}"#).unwrap();
            drop(writer);
            let want = Some(Monotime::from_zero(Duration::from_secs(t.into())));
            while seen.frame() != want {
                seen.bell.take(Duration::from_secs(60));
            }
        }
        stop.request(Reason::Duration);
        thread.join().unwrap();
    }
}
