//! Rejected taps become pending again, because a person says so.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::open;
use crate::attend::ledger::FILE;
use crate::say;

/// The row of `signal` at which the running service looks.
const SIGNAL: &str = "retries";

/// Which taps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Every rejected one.
    All,
    /// Those of these numbers.
    Numbers(Vec<i64>),
}

/// Result of a retry request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retried {
    /// Taps that are pending again.
    pub count: usize,
    /// Numbers that were left alone, with their state; none where there is no such tap.
    pub left: Vec<(i64, Option<String>)>,
}

/// Makes rejected taps pending again, in one transaction, and tells a running service. Their attempts stay
/// counted, so that a "duplicate" at the next one means that the server has the tap. Taps in any other state
/// are never touched.
///
/// # Errors
/// The ledger cannot be written, or an older version made it; nothing was changed.
pub fn retry(dir: &Path, which: &Which) -> Result<Retried> {
    let (mut db, tables) = open::open_to_change(dir)?;
    let shown = dir.join(FILE);
    let shown = shown.display();
    ensure!(
        tables.has("review") && tables.has_signal(),
        say!(
            "the ledger {shown} is of an older version; start the service once, which brings it up to date",
            "台帳 {shown} は古いバージョンです。サービスを一度起動すると更新されます"
        )
    );
    change(&mut db, which).with_context(|| {
        say!(
            "cannot write the ledger {shown}; nothing was changed",
            "台帳 {shown} に書き込めません。何も変更していません"
        )
    })
}

fn change(db: &mut Connection, which: &Which) -> rusqlite::Result<Retried> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut done = Retried::default();
    {
        // The review remark about the rejection is removed; other remarks stay.
        let again = |condition: &str, number: Option<i64>| -> rusqlite::Result<usize> {
            tx.prepare_cached(&format!(
                "UPDATE tap SET state = 'pending', settled_utc = NULL, review = \
                 nullif(trim(replace(' ' || review || ' ', ' unexpected-duplicate ', ' ')), '') \
                 WHERE state = 'rejected' AND {condition}"
            ))?
            .execute([number])
        };
        match which {
            Which::All => done.count = again("?1 IS NULL", None)?,
            Which::Numbers(numbers) => {
                for number in numbers {
                    if again("id = ?1", Some(*number))? > 0 {
                        done.count += 1;
                        continue;
                    }
                    let state = tx
                        .query_row("SELECT state FROM tap WHERE id = ?1", [number], |r| {
                            r.get(0)
                        })
                        .optional()?;
                    done.left.push((*number, state));
                }
            }
        }
    }
    if done.count > 0 {
        tx.execute(
            "INSERT INTO signal (name, count) VALUES (?1, 1) \
             ON CONFLICT (name) DO UPDATE SET count = count + 1",
            [SIGNAL],
        )?;
    }
    tx.commit()?;
    Ok(done)
}
