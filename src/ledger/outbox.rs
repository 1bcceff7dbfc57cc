//! The delivering end of the ledger: what the server does not have yet, in order per card.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use jiff::civil::DateTime;
use jiff::{SignedDuration, ToSpan as _};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::store::Store;
use super::turn::Urgency;
use super::writer::Writer;
use super::{schema, stamp, whole_milliseconds};
use crate::reader::Moment;

/// The old server takes a tap for a duplicate whose time lies within this of the last row of the same card.
const SERVER_WINDOW: SignedDuration = SignedDuration::from_secs(10);
/// How long after a tap was stored the server may store it again, from an attempt that it was slow with: several times
/// as long as an attempt waits for its answer.
const LATE: Duration = Duration::from_secs(30);
/// Where a tap is moved that would be taken for the one before: just out of it.
const OUT_OF_WINDOW_S: i64 = 11;

/// A tap on its way to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its number in the ledger.
    pub id: i64,
    /// The card, upper-case hex.
    pub uid: String,
    /// When, local time without offset.
    pub local_time: String,
    /// How far that can be trusted: `synchronised`, `corrected` or `uncertain`.
    pub clock: String,
    /// The same at every attempt.
    pub idempotency_key: String,
    /// Attempts before this one.
    pub attempts: i64,
}

/// A tap that may be sent now: the oldest pending one of its card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its number in the ledger.
    pub id: i64,
    /// The card, upper-case hex.
    pub uid: String,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The server has it.
    Delivered,
    /// The server will never take it.
    Rejected,
    /// The server says that it has it already, at the very first attempt: a person should look.
    UnexpectedDuplicate,
    /// Neither; it stays pending.
    NotYet,
}

/// An attempt that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Number of the tap.
    pub id: i64,
    /// The card.
    pub uid: String,
    /// How.
    pub how: Settled,
    /// What the server answered, or why it did not.
    pub answer: String,
    /// Whether the server is known to be done with this attempt: it is not where it was too slow. A duplicate says nothing
    /// of the attempts before: the one that was stored may be one whose connection had ended.
    pub over: bool,
}

/// What an exchange with the ledger has yielded.
#[derive(Debug, Default)]
pub struct Exchanged {
    /// Taps whose next attempt is on record: they may be sent now.
    pub begun: Vec<Outgoing>,
    /// How many of the candidates were looked at.
    pub taken: usize,
    /// Further candidates: the next taps of the cards that were settled.
    pub next: Vec<Head>,
}

/// The delivering end of the ledger.
#[derive(Debug)]
pub struct Outbox {
    store: Arc<Store>,
    writer: Writer,
}

impl Outbox {
    /// The delivering end of `store`.
    ///
    /// # Errors
    /// The file cannot be used; the message names it.
    pub fn open(store: &Arc<Store>) -> Result<Self> {
        Ok(Self {
            writer: Writer::open(store)?,
            store: Arc::clone(store),
        })
    }

