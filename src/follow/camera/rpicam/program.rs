//! A supervised child process: started, read, and always terminated.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, bail};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::announced::Announced;
use super::tail::Tail;
use crate::base::child::end_with_this_thread;
use crate::base::clock::Clock;
use crate::base::stop::{Stop, lock};
use crate::follow::camera::plain;
use crate::say;

/// Time for ending in order after `SIGINT`, for the camera to be switched off by the program itself;
/// `SIGKILL` follows. Together with [`REAP`] less than the second in which the service has to stop.
const GRACE: Duration = Duration::from_millis(250);
/// Time in which a killed program is gone, unless it is stuck in the kernel.
const REAP: Duration = Duration::from_millis(250);
/// Time between the end of the output and the end of the program that is still called one event.
const END: Duration = Duration::from_millis(200);

/// A killed program that is stuck in the kernel. It may hold the camera, so no other is started until it
/// is gone.
static STUCK: Mutex<Option<Pid>> = Mutex::new(None);

/// A running program, its standard output and standard error. Dropping terminates it.
///
/// It ends with us, too, however we end: the kernel kills it when the *thread* that started it is gone
/// (`PR_SET_PDEATHSIG`), so the thread that starts a program has to be the one that reads it.
pub struct Program {
    /// What was started.
    pub name: &'static str,
    child: Child,
    output: ChildStdout,
    /// None once it was closed.
    complaints: Option<ChildStderr>,
    tail: Tail,
    clock: Arc<dyn Clock>,
}

/// Result of a read.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// So many bytes; `waited` if there were none at first, so that they are fresh.
    Bytes {
        /// How many.
        count: usize,
        /// Whether they came during this call.
        waited: bool,
    },
    /// Nothing in time.
    Nothing,
    /// The program has closed its output.
    Over,
}

