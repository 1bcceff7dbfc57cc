//! Quarantine and salvage: a damaged ledger is renamed, and a fresh one takes over the readable rows.
//!
//! The order of the steps is made for a power cut between any two of them. The fresh file is filled under another
//! name, then called [`READY`]; only then is the damaged one renamed, its journal first: a journal that is left beside
//! a file that it does not belong to would be played into it.

use std::fs::File;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};

use super::edition::{Identity, identity};
use super::journal::{beside, journal};
use super::schema;
use crate::say_error;

/// What is added to the name of the fresh file while it is filled.
const FILLING: &str = ".filling";
/// What is added once it is complete.
const READY: &str = ".ready";
/// What is added to the name of the damaged one, with a number.
const DAMAGED: &str = ".damaged";
/// SQLite's header at the beginning of the file, in bytes.
const HEADER: usize = 100;
/// After a row that cannot be read, so many numbers are tried one by one before larger steps are made: a page holds
/// fewer rows.
const NEAR: i64 = 500;
/// Bytes that a row takes at least.
const SMALLEST_ROW: u64 = 64;
/// More ids than any installation reaches; doubling steps cover them quickly.
const FARTHEST: i64 = 1 << 40;
/// Numbers that are left free after those that were seen, for rows that could not be read.
const GAP: i64 = 1000;

/// Sets `file` aside because of `why`, in favour of a fresh one with everything that can be read. Nobody may write
/// meanwhile. False, and nothing has changed, if that is not the file `found_in` any more in which the damage was seen
/// (none: there was no file): somebody has put another one in its place.
pub(super) fn quarantine(
    file: &Path,
    found_in: Option<Identity>,
    why: &anyhow::Error,
) -> Result<bool> {
    let name = file.display();
    let why = why.root_cause();
    let failed = || {
        format!(
            "the ledger {name} is damaged ({why}) and could not be replaced; free space on its disk, check that it \
             is not read-only"
        )
    };
    let is_it = || identity(file).ok() == found_in;
    if !is_it() {
        return Ok(false);
    }
    let taps = salvage(file).with_context(failed)?;
    // Check again: salvaging a large file takes long, and it may have been replaced meanwhile.
    if !is_it() {
        remove(&beside(file, FILLING)).with_context(failed)?;
        return Ok(false);
    }
    std::fs::rename(beside(file, FILLING), beside(file, READY)).with_context(failed)?;
    let aside = exchange(file).with_context(failed)?;
    let aside = aside.display();
    say_error!(
        "THE LEDGER {name} WAS DAMAGED ({why}): it is kept as {aside}; {taps} taps could be read and were \
             carried over; check the disk",
        "記録ファイル {name} が破損していました ({why})。{aside} として保存し、読み取れた {taps} 件を引き継ぎました。\
             ディスクを確認してください"
    );
    Ok(true)
}

/// Completes an exchange of files that a power cut interrupted.
pub(super) fn finish(file: &Path) -> Result<()> {
    let _ = remove(&beside(file, FILLING));
    if beside(file, READY).exists() {
        exchange(file).with_context(|| {
            format!(
                "cannot put the repaired ledger {} in its place",
                file.display()
            )
        })?;
    }
    Ok(())
}

/// Renames the damaged file and puts the complete fresh one in its place. Returns the damaged one's new name.
fn exchange(file: &Path) -> Result<PathBuf> {
    let free = |n: &u32| !beside(file, &format!("{DAMAGED}-{n}")).exists();
    let number = (1..).find(free).unwrap_or(u32::MAX);
    let aside = beside(file, &format!("{DAMAGED}-{number}"));
    for part in ["-wal", "-shm", ""] {
        let (from, to) = (beside(file, part), beside(&aside, part));
        if from.exists() {
            std::fs::rename(&from, &to)?;
        }
    }
    std::fs::rename(beside(file, READY), file)?;
    let folder = file.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(aside)
}

/// Makes a fresh ledger under the name of [`FILLING`] with the taps that can be read. Returns how many.
fn salvage(file: &Path) -> Result<u64> {
    let fresh_file = beside(file, FILLING);
    remove(&fresh_file)?;
    let mut fresh = schema::open(&fresh_file)?;
    // Without the journal, so that one file is all there is to rename.
    fresh.pragma_update(None, "journal_mode", "DELETE")?;
    let copy = beside(file, ".copy");
    let (saved, highest) = match readable(file, &fresh_file, &copy) {
        Ok(old) => salvage_rows(&old, &mut fresh)?,
        Err(_) => (0, 0),
    };
    // Whether the server has these is known as it was when the file was damaged, which may have been earlier.
    fresh.execute(
        "UPDATE tap SET review = trim(coalesce(review, '') || ' salvaged') WHERE state = 'pending'",
        [],
    )?;
    number_from(&fresh, highest)?;
    fresh.close().map_err(|(_, e)| e)?;
    remove(&copy)?;
    File::open(&fresh_file)?.sync_all()?;
    Ok(saved)
}

