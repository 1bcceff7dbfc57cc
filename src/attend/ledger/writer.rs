//! A connection that writes to the ledger of this process.
//!
//! A file that was replaced under it, by a person or because it was damaged, is opened anew at the next access; one that
//! was deleted is made anew with what this connection still has.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::edition::{self, Edition, Identity, identity};
use super::schema::{code, is_damage, is_full, is_locked};
use super::store::Store;
use super::turn::Urgency;
use super::{journal, schema};
use crate::base::beat::Beat;
use crate::base::stop::{Stop, lock};
use crate::say;

/// How often a file that proves to be damaged is replaced, or was replaced by somebody else, within one access.
const TRIES: u32 = 3;

/// How long a write waits for another program's lock. Whoever waits has the turn: where nobody is at the reader, a tap
/// that comes meanwhile must not wait for long. Within this SQLite looks often enough to find a gap of 50 ms.
const BUSY_TAP: Duration = Duration::from_secs(1);
const BUSY_BACKGROUND: Duration = Duration::from_millis(400);
/// The same once the lock is known to be held for long: the person at the reader, and all behind, are told at once.
const BUSY_LOCKED: Duration = Duration::from_millis(50);

/// A connection that writes.
#[derive(Debug)]
pub(super) struct Writer {
    db: Connection,
    /// The file behind `db`.
    edition: Edition,
    /// Device and inode of the journal, once it was seen.
    journal: Option<Identity>,
    /// After a failed write the file is opened anew before the next one.
    suspect: bool,
}

impl Writer {
    /// Opens a connection to the file of `store`; sets it aside first if it proves to be damaged.
    pub fn open(store: &Store) -> Result<Self> {
        Self::open_with(store, false)
    }

    /// The same for a caller that may hold the write lock.
    fn open_with(store: &Store, have_turn: bool) -> Result<Self> {
        let there = store.edition();
        match Self::connect(store) {
            Err(e) if is_damage(&e) => {
                let _turn = (!have_turn).then(|| store.turn.take(Urgency::Background));
                store.quarantine(there, &e)?;
                Self::connect(store)
            }
            other => other,
        }
    }

    fn connect(store: &Store) -> Result<Self> {
        // Read first: a file that is replaced meanwhile is noticed at the first write.
        let generation = store.edition().generation;
        let (db, file) = match lock(&store.opened).take() {
            Some(first) if generation == 0 => first,
            _ => edition::open(store.file())?,
        };
        journal::fill_index(store.file());
        Ok(Self {
            db,
            edition: Edition {
                generation,
                file: Some(file),
            },
            journal: None,
            suspect: false,
        })
    }

    /// The connection, for reading.
    #[cfg(test)]
    pub const fn db(&self) -> &Connection {
        &self.db
    }

    /// Runs `act` as a read. If the file is damaged, it is quarantined and read once more.
    pub fn read<T>(
        &mut self,
        store: &Store,
        act: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let mut tries = 0..TRIES;
        loop {
            self.keep_up(store, false)?;
            let result = act(&self.db).map_err(anyhow::Error::from);
            tries.next();
            match result {
                Err(e) if is_damage(&e) && !tries.is_empty() => self.replace(store, &e)?,
                other => {
                    return other.with_context(|| {
                        format!("cannot read the ledger {}", store.file().display())
                    });
                }
            }
        }
    }

    /// Quarantines the file of this connection, unless another thread already did.
    fn replace(&self, store: &Store, why: &anyhow::Error) -> Result<()> {
        let _turn = store.turn.take(Urgency::Background);
        store.quarantine(self.edition, why)
    }

    /// Looks at every page of the file; sets it aside if they are not as they should be. Takes a while for a large file,
    /// gives signs of life meanwhile, and ends early at the order to stop.
    pub fn examine(&mut self, store: &Store, stop: &Stop, beat: &Beat) -> Result<()> {
        self.keep_up(store, false)?;
        let found = self
            .find_damage(stop, beat)
            .with_context(|| format!("cannot read the ledger {}", store.file().display()))?;
        found.map_or(Ok(()), |why| self.replace(store, &why))
    }

    /// What is wrong with the pages of the file behind this connection.
    fn find_damage(&mut self, stop: &Stop, beat: &Beat) -> Result<Option<anyhow::Error>> {
        let (stop, beat) = (stop.clone(), beat.clone());
        // Every 4 MB or so: a slow card takes some seconds for them.
        let progress = move || {
            beat.extend_deadline(Duration::ZERO);
            stop.requested()
        };
        self.db.progress_handler(1000, Some(progress))?;
        let verdict = self
            .db
            .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
            .map_err(anyhow::Error::from);
        self.db.progress_handler(0, None::<fn() -> bool>)?;
        match verdict {
            Ok(verdict) if verdict == "ok" => Ok(None),
            Ok(verdict) => {
                // It comes in several lines.
                let verdict = verdict.split_whitespace().collect::<Vec<_>>().join(" ");
                Ok(Some(schema::Damaged(verdict).into()))
            }
            Err(e) if is_damage(&e) => Ok(Some(e)),
            Err(e) if code(&e) == Some(ErrorCode::OperationInterrupted) => Ok(None),
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
            // Hold the write lock, or the checkpoint may be incomplete.
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
        let there = store.edition();
        if !self.suspect && there == self.edition {
            return Ok(());
        }
        if there.file.is_none() && !store.file().exists() {
            let _turn = (!have_turn).then(|| store.turn.take(Urgency::Background));
            // Another thread may have done it already.
            if !store.file().exists() {
                let mut fresh = Self::open_with(store, true)?;
                store.carry_over_deleted(&self.db, &mut fresh.db);
                fresh.edition.generation = store.edition().generation;
                *self = fresh;
                return Ok(());
            }
        }
        *self = Self::open_with(store, have_turn)?;
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

    /// Looks whether another program still holds the file locked, where it did.
    pub fn try_lock(&mut self, store: &Store) -> Result<()> {
        if store.locked_by().is_none() {
            return Ok(());
        }
        self.write(store, Urgency::Background, |_| Ok(()))
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
            // The checkpoint has freed the space of the journal.
            result = self.try_write(store, urgency, &act);
        }
        if let Err(e) = &result
            && is_locked(e)
        {
            drop(turn);
            // Nothing is wrong with the file.
            store.found_locked(urgency);
            return result.with_context(|| locked(store));
        }
        if let Err(e) = &result {
            self.suspect = true;
            let again = if is_damage(e) {
                store.quarantine(self.edition, e)?;
                true
            } else {
                // The reserved space is for taps only.
                urgency == Urgency::Tap && is_full(e) && store.release_reserve()
            };
            if again {
                result = self.try_write(store, urgency, &act);
            }
        }
        drop(turn);
        self.suspect = result.is_err();
        if result.is_ok() {
            store.is_writable();
        }
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
            _ if store.locked_by().is_some() => BUSY_LOCKED,
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

/// Who that is was told once.
fn locked(store: &Store) -> String {
    let file = store.file().display();
    say!(
        "the ledger {file} is held locked by another program; close it there, then tap again",
        "記録ファイル {file} が別のプログラムにロックされています。閉じた後、もう一度タッチしてください"
    )
}

#[cfg(test)]
mod tests;
