//! Ledger: a tap is durable here before anybody is told that it counted.
//!
//! One SQLite file, `attendance.db` in the data folder, in WAL mode with `synchronous=FULL`: what
//! [`Ledger::record`] has returned survives a power cut. Two connections share it: the keeper's
//! ([`keeper`], which records) and the uplink's ([`outbox`], which delivers). Nothing is ever deleted.

pub mod keeper;
mod lock;
pub mod outbox;
pub mod probe;
pub mod query;
pub mod roster;
mod schema;
pub mod stamp;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use crate::reader::Moment;
use crate::reader::atr::CardType;
use crate::reader::uid::Uid;
use lock::DirLock;
use stamp::Origin;

/// Name of the ledger in the data folder.
pub const FILE: &str = "attendance.db";

/// A card that was read, to be recorded.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The card.
    pub uid: Uid,
    /// Its type.
    pub card: CardType,
    /// The reader.
    pub reader: &'a str,
    /// When it answered.
    pub at: &'a Moment,
    /// The person's name, if the roster tells.
    pub name: Option<&'a str>,
}

/// What became of an [`Entry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Durable in the ledger under this number.
    Counted {
        /// Its number, growing with every tap and never used again.
        id: i64,
    },
    /// The card was counted shortly before; nothing was stored.
    Repeat,
}

/// The recording end of the ledger. Only one process at a time has it.
#[derive(Debug)]
pub struct Ledger {
    file: PathBuf,
    db: Connection,
    /// Device and inode of the file that `db` writes to.
    identity: (u64, u64),
    /// After a failed write the file is opened anew before the next one.
    suspect: bool,
    origin: Origin,
    _lock: DirLock,
}

impl Ledger {
    /// Opens the ledger in `dir`; creates folder and file if need be, and brings an older file up to date.
    ///
    /// # Errors
    /// The folder cannot be made, another process has the ledger, or the file cannot be used. The
    /// message names the file and says what to do.
    pub fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| {
            format!(
                "cannot make the data folder {}; make it for this user, or set data_dir in the \
                 configuration",
                dir.display()
            )
        })?;
        let lock = DirLock::take(dir)?;
        let file = dir.join(FILE);
        let db = schema::open(&file)?;
        // The name of a new file is durable only when its folder is.
        std::fs::File::open(dir)
            .and_then(|d| d.sync_all())
            .with_context(|| format!("cannot write to the data folder {}", dir.display()))?;
        Ok(Self {
            identity: identity(&file)?,
            file,
            db,
            suspect: false,
            origin: Origin::of_this_boot(),
            _lock: lock,
        })
    }

    /// Records a tap, unless the same card was counted less than `repeat` ago. That time is measured on
    /// the clock that counts from boot, so it survives a restart of the program, is deaf to the wall
    /// clock, and is over after a reboot. When this returns `Counted`, the tap is durable.
    ///
    /// # Errors
    /// The tap could not be made durable (disk full, read-only, gone). It was not counted. The next call
    /// opens the file anew.
    pub fn record(&mut self, entry: &Entry, repeat: Duration) -> Result<Recorded> {
        let result = self.try_record(entry, repeat);
        self.suspect = result.is_err();
        result.with_context(|| format!("cannot write the ledger {}", self.file.display()))
    }

    fn try_record(&mut self, entry: &Entry, repeat: Duration) -> Result<Recorded> {
        // A file that was deleted or replaced would take every tap with it, without any fault.
        if self.suspect || identity(&self.file).ok() != Some(self.identity) {
            self.db = schema::open(&self.file)?;
            self.identity = identity(&self.file)?;
        }
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let uid = entry.uid.to_string();
        let boottime = milliseconds(entry.at.boottime);
        let last: Option<(String, i64)> = tx
            .prepare_cached(
                "SELECT boot_id, boottime_ms FROM tap WHERE uid = ?1 ORDER BY id DESC LIMIT 1",
            )?
            .query_row([&uid], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((boot_id, counted)) = last
            && boot_id == self.origin.boot_id
            && boottime.saturating_sub(counted) < milliseconds(repeat)
        {
            return Ok(Recorded::Repeat);
        }
        let wall = &entry.at.wall;
        tx.prepare_cached(
            "INSERT INTO tap (uid, card, reader, local_time, utc_offset_s, utc_time, boottime_ms, \
             boot_id, clock_synchronised, idempotency_key, name) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            uid,
            entry.card.word(),
            entry.reader,
            stamp::naive_local(wall),
            wall.offset().seconds(),
            stamp::utc(wall),
            boottime,
            self.origin.boot_id,
            stamp::clock_is_synchronised(),
            format!("{:032x}", fastrand::u128(..)),
            entry.name,
        ])?;
        let id = tx.last_insert_rowid();
        tx.commit()?;
        Ok(Recorded::Counted { id })
    }

    /// How many counted taps the server does not have yet.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn pending(&self) -> Result<u64> {
        schema::count(&self.db, "pending")
            .with_context(|| format!("cannot read the ledger {}", self.file.display()))
    }
}

fn identity(file: &Path) -> Result<(u64, u64)> {
    let m = std::fs::metadata(file)
        .with_context(|| format!("cannot look at the ledger {}", file.display()))?;
    Ok((m.dev(), m.ino()))
}

fn milliseconds(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