/// The damaged file, open for reading. Where its header is gone, a copy of it with that of a fresh ledger.
fn readable(file: &Path, fresh: &Path, copy: &Path) -> Result<Connection> {
    // SQLite would discard the journal of an empty file.
    let empty = !std::fs::metadata(file).is_ok_and(|m| m.len() > 0);
    if !empty && let Ok(db) = open_for_reading(file) {
        return Ok(db);
    }
    remove(copy)?;
    // What an empty file lacks is like a fresh one, as far as the journal does not say otherwise.
    std::fs::copy(if empty { fresh } else { file }, copy)?;
    let left = journal(file);
    if left.exists() {
        std::fs::copy(left, journal(copy))?;
    }
    let mut header = [0; HEADER];
    File::open(fresh)?.read_exact_at(&mut header, 0)?;
    // With a journal; the length in pages (none: that of the file), the list of free pages (none).
    header[18..20].fill(2);
    header[28..40].fill(0);
    File::options()
        .write(true)
        .open(copy)?
        .write_all_at(&header, 0)?;
    open_for_reading(copy)
}

fn open_for_reading(file: &Path) -> Result<Connection> {
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.pragma_update(None, "query_only", true)?;
    db.prepare("SELECT id, uid, state FROM tap LIMIT 0")?;
    Ok(db)
}

/// Copies every tap of a sound ledger that lost its name, and goes on with its numbers. Returns how many.
pub(super) fn carry_over_all(old: &Connection, fresh: &mut Connection) -> Result<u64> {
    let (saved, highest) = salvage_rows(old, fresh)?;
    number_from(fresh, highest)?;
    Ok(saved)
}

/// The next tap gets a number that was never used.
fn number_from(fresh: &Connection, highest: i64) -> Result<()> {
    fresh.execute("DELETE FROM sqlite_sequence WHERE name = 'tap'", [])?;
    fresh.execute(
        "INSERT INTO sqlite_sequence (name, seq) VALUES ('tap', ?1)",
        [highest + GAP],
    )?;
    Ok(())
}

/// Copies every tap that can be read. Returns how many, and the highest number that was seen.
fn salvage_rows(old: &Connection, fresh: &mut Connection) -> Result<(u64, i64)> {
    // An older file has fewer columns.
    let mut columns = schema::tap_columns(fresh)?;
    let known = schema::tap_columns(old)?;
    columns.retain(|c| known.contains(c));
    let list = columns.join(", ");
    let places = vec!["?"; columns.len()].join(", ");
    let known = highest_number(old);
    let limit = known.unwrap_or(FARTHEST);
    let tx = fresh.transaction()?;
    let mut saved = 0;
    let mut last = 0;
    {
        let mut insert = tx.prepare(&format!(
            "INSERT OR IGNORE INTO tap ({list}) VALUES ({places})"
        ))?;
        let mut copy = |row: &Row, within: RangeInclusive<i64>| {
            let values: rusqlite::Result<Vec<Value>> =
                (0..columns.len()).map(|i| row.get(i)).collect();
            // Garbage may be any number, and damaged pages may form a loop.
            let id = row.get(0).ok().filter(|id| within.contains(id))?;
            // The constraints of the table reject garbage.
            saved += insert.execute(params_from_iter(values.ok()?)).unwrap_or(0) as u64;
            Some(id)
        };
        let mut select = old.prepare(&format!(
            "SELECT {list} FROM tap NOT INDEXED WHERE id >= ?1 ORDER BY id"
        ))?;
        let mut select_back = old.prepare(&format!(
            "SELECT {list} FROM tap NOT INDEXED WHERE id < ?1 AND id > ?2 ORDER BY id DESC"
        ))?;
        let (mut from, mut step) = (1i64, 1i64);
        let mut patience = most_rows(old);
        while from <= limit {
            let Ok(mut rows) = select.query([from]) else {
                break;
            };
            let complete = loop {
                match rows.next() {
                    Ok(None) => break true,
                    Ok(Some(row)) => {
                        patience -= 1;
                        if let Some(id) = copy(row, from..=limit) {
                            (last, from, step) = (last.max(id), id.saturating_add(1), 1);
                        }
                        if patience == 0 {
                            break true;
                        }
                    }
                    Err(_) => break false,
                }
            };
            if complete {
                break;
            }
            // Skip unreadable ids: one by one first, then in doubling steps. What a step passed by is read backwards from
            // where it landed.
            let before = from;
            from = from.saturating_add(step);
            if step > 1
                && let Ok(mut rows) = select_back.query([from, before])
            {
                while let Ok(Some(row)) = rows.next()
                    && patience > 1
                {
                    patience -= 1;
                    copy(row, before..=from);
                }
            }
            if from - last > NEAR {
                step = step.saturating_mul(2);
            }
        }
    }
    tx.commit()?;
    Ok((saved, known.unwrap_or(last).max(last)))
}

/// More rows than fit into the file mean a loop of damaged pages.
fn most_rows(old: &Connection) -> u64 {
    let length = old
        .path()
        .and_then(|path| std::fs::metadata(path).ok())
        .map_or(0, |m| m.len());
    length / SMALLEST_ROW + 1
}

/// The highest number that was ever given, if that can still be read.
fn highest_number(old: &Connection) -> Option<i64> {
    let ask = |sql| old.query_row(sql, [], |row| row.get::<_, i64>(0)).ok();
    let noted = ask("SELECT seq FROM sqlite_sequence WHERE name = 'tap'");
    let there = ask("SELECT max(id) FROM tap NOT INDEXED");
    // Garbage may be any number.
    noted.max(there).filter(|n| (1..=FARTHEST).contains(n))
}

/// Removes a file that may not be there, with what SQLite left beside it.
fn remove(file: &Path) -> std::io::Result<()> {
    for part in ["", "-wal", "-shm", "-journal"] {
        match std::fs::remove_file(beside(file, part)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
