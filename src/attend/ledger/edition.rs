//! Which file the ledger is now: this process puts a fresh one in its place where it is damaged, and a person may put
//! another there at any moment. A fault that was found in the one before says nothing of the one that is there now.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rusqlite::Connection;

use super::schema;

/// How often a file may be replaced while it is being opened.
const TRIES: u32 = 5;

/// Device and inode.
pub(super) type Identity = (u64, u64);

/// The file that has this name now.
pub(super) fn identity(file: &Path) -> Result<Identity> {
    let m = std::fs::metadata(file)
        .with_context(|| format!("cannot look at the ledger {}", file.display()))?;
    Ok((m.dev(), m.ino()))
}

/// One of the files that were the ledger in the life of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edition {
    /// How often this process had replaced the file, or made its journal anew.
    pub generation: u64,
    /// The file; none where there is none. While a connection to it is open, no other gets its inode.
    pub file: Option<Identity>,
}

/// Opens the ledger as [`schema::open`] does, and tells which file that is.
pub(super) fn open(file: &Path) -> Result<(Connection, Identity)> {
    for _ in 0..TRIES {
        let before = identity(file).ok();
        let db = schema::open(file)?;
        let after = identity(file)?;
        // SQLite has just created the file.
        if before.is_none_or(|before| before == after) {
            return Ok((db, after));
        }
    }
    bail!(
        "the ledger {} is replaced again and again while it is opened; find the program that does that",
        file.display()
    );
}
