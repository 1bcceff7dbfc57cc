//! Disk space reserved for the last taps on a full disk.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statvfs::statvfs;

/// Name of the file that reserves the space.
const FILE: &str = "attendance.reserve";
/// Bytes that are reserved. A tap takes some 25 KB of the journal until the next checkpoint, so
/// that is space for more than a hundred even without a checkpoint.
const SIZE: u64 = 4 << 20;
/// With less free space than this, in bytes, the disk counts as full.
const TIGHT: u64 = 1 << 20;
/// On a small disk, no more than this part of it.
const PART: u64 = 16;
/// Space is reserved only while this many times more is free.
const AMPLE: u64 = 2;

/// Bytes that anybody may still write to the disk of `folder`; none if that cannot be told.
pub(super) fn available(folder: &Path) -> Option<u64> {
    let disk = statvfs(folder).ok()?;
    // Of the other free ones some are kept for root, and some (in ext4) for nobody.
    Some(disk.blocks_available() * disk.fragment_size())
}

/// The part of the disk of `folder` that one purpose may take: 4 MiB, or a sixteenth of a small disk.
pub(super) fn share(folder: &Path) -> u64 {
    statvfs(folder).map_or(SIZE, |disk| {
        SIZE.min(disk.blocks() * disk.fragment_size() / PART)
    })
}

/// The reserved space.
#[derive(Debug)]
pub(super) struct Reserve {
    file: PathBuf,
}

impl Reserve {
    /// For the data folder `dir`; nothing is reserved yet.
    pub fn new(dir: &Path) -> Self {
        Self {
            file: dir.join(FILE),
        }
    }

    /// Whether space is reserved.
    pub fn is_there(&self) -> bool {
        self.file.exists()
    }

    /// Reserves space if none is reserved yet and enough is free. True if it is reserved afterwards.
    ///
    /// # Errors
    /// The file cannot be made. Half of it is never left.
    pub fn reserve(&self) -> io::Result<bool> {
        if self.is_there() {
            return Ok(true);
        }
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let size = share(folder);
        let available = available(folder).ok_or(io::ErrorKind::NotFound)?;
        if available < size * (1 + AMPLE) {
            return Ok(false);
        }
        // Under a temporary name first: a partial file after a kill must not count as reserved space.
        let half = folder.join(format!(".{FILE}.new"));
        let made = File::create(&half).and_then(|file| {
            let length = i64::try_from(size).unwrap_or(i64::MAX);
            fallocate(&file, FallocateFlags::empty(), 0, length)?;
            file.sync_all()?;
            std::fs::rename(&half, &self.file)
        });
        if made.is_err() {
            let _ = std::fs::remove_file(&half);
        }
        made.map(|()| true)
    }

    /// Whether the disk is so full that a tap may fail for it.
    pub fn is_needed(&self) -> bool {
        // If the free space is unknown, assume that the disk is full.
        let folder = self.file.parent().unwrap_or(Path::new("."));
        available(folder).is_none_or(|bytes| bytes < TIGHT)
    }

    /// Releases the reserved space. True if there was some.
    pub fn give_up(&self) -> bool {
        std::fs::remove_file(&self.file).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn room_is_really_taken_and_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(dir.path());
        assert!(!reserve.give_up(), "nothing yet");
        assert!(reserve.reserve().unwrap());
        assert!(reserve.reserve().unwrap(), "once is enough");
        let file = std::fs::metadata(dir.path().join(FILE)).unwrap();
        assert!(file.blocks() * 512 >= file.len(), "no hole");
        assert!(file.len() > 0);
        assert!(reserve.give_up());
        assert!(!reserve.is_there());
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error() {
        assert!(
            Reserve::new(Path::new("/nowhere/at/all"))
                .reserve()
                .is_err()
        );
    }
}
