//! The outbox of the ledger: pending taps, in order per card.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan as _};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::store::Store;
use super::turn::Urgency;
use super::writer::Writer;
use super::{schema, stamp, whole_milliseconds};
use crate::attend::reader::Moment;

/// The old server takes a tap for a duplicate whose time lies within this of the last row of the same card.
const SERVER_WINDOW: SignedDuration = SignedDuration::from_secs(10);
/// How long after a tap was stored the server may store it again, from an attempt that it was slow with: several times
/// as long as an attempt waits for its answer.
const LATE: Duration = Duration::from_secs(30);
/// How far the time of a tap is moved that the server would take for a duplicate of the one before.
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
    /// Whether the server may have it from one of those: its answer was lost.
    pub maybe_stored: bool,
}

/// A card of which a tap may be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The number of that tap.
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
    /// Of the tap: in a ledger that was replaced meanwhile the number may be another one's.
    pub idempotency_key: String,
    /// How.
    pub how: Settled,
    /// What the server answered, or why it did not.
    pub answer: String,
    /// Whether the server is known to be done with this attempt: it is not where it was too slow. A duplicate says nothing
    /// of the attempts before: the one that was stored may be one whose connection had ended.
    pub over: bool,
    /// Whether the server may have stored the tap in this attempt or in one before, where it did not say so.
    pub maybe_stored: bool,
}

/// Result of one exchange with the ledger.
#[derive(Debug, Default)]
pub struct Exchanged {
    /// Taps whose next attempt is on record: they may be sent now.
    pub begun: Vec<Outgoing>,
    /// How many of the candidates were looked at; of those that are not among the begun nothing can be sent.
    pub taken: usize,
    /// Further candidates: the next taps of the cards that were settled.
    pub next: Vec<Head>,
}

/// The outbox of the ledger.
#[derive(Debug)]
pub struct Outbox {
    store: Arc<Store>,
    writer: Writer,
}

impl Outbox {
    /// The outbox of `store`.
    ///
    /// # Errors
    /// The file cannot be used; the message names it.
    pub fn open(store: &Arc<Store>) -> Result<Self> {
        Ok(Self {
            writer: Writer::open(store)?,
            store: Arc::clone(store),
        })
    }

