//! Times in the ledger: the anchor of this boot, and taps that wait for the right time.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::stamp::{naive_local, utc};
use super::timekeeper::{Anchor, Trust, plausible};
use super::whole_milliseconds;

/// The anchor that was noted in this boot.
pub(super) fn noted_anchor(db: &Connection, boot_id: &str) -> rusqlite::Result<Option<Anchor>> {
    let noted: Option<(i64, String)> = db
        .prepare_cached("SELECT boottime_ms, utc_time FROM anchor WHERE boot_id = ?1")?
        .query_row([boot_id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    // A value that is not a time was not written by us: ignore it.
    Ok(noted.and_then(|(boottime, utc)| {
        Some(Anchor {
            boottime: Duration::from_millis(u64::try_from(boottime).ok()?),
            utc: utc.parse().ok()?,
        })
    }))
}

/// Stores the anchor of this boot; those of other boots are obsolete.
pub(super) fn note_anchor(
    tx: &Transaction,
    boot_id: &str,
    anchor: &Anchor,
) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM anchor WHERE boot_id <> ?1")?
        .execute([boot_id])?;
    tx.prepare_cached(
        "INSERT OR REPLACE INTO anchor (boot_id, boottime_ms, utc_time) VALUES (?1, ?2, ?3)",
    )?
    .execute(params![
        boot_id,
        whole_milliseconds(anchor.boottime),
        format!("{:.6}", anchor.utc),
    ])?;
    Ok(())
}

/// Which taps are given other times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those with an uncertain time: the clock is now known to be right.
    Doubtful,
    /// Those from before the clock was first set: it may be right now.
    Unset,
}

/// Gives taps of this boot that were not sent yet the times that `anchor` tells. How many.
pub(super) fn correct(
    tx: &Transaction,
    boot_id: &str,
    anchor: &Anchor,
    zone: &TimeZone,
    whose: Whose,
) -> rusqlite::Result<u64> {
    // The taps of this boot are the last ones; before them nothing is to be done.
    let mut found = Vec::new();
    let mut taps = tx.prepare_cached(
        "SELECT id, boottime_ms, boot_id, clock IN ('held', 'uncertain') AND attempts = 0 AND state = 'pending', \
         utc_time FROM tap ORDER BY id DESC",
    )?;
    let mut rows = taps.query([])?;
    while let Some(row) = rows.next()? {
        if row.get_ref(2)?.as_str()? != boot_id {
            break;
        }
        let utc: Option<Timestamp> = row.get_ref(4)?.as_str()?.parse().ok();
        if row.get(3)? && (whose == Whose::Doubtful || !utc.is_some_and(plausible)) {
            found.push((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        }
    }
    drop(rows);
    let mut update = tx.prepare_cached(
        "UPDATE tap SET local_time = ?2, utc_offset_s = ?3, utc_time = ?4, clock = ?5 WHERE id = ?1",
    )?;
    let trust = match whose {
        Whose::Doubtful => Trust::Corrected,
        Whose::Unset => Trust::Uncertain,
    };
    let count = found.len() as u64;
    for (id, boottime) in found {
        let boottime = Duration::from_millis(u64::try_from(boottime).unwrap_or_default());
        let wall = anchor.utc_at(boottime).to_zoned(zone.clone());
        update.execute(params![
            id,
            naive_local(&wall),
            wall.offset().seconds(),
            utc(&wall),
            trust.word()
        ])?;
    }
    Ok(count)
}

/// Lets go of taps that have waited for the right time for as long as `hold`, or whose boot is over, so that they can
/// be sent as they are. How many.
pub(super) fn release(
    tx: &Transaction,
    boot_id: &str,
    boottime: Duration,
    hold: Duration,
) -> rusqlite::Result<usize> {
    let latest = whole_milliseconds(boottime.saturating_sub(hold));
    tx.prepare_cached(
        "UPDATE tap SET clock = 'uncertain' \
         WHERE clock = 'held' AND (boot_id <> ?1 OR boottime_ms <= ?2)",
    )?
    .execute(params![boot_id, latest])
}

/// Releases cards for which no late answer of the server is possible any more. Returns how many.
pub(super) fn end_quiet(
    tx: &Transaction,
    boot_id: &str,
    boottime: Duration,
) -> rusqlite::Result<usize> {
    tx.prepare_cached("DELETE FROM quiet WHERE boot_id <> ?1 OR until_ms <= ?2")?
        .execute(params![boot_id, whole_milliseconds(boottime)])
}

/// Whether any card is kept quiet.
pub(super) fn any_quiet(db: &Connection) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM quiet)")?
        .query_row([], |row| row.get(0))
}

/// Whether any tap waits for the right time.
pub(super) fn any_held(db: &Connection) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM tap WHERE clock = 'held')")?
        .query_row([], |row| row.get(0))
}

/// Removes up to `most` delivered taps that were settled before `before`, oldest first. How many.
pub(super) fn prune(tx: &Transaction, before: Timestamp, most: usize) -> rusqlite::Result<usize> {
    // Taps are settled nearly in their order: the first young one ends the search, or each call would read them all.
    let mut old = Vec::new();
    let before = format!("{before:.6}");
    let mut taps = tx.prepare_cached(
        "SELECT id, utc_time < ?1, state = 'delivered' AND settled_utc < ?1 FROM tap ORDER BY id",
    )?;
    let mut rows = taps.query([&before])?;
    while let Some(row) = rows.next()? {
        if !row.get::<_, bool>(1)? || old.len() == most {
            break;
        }
        if row.get(2)? {
            old.push(row.get::<_, i64>(0)?);
        }
    }
    drop(rows);
    let mut delete = tx.prepare_cached("DELETE FROM tap WHERE id = ?1")?;
    for id in &old {
        delete.execute([id])?;
    }
    Ok(old.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attend::ledger::tests::{Book, CLOCK_STEP};

    #[test]
    fn only_old_delivered_taps_are_removed() {
        let mut book = Book::new();
        let ids: Vec<i64> = (1..=4).map(|n| book.count(n)).collect();
        book.settle(ids[0], true);
        book.settle(ids[1], false);
        book.settle(ids[3], true);
        book.advance(CLOCK_STEP);
        let young = book.count(5);
        book.settle(young, true);
        let before = book.wall().timestamp();
        assert_eq!(book.transact(|tx| prune(tx, before, 1)), 1);
        assert_eq!(book.transact(|tx| prune(tx, before, 100)), 1);
        assert_eq!(book.transact(|tx| prune(tx, before, 100)), 0);
        // The rejected, the pending and the young one.
        assert_eq!(book.ids(), [ids[1], ids[2], young]);
        assert!(book.count(6) > young, "no number is used again");
    }

    #[test]
    fn an_anchor_is_noted_for_its_boot_alone() {
        let book = Book::new();
        let anchor = Anchor {
            boottime: Duration::from_secs(5),
            utc: book.wall().timestamp(),
        };
        for boot in ["a", "b"] {
            book.transact(|tx| note_anchor(tx, boot, &anchor));
        }
        let noted = |boot| book.transact(|tx| noted_anchor(tx, boot));
        assert_eq!(noted("b"), Some(anchor));
        assert_eq!(noted("a"), None);
    }
}
