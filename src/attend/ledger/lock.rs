//! Lock file: one process at a time uses a ledger.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Name of the lock in the data folder. It holds the number of the process that has the ledger.
const FILE: &str = "attendance.lock";

/// The right to record in a folder; the kernel takes it back when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: Flock<File>,
}

impl DirLock {
    /// Takes the lock of `dir`.
    pub fn take(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| {
                format!(
                    "cannot write to the data folder {}; check its owner and that the disk is neither \
                     full nor read-only, or set data_dir in the configuration",
                    dir.display()
                )
            })?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                // The process id is information for people only; the lock does not depend on it.
                let _ = file
                    .set_len(0)
                    .and_then(|()| file.rewind())
                    .and_then(|()| write!(file, "{}", std::process::id()));
                Ok(Self { _file: file })
            }
            Err((mut file, Errno::EAGAIN)) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                bail!(
                    "another FaceTap (process {}) uses the ledger in {}; stop it, or set another \
                     data_dir in the configuration",
                    if holder.is_empty() {
                        "unknown"
                    } else {
                        &holder
                    },
                    dir.display()
                )
            }
            Err((_, e)) => Err(e).with_context(|| format!("cannot lock {}", path.display())),
        }
    }

    /// Which process took the lock of `dir` last, as it wrote itself.
    pub fn holder(dir: &Path) -> String {
        let mut holder = String::new();
        // A number has ten digits at most.
        let read = File::open(dir.join(FILE)).and_then(|f| f.take(10).read_to_string(&mut holder));
        match read {
            Ok(n) if n > 0 && holder.bytes().all(|b| b.is_ascii_digit()) => holder,
            _ => "unknown".to_owned(),
        }
    }

    /// Whether a process has the lock of `dir` now.
    pub fn is_taken(dir: &Path) -> bool {
        let Ok(file) = File::open(dir.join(FILE)) else {
            return false;
        };
        matches!(
            Flock::lock(file, FlockArg::LockSharedNonblock),
            Err((_, Errno::EAGAIN))
        )
    }
}