impl Program {
    /// Starts the first of these programs that is installed. None if none is.
    ///
    /// # Errors
    /// It cannot be started, or an earlier one cannot be ended.
    pub fn start(
        names: &[&'static str],
        arguments: &[String],
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>> {
        let mut stuck = lock(&STUCK);
        if let Some(child) = *stuck {
            if !reaped(child) {
                bail!(say!(
                    "the program that reads the camera was killed and does not end: it is stuck in the kernel; if it stays so, restart the machine",
                    "カメラを読むプログラムが強制終了できません (カーネル内で停止)。続く場合は再起動してください"
                ));
            }
            *stuck = None;
        }
        for name in names {
            match spawn(name, arguments) {
                Ok(mut child) => {
                    let (Some(output), Some(complaints)) =
                        (child.stdout.take(), child.stderr.take())
                    else {
                        bail!("{name}: started without pipes");
                    };
                    let program = Self {
                        name,
                        child,
                        output,
                        complaints: Some(complaints),
                        tail: Tail::default(),
                        clock: Arc::clone(clock),
                    };
                    program.never_block()?;
                    return Ok(Some(program));
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                // Also said of a folder of the search path that this user may not enter.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied && !installed(name) => {}
                Err(e) => {
                    let why = plain(&e);
                    bail!(say!(
                        "{name} cannot be started: {why}",
                        "{name} を起動できません: {why}"
                    ));
                }
            }
        }
        Ok(None)
    }

    fn never_block(&self) -> io::Result<()> {
        fcntl(&self.output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        if let Some(complaints) = &self.complaints {
            fcntl(complaints, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(())
    }

    /// Makes its output wait in the kernel up to so many bytes, so that a picture is written and read at once. A kernel
    /// that does not allow it is put up with.
    pub fn widen(&self, bytes: usize) {
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        let _ = fcntl(&self.output, FcntlArg::F_SETPIPE_SZ(bytes));
    }

    /// What it has said of its pictures.
    pub const fn announced(&self) -> Option<&Announced> {
        self.tail.announced()
    }

    /// Reads output once, waiting up to `timeout` for it. What the program complains of meanwhile is
    /// taken in as well, so that it never waits for us.
    ///
    /// # Errors
    /// The pipe failed.
    pub fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<Output> {
        match self.wait(timeout)? {
            Some(waited) => self.read_ready(buffer, waited),
            None => Ok(Output::Nothing),
        }
    }

    /// Waits up to `timeout` for output, or for its end. Whether there was none at first; nothing if none has come.
    ///
    /// # Errors
    /// The pipe failed.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<Option<bool>> {
        Ok(match self.ready(Duration::ZERO)? {
            true => Some(false),
            false if timeout.is_zero() || !self.ready(timeout)? => None,
            false => Some(true),
        })
    }

    /// Reads the output that [`wait`](Self::wait) has found.
    ///
    /// # Errors
    /// The pipe failed.
    pub fn read_ready(&mut self, buffer: &mut [u8], waited: bool) -> io::Result<Output> {
        match self.output.read(buffer) {
            Ok(0) => Ok(Output::Over),
            Ok(count) => Ok(Output::Bytes { count, waited }),
            Err(e) if again(&e) => Ok(Output::Nothing),
            Err(e) => Err(e),
        }
    }

    /// Whether there is output, or its end, within `timeout`. Takes in complaints.
    fn ready(&mut self, timeout: Duration) -> io::Result<bool> {
        let mut waiting = vec![PollFd::new(self.output.as_fd(), PollFlags::POLLIN)];
        if let Some(complaints) = &self.complaints {
            waiting.push(PollFd::new(complaints.as_fd(), PollFlags::POLLIN));
        }
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        match poll(&mut waiting, timeout) {
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => return Ok(false),
            Err(e) => return Err(e.into()),
        }
        let happened = |n: usize| {
            waiting
                .get(n)
                .is_some_and(|p: &PollFd| p.any().unwrap_or(true))
        };
        let (output, complaints) = (happened(0), happened(1));
        if complaints {
            self.listen();
        }
        Ok(output)
    }

    /// Reads what is available on standard error.
    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        // Endless output on standard error must not block reading pictures.
        for _ in 0..16 {
            let Some(complaints) = &mut self.complaints else {
                return;
            };
            match complaints.read(&mut buffer) {
                Ok(count) if count > 0 => self.tail.push(&buffer[..count]),
                Err(e) if again(&e) => return,
                // Closed, or broken: a closed pipe would be "ready" for ever.
                _ => self.complaints = None,
            }
        }
    }

    /// How the program has ended, after [`Output::Over`], with its last words.
    pub fn ending(&mut self) -> String {
        let deadline = self.clock.now() + END;
        let mut status = self.status();
        while status.is_none() && self.clock.now() < deadline {
            pause(&self.clock);
            status = self.status();
        }
        self.listen();
        let name = self.name;
        let how = match status {
            Some(WaitStatus::Exited(_, status)) => say!(
                "{name} has ended with status {status}",
                "{name} が終了しました (終了コード {status})"
            ),
            Some(WaitStatus::Signaled(_, signal, _)) => say!(
                "{name} was ended by {signal}",
                "{name} がシグナル {signal} で終了しました"
            ),
            _ => say!("{name} has closed its output", "{name} が出力を閉じました"),
        };
        self.with_last_words(how)
    }

    /// `what` with the last lines that the program wrote to standard error, if it did.
    pub fn with_last_words(&mut self, what: String) -> String {
        let words = self.tail.text();
        if words.is_empty() {
            what
        } else {
            format!("{what}: {words}")
        }
    }

    /// How it has ended, without reaping: its number stays taken, so that [`stop`](Self::stop) cannot hit
    /// another process.
    fn status(&self) -> Option<WaitStatus> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(self.pid()), flags) {
            Ok(WaitStatus::StillAlive) | Err(_) => None,
            Ok(status) => Some(status),
        }
    }

    fn pid(&self) -> Pid {
        // Process numbers of Linux are below 2^22.
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }

    fn stop(&mut self) {
        // To its group: it may have started helpers of its own. That it has gone already is fine.
        let _ = killpg(self.pid(), Signal::SIGINT);
        let deadline = self.clock.now() + GRACE;
        let mut rest = [0; 4096];
        // A full pipe would keep it from ending.
        while self.status().is_none() && self.clock.now() < deadline {
            match self.read(&mut rest, Duration::from_millis(10)) {
                Ok(Output::Over) | Err(_) => pause(&self.clock),
                Ok(_) => {}
            }
        }
        let _ = killpg(self.pid(), Signal::SIGKILL);
    }

    /// Reaps the killed program. False if it is still there after [`REAP`].
    fn reap(&self) -> bool {
        let deadline = self.clock.now() + REAP;
        while !reaped(self.pid()) {
            if self.clock.now() >= deadline {
                return false;
            }
            pause(&self.clock);
        }
        true
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
        if !self.reap() {
            *lock(&STUCK) = Some(self.pid());
        }
    }
}

/// Reaps a child if it has ended.
fn reaped(child: Pid) -> bool {
    !matches!(
        waitpid(child, Some(WaitPidFlag::WNOHANG)),
        Ok(WaitStatus::StillAlive)
    )
}

/// Polling interval while waiting for a process to end.
fn pause(clock: &Arc<dyn Clock>) {
    clock.wait(&Stop::new(), Duration::from_millis(5));
}

fn spawn(name: &str, arguments: &[String]) -> io::Result<Child> {
    let mut command = Command::new(name);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C at the terminal is for us; we end it in order.
        .process_group(0)
        // The child must not send notifications to the service manager.
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_USEC")
        .env_remove("WATCHDOG_PID");
    end_with_this_thread(&mut command);
    // SAFETY: the closure runs between fork and exec and makes one system call.
    unsafe {
        command.pre_exec(|| {
            // No library's forgotten descriptor (the servos' port, a reader) lives on in the child. A
            // kernel before 5.11 cannot, and can do without.
            libc::syscall(
                libc::SYS_close_range,
                3,
                libc::c_uint::MAX,
                libc::CLOSE_RANGE_CLOEXEC,
            );
            Ok(())
        });
    }
    command.spawn()
}

/// Whether the search path has a file of this name.
fn installed(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).exists()))
}

fn again(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
