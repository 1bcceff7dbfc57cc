//! What SQLite keeps beside the ledger: the journal (`-wal`), which holds the newest taps until they are copied, and
//! its index (`-shm`), which every connection maps into its memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Result, bail};
use nix::fcntl::{FallocateFlags, fallocate};
use rusqlite::Connection;

use super::edition::{Identity, identity};
use super::reserve::available;
use crate::base::stop::lock;

/// Bytes that opening a ledger takes: its index, and a page or two.
const TO_OPEN: u64 = 128 << 10;

/// The journal of a ledger.
pub(super) fn journal(file: &Path) -> PathBuf {
    beside(file, "-wal")
}

/// A file whose name is that of `file` with something added.
pub(super) fn beside(file: &Path, addition: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(addition);
    name.into()
}

/// Whether there is room to open the ledger in `dir`. SQLite makes the index of the journal as a file with holes where
/// the disk's blocks are small, and filling a hole on a full disk ends the process (SIGBUS).
///
/// # Errors
/// There is not.
pub(super) fn has_room_to_open(dir: &Path) -> Result<()> {
    if available(dir).is_some_and(|bytes| bytes < TO_OPEN) {
        bail!(
            "the disk of {} is full; free some space (df -h {})",
            dir.display(),
            dir.display()
        );
    }
    Ok(())
}

/// The indexes that have no holes, by device and inode. They stay open until the process ends: closing any descriptor of
/// a file takes all locks of the process on it away (fcntl(2)), and SQLite has some on these.
static WHOLE: Mutex<BTreeMap<Identity, (File, u64)>> = Mutex::new(BTreeMap::new());

/// Fills the holes of the index, while there is room. To be called after it was made, and when it has grown.
pub(super) fn fill_index(file: &Path) {
    let index = beside(file, "-shm");
    let (Ok(which), Ok(there)) = (identity(&index), std::fs::metadata(&index)) else {
        return;
    };
    let mut whole = lock(&WHOLE);
    let (opened, length) = match whole.entry(which) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(place) => {
            let Ok(opened) = File::options().read(true).write(true).open(&index) else {
                return;
            };
            place.insert((opened, 0))
        }
    };
    if *length < there.len()
        && let Ok(bytes) = i64::try_from(there.len())
        // Where there is no room for it now, it is tried again.
        && fallocate(&*opened, FallocateFlags::empty(), 0, bytes).is_ok()
    {
        *length = there.len();
    }
}

/// Checkpoint with truncation of the journal. False if a reader blocked it.
pub(super) fn empty(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        Ok(row.get::<_, i64>(0)? == 0)
    })
}

/// Passive checkpoint: copies what it can without blocking readers or writers.
pub(super) fn copy(db: &Connection) -> rusqlite::Result<()> {
    db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// Bytes in the journal.
pub(super) fn length(file: &Path) -> u64 {
    std::fs::metadata(journal(file)).map_or(0, |m| m.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn the_index_gets_all_its_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.db");
        let index = beside(&file, "-shm");
        File::create(&index).unwrap().set_len(32_768).unwrap();
        fill_index(&file);
        assert!(std::fs::metadata(&index).unwrap().blocks() * 512 >= 32_768);
        // It has grown; fill it again.
        let longer = File::options().write(true).open(&index).unwrap();
        longer.set_len(65_536).unwrap();
        fill_index(&file);
        assert!(std::fs::metadata(&index).unwrap().blocks() * 512 >= 65_536);
    }

    #[test]
    fn a_disk_with_room_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        has_room_to_open(dir.path()).unwrap();
    }
}
