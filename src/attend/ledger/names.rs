//! The names of recorded taps, when the roster is corrected: whoever looks the person up later, perhaps after the line was
//! taken out of the roster, finds the right one.

use rusqlite::{Connection, Result, Transaction};

use super::query::likely;
use super::roster::{Directory, Whose};

/// A tap, and the name that it gets.
type Change = (i64, String);

/// Compares the names of at most `limit` taps behind the number `after` with the roster. Returns those that are others,
/// and the last tap that was looked at; none if there are no more. What the roster does not tell is left as it is.
pub(super) fn changes(
    db: &Connection,
    people: &Directory,
    after: i64,
    limit: usize,
) -> Result<(Vec<Change>, Option<i64>)> {
    let mut changes = Vec::new();
    let mut last = None;
    let mut statement = db.prepare_cached(
        "SELECT id, uid, name, local_time, utc_time FROM tap WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let mut rows = statement.query((after, i64::try_from(limit).unwrap_or(i64::MAX)))?;
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        let (id, card): (i64, String) = (row.get(0)?, row.get(1)?);
        let (name, time, utc): (Option<String>, String, String) =
            (row.get(2)?, row.get(3)?, row.get(4)?);
        let time = likely(&utc).then_some(time);
        if let Whose::Known(person) = people.whose_tap(&card, time.as_deref())
            && name.as_deref() != Some(&*person.name)
        {
            changes.push((id, person.name.to_string()));
        }
        seen += 1;
        last = Some(id);
    }
    Ok((changes, last.filter(|_| seen == limit)))
}

/// Writes the names.
pub(super) fn apply(tx: &Transaction, changes: &[Change]) -> Result<()> {
    let mut statement = tx.prepare_cached("UPDATE tap SET name = ?2 WHERE id = ?1")?;
    for (id, name) in changes {
        statement.execute((id, name))?;
    }
    Ok(())
}