    /// The oldest pending tap of each card, least tried first, then oldest first: the only ones that may
    /// be sent now, for the server tells a retry only by the last tap of the card. With `fresh_only`
    /// just those that were never tried. Taps that wait for the right time are left out, and all after them, and
    /// cards of which the server may store a tap late.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn heads(&mut self, fresh_only: bool) -> Result<Vec<Head>> {
        // One step of the recursion jumps to the next card on the index of pending taps, so that a
        // million taps of a few cards cost no more than a few cards.
        let ordered = "WITH RECURSIVE head (uid, id) AS (
               SELECT * FROM (SELECT uid, id FROM tap WHERE state = 'pending'
                              ORDER BY uid, id LIMIT 1)
               UNION ALL
               SELECT (SELECT uid FROM tap WHERE state = 'pending' AND uid > head.uid
                       ORDER BY uid LIMIT 1),
                      (SELECT id FROM tap WHERE state = 'pending' AND uid > head.uid
                       ORDER BY uid, id LIMIT 1)
               FROM head WHERE head.uid IS NOT NULL
             )
             SELECT tap.id, tap.uid FROM head JOIN tap ON tap.id = head.id
             WHERE tap.clock <> 'held' AND tap.uid NOT IN (SELECT uid FROM quiet)
               AND (NOT ?1 OR tap.attempts = 0) ORDER BY tap.attempts, tap.id";
        let unordered = "SELECT id, uid FROM tap WHERE state = 'pending' AND clock <> 'held'
             AND (NOT ?1 OR attempts = 0) ORDER BY random() LIMIT 1000";
        let sql = if cfg!(feature = "unordered-delivery") {
            unordered
        } else {
            ordered
        };
        self.writer.read(&self.store, |db| {
            db.prepare_cached(sql)?
                .query_map([fresh_only], head)?
                .collect()
        })
    }

    /// The number of the newest tap; 0 if there is none.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn newest(&mut self) -> Result<i64> {
        self.writer.read(&self.store, |db| {
            db.prepare_cached("SELECT coalesce(max(id), 0) FROM tap")?
                .query_row([], |row| row.get(0))
        })
    }

    /// The cards that have pending taps newer than number `after`, and of each the tap that may be sent; with
    /// `fresh_only` just those that were never tried.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn arrivals(&mut self, after: i64, fresh_only: bool) -> Result<Vec<Head>> {
        self.writer.read(&self.store, |db| {
            let cards: Vec<String> = db
                .prepare_cached("SELECT DISTINCT uid FROM tap WHERE id > ?1 AND state = 'pending'")?
                .query_map([after], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let heads = cards.iter().map(|uid| next_of(db, uid, fresh_only));
            Ok(heads
                .collect::<rusqlite::Result<Vec<_>>>()?
                .into_iter()
                .flatten()
                .collect())
        })
    }

    /// How many taps are pending.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn pending(&mut self) -> Result<u64> {
        self.writer
            .read(&self.store, |db| schema::count(db, "pending"))
    }

    /// In one durable step: notes how attempts ended, and notes the next attempts of as many candidates as there is
    /// `room` for. Only what is handed out as begun may be sent, so that no attempt is made that is not on record. A
    /// candidate that is not pending any more, or waits for the right time, is passed over. With `fresh_only` the next
    /// taps of a settled card are candidates only if they were never tried.
    ///
    /// # Errors
    /// The ledger cannot be written: nothing was noted, nothing may be sent.
    pub fn exchange(
        &mut self,
        ended: &[Ended],
        candidates: &VecDeque<Head>,
        room: usize,
        fresh_only: bool,
        now: &Moment,
    ) -> Result<Exchanged> {
        let quiet_until = whole_milliseconds(now.boottime + LATE);
        let boot_id = self.store.boot_id();
        let now = stamp::utc(&self.store.judge(now).0);
        self.writer.write(&self.store, Urgency::Background, |tx| {
            let mut result = Exchanged::default();
            for end in ended {
                note_end(tx, end, &now)?;
                if end.how == Settled::Delivered && open_attempts(tx, end.id)? > 0 {
                    tx.prepare_cached(
                        "INSERT OR REPLACE INTO quiet (uid, boot_id, until_ms) VALUES (?1, ?2, ?3)",
                    )?
                    .execute(params![end.uid, boot_id, quiet_until])?;
                }
                if end.how != Settled::NotYet
                    && !cfg!(feature = "unordered-delivery")
                    && let Some(next) = next_of(tx, &end.uid, fresh_only)?
                {
                    result.next.push(next);
                }
            }
            let mut next = 0;
            while result.begun.len() < room {
                let candidate = if let Some(old) = candidates.get(result.taken) {
                    result.taken += 1;
                    old
                } else if let Some(new) = result.next.get(next) {
                    next += 1;
                    new
                } else {
                    break;
                };
                result.begun.extend(begin(tx, candidate.id, &now)?);
            }
            result.next.drain(..next);
            Ok(result)
        })
    }
}

/// The oldest pending tap of a card, unless it waits for the right time.
fn next_of(db: &Connection, uid: &str, fresh_only: bool) -> rusqlite::Result<Option<Head>> {
    Ok(db
        .prepare_cached(
            "SELECT id, uid, clock <> 'held' AND uid NOT IN (SELECT uid FROM quiet) \
               AND (NOT ?2 OR attempts = 0) FROM tap WHERE state = 'pending' AND uid = ?1 ORDER BY id LIMIT 1",
        )?
        .query_row(params![uid, fresh_only], |row| {
            Ok((head(row)?, row.get(2)?))
        })
        .optional()?
        .and_then(|(head, may_be_sent): (Head, bool)| may_be_sent.then_some(head)))
}

