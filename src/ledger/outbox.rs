//! The delivering end of the ledger: what the server does not have yet, in order per card.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use jiff::Zoned;
use rusqlite::{Connection, Row, params};

use super::{FILE, schema, stamp};

/// A tap on its way to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its number in the ledger.
    pub id: i64,
    /// The card, upper-case hex.
    pub uid: String,
    /// When, local time without offset.
    pub local_time: String,
    /// The same at every attempt.
    pub idempotency_key: String,
    /// Attempts before this one.
    pub attempts: i64,
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The server has it.
    Delivered,
    /// The server will never take it.
    Rejected,
}

/// The delivering end of the ledger, over a connection of its own.
#[derive(Debug)]
pub struct Outbox {
    file: PathBuf,
    db: Connection,
}

impl Outbox {
    /// Opens the ledger in `dir`.
    ///
    /// # Errors
    /// The file cannot be used; the message names it.
    pub fn open(dir: &Path) -> Result<Self> {
        let file = dir.join(FILE);
        Ok(Self {
            db: schema::open(&file)?,
            file,
        })
    }

    /// The oldest pending tap of each card, least tried first, then oldest first: the only ones that may
    /// be sent now, for the server tells a retry only by the last tap of the card. With `fresh_only`
    /// just those that were never tried.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn heads(&self, fresh_only: bool) -> Result<Vec<i64>> {
        // One step of the recursion jumps to the next card on the index of pending taps, so that a
        // million taps of a few cards cost no more than a few cards.
        self.reading(|db| {
            db.prepare_cached(
                "WITH RECURSIVE head (uid, id) AS (
                   SELECT * FROM (SELECT uid, id FROM tap WHERE state = 'pending'
                                  ORDER BY uid, id LIMIT 1)
                   UNION ALL
                   SELECT (SELECT uid FROM tap WHERE state = 'pending' AND uid > head.uid
                           ORDER BY uid LIMIT 1),
                          (SELECT id FROM tap WHERE state = 'pending' AND uid > head.uid
                           ORDER BY uid, id LIMIT 1)
                   FROM head WHERE head.uid IS NOT NULL
                 )
                 SELECT tap.id FROM head JOIN tap ON tap.id = head.id
                 WHERE NOT ?1 OR tap.attempts = 0 ORDER BY tap.attempts, tap.id",
            )?
            .query_map([fresh_only], |row| row.get(0))?
            .collect()
        })
    }

    /// How many taps are pending.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn pending(&self) -> Result<u64> {
        schema::count(&self.db, "pending").with_context(|| self.failure("read"))
    }

    /// Notes an attempt, durably, and only then hands out the tap that it is about. None if the tap is
    /// not pending any more.
    ///
    /// # Errors
    /// The ledger cannot be written. No attempt must be made.
    pub fn begin_attempt(&self, id: i64, now: &Zoned) -> Result<Option<Outgoing>> {
        self.writing(|db| {
            db.prepare_cached(
                "UPDATE tap SET attempts = attempts + 1, last_attempt_utc = ?2 \
                 WHERE id = ?1 AND state = 'pending' \
                 RETURNING id, uid, local_time, idempotency_key, attempts - 1",
            )?
            .query_map(params![id, stamp::utc(now)], outgoing)?
            .next()
            .transpose()
        })
    }

    /// Notes how a delivery ended, and the server's answer.
    ///
    /// # Errors
    /// The ledger cannot be written. The tap stays pending and is sent again, which the server takes
    /// for a duplicate.
    pub fn settle(&self, id: i64, how: Settled, answer: &str, now: &Zoned) -> Result<()> {
        let state = match how {
            Settled::Delivered => "delivered",
            Settled::Rejected => "rejected",
        };
        self.writing(|db| {
            db.prepare_cached(
                "UPDATE tap SET state = ?2, answer = ?3, settled_utc = ?4 WHERE id = ?1",
            )?
            .execute(params![id, state, answer, stamp::utc(now)])
        })?;
        Ok(())
    }

    /// Notes what came of an attempt after which the tap stays pending.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn note_trouble(&self, id: i64, answer: &str) -> Result<()> {
        self.writing(|db| {
            db.prepare_cached("UPDATE tap SET answer = ?2 WHERE id = ?1")?
                .execute(params![id, answer])
        })?;
        Ok(())
    }

    fn reading<T>(&self, act: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        act(&self.db).with_context(|| self.failure("read"))
    }

    fn writing<T>(&self, act: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        act(&self.db).with_context(|| self.failure("write"))
    }

    fn failure(&self, verb: &str) -> String {
        format!("cannot {verb} the ledger {}", self.file.display())
    }
}

fn outgoing(row: &Row) -> rusqlite::Result<Outgoing> {
    Ok(Outgoing {
        id: row.get(0)?,
        uid: row.get(1)?,
        local_time: row.get(2)?,
        idempotency_key: row.get(3)?,
        attempts: row.get(4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::{Book, CLOCK_STEP};

    #[test]
    fn only_the_oldest_tap_of_a_card_may_be_sent() {
        let mut book = Book::new();
        let (a1, b1) = (book.count(1), book.count(2));
        book.advance(CLOCK_STEP);
        let a2 = book.count(1);
        let outbox = book.outbox();
        assert_eq!(outbox.heads(false).unwrap(), [a1, b1]);
        assert_eq!(outbox.pending().unwrap(), 3);
        outbox
            .settle(a1, Settled::Delivered, "200", &book.wall())
            .unwrap();
        assert_eq!(outbox.heads(false).unwrap(), [b1, a2]);
        outbox
            .settle(b1, Settled::Rejected, "400", &book.wall())
            .unwrap();
        assert_eq!(outbox.heads(false).unwrap(), [a2]);
        outbox
            .settle(a2, Settled::Delivered, "200", &book.wall())
            .unwrap();
        assert_eq!(outbox.heads(false).unwrap(), [0i64; 0]);
    }

    #[test]
    fn what_was_tried_steps_back_behind_what_was_not() {
        let mut book = Book::new();
        let (a, b, c) = (book.count(1), book.count(2), book.count(3));
        let outbox = book.outbox();
        let tried = outbox.begin_attempt(a, &book.wall()).unwrap().unwrap();
        assert_eq!((tried.id, tried.attempts), (a, 0));
        assert_eq!(outbox.heads(false).unwrap(), [b, c, a]);
        assert_eq!(outbox.heads(true).unwrap(), [b, c]);
        let again = outbox.begin_attempt(a, &book.wall()).unwrap().unwrap();
        assert_eq!(again.attempts, 1, "each attempt is noted before it is made");
        assert_eq!(again.idempotency_key, tried.idempotency_key);
        assert_eq!(again.idempotency_key.len(), 32);
    }

    #[test]
    fn a_settled_tap_is_not_tried_again() {
        let mut book = Book::new();
        let a = book.count(1);
        let outbox = book.outbox();
        outbox
            .settle(a, Settled::Rejected, "400", &book.wall())
            .unwrap();
        assert_eq!(outbox.begin_attempt(a, &book.wall()).unwrap(), None);
    }
}
