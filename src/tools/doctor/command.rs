//! Other programs that are asked, each for a limited time.

use std::io::{Read as _, Seek as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::stop::Stop;

/// How often it is looked whether a program has ended.
const LOOK: Duration = Duration::from_millis(5);

/// What a program says on standard output. None if it is missing, fails, or has not ended after `limit`; it is
/// ended then.
pub fn output(clock: &dyn Clock, limit: Duration, program: &str, args: &[&str]) -> Option<String> {
    // A file, not a pipe: whoever waits for the end of a program cannot also empty its pipe.
    let mut said = tempfile::tempfile().ok()?;
    let mut child = Command::new(program)
        .args(args)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(said.try_clone().ok()?)
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let (end, never) = (clock.now() + limit, Stop::new());
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if clock.now() < end => {
                clock.wait(&never, LOOK);
            }
            _ => {
                // The end of a program that we have just ended is not waited for: it may be stuck in the kernel.
                let _ = child.kill();
                return None;
            }
        }
    };
    if !status.success() {
        return None;
    }
    said.rewind().ok()?;
    let mut text = Vec::new();
    said.read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_program_is_heard_and_a_failure_is_nothing() {
        let say = |args: &[&str]| output(&SystemClock, LONG, "sh", args);
        assert_eq!(say(&["-c", "echo yes"]).as_deref(), Some("yes\n"));
        assert_eq!(say(&["-c", "echo yes; exit 3"]), None);
        assert_eq!(output(&SystemClock, LONG, "/no/such/program", &[]), None);
    }

    #[test]
    fn one_that_hangs_is_given_up() {
        let limit = Duration::from_millis(20);
        // An hour: the test ends only if the limit is applied.
        assert_eq!(output(&SystemClock, limit, "sleep", &["3600"]), None);
    }
}
