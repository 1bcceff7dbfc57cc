//! Summary of the ledger in numbers.

use anyhow::{Context as _, Result};
use rusqlite::{OptionalExtension as _, Row as SqlRow};

use super::View;

/// Summary of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overview {
    /// Taps that the server does not have yet, those that are held among them.
    pub pending: u64,
    /// Taps that wait for the clock to be synchronised.
    pub held: u64,
    /// Taps that the server has.
    pub delivered: u64,
    /// Taps that the server will never take by itself.
    pub rejected: u64,
    /// Taps that a person should look at.
    pub review: u64,
    /// Repeats that are still listed.
    pub repeats: u64,
    /// Refused cards that are still listed.
    pub refused: u64,
    /// The oldest tap that the server does not have.
    pub oldest_pending: Option<Waiting>,
    /// When the server took a tap last, UTC.
    pub last_delivery: Option<String>,
    /// What the server answered last.
    pub last_answer: Option<Answer>,
    /// Pending taps with at least one failed attempt.
    pub in_vain: u64,
    /// What was answered last to one of those, or why nothing was.
    pub last_in_vain: Option<Answer>,
    /// The number that the next tap gets.
    pub next_number: i64,
}

/// A tap that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub number: i64,
    /// Local time without offset.
    pub local_time: String,
    /// UTC.
    pub utc_time: String,
}

/// An answer of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The tap that was sent.
    pub number: i64,
    /// When it was sent, UTC.
    pub sent_utc: String,
    /// Status and beginning of the answer.
    pub text: String,
}

/// A card without a name, and when it was tapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The card, upper-case hex.
    pub uid: String,
    /// How many taps have no name.
    pub taps: u64,
    /// Local time of the first of them.
    pub first: String,
    /// Local time of the last of them.
    pub last: String,
}

impl View {
    /// Counts everything. One pass over the taps: a second for a million.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn overview(&self) -> Result<Overview> {
        self.count_all().with_context(|| self.failure())
    }

    fn count_all(&self) -> rusqlite::Result<Overview> {
        let number = |sql: &str| -> rusqlite::Result<u64> {
            let n: i64 = self.db.query_row(sql, [], |r| r.get(0))?;
            Ok(n.unsigned_abs())
        };
        let taps = |condition: &str| number(&format!("SELECT count(*) FROM tap WHERE {condition}"));
        let uncounted = |outcome: &str| {
            if self.tables.has_uncounted() {
                number(&format!(
                    "SELECT count(*) FROM uncounted WHERE outcome = '{outcome}'"
                ))
            } else {
                Ok(0)
            }
        };
        let (clock, review) = (self.tables.or_null("clock"), self.tables.or_null("review"));
        let waiting = |r: &SqlRow| {
            Ok(Waiting {
                number: r.get(0)?,
                local_time: r.get(1)?,
                utc_time: r.get(2)?,
            })
        };
        let answer = |r: &SqlRow| {
            Ok(Answer {
                number: r.get(0)?,
                sent_utc: r.get(1)?,
                text: r.get(2)?,
            })
        };
        Ok(Overview {
            pending: taps("state = 'pending'")?,
            held: taps(&format!("{clock} = 'held'"))?,
            delivered: taps("state = 'delivered'")?,
            rejected: taps("state = 'rejected'")?,
            review: taps(&format!("{review} IS NOT NULL"))?,
            repeats: uncounted("repeat")?,
            refused: uncounted("refused")?,
            oldest_pending: self
                .db
                .query_row(
                    "SELECT id, local_time, utc_time FROM tap \
                     WHERE id = (SELECT min(id) FROM tap WHERE state = 'pending')",
                    [],
                    waiting,
                )
                .optional()?,
            last_delivery: self.db.query_row(
                "SELECT max(settled_utc) FROM tap WHERE state = 'delivered'",
                [],
                |r| r.get(0),
            )?,
            last_answer: self
                .db
                .query_row(
                    "SELECT id, max(last_attempt_utc), answer FROM tap \
                     WHERE answer IS NOT NULL AND last_attempt_utc IS NOT NULL HAVING id IS NOT NULL",
                    [],
                    answer,
                )
                .optional()?,
            in_vain: taps("state = 'pending' AND answer IS NOT NULL")?,
            last_in_vain: self
                .db
                .query_row(
                    "SELECT id, max(last_attempt_utc), answer FROM tap WHERE state = 'pending' \
                     AND answer IS NOT NULL AND last_attempt_utc IS NOT NULL HAVING id IS NOT NULL",
                    [],
                    answer,
                )
                .optional()?,
            next_number: self
                .db
                .query_row(
                    "SELECT seq + 1 FROM sqlite_sequence WHERE name = 'tap'",
                    [],
                    |r| r.get(0),
                )
                .optional()?
                .unwrap_or(1),
        })
    }

    /// The cards of taps without a name, the most recent last.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn nameless(&self) -> Result<Vec<Card>> {
        let name = self.tables.or_null("name");
        let sql = format!(
            "WITH card AS (SELECT uid, count(*) AS taps, min(id) AS first, max(id) AS last \
                           FROM tap WHERE {name} IS NULL GROUP BY uid) \
             SELECT card.uid, taps, a.local_time, b.local_time FROM card \
             JOIN tap AS a ON a.id = card.first JOIN tap AS b ON b.id = card.last ORDER BY card.last"
        );
        let read = || -> rusqlite::Result<Vec<Card>> {
            self.db
                .prepare(&sql)?
                .query_map([], |r| {
                    let taps: i64 = r.get(1)?;
                    Ok(Card {
                        uid: r.get(0)?,
                        taps: taps.unsigned_abs(),
                        first: r.get(2)?,
                        last: r.get(3)?,
                    })
                })?
                .collect()
        };
        read().with_context(|| self.failure())
    }
}
