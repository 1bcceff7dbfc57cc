//! The crash file: open from the start, small for ever, and with room put by on a disk that is full.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd as _, BorrowedFd, IntoRawFd as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use nix::fcntl::{FallocateFlags, fallocate};
use nix::libc::{self, c_int};
use nix::sys::statvfs::fstatvfs;

use crate::base::files::open_in_folder;

/// From this size on, a start or a panic puts the file aside (`crash.log.1`, one is kept). A report is 30 to 200 kB.
const LARGEST: u64 = 1024 * 1024;
/// Taken from the disk beforehand, so that a crash with a full disk leaves its report.
const ROOM: i64 = 256 * 1024;
/// The part of what is free that is taken at most: the log lies on the same disk.
const SHARE: u64 = 16;

/// The crash file lies beside the log.
#[must_use]
pub fn file_beside(log_file: &Path) -> PathBuf {
    log_file.with_file_name("crash.log")
}

/// Where reports may go, the best first: beside the log unless that is a device, and into the data folder.
#[must_use]
pub fn places(log_file: &Path, data_dir: &Path) -> Vec<PathBuf> {
    let is_device = !log_file.is_file() && log_file.exists();
    let beside = (!is_device).then(|| file_beside(log_file));
    let instead = file_beside(&data_dir.join("facetap.log"));
    beside.into_iter().chain([instead]).collect()
}

/// The one that was put aside.
pub(super) fn before(path: &Path) -> PathBuf {
    path.with_file_name("crash.log.1")
}

/// The files that may hold reports, the newest first.
pub(super) fn files(crash_file: &Path) -> [PathBuf; 2] {
    [crash_file.to_owned(), before(crash_file)]
}

/// The newest file with reports, and when the last one was written.
#[must_use]
pub fn reported(crash_file: &Path) -> Option<(PathBuf, SystemTime)> {
    let written = |file: &PathBuf| {
        let about = file.metadata().ok()?;
        let has = about.is_file() && about.len() > 0;
        has.then(|| about.modified().ok())?
    };
    files(crash_file)
        .into_iter()
        .find_map(|f| written(&f).map(|at| (f, at)))
}

/// A descriptor that stays the same while the file behind it changes, for the signal handler.
pub(super) struct CrashFile {
    fd: AtomicI32,
}

impl CrashFile {
    pub const fn none() -> Self {
        Self {
            fd: AtomicI32::new(-1),
        }
    }

    /// The descriptor; -1 if no file could be opened yet.
    pub fn fd(&self) -> c_int {
        self.fd.load(Ordering::Acquire)
    }

    /// Whether it is the file that has this name now; it is not while none could be opened.
    pub fn is_at(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let fd = self.fd();
        if fd < 0 {
            return false;
        }
        // SAFETY: the descriptor is ours and stays open for as long as the program runs.
        let open = nix::sys::stat::fstat(unsafe { BorrowedFd::borrow_raw(fd) });
        match (open, std::fs::metadata(path)) {
            (Ok(open), Ok(named)) => open.st_ino == named.ino() && open.st_dev == named.dev(),
            _ => false,
        }
    }

    /// Opens the file, or opens it again.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub fn open(&self, path: &Path) -> Result<()> {
        if std::fs::metadata(path).is_ok_and(|m| m.len() > LARGEST) {
            // Where that is refused the file grows a little, and the next start tries again.
            let _ = std::fs::rename(path, before(path));
        }
        let file = open_in_folder(OpenOptions::new().create(true).append(true), path)
            .with_context(|| format!("cannot write the crash file {}", path.display()))?;
        reserve(&file);
        let old = self.fd();
        if old < 0 {
            self.fd.store(file.into_raw_fd(), Ordering::Release);
        } else {
            // A crash in this very moment writes to the old file or to the new one, never to a wrong one.
            // SAFETY: both descriptors are ours; the new file's own one is closed when `file` is dropped.
            let done = unsafe { libc::dup3(file.as_raw_fd(), old, libc::O_CLOEXEC) };
            nix::errno::Errno::result(done)?;
        }
        Ok(())
    }
}

/// Puts room by behind the end of the file; file systems that cannot do that go without.
fn reserve(file: &File) {
    if let Ok(length) = file.metadata().map(|m| m.len())
        && let Ok(end) = i64::try_from(length)
        && let Ok(disk) = fstatvfs(file)
    {
        // The types of the numbers differ between architectures.
        #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
        let free = (disk.blocks_available() as u64).saturating_mul(disk.fragment_size() as u64);
        let room = i64::try_from(free / SHARE).unwrap_or(ROOM).min(ROOM);
        let _ = fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, end, room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_loop_cannot_fill_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crash.log");
        for _ in 0..40 {
            let file = CrashFile::none();
            file.open(&path).unwrap();
            let report = vec![b'x'; 200_000];
            // SAFETY: a buffer and its length; the descriptor is open.
            let n = unsafe { libc::write(file.fd(), report.as_ptr().cast(), report.len()) };
            assert_eq!(n, 200_000);
            // SAFETY: nobody uses it any more.
            unsafe { libc::close(file.fd()) };
            let size = |p: &Path| std::fs::metadata(p).map_or(0, |m| m.len());
            assert!(size(&path) <= LARGEST + 200_000);
            assert!(size(&before(&path)) <= LARGEST + 200_000);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn it_is_opened_again_under_the_same_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crash.log");
        let file = CrashFile::none();
        file.open(&path).unwrap();
        let fd = file.fd();
        std::fs::rename(&path, before(&path)).unwrap();
        file.open(&path).unwrap();
        assert_eq!(file.fd(), fd);
        // SAFETY: two bytes of a constant.
        assert_eq!(unsafe { libc::write(fd, c"ok".as_ptr().cast(), 2) }, 2);
        assert_eq!(std::fs::read(&path).unwrap(), b"ok");
        assert!(file.open(&path.join("crash.log")).is_err(), "below a file");
    }
}