fn open_attempts(tx: &Transaction, id: i64) -> rusqlite::Result<i64> {
    tx.prepare_cached("SELECT open_attempts FROM tap WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
}

fn note_end(tx: &Transaction, end: &Ended, now: &str) -> rusqlite::Result<()> {
    let (state, review) = match end.how {
        Settled::NotYet => {
            tx.prepare_cached(
                "UPDATE tap SET answer = ?2, open_attempts = max(0, open_attempts - ?3) WHERE id = ?1",
            )?
            .execute(params![end.id, end.answer, end.over])?;
            return Ok(());
        }
        Settled::Delivered => ("delivered", None),
        Settled::Rejected => ("rejected", None),
        Settled::UnexpectedDuplicate => ("rejected", Some("unexpected-duplicate")),
    };
    tx.prepare_cached(
        "UPDATE tap SET state = ?2, answer = ?3, settled_utc = ?4, open_attempts = max(0, open_attempts - ?6), \
         review = nullif(trim(coalesce(review, '') || ' ' || coalesce(?5, '')), '') WHERE id = ?1",
    )?
    .execute(params![
        end.id,
        state,
        end.answer,
        now,
        review,
        end.over
    ])?;
    Ok(())
}

/// Notes an attempt; none if the tap is not pending any more, or waits for the right time.
fn begin(tx: &Transaction, id: i64, now: &str) -> rusqlite::Result<Option<Outgoing>> {
    let begun = tx
        .prepare_cached(
            "UPDATE tap SET attempts = attempts + 1, open_attempts = open_attempts + 1, last_attempt_utc = ?2 \
             WHERE id = ?1 AND state = 'pending' AND clock <> 'held' \
             RETURNING id, uid, local_time, clock, idempotency_key, attempts - 1",
        )?
        .query_map(params![id, now], outgoing)?
        .next()
        .transpose()?;
    let Some(mut tap) = begun else {
        return Ok(None);
    };
    if tap.attempts == 0
        && let Some(moved) = out_of_the_window(tx, &tap)?
    {
        "uncertain".clone_into(&mut tap.clock);
        tx.prepare_cached("UPDATE tap SET local_time = ?2, clock = 'uncertain' WHERE id = ?1")?
            .execute(params![id, moved])?;
        tap.local_time = moved;
    }
    Ok(Some(tap))
}

/// A time for a tap that the server would swallow, because its time happens to be that of the tap before: clocks that
/// were wrong, or the hour that comes twice in autumn. The two were really further apart, or the second would not have
/// been counted.
fn out_of_the_window(tx: &Transaction, tap: &Outgoing) -> rusqlite::Result<Option<String>> {
    let before: Option<String> = tx
        .prepare_cached(
            "SELECT local_time FROM tap WHERE uid = ?1 AND id < ?2 AND state <> 'rejected' \
             ORDER BY id DESC LIMIT 1",
        )?
        .query_row(params![tap.uid, tap.id], |row| row.get(0))
        .optional()?;
    let parse = |text: &str| text.parse::<DateTime>().ok();
    let (Some(before), Some(time)) = (before.as_deref().and_then(parse), parse(&tap.local_time))
    else {
        return Ok(None);
    };
    if time.duration_since(before).abs() > SERVER_WINDOW {
        return Ok(None);
    }
    let moved = before.saturating_add(OUT_OF_WINDOW_S.seconds());
    Ok(Some(stamp::naive(moved)))
}

fn head(row: &Row) -> rusqlite::Result<Head> {
    Ok(Head {
        id: row.get(0)?,
        uid: row.get(1)?,
    })
}

fn outgoing(row: &Row) -> rusqlite::Result<Outgoing> {
    Ok(Outgoing {
        id: row.get(0)?,
        uid: row.get(1)?,
        local_time: row.get(2)?,
        clock: row.get(3)?,
        idempotency_key: row.get(4)?,
        attempts: row.get(5)?,
    })
}

#[cfg(test)]
mod tests;
