//! A person at a terminal: a program that runs on a pseudo-terminal, what it writes there, and what is typed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use nix::libc;
use nix::pty::openpty;
use nix::sys::termios::{Termios, tcgetattr};

use crate::harness::wait_until;

/// The program, and its terminal; killed when dropped.
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<String>>,
    /// How much of the screen has been read.
    read: usize,
    before: Termios,
}

impl Terminal {
    pub fn start(mut command: Command) -> Self {
        let pair = openpty(None, None).unwrap();
        let before = tcgetattr(&pair.master).unwrap();
        let far = || Stdio::from(pair.slave.try_clone().unwrap());
        command.stdin(far()).stdout(far()).stderr(far());
        // SAFETY: both calls are allowed between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                // Ctrl-C is the terminal's work, so it has to be theirs.
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        drop(command);
        drop(pair.slave);
        let keyboard = File::from(pair.master);
        let mut reader = keyboard.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            let mut all = Vec::new();
            // A terminal whose program has ended fails to be read.
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                all.extend(&bytes[..n]);
                *shown.lock().unwrap() = String::from_utf8_lossy(&all).into_owned();
            }
        });
        Self {
            child,
            keyboard,
            screen,
            read: 0,
            before,
        }
    }

    /// Waits for this behind what was waited for before.
    pub fn expect(&mut self, text: &str) {
        let (screen, read) = (Arc::clone(&self.screen), self.read);
        let find = || {
            screen
                .lock()
                .unwrap()
                .get(read..)
                .and_then(|rest| rest.find(text))
        };
        wait_until(
            &format!("\"{text}\""),
            || find().is_some(),
            || screen.lock().unwrap().clone(),
        );
        self.read = read + find().unwrap() + text.len();
    }

    pub fn send(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for a question and answers it.
    pub fn answer(&mut self, question: &str, answer: &str) {
        self.expect(question);
        self.send(&format!("{answer}\n"));
    }

    pub fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end; the terminal is as it was. The status and all that was shown.
    pub fn end(mut self) -> (Option<i32>, String) {
        let screen = Arc::clone(&self.screen);
        let child = &mut self.child;
        wait_until(
            "the end",
            || child.try_wait().unwrap().is_some(),
            || screen.lock().unwrap().clone(),
        );
        let status = self.child.wait().unwrap().code();
        let after = tcgetattr(&self.keyboard).unwrap();
        assert_eq!(after.local_flags, self.before.local_flags);
        assert_eq!(
            (after.input_flags, after.output_flags),
            (self.before.input_flags, self.before.output_flags)
        );
        let shown = screen.lock().unwrap().clone();
        assert!(!shown.contains("panicked"), "{shown}");
        // No attribute and no hidden cursor stays behind.
        assert!(
            shown.rfind("\x1b[?25l") <= shown.rfind("\x1b[?25h"),
            "{shown:?}"
        );
        let _ = self.keyboard.as_raw_fd();
        (status, shown)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
