//! What the data folder lies on: whether it remembers anything after a power cut.

use std::path::Path;

use nix::sys::statfs::{FsType, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, statfs};

/// From `linux/magic.h`; libc does not know it.
const RAMFS_MAGIC: i64 = 0x8584_58f6;

/// The kind of file system of `dir`, where it is one that forgets everything at a power cut, or may: the upper layer
/// of an overlay lies in memory on a Pi with a read-only root. None if it is an ordinary one, or cannot be told.
#[must_use]
pub fn forgetful(dir: &Path) -> Option<&'static str> {
    name(statfs(dir).ok()?.filesystem_type())
}

fn name(kind: FsType) -> Option<&'static str> {
    match kind {
        TMPFS_MAGIC => Some("tmpfs"),
        OVERLAYFS_SUPER_MAGIC => Some("overlay"),
        // The type of the number differs between architectures.
        #[allow(clippy::unnecessary_cast)]
        FsType(n) if n as i64 == RAMFS_MAGIC => Some("ramfs"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_from_disk() {
        assert_eq!(name(TMPFS_MAGIC), Some("tmpfs"));
        assert_eq!(name(OVERLAYFS_SUPER_MAGIC), Some("overlay"));
        assert_eq!(name(nix::sys::statfs::EXT4_SUPER_MAGIC), None);
        assert_eq!(forgetful(Path::new("/nowhere/at/all")), None);
        if Path::new("/dev/shm").is_dir() {
            assert_eq!(forgetful(Path::new("/dev/shm")), Some("tmpfs"));
        }
    }
}
