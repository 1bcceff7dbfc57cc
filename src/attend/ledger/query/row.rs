//! A row of list and export, and how it is asked for, whatever version wrote the tables.

use rusqlite::{Connection, Result, Row as SqlRow};

use super::{Filter, Only};
use crate::attend::ledger::timekeeper::plausible;
use crate::attend::trace::Outcome;
use crate::base::outside::plain;

/// Whether a moment of the ledger can be right.
pub fn likely(utc_time: &str) -> bool {
    utc_time.parse().is_ok_and(plausible)
}

/// A tap, or a card that was read and not counted. Words and times are those of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Number of the tap; none if it was not counted.
    pub number: Option<i64>,
    /// The outcome.
    pub outcome: Outcome,
    /// The card, upper-case hex.
    pub uid: String,
    /// Its type.
    pub card: Option<String>,
    /// The person, if the roster told.
    pub name: Option<String>,
    /// The reader.
    pub reader: String,
    /// Local time without offset, `2026-11-21T09:00:05.123456`.
    pub local_time: String,
    /// Its offset from UTC in seconds.
    pub offset_s: i64,
    /// The same moment in UTC, with `Z`.
    pub utc_time: String,
    /// `held`, `synchronised`, `corrected` or `uncertain`; none if it was not counted.
    pub clock: Option<String>,
    /// Faces in view; none where no camera could tell.
    pub faces: Option<i64>,
    /// For how long the nearest had been in view, in milliseconds.
    pub nearest_face_ms: Option<i64>,
    /// `pending`, `delivered` or `rejected`; none if it was not counted.
    pub state: Option<String>,
    /// Attempts of delivery.
    pub attempts: Option<i64>,
    /// What the server answered last.
    pub answer: Option<String>,
    /// Review remarks: why a person should look at it.
    pub review: Option<String>,
    /// Why it was not counted.
    pub why: Option<String>,
}

impl Row {
    /// The local time, unless the clock had never been set.
    #[must_use]
    pub fn likely_time(&self) -> Option<&str> {
        likely(&self.utc_time).then_some(self.local_time.as_str())
    }

    /// Reads the columns of [`Tables::select`], of which the first two are the place.
    pub(super) fn read(r: &SqlRow) -> Result<Self> {
        // A version of before has stored what came as it came.
        let outside = |column: usize| -> Result<Option<String>> {
            Ok(r.get::<_, Option<String>>(column)?.map(|text| plain(&text)))
        };
        let outcome: String = r.get(2)?;
        let outcome = match outcome.as_str() {
            "repeat" => Outcome::Repeat,
            "refused" => Outcome::Refused,
            _ => Outcome::Counted,
        };
        Ok(Self {
            number: match outcome {
                Outcome::Counted => r.get(0)?,
                _ => None,
            },
            outcome,
            uid: r.get(3)?,
            card: r.get(4)?,
            name: outside(5)?,
            reader: outside(6)?.unwrap_or_default(),
            local_time: r.get(7)?,
            offset_s: r.get(8)?,
            utc_time: r.get(9)?,
            clock: r.get(10)?,
            faces: r.get(11)?,
            nearest_face_ms: r.get(12)?,
            state: r.get(13)?,
            attempts: r.get(14)?,
            answer: outside(15)?,
            review: r.get(16)?,
            why: outside(17)?,
        })
    }
}

/// What the tables of this file have: an older version is read as it is.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    columns: Vec<String>,
    uncounted: bool,
    signal: bool,
}

/// Without these columns it is no ledger; they are there since version 1.
const NEEDED: [&str; 10] = [
    "id",
    "uid",
    "card",
    "reader",
    "local_time",
    "utc_offset_s",
    "utc_time",
    "state",
    "attempts",
    "answer",
];

impl Tables {
    /// Looks at the tables; none if they lack what every version has.
    pub fn of(db: &Connection) -> Result<Option<Self>> {
        let columns: Vec<String> = db
            .prepare("SELECT name FROM pragma_table_info('tap')")?
            .query_map([], |r| r.get(0))?
            .collect::<Result<_>>()?;
        let table = |name: &str| -> Result<bool> {
            db.query_row(
                "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1",
                [name],
                |r| r.get(0),
            )
        };
        let tables = Self {
            uncounted: table("uncounted")?,
            signal: table("signal")?,
            columns,
        };
        Ok(NEEDED.iter().all(|c| tables.has(c)).then_some(tables))
    }

    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|c| c == column)
    }

    /// Whether there is a list of cards that were not counted.
    pub const fn has_uncounted(&self) -> bool {
        self.uncounted
    }

    /// Whether a running service can be told of a change.
    pub const fn has_signal(&self) -> bool {
        self.signal
    }

    /// A column, or null where this version has none.
    pub fn or_null(&self, column: &'static str) -> &'static str {
        if self.has(column) { column } else { "NULL" }
    }

    fn clock(&self) -> &'static str {
        if self.has("clock") {
            "clock"
        } else if self.has("clock_synchronised") {
            "CASE clock_synchronised WHEN 1 THEN 'synchronised' ELSE 'uncertain' END"
        } else {
            "'uncertain'"
        }
    }

    /// The condition of a tap whose time is not known for certain.
    pub fn uncertain(&self) -> String {
        format!("{} IN ('uncertain', 'held')", self.clock())
    }

    /// The statement for a page: place (?1, ?2), period (?3, ?4), how many (?5).
    pub fn select(&self, filter: &Filter, forwards: bool) -> String {
        let (than, order) = if forwards { (">", "") } else { ("<", "DESC") };
        let only = match filter.only {
            Only::All => "1",
            // The plus keeps to the order of numbers: the index of pending taps would have to be sorted anew
            // for every page.
            Only::Pending => "+state = 'pending'",
            Only::Rejected => "state = 'rejected'",
            Only::Review if self.has("review") => "review IS NOT NULL",
            Only::Review => "0",
        };
        let (name, faces, nearest, review, clock) = (
            self.or_null("name"),
            self.or_null("faces"),
            self.or_null("nearest_face_ms"),
            self.or_null("review"),
            self.clock(),
        );
        let taps = format!(
            "SELECT id AS a, 0 AS b, 'counted', uid, card, {name}, reader, local_time, utc_offset_s, \
             utc_time, {clock}, {faces}, {nearest}, state, attempts, answer, {review}, NULL \
             FROM tap WHERE id {than} ?1 \
             AND utc_time >= ?3 AND utc_time < ?4 AND {only}"
        );
        let more = if filter.uncounted && self.uncounted && filter.only == Only::All {
            format!(
                " UNION ALL SELECT after_tap, id, outcome, uid, NULL, name, reader, local_time, \
                 utc_offset_s, utc_time, NULL, NULL, NULL, NULL, NULL, NULL, NULL, why \
                 FROM uncounted WHERE (after_tap, id) {than} (?1, ?2) \
                 AND utc_time >= ?3 AND utc_time < ?4"
            )
        } else {
            String::new()
        };
        format!("{taps}{more} ORDER BY 1 {order}, 2 {order} LIMIT ?5")
    }
}
