//! A connection that writes to the ledger of this process.
//!
//! A file that was replaced under it, by a person or because it was damaged, is opened anew at the next access; one that
//! was deleted is made anew with what this connection still has.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::store::Store;
use super::turn::Urgency;
use super::{journal, schema};
use crate::base::stop::{Stop, lock};

/// How long a write waits for another program's lock. Whoever waits has the turn: where nobody is at the reader, a tap
/// that comes meanwhile must not wait for long. Within this SQLite looks often enough to find a gap of 50 ms.
const BUSY_TAP: Duration = Duration::from_secs(5);
const BUSY_BACKGROUND: Duration = Duration::from_millis(400);

/// A connection that writes.
#[derive(Debug)]
pub(super) struct Writer {
    db: Connection,
    generation: u64,
    /// Device and inode of the file behind `db`.
    identity: Identity,
    /// Device and inode of the journal, once it was seen.
    journal: Option<Identity>,
    /// After a failed write the file is opened anew before the next one.
    suspect: bool,
}

impl Writer {
    /// Opens a connection to the file of `store`.
    pub fn open(store: &Store) -> Result<Self> {
        // Read first: a file that is replaced meanwhile is noticed at the first write.
        let generation = store.generation.load(Ordering::Acquire);
        let (db, identity) = match lock(&store.opened).take() {
            Some(first) if generation == 0 => first,
            _ => (schema::open(store.file())?, identity(store.file())?),
        };
        journal::fill_index(store.file());
        Ok(Self {
            db,
            generation,
            identity,
            journal: None,
            suspect: false,
        })
    }

    /// The connection, to look at.
    #[cfg(test)]
    pub const fn db(&self) -> &Connection {
        &self.db
    }

    /// Lets `act` read. Where the file proves to be damaged, it is set aside and read once more.
    pub fn read<T>(
        &mut self,
        store: &Store,
        act: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.keep_up(store, false)?;
        let mut result = act(&self.db).map_err(anyhow::Error::from);
        if let Err(e) = &result
            && is_damage(e)
        {
            let turn = store.turn.take(Urgency::Background);
            // Somebody else may have been quicker.
            if self.generation == store.generation.load(Ordering::Acquire) {
                store.set_aside(e)?;
            }
            drop(turn);
            self.keep_up(store, false)?;
            result = act(&self.db).map_err(anyhow::Error::from);
        }
        result.with_context(|| format!("cannot read the ledger {}", store.file().display()))
    }

