//! A look at the ledger without disturbing a running service (`facetap check`).

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, OpenFlags};

use super::lock::DirLock;
use super::{FILE, Ledger, journal, schema};

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

/// Checks the ledger in `dir`. Where no service has it, it is opened as the service would, and made if
/// there is none.
///
/// # Errors
/// It cannot be used, or is damaged; the message names the file.
pub fn probe(dir: &Path) -> Result<Report> {
    let in_use = DirLock::is_taken(dir);
    if !in_use {
        drop(Ledger::open(dir)?);
    }
    let file = dir.join(FILE);
    read(&file, in_use).with_context(|| format!("cannot read the ledger {}", file.display()))
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

fn read(file: &Path, in_use: bool) -> Result<Report> {
    let db = open(file)?;
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

    #[test]
    fn a_running_service_is_not_disturbed() {
        let mut book = Book::new();
        book.count(1);
        let report = probe(book.dir()).unwrap();
        assert!(report.in_use);
        assert_eq!(report.pending, 1);
        let dir = book.close();
        let report = probe(dir.path()).unwrap();
        assert!(!report.in_use);
        assert_eq!(
            (report.pending, report.delivered, report.rejected),
            (1, 0, 0)
        );
    }
}
