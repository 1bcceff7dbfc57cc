//! Read access to the ledger for the commands, with or without a running service.
//!
//! Never makes, migrates or locks a ledger. Rows are fetched a page at a time, each in a read transaction of
//! its own: somebody who leaves an export standing in a pager must not keep the journal from being folded back.

mod integrity;
mod open;
mod overview;
mod retry;
mod row;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use rusqlite::{Connection, params};

pub use integrity::Integrity;
pub(super) use open::open_alone;
pub use overview::{Answer, Card, Overview, Waiting};
pub use retry::{Retried, Which, retry};
pub use row::{Row, likely};

use super::lock::DirLock;
use crate::say;

/// Rows that are fetched at once.
const PAGE: usize = 1000;

/// Which rows are asked for.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Only some of the taps.
    pub only: Only,
    /// Repeats and refused cards as well.
    pub uncounted: bool,
}

/// Some of the taps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Only {
    /// All of them.
    #[default]
    All,
    /// Those that the server does not have yet.
    Pending,
    /// Those that the server will never take by itself.
    Rejected,
    /// Those that a person should look at.
    Review,
}

/// A place between two rows, in the order in which they happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// Number of the tap, or of the last tap before an uncounted one.
    tap: i64,
    /// 0 for a tap, else the number among the uncounted.
    uncounted: i64,
}

const BEGINNING: Place = Place {
    tap: -1,
    uncounted: 0,
};
const END: Place = Place {
    tap: i64::MAX,
    uncounted: 0,
};

/// A ledger opened for reading.
#[derive(Debug)]
pub struct View {
    dir: PathBuf,
    db: Connection,
    tables: row::Tables,
}

impl View {
    /// Opens the ledger in `dir`, read-only.
    ///
    /// # Errors
    /// There is none, this user may not read it, or it is none of ours; the message says what to do.
    pub fn open(dir: &Path) -> Result<Self> {
        let (db, tables) = open::open(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            db,
            tables,
        })
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.dir.join(super::FILE)
    }

    /// Whether a running service has this ledger, as far as this user can tell.
    #[must_use]
    pub fn in_use(&self) -> bool {
        in_use(&self.dir)
    }

    /// The newest rows, oldest first; at most `limit`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn newest(&self, filter: &Filter, limit: usize) -> Result<Vec<Row>> {
        let mut rows = self.page(filter, END, false, limit)?;
        rows.reverse();
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// Hands all rows to `take`, oldest first, a page at a time.
    ///
    /// # Errors
    /// The file cannot be read, or what `take` says.
    pub fn each_page(
        &self,
        filter: &Filter,
        mut take: impl FnMut(&[Row]) -> Result<()>,
    ) -> Result<()> {
        let mut place = BEGINNING;
        loop {
            let page = self.page(filter, place, true, PAGE)?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            place = *last;
            let rows: Vec<Row> = page.into_iter().map(|(_, row)| row).collect();
            take(&rows)?;
        }
    }

    /// How many taps lie outside of the filter's period, but whose time is not certain: they may belong
    /// into it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn uncertain_outside(&self, filter: &Filter) -> Result<u64> {
        let uncertain = self.tables.uncertain();
        let sql = format!(
            "SELECT count(*) FROM tap WHERE {uncertain} AND NOT (utc_time >= ?1 AND utc_time < ?2)"
        );
        let (since, until) = bounds(filter);
        let count: i64 = self
            .db
            .query_row(&sql, [since, until], |r| r.get(0))
            .with_context(|| self.failure())?;
        Ok(count.unsigned_abs())
    }

    /// Rows after (or, backwards, before) a place.
    fn page(
        &self,
        filter: &Filter,
        place: Place,
        forwards: bool,
        limit: usize,
    ) -> Result<Vec<(Place, Row)>> {
        let sql = self.tables.select(filter, forwards);
        let (since, until) = bounds(filter);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = || -> rusqlite::Result<Vec<(Place, Row)>> {
            self.db
                .prepare_cached(&sql)?
                .query_map(
                    params![place.tap, place.uncounted, since, until, limit],
                    |r| {
                        let place = Place {
                            tap: r.get(0)?,
                            uncounted: r.get(1)?,
                        };
                        Ok((place, Row::read(r)?))
                    },
                )?
                .collect()
        };
        read().with_context(|| self.failure())
    }

    fn failure(&self) -> String {
        let file = self.file();
        let file = file.display();
        say!(
            "cannot read the ledger {file}",
            "台帳 {file} を読み込めません"
        )
    }
}

/// Whether a running service has the ledger in `dir`, as far as this user can tell.
#[must_use]
pub fn in_use(dir: &Path) -> bool {
    DirLock::is_taken(dir)
}

/// The filter's period as the ledger writes times; they compare as text.
fn bounds(filter: &Filter) -> (String, String) {
    let write = |t: Option<Timestamp>, otherwise: &str| {
        t.map_or_else(|| otherwise.to_owned(), |t| format!("{t:.6}"))
    };
    // Upper bound: in text order a letter is greater than every digit.
    (write(filter.since, ""), write(filter.until, "Z"))
}

#[cfg(test)]
mod tests;