    /// Whether every page of the file is as it should be; sets it aside if not. Takes a while for a large file, and
    /// ends early at the order to stop.
    pub fn examine(&mut self, store: &Store, stop: &Stop) -> Result<()> {
        let stop = stop.clone();
        self.db
            .progress_handler(10_000, Some(move || stop.requested()))?;
        let verdict = self.read(store, |db| {
            db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
        });
        self.db.progress_handler(0, None::<fn() -> bool>)?;
        match verdict {
            Ok(verdict) if verdict != "ok" => {
                let _turn = store.turn.take(Urgency::Background);
                // It comes in several lines.
                let verdict = verdict.split_whitespace().collect::<Vec<_>>().join(" ");
                store.set_aside(&schema::Damaged(verdict).into())?;
                *self = Self::open(store)?;
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(e) if code(&e) == Some(ErrorCode::OperationInterrupted) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Copies the journal into the file where that is due, where it is long, or where the disk is tight. True if it was.
    pub fn shorten_journal(&mut self, store: &Store, due: bool) -> Result<bool> {
        let length = journal::length(store.file());
        let tight = store.disk_is_tight();
        if length == 0 || !(due || tight || length > store.share_of_disk() / 2) {
            return Ok(false);
        }
        if tight {
            // Nobody may write, or what is copied is not all.
            let _turn = store.turn.take(Urgency::Background);
            self.keep_up(store, true)?;
            journal::empty(&self.db)?;
        } else {
            self.read(store, journal::copy)?;
        }
        journal::fill_index(store.file());
        Ok(true)
    }

    /// Opens the file anew where it is not the one that this connection writes to. A file that was deleted would take
    /// every tap with it, without any fault: what this connection still has of it is carried over.
    fn keep_up(&mut self, store: &Store, have_turn: bool) -> Result<()> {
        let there = identity(store.file()).ok();
        if !self.suspect
            && self.generation == store.generation.load(Ordering::Acquire)
            && there == Some(self.identity)
        {
            return Ok(());
        }
        if there.is_none() && !store.file().exists() {
            let _turn = (!have_turn).then(|| store.turn.take(Urgency::Background));
            // Somebody else may have been quicker.
            if !store.file().exists() {
                let mut fresh = Self::open(store)?;
                store.carry_over_deleted(&self.db, &mut fresh.db);
                fresh.generation = store.generation.load(Ordering::Acquire);
                *self = fresh;
                return Ok(());
            }
        }
        *self = Self::open(store)?;
        Ok(())
    }

    /// Makes sure that the journal that was just written is the one that has a name; it may have been deleted, and would
    /// be gone with the last connection. Then all that is in it is copied into the file.
    fn rescue_journal(&mut self, store: &Store) -> Result<()> {
        let there = identity(&journal::journal(store.file())).ok();
        if there.is_some() && self.journal.is_none_or(|known| there == Some(known)) {
            self.journal = there;
            return Ok(());
        }
        ensure!(
            journal::empty(&self.db)?,
            "its journal was deleted, and could not be copied"
        );
        store.journal_was_deleted();
        Ok(())
    }

    /// Lets `act` write, in one transaction that is durable when this returns. It may be called twice: where the file
    /// proves to be damaged, or the disk is full and there is room put by, it is tried once more.
    pub fn write<T>(
        &mut self,
        store: &Store,
        urgency: Urgency,
        act: impl Fn(&Transaction) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let turn = store.turn.take(urgency);
        let mut result = self.try_write(store, urgency, &act);
        if let Err(e) = &result
            && is_full(e)
            && journal::empty(&self.db).unwrap_or(false)
        {
            // What the journal took is free again.
            result = self.try_write(store, urgency, &act);
        }
        if let Err(e) = &result {
            let again = if is_damage(e) {
                store.set_aside(e)?;
                true
            } else {
                // What is put by is for taps alone.
                urgency == Urgency::Tap && is_full(e) && store.give_room()
            };
            self.suspect = true;
            if again {
                result = self.try_write(store, urgency, &act);
            }
        }
        drop(turn);
        self.suspect = result.is_err();
        result.with_context(|| format!("cannot write the ledger {}", store.file().display()))
    }

    fn try_write<T>(
        &mut self,
        store: &Store,
        urgency: Urgency,
        act: &impl Fn(&Transaction) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.keep_up(store, true)?;
        self.db.busy_timeout(match urgency {
            Urgency::Tap => BUSY_TAP,
            Urgency::Background => BUSY_BACKGROUND,
        })?;
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = act(&tx)?;
        tx.commit()?;
        self.rescue_journal(store)?;
        Ok(done)
    }
}

/// Device and inode.
pub(super) type Identity = (u64, u64);

/// Which file that is now.
pub(super) fn identity(file: &Path) -> Result<Identity> {
    let m = std::fs::metadata(file)
        .with_context(|| format!("cannot look at the ledger {}", file.display()))?;
    Ok((m.dev(), m.ino()))
}

fn code(e: &anyhow::Error) -> Option<ErrorCode> {
    e.chain()
        .find_map(|cause| cause.downcast_ref::<rusqlite::Error>())
        .and_then(rusqlite::Error::sqlite_error_code)
}

/// Whether the file holds something that no ledger holds.
pub(super) fn is_damage(e: &anyhow::Error) -> bool {
    e.is::<schema::Damaged>()
        || matches!(
            code(e),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        )
}

fn is_full(e: &anyhow::Error) -> bool {
    // The shared memory beside the file reports a full disk as a failed access.
    matches!(
        code(e),
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)
    )
}
