//! Whether the pages of a ledger are sound, found out for a limited time and without disturbing anybody.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rusqlite::ErrorCode;

use super::View;
use crate::base::clock::Clock;

/// Virtual machine instructions of SQLite between two checks of the time limit: some microseconds.
const STEPS: i32 = 1000;

/// Result of the integrity check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integrity {
    /// All of them are sound.
    Sound,
    /// Damaged; the first fault.
    Damaged(String),
    /// The time limit was reached before all pages were checked.
    TooLarge,
}

impl View {
    /// From now on, no statement goes on after `limit`: it fails as interrupted.
    ///
    /// # Errors
    /// The limit cannot be set.
    pub fn within(&mut self, clock: &Arc<dyn Clock>, limit: Duration) -> Result<()> {
        let (clock, end) = (Arc::clone(clock), clock.now() + limit);
        self.db
            .progress_handler(STEPS, Some(move || clock.now() >= end))
            .with_context(|| self.failure())
    }

    /// Looks at every page, for as long as [`within`](Self::within) allows. A running service goes on writing
    /// meanwhile: it is a reader of the journal like any other.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn integrity(&self) -> Result<Integrity> {
        let verdict = self
            .db
            .query_row("PRAGMA quick_check(1)", [], |r| r.get::<_, String>(0));
        match verdict {
            Ok(verdict) if verdict == "ok" => Ok(Integrity::Sound),
            Ok(verdict) => Ok(Integrity::Damaged(verdict)),
            Err(e) => match e.sqlite_error_code() {
                Some(ErrorCode::OperationInterrupted) => Ok(Integrity::TooLarge),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    Ok(Integrity::Damaged(e.to_string()))
                }
                _ => Err(e).with_context(|| self.failure()),
            },
        }
    }

    /// Names that taps have, each once; at most `limit`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn names(&self, limit: u32) -> Result<Vec<String>> {
        self.texts(self.tables.or_null("name"), limit)
    }

    /// Cards that were read, each once; at most `limit`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn cards(&self, limit: u32) -> Result<Vec<String>> {
        self.texts("uid", limit)
    }

    /// Cards that were counted, each once; at most `limit`. Steps from card to card in the index, however many taps each has.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn counted_cards(&self, limit: u32) -> Result<Vec<String>> {
        let read = || -> rusqlite::Result<Vec<String>> {
            self.db
                .prepare(
                    "WITH RECURSIVE card(uid) AS (SELECT min(uid) FROM tap UNION ALL \
                     SELECT (SELECT min(uid) FROM tap WHERE uid > card.uid) FROM card WHERE card.uid IS NOT NULL) \
                     SELECT uid FROM card WHERE uid IS NOT NULL LIMIT ?1",
                )?
                .query_map([limit], |r| r.get(0))?
                .collect()
        };
        read().with_context(|| self.failure())
    }

    fn texts(&self, column: &str, limit: u32) -> Result<Vec<String>> {
        let mut tables = vec!["tap"];
        if self.tables.has_uncounted() {
            tables.push("uncounted");
        }
        let parts: Vec<String> = tables
            .iter()
            .map(|t| format!("SELECT {column} AS text FROM {t}"))
            .collect();
        let sql = format!(
            "SELECT DISTINCT text FROM ({}) WHERE text IS NOT NULL LIMIT {limit}",
            parts.join(" UNION ALL ")
        );
        let read = || -> rusqlite::Result<Vec<String>> {
            self.db
                .prepare(&sql)?
                .query_map([], |r| r.get(0))?
                .collect()
        };
        read().with_context(|| self.failure())
    }
}
