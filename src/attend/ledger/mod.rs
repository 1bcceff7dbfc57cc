//! Ledger: a tap is durable here before anybody is told that it counted.
//!
//! One SQLite file, `attendance.db` in the data folder, in WAL mode with `synchronous=FULL`: what [`Ledger::record`] has
//! returned survives a power cut. Three threads share it ([`store`]): the keeper records ([`keeper`]), the uplink
//! delivers ([`outbox`]), and the upkeep looks after the rest ([`upkeep`]): times that become known later
//! ([`timekeeper`]), room for the last taps on a full disk, and age. Nothing but old delivered taps is ever removed; a
//! damaged file is set aside.

mod damage;
mod edition;
mod holder;
mod journal;
mod lock;
pub mod medium;
mod names;
pub mod outbox;
pub mod probe;
pub mod query;
mod reserve;
pub mod roster;
mod schema;
pub mod stamp;
pub mod store;
pub mod timekeeper;
mod times;
mod turn;
pub mod upkeep;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use rusqlite::{OptionalExtension as _, Transaction, params};

use crate::attend::reader::Moment;
use crate::attend::reader::atr::CardType;
use crate::attend::uid::Uid;
use crate::base::presence::InView;
use store::Store;
use timekeeper::Trust;
use turn::Urgency;
use writer::Writer;

/// Name of the ledger in the data folder.
pub const FILE: &str = "attendance.db";

/// How many repeats and refused cards are kept for later questions.
const UNCOUNTED_KEPT: i64 = 10_000;

/// A card that was read, to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The card.
    pub uid: Uid,
    /// Its type.
    pub card: CardType,
    /// Whose it is, by the roster.
    pub name: Option<&'a str>,
    /// The reader.
    pub reader: &'a str,
    /// When it answered.
    pub at: &'a Moment,
    /// Who was in view; none where no camera can tell.
    pub in_view: Option<InView>,
    /// Why a person should look at this tap.
    pub review: Option<&'static str>,
}

/// Result of recording an [`Entry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Durable in the ledger under this number.
    Counted {
        /// Its number, growing with every tap and never used again.
        id: i64,
        /// How far its time can be trusted.
        clock: Trust,
    },
    /// The card was counted shortly before; no tap was stored.
    Repeat,
}

/// Write access to the ledger for recording taps. Only one process at a time has it.
#[derive(Debug)]
pub struct Ledger {
    store: Arc<Store>,
    writer: Writer,
}

impl Ledger {
    /// Opens the ledger in `dir`; see [`Store::open`].
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(dir: &Path) -> Result<Self> {
        Self::of(Arc::new(Store::open(dir)?))
    }

    /// Write access for recording to `store`.
    ///
    /// # Errors
    /// The file cannot be used; the message names it.
    pub fn of(store: Arc<Store>) -> Result<Self> {
        let writer = Writer::open(&store)?;
        Ok(Self { store, writer })
    }

    /// The store that it shares with uplink and upkeep.
    #[must_use]
    pub const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Records a tap, unless the same card was counted less than `repeat` ago. That time is measured on
    /// the clock that counts from boot, so it survives a restart of the program, is deaf to the wall
    /// clock, and is over after a reboot. When this returns `Counted`, the tap is durable.
    ///
    /// # Errors
    /// The tap could not be made durable (disk full, read-only, gone). It was not counted. The next call
    /// opens the file anew.
    pub fn record(&mut self, entry: &Entry, repeat: Duration) -> Result<Recorded> {
        let stamp = Stamp::new(&self.store, entry.at);
        self.writer.write(&self.store, Urgency::Tap, |tx| {
            if was_just_counted(tx, entry, &stamp, repeat)? {
                note_uncounted(tx, entry, &stamp, "repeat", None)?;
                return Ok(Recorded::Repeat);
            }
            let id = insert(tx, entry, &stamp)?;
            Ok(Recorded::Counted {
                id,
                clock: stamp.trust,
            })
        })
    }