    /// The cards of which a tap may be sent, least tried first, then oldest first. It is the oldest pending tap of the
    /// card, for the server tells a retry only by the last tap of the card; or one that was tried and may have been
    /// stored, where older ones were made pending again by a person since. Taps that wait for the right time are left
    /// out, and all after them, and cards of which the server may store a tap late.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn heads(&mut self) -> Result<Vec<Head>> {
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
             SELECT tap.id, tap.uid FROM head JOIN tap ON tap.id = coalesce(
               (SELECT id FROM tap AS tried WHERE state = 'pending' AND maybe_stored = 1 AND tried.uid = head.uid
                ORDER BY id LIMIT 1), head.id)
             WHERE tap.clock <> 'held' AND tap.uid NOT IN (SELECT uid FROM quiet)
             ORDER BY tap.attempts, tap.id";
        let unordered = "SELECT id, uid FROM tap WHERE state = 'pending' AND clock <> 'held'
             ORDER BY random() LIMIT 1000";
        let sql = if cfg!(feature = "unordered-delivery") {
            unordered
        } else {
            ordered
        };
        self.writer.read(&self.store, |db| {
            db.prepare_cached(sql)?.query_map([], head)?.collect()
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

    /// The cards that have pending taps newer than number `after`, and of each the tap that may be sent.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn arrivals(&mut self, after: i64) -> Result<Vec<Head>> {
        self.writer.read(&self.store, |db| {
            let cards: Vec<String> = db
                .prepare_cached("SELECT DISTINCT uid FROM tap WHERE id > ?1 AND state = 'pending'")?
                .query_map([after], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let heads = cards.iter().map(|uid| next_of(db, uid));
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
    /// `room` for. Only what is handed out as begun may be sent, so that no attempt is made that is not on record. Of a
    /// candidate that card's tap is begun which may be sent at this moment; if there is none it is passed over. An end is
    /// noted of a pending tap only: one that is settled stays as it is.
    ///
    /// # Errors
    /// The ledger cannot be written: nothing was noted, nothing may be sent.
    pub fn exchange(
        &mut self,
        ended: &[Ended],
        candidates: &[Head],
        room: usize,
        now: &Moment,
    ) -> Result<Exchanged> {
        let quiet_until = whole_milliseconds(now.boottime + LATE);
        let boot_id = self.store.boot_id();
        let zone = now.wall.time_zone();
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
                    && let Some(next) = next_of(tx, &end.uid)?
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
                result.begun.extend(begin(tx, candidate, &now, zone)?);
            }
            result.next.drain(..next);
            Ok(result)
        })
    }
}

/// The tap of a card that is to be sent next, unless it waits for the right time or its card is left alone.
fn next_of(db: &Connection, uid: &str) -> rusqlite::Result<Option<Head>> {
    Ok(db
        .prepare_cached(
            "SELECT id, uid, clock <> 'held' AND uid NOT IN (SELECT uid FROM quiet) FROM tap WHERE id = coalesce( \
             (SELECT id FROM tap WHERE state = 'pending' AND maybe_stored = 1 AND uid = ?1 ORDER BY id LIMIT 1), \
             (SELECT id FROM tap WHERE state = 'pending' AND uid = ?1 ORDER BY id LIMIT 1))",
        )?
        .query_row([uid], |row| Ok((head(row)?, row.get(2)?)))
        .optional()?
        .and_then(|(head, may_be_sent): (Head, bool)| may_be_sent.then_some(head)))
}

fn open_attempts(tx: &Transaction, id: i64) -> rusqlite::Result<i64> {
    let open = tx
        .prepare_cached("SELECT open_attempts FROM tap WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    // The ledger may have been replaced and not contain this tap.
    Ok(open.unwrap_or(0))
}

fn note_end(tx: &Transaction, end: &Ended, now: &str) -> rusqlite::Result<()> {
    let (state, review) = match end.how {
        Settled::NotYet => ("pending", None),
        Settled::Delivered => ("delivered", None),
        Settled::Rejected => ("rejected", None),
        Settled::UnexpectedDuplicate => ("rejected", Some("unexpected-duplicate")),
    };
    tx.prepare_cached(
        "UPDATE tap SET state = ?3, answer = ?4, settled_utc = iif(?3 = 'pending', settled_utc, ?5), \
         open_attempts = max(0, open_attempts - ?7), maybe_stored = ?8, \
         review = nullif(trim(coalesce(review, '') || ' ' || coalesce(?6, '')), '') \
         WHERE id = ?1 AND idempotency_key = ?2 AND state = 'pending'",
    )?
    .execute(params![
        end.id,
        end.idempotency_key,
        state,
        end.answer,
        now,
        review,
        end.over,
        end.maybe_stored
    ])?;
    Ok(())
}

/// Notes an attempt at the tap of a card; none if there is none that may be sent.
fn begin(
    tx: &Transaction,
    candidate: &Head,
    now: &str,
    zone: &TimeZone,
) -> rusqlite::Result<Option<Outgoing>> {
    let next = if cfg!(feature = "unordered-delivery") {
        Some(candidate.clone())
    } else {
        next_of(tx, &candidate.uid)?
    };
    let Some(Head { id, .. }) = next else {
        return Ok(None);
    };
    let found = tx
        .prepare_cached(
            "SELECT id, uid, local_time, clock, idempotency_key, attempts, maybe_stored FROM tap \
             WHERE id = ?1 AND state = 'pending' AND clock <> 'held'",
        )?
        .query_row([id], outgoing)
        .optional()?;
    let Some(mut tap) = found else {
        return Ok(None);
    };
    // Until the end is known, the server may have it.
    tx.prepare_cached(
        "UPDATE tap SET attempts = attempts + 1, open_attempts = open_attempts + 1, maybe_stored = 1, \
         last_attempt_utc = ?2 WHERE id = ?1",
    )?
    .execute(params![id, now])?;
    if !tap.maybe_stored
        && let Some((from, to)) = out_of_the_window(tx, &tap)?
    {
        "uncertain".clone_into(&mut tap.clock);
        let offset: i32 = tx
            .prepare_cached("SELECT utc_offset_s FROM tap WHERE id = ?1")?
            .query_row([id], |row| row.get(0))?;
        let at = stamp::moved(from, to, offset, zone);
        tap.local_time = at
            .as_ref()
            .map_or_else(|| stamp::naive(to), stamp::naive_local);
        tx.prepare_cached(
            "UPDATE tap SET local_time = ?2, clock = 'uncertain', utc_offset_s = coalesce(?3, utc_offset_s), \
             utc_time = coalesce(?4, utc_time) WHERE id = ?1",
        )?
        .execute(params![
            id,
            tap.local_time,
            at.as_ref().map(|at| at.offset().seconds()),
            at.as_ref().map(stamp::utc)
        ])?;
    }
    Ok(Some(tap))
}

/// A time for a tap that the server would swallow, because its time happens to be that of the card's last row: clocks
/// that were wrong, or the hour that comes twice in autumn. The two were really further apart, or the second would not
/// have been counted. The last row is the tap before, or a later one where this tap was rejected and is sent again.
///
/// Its time and the other one, both local.
fn out_of_the_window(
    tx: &Transaction,
    tap: &Outgoing,
) -> rusqlite::Result<Option<(DateTime, DateTime)>> {
    let neighbour = |sql: &str| -> rusqlite::Result<Option<DateTime>> {
        let time: Option<String> = tx
            .prepare_cached(sql)?
            .query_row(params![tap.uid, tap.id], |row| row.get(0))
            .optional()?;
        Ok(time.and_then(|time| time.parse().ok()))
    };
    let before = neighbour(
        "SELECT local_time FROM tap WHERE uid = ?1 AND id < ?2 AND state <> 'rejected' ORDER BY id DESC LIMIT 1",
    )?;
    let after = neighbour(
        "SELECT local_time FROM tap WHERE uid = ?1 AND id > ?2 AND state = 'delivered' ORDER BY id DESC LIMIT 1",
    )?;
    let Ok(time) = tap.local_time.parse::<DateTime>() else {
        return Ok(None);
    };
    let near = |a: DateTime, b: DateTime| a.duration_since(b).abs() <= SERVER_WINDOW;
    let mut moved = time;
    if let Some(before) = before.filter(|before| near(moved, *before)) {
        moved = before.saturating_add(OUT_OF_WINDOW_S.seconds());
    }
    if let Some(after) = after.filter(|after| near(moved, *after)) {
        moved = after.saturating_sub(OUT_OF_WINDOW_S.seconds());
    }
    Ok((moved != time).then_some((time, moved)))
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
        maybe_stored: row.get(6)?,
    })
}

#[cfg(test)]
mod tests;
