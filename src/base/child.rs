//! Programs that this one starts.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{AccessFlags, Pid, access, getppid};

/// Has the kernel kill the program when the thread that starts it ends, in whatever way. To be started by a thread that
/// lives as long as the program is needed.
pub fn end_with_this_thread(command: &mut Command) {
    let parent = Pid::this();
    // SAFETY: the closure runs between fork and exec and makes system calls only: it allocates nothing, takes no lock
    // and touches no memory of other threads.
    unsafe {
        command.pre_exec(move || {
            set_pdeathsig(Signal::SIGKILL)?;
            // The parent may have ended before it was asked for.
            if getppid() == parent {
                Ok(())
            } else {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        });
    }
}

/// Whether there is a program of this name on the search path, or at this path if it has a slash.
#[must_use]
pub fn is_installed(name: &OsStr) -> bool {
    let runs = |file: &Path| file.is_file() && access(file, AccessFlags::X_OK).is_ok();
    if name.as_bytes().contains(&b'/') {
        return runs(Path::new(name));
    }
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| runs(&folder.join(name))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    #[test]
    fn a_program_ends_with_the_thread_that_started_it() {
        let starter = std::thread::spawn(|| {
            let mut command = Command::new("sleep");
            end_with_this_thread(command.arg("1000"));
            command.spawn().unwrap()
        });
        let status = starter.join().unwrap().wait().unwrap();
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
    }

    #[test]
    fn only_what_can_be_run_is_installed() {
        for (name, there) in [
            ("sh", true),
            ("/bin/sh", true),
            ("/bin", false),
            ("/etc/passwd", false),
            ("no-such-program", false),
            ("./no-such-program", false),
            ("", false),
        ] {
            assert_eq!(is_installed(OsStr::new(name)), there, "{name}");
        }
    }
}