    /// Notes a card that cannot be counted, and why.
    ///
    /// # Errors
    /// It could not be written.
    pub fn refuse(&mut self, entry: &Entry, why: &str) -> Result<()> {
        let stamp = Stamp::new(&self.store, entry.at);
        self.writer.write(&self.store, Urgency::Tap, |tx| {
            note_uncounted(tx, entry, &stamp, "refused", Some(why))
        })
    }

    /// How many counted taps the server does not have yet.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn pending(&mut self) -> Result<u64> {
        self.writer
            .read(&self.store, |db| schema::count(db, "pending"))
    }
}

/// Time and boot id as they are stored.
struct Stamp<'a> {
    local_time: String,
    utc_offset_s: i32,
    utc_time: String,
    boottime_ms: i64,
    boot_id: &'a str,
    trust: Trust,
}

impl<'a> Stamp<'a> {
    fn new(store: &'a Store, at: &Moment) -> Self {
        let (wall, trust) = store.judge(at);
        Self {
            local_time: stamp::naive_local(&wall),
            utc_offset_s: wall.offset().seconds(),
            utc_time: stamp::utc(&wall),
            boottime_ms: whole_milliseconds(at.boottime),
            boot_id: store.boot_id(),
            trust,
        }
    }
}

fn was_just_counted(
    tx: &Transaction,
    entry: &Entry,
    stamp: &Stamp,
    repeat: Duration,
) -> rusqlite::Result<bool> {
    let last: Option<(String, i64)> = tx
        .prepare_cached(
            "SELECT boot_id, boottime_ms FROM tap WHERE uid = ?1 ORDER BY id DESC LIMIT 1",
        )?
        .query_row([entry.uid.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    // Two readers may be heard in the wrong order, by milliseconds; hours backwards are no repeat.
    Ok(last.is_some_and(|(boot_id, counted)| {
        boot_id == stamp.boot_id
            && stamp.boottime_ms.saturating_sub(counted).saturating_abs()
                < whole_milliseconds(repeat)
    }))
}

fn insert(tx: &Transaction, entry: &Entry, stamp: &Stamp) -> rusqlite::Result<i64> {
    let nearest = entry.in_view.and_then(|v| v.nearest);
    tx.prepare_cached(
        "INSERT INTO tap (uid, card, reader, local_time, utc_offset_s, utc_time, boottime_ms, \
         boot_id, clock_synchronised, idempotency_key, name, clock, faces, nearest_face_ms, review) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?
    .execute(params![
        entry.uid.to_string(),
        entry.card.word(),
        entry.reader,
        stamp.local_time,
        stamp.utc_offset_s,
        stamp.utc_time,
        stamp.boottime_ms,
        stamp.boot_id,
        stamp.trust == Trust::Synchronised,
        format!("{:032x}", fastrand::u128(..)),
        entry.name,
        stamp.trust.word(),
        entry.in_view.map(|v| v.faces),
        nearest.map(whole_milliseconds),
        entry.review,
    ])?;
    Ok(tx.last_insert_rowid())
}

fn note_uncounted(
    tx: &Transaction,
    entry: &Entry,
    stamp: &Stamp,
    outcome: &str,
    why: Option<&str>,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO uncounted (outcome, after_tap, uid, name, reader, local_time, utc_offset_s, utc_time, why) \
         VALUES (?1, (SELECT coalesce(max(id), 0) FROM tap), ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        outcome,
        entry.uid.to_string(),
        entry.name,
        entry.reader,
        stamp.local_time,
        stamp.utc_offset_s,
        stamp.utc_time,
        why,
    ])?;
    tx.prepare_cached("DELETE FROM uncounted WHERE id <= ?1")?
        .execute([tx.last_insert_rowid() - UNCOUNTED_KEPT])?;
    Ok(())
}

/// Whole milliseconds, as they are kept in the ledger.
fn whole_milliseconds(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
