//! Questions to a person. The terminal stays as it is, line by line, so that there is nothing to restore, whatever ends the
//! program.

use std::io::{IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::{Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use nix::unistd::read;

use crate::base::stop::Stop;
use crate::cli::Usage;
use crate::say;

/// So often a wait for an answer looks at the order to stop, and at what else is waited for.
const LOOK: Duration = Duration::from_millis(100);

/// Who is asked.
pub(in crate::cli) struct Ask {
    /// Nothing is asked: the answer is yes.
    pub yes: bool,
    stop: Stop,
}

impl Ask {
    pub fn new(yes: bool, stop: &Stop) -> Self {
        let stop = stop.clone();
        Self { yes, stop }
    }

    /// Whether there is a person.
    pub fn is_interactive() -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Refuses to go on where somebody would have to be asked and nobody is there.
    pub fn needs_a_person(&self) -> Result<()> {
        if self.yes || Self::is_interactive() {
            return Ok(());
        }
        bail!(Usage(say!(
            "there is no terminal to ask at, so nothing is changed; with --yes nothing is asked",
            "端末がないため確認できません。何も変更していません。--yes を付けると確認なしで実行します"
        )))
    }

    /// Asks whether something is to be done; Enter alone is `otherwise`.
    pub fn may(&self, question: &str, otherwise: bool) -> Result<bool> {
        if self.yes {
            return Ok(true);
        }
        let choice = if otherwise { "[Y/n]" } else { "[y/N]" };
        loop {
            let answer = self.line(&format!("{question} {choice} "))?;
            match answer.trim().to_lowercase().as_str() {
                "" => return Ok(otherwise),
                "y" | "yes" | "ｙ" | "はい" => return Ok(true),
                "n" | "no" | "ｎ" | "いいえ" => return Ok(false),
                _ => {}
            }
        }
    }

    fn line(&self, prompt: &str) -> Result<String> {
        let answer = self.until(prompt, || Ok(false))?;
        Ok(answer.unwrap_or_default())
    }

    /// Waits for Enter, or until `watch` says that what is waited for has come. The line, or none if it was that.
    pub fn until(
        &self,
        prompt: &str,
        mut watch: impl FnMut() -> Result<bool>,
    ) -> Result<Option<String>> {
        let mut err = std::io::stderr();
        let _ = write!(err, "{prompt}").and_then(|()| err.flush());
        let input = std::io::stdin();
        let mut line = Vec::new();
        loop {
            if self.stop.requested() {
                let _ = writeln!(err);
                bail!(say!("stopped", "中断しました"));
            }
            if watch()? {
                let _ = writeln!(err);
                return Ok(None);
            }
            let descriptor = input.as_fd();
            let mut polled = [PollFd::new(descriptor, PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO);
            if poll(&mut polled, timeout).unwrap_or(0) == 0 {
                continue;
            }
            let mut byte = [0; 1];
            // One at a time, and past the buffer of the library: what is typed ahead belongs to the next question.
            match read(descriptor, &mut byte) {
                Ok(0) => bail!(say!(
                    "the input has ended: nothing more is changed",
                    "入力が終了しました。これ以上は変更しません"
                )),
                Ok(_) if byte[0] == b'\n' => {
                    return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
                }
                Ok(_) => line.extend(byte),
                Err(Errno::EINTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

/// A bar on one line of the terminal; nothing where there is none.
pub(super) struct Bar {
    shown: bool,
    last: Option<(usize, String)>,
}

impl Bar {
    pub fn new() -> Self {
        let shown = std::io::stderr().is_terminal();
        Self { shown, last: None }
    }

    /// Shows how much is done, from 0 to 1, and a word about it.
    pub fn show(&mut self, part: f64, word: &str) {
        const WIDTH: usize = 30;
        let full = (part.clamp(0.0, 1.0) * WIDTH as f64) as usize;
        let now = Some((full, word.to_owned()));
        if self.shown && self.last != now {
            let bar = format!("{}{}", "#".repeat(full), ".".repeat(WIDTH - full));
            let mut err = std::io::stderr();
            let _ = write!(err, "\r\x1b[K[{bar}] {word}").and_then(|()| err.flush());
            self.last = now;
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.shown && self.last.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
