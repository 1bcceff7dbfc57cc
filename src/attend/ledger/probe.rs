//! A look at the ledger without disturbing a running service (`facetap check`).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use nix::unistd::{AccessFlags, access};
use rusqlite::{Connection, OpenFlags};

use super::lock::DirLock;
use super::{FILE, journal, query, schema};

/// What a look at the ledger has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether a running FaceTap has it.
    pub in_use: bool,
    /// Taps that the server does not have yet.
    pub pending: u64,
    /// Taps that the server has.
    pub delivered: u64,
    /// Taps that the server will never take.
    pub rejected: u64,
}

/// Looks at the ledger in `dir`; none if there is none yet. Nothing is made: what root leaves behind would keep the service
/// out.
///
/// # Errors
/// It cannot be used by this user, or is damaged; the message names the file.
pub fn probe(dir: &Path) -> Result<Option<Report>> {
    let file = dir.join(FILE);
    let there = file
        .try_exists()
        .with_context(|| format!("cannot look at the ledger {}", file.display()))?;
    must_be_writable(if there { &file } else { dir })?;
    if !there {
        return Ok(None);
    }
    let in_use = DirLock::is_taken(dir);
    // A journal that is empty needs nothing beside the file.
    let alone = !in_use && std::fs::metadata(journal_of(&file)).map_or(0, |m| m.len()) == 0;
    let report = match read(&file, in_use, alone) {
        // A service has begun meanwhile.
        Err(_) if alone && DirLock::is_taken(dir) => read(&file, true, false),
        other => other,
    };
    report
        .with_context(|| format!("cannot read the ledger {}", file.display()))
        .map(Some)
}

/// The process that records in `dir` now.
#[must_use]
pub fn holder(dir: &Path) -> Option<String> {
    DirLock::is_taken(dir).then(|| DirLock::holder(dir))
}

/// Whether this user may write there, or where it would be made.
fn must_be_writable(path: &Path) -> Result<()> {
    let there = path.ancestors().find(|p| p.exists());
    let there = there.unwrap_or_else(|| Path::new("."));
    access(there, AccessFlags::W_OK).with_context(|| {
        format!(
            "cannot write to {}, where taps are recorded; check its owner and that the disk is not read-only, or set data_dir in \
             the configuration",
            there.display()
        )
    })
}

fn journal_of(file: &Path) -> PathBuf {
    file.with_file_name(format!("{FILE}-wal"))
}

/// How many taps in the ledger in `dir` the server does not have yet.
///
/// # Errors
/// The ledger cannot be read.
pub fn pending(dir: &Path) -> Result<u64> {
    journal::has_room_to_open(dir)?;
    Ok(schema::count(&open(&dir.join(FILE))?, "pending")?)
}

fn open(file: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(file, flags)?)
}

fn read(file: &Path, in_use: bool, alone: bool) -> Result<Report> {
    let db = if alone {
        query::open_alone(file)?
    } else {
        open(file)?
    };
    let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
    ensure!(verdict == "ok", "it is damaged: {verdict}");
    Ok(Report {
        in_use,
        pending: schema::count(&db, "pending")?,
        delivered: schema::count(&db, "delivered")?,
        rejected: schema::count(&db, "rejected")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attend::ledger::tests::Book;

    fn names(dir: &Path) -> Vec<std::ffi::OsString> {
        let mut names: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_fresh_folder_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(probe(dir.path()).unwrap(), None);
        assert_eq!(probe(&dir.path().join("not/there/yet")).unwrap(), None);
        assert!(names(dir.path()).is_empty());
        assert_eq!(holder(dir.path()), None);
    }

    #[test]
    fn a_running_service_is_not_disturbed() {
        let mut book = Book::new();
        book.count(1);
        let report = probe(book.dir()).unwrap().unwrap();
        assert!(report.in_use);
        assert_eq!(report.pending, 1);
        let dir = book.close();
        let before = names(dir.path());
        let report = probe(dir.path()).unwrap().unwrap();
        assert_eq!(names(dir.path()), before, "nothing is made");
        assert!(!report.in_use);
        assert_eq!(
            (report.pending, report.delivered, report.rejected),
            (1, 0, 0)
        );
    }
}
