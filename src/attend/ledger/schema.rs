//! The tables of the ledger, and how older files are brought up to date.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::reserve::share;
use crate::say_info;

/// One entry brings a file from the version before to the next; `PRAGMA user_version` counts them. An
/// entry that was released is never changed.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE tap (
    -- Never used again, not even after a deletion: the order of taps.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL,
    card TEXT NOT NULL,
    reader TEXT NOT NULL,
    -- What the server gets: local time without offset, as the old client wrote it.
    local_time TEXT NOT NULL,
    utc_offset_s INTEGER NOT NULL,
    utc_time TEXT NOT NULL,
    boottime_ms INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    clock_synchronised INTEGER NOT NULL CHECK (clock_synchronised IN (0, 1)),
    idempotency_key TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'rejected')),
    -- Counted before each attempt, so that one whose answer was lost is known.
    attempts INTEGER NOT NULL DEFAULT 0,
    last_attempt_utc TEXT,
    -- Status and beginning of what the server answered last.
    answer TEXT,
    -- When it was delivered or rejected.
    settled_utc TEXT
) STRICT;
CREATE INDEX tap_by_card ON tap (uid, id);
CREATE INDEX tap_pending ON tap (uid, id) WHERE state = 'pending';
",
    "
-- Says in the file's header whose it is, to file(1) and to us: \"FTap\", see APPLICATION_ID.
PRAGMA application_id = 0x46546170;
",
    "
-- From the roster, when the card was tapped.
ALTER TABLE tap ADD COLUMN name TEXT;
-- How far the times can be trusted. held: the clock is about to be synchronised, the tap waits for it;
-- synchronised: it was; corrected: told from a synchronisation of the same boot; uncertain: as good as can be known.
ALTER TABLE tap ADD COLUMN clock TEXT NOT NULL DEFAULT 'uncertain'
    CHECK (clock IN ('held', 'synchronised', 'corrected', 'uncertain'));
UPDATE tap SET clock = 'synchronised' WHERE clock_synchronised = 1;
-- Faces in view, and for how long the nearest had been; null where no camera could tell.
ALTER TABLE tap ADD COLUMN faces INTEGER;
ALTER TABLE tap ADD COLUMN nearest_face_ms INTEGER;
-- Why a person should look at this tap; words separated by spaces.
ALTER TABLE tap ADD COLUMN review TEXT;
-- Attempts of which it is not known that the server is done with them: it was too slow, or we were killed.
ALTER TABLE tap ADD COLUMN open_attempts INTEGER NOT NULL DEFAULT 0;
-- Cards of which the server may still store a tap once more: until then it must find that tap to be the last of its
-- card, and none is sent after it. Milliseconds since this boot.
CREATE TABLE quiet (
    uid TEXT PRIMARY KEY,
    boot_id TEXT NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX tap_held ON tap (id) WHERE clock = 'held';
CREATE INDEX tap_review ON tap (id) WHERE review IS NOT NULL;
-- Cards that were read but not counted, for whoever asks why. Never delivered; bounded.
CREATE TABLE uncounted (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    outcome TEXT NOT NULL CHECK (outcome IN ('repeat', 'refused')),
    -- The last tap before it: the order among them.
    after_tap INTEGER NOT NULL,
    uid TEXT NOT NULL,
    name TEXT,
    reader TEXT NOT NULL,
    local_time TEXT NOT NULL,
    utc_offset_s INTEGER NOT NULL,
    utc_time TEXT NOT NULL,
    why TEXT
) STRICT;
-- A moment of one boot whose wall time was right.
CREATE TABLE anchor (
    boot_id TEXT PRIMARY KEY,
    boottime_ms INTEGER NOT NULL,
    utc_time TEXT NOT NULL
) STRICT;
-- Counted up by other programs to tell the running service that they changed something: 'retries'.
CREATE TABLE signal (
    name TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT;
",
    "
-- Whether the server may have a pending tap, because the answer to an attempt was lost. Such a tap is sent before older
-- ones of its card that were rejected and made pending again: the server knows it only as long as it is the last.
ALTER TABLE tap ADD COLUMN maybe_stored INTEGER NOT NULL DEFAULT 0 CHECK (maybe_stored IN (0, 1));
UPDATE tap SET maybe_stored = 1 WHERE state = 'pending' AND attempts > 0;
CREATE INDEX tap_maybe_stored ON tap (uid, id) WHERE state = 'pending' AND maybe_stored = 1;
CREATE INDEX tap_rejected ON tap (id) WHERE state = 'rejected';
",
];

/// "FTap" in ASCII; in the header of every ledger from version 2 on.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"FTap");

/// Bytes of a page (SQLite's default).
const PAGE: u64 = 4096;
/// Bytes that the journal keeps on the disk once it was copied.
const JOURNAL_KEPT: i64 = 1 << 20;

/// How long one connection waits for the other's write.
const BUSY: Duration = Duration::from_secs(5);
/// The same where tables are made or changed: without them there is no ledger, and a loop may be silent for no longer.
const BUSY_TABLES: Duration = Duration::from_secs(14);
/// How often somebody may write again between the end of the wait and our turn.
const WAL_TRIES: u32 = 100;

/// Opens a connection; makes or updates the tables if need be.
pub(super) fn open(file: &Path) -> Result<Connection> {
    connect(file).with_context(|| {
        format!(
            "cannot use the ledger {}; check that this user can write it, that the disk is neither full \
             nor read-only, and that the file is a FaceTap ledger",
            file.display()
        )
    })
}

/// The file holds something that no ledger holds: what.
#[derive(Debug)]
pub(super) struct Damaged(pub String);

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damaged {}

fn connect(file: &Path) -> Result<Connection> {
    let mut db = Connection::open(file)?;
    db.busy_timeout(BUSY_TABLES)?;
    // Before anything is written, and in one transaction: another connection may be making the tables.
    let seen = db.transaction()?;
    ensure!(
        is_ours(&seen)?,
        "it is a database of another program, and is left as it is; name another data_dir"
    );
    drop(seen);
    // A commit returns when the disk has it.
    db.pragma_update(None, "synchronous", "FULL")?;
    let mode = use_wal(&db)?;
    ensure!(
        mode == "wal",
        "its file system does not allow the WAL journal (mode {mode}); put data_dir on a local disk"
    );
    // The upkeep copies the journal into the file, so that no tap has to wait for it. Should it be late, whoever writes
    // does: on a small disk the journal would take all the room, and could not be copied for want of it. No more than
    // a thousand pages, for which the first part of its index has places (4062).
    let share = share(file.parent().unwrap_or(Path::new(".")));
    db.pragma_update(None, "wal_autocheckpoint", (share / PAGE).to_string())?;
    db.pragma_update(None, "journal_size_limit", JOURNAL_KEPT)?;
    migrate(&mut db)?;
    db.busy_timeout(BUSY)?;
    check(&db)?;
    Ok(db)
}

/// Gives a new file its journal, and waits for whoever writes into it at that moment: SQLite itself gives up at once,
/// since it holds a lock already by which two could wait for each other.
fn use_wal(db: &Connection) -> Result<String> {
    let mut tries = 0;
    loop {
        match db.pragma_update_and_check(None, "journal_mode", "WAL", |r| r.get(0)) {
            Err(e) if is_busy(&e) && tries < WAL_TRIES => tries += 1,
            other => return Ok(other?),
        }
        db.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
    }
}

fn is_busy(e: &rusqlite::Error) -> bool {
    e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// Checks that the tables exist and that their newest rows are readable.
fn check(db: &Connection) -> Result<()> {
    for sql in [
        "SELECT max(id), max(uid), max(card), max(reader), max(local_time), max(utc_offset_s), max(utc_time), \
         max(boottime_ms), max(boot_id), max(idempotency_key), max(state), max(attempts), max(answer), max(name), \
         max(clock), max(faces), max(nearest_face_ms), max(review), max(open_attempts), max(maybe_stored) \
         FROM (SELECT * FROM tap ORDER BY id DESC LIMIT 1)",
        "SELECT max(id) FROM (SELECT id FROM tap WHERE state = 'pending' LIMIT 1)",
        "SELECT max(id) FROM (SELECT id FROM uncounted LIMIT 1)",
        "SELECT max(boottime_ms) FROM anchor",
        "SELECT max(until_ms) FROM quiet",
    ] {
        match db.query_row(sql, [], |_| Ok(())) {
            // No such table, no such column.
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::Unknown) => {
                return Err(Damaged(e.to_string()).into());
            }
            other => other?,
        }
    }
    Ok(())
}

/// How often other programs have made taps pending again.
pub(super) fn retries(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT coalesce(max(count), 0) FROM signal WHERE name = 'retries'")?
        .query_row([], |row| row.get(0))
}

/// The columns of the taps, in their order.
pub(super) fn tap_columns(db: &Connection) -> rusqlite::Result<Vec<String>> {
    db.prepare("SELECT name FROM pragma_table_info('tap')")?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn migrate(db: &mut Connection) -> Result<()> {
    // A handful.
    let newest = MIGRATIONS.len() as u32;
    if version(db)? == newest {
        return Ok(());
    }
    if version(db)? > 0 {
        say_info!(
            "the ledger is brought up to date; with many taps this takes a while",
            "記録ファイルを新しい形式に変換します（件数が多い場合は時間がかかります）"
        );
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Check again in the transaction: another connection may have migrated it.
    let now = version(&tx)?;
    ensure!(
        now <= newest,
        "it was written by a newer FaceTap (version {now}, this one knows {newest}); install that one"
    );
    for step in &MIGRATIONS[now as usize..] {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "user_version", newest)?;
    tx.commit()?;
    Ok(())
}

fn version(db: &Connection) -> Result<u32> {
    Ok(db.pragma_query_value(None, "user_version", |r| r.get(0))?)
}

/// Whether a file is a ledger, or empty and so about to be one, rather than somebody else's.
pub(super) fn is_ours(db: &Connection) -> Result<bool> {
    let tables = |sql| -> Result<i64> { Ok(db.query_row(sql, [], |r| r.get(0))?) };
    Ok(match version(db)? {
        0 => tables("SELECT count(*) FROM sqlite_schema")? == 0,
        1 => {
            tables("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'tap'")? == 1
        }
        _ => {
            let id: i32 = db.pragma_query_value(None, "application_id", |r| r.get(0))?;
            id == APPLICATION_ID
        }
    })
}

/// How many taps are in this state.
pub(super) fn count(db: &Connection, state: &str) -> rusqlite::Result<u64> {
    // The literal lets SQLite use the partial index, a parameter would not.
    let sql = match state {
        "pending" => "SELECT count(*) FROM tap WHERE state = 'pending' AND ?1 = 'pending'",
        "rejected" => "SELECT count(*) FROM tap WHERE state = 'rejected' AND ?1 = 'rejected'",
        _ => "SELECT count(*) FROM tap WHERE state = ?1",
    };
    let count: i64 = db.query_row(sql, [state], |r| r.get(0))?;
    Ok(count.unsigned_abs())
}

/// What SQLite failed with, if that is the cause.
pub(super) fn code(e: &anyhow::Error) -> Option<ErrorCode> {
    e.chain()
        .find_map(|cause| cause.downcast_ref::<rusqlite::Error>())
        .and_then(rusqlite::Error::sqlite_error_code)
}

/// Whether the file holds something that no ledger holds.
pub(super) fn is_damage(e: &anyhow::Error) -> bool {
    e.is::<Damaged>()
        || matches!(
            code(e),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        )
}

/// Whether another program holds the file locked.
pub(super) fn is_locked(e: &anyhow::Error) -> bool {
    code(e) == Some(ErrorCode::DatabaseBusy)
}

/// Whether there was no room left on the disk.
pub(super) fn is_full(e: &anyhow::Error) -> bool {
    // The shared memory beside the file reports a full disk as a failed access.
    matches!(
        code(e),
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Other programs read this table, and files in the field have it. A change is a new migration.
    #[test]
    fn the_columns_are_frozen() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(&dir.path().join("a.db")).unwrap();
        let columns: Vec<String> = db
            .prepare("SELECT name || ' ' || type FROM pragma_table_info('tap')")
            .unwrap()
            .query_map([], |r| r.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            columns,
            [
                "id INTEGER",
                "uid TEXT",
                "card TEXT",
                "reader TEXT",
                "local_time TEXT",
                "utc_offset_s INTEGER",
                "utc_time TEXT",
                "boottime_ms INTEGER",
                "boot_id TEXT",
                "clock_synchronised INTEGER",
                "idempotency_key TEXT",
                "state TEXT",
                "attempts INTEGER",
                "last_attempt_utc TEXT",
                "answer TEXT",
                "settled_utc TEXT",
                "name TEXT",
                "clock TEXT",
                "faces INTEGER",
                "nearest_face_ms INTEGER",
                "review TEXT",
                "open_attempts INTEGER",
                "maybe_stored INTEGER",
            ]
        );
        assert_eq!(version(&db).unwrap(), 4);
    }

    #[test]
    fn commits_are_durable_and_readers_do_not_block() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(&dir.path().join("a.db")).unwrap();
        let get =
            |name| db.pragma_query_value(None, name, |r| r.get::<_, rusqlite::types::Value>(0));
        assert_eq!(get("synchronous").unwrap(), 2.into());
        assert_eq!(get("journal_mode").unwrap(), "wal".to_owned().into());
    }

    /// As a process leaves it that was killed before the file had its tables.
    #[test]
    fn a_new_file_that_somebody_else_is_writing_into_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.db");
        let other = Connection::open(&file).unwrap();
        other.execute_batch("VACUUM; BEGIN IMMEDIATE").unwrap();
        assert!(file.metadata().unwrap().len() > 0);
        let writing = std::thread::spawn(move || {
            for _ in 0..5 {
                std::thread::sleep(Duration::from_millis(100));
                other.execute_batch("COMMIT; BEGIN IMMEDIATE").unwrap();
            }
        });
        let db = open(&file).unwrap();
        assert_eq!(version(&db).unwrap(), 4);
        writing.join().unwrap();
    }

    #[test]
    fn a_newer_file_and_a_foreign_one_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let newer = dir.path().join("newer.db");
        let db = Connection::open(&newer).unwrap();
        db.pragma_update(None, "user_version", 99).unwrap();
        db.pragma_update(None, "application_id", APPLICATION_ID)
            .unwrap();
        let why = format!("{:#}", open(&newer).unwrap_err());
        assert!(why.contains("newer FaceTap"), "{why}");
        assert!(why.contains("newer.db"), "{why}");

        let foreign = dir.path().join("foreign.db");
        let text = "not a database ".repeat(100);
        std::fs::write(&foreign, &text).unwrap();
        let why = format!("{:#}", open(&foreign).unwrap_err());
        assert!(why.contains("foreign.db"), "{why}");
        assert_eq!(std::fs::read_to_string(&foreign).unwrap(), text);

        let others = dir.path().join("others.db");
        Connection::open(&others)
            .unwrap()
            .execute_batch("CREATE TABLE contacts (name TEXT)")
            .unwrap();
        let why = format!("{:#}", open(&others).unwrap_err());
        assert!(why.contains("another program"), "{why}");
        let db = Connection::open(&others).unwrap();
        assert_eq!(version(&db).unwrap(), 0);
        assert_eq!(count_tables(&db), 1);
    }

    fn count_tables(db: &Connection) -> i64 {
        db.query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table'",
            [],
            |r| r.get(0),
        )
        .unwrap()
    }

    /// A ledger as version 1 wrote it.
    pub(in crate::attend::ledger) fn version_1(file: &Path, taps: u32) {
        let db = Connection::open(file).unwrap();
        db.execute_batch(MIGRATIONS[0]).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
        for _ in 0..taps {
            db.execute(
                "INSERT INTO tap (uid, card, reader, local_time, utc_offset_s, utc_time, boottime_ms, boot_id, \
                 clock_synchronised, idempotency_key) \
                 VALUES ('04A1', 'x', 'r', '2026-11-21T09:00:00', 32400, '2026-11-21T00:00:00Z', 1, 'b', 1, 'k')",
                [],
            )
            .unwrap();
        }
    }

    #[test]
    fn an_older_ledger_is_brought_up_to_date_with_its_taps() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.db");
        version_1(&file, 1);
        let db = open(&file).unwrap();
        assert_eq!(version(&db).unwrap(), 4);
        assert_eq!(count(&db, "pending").unwrap(), 1);
        let clock: String = db
            .query_row("SELECT clock FROM tap", [], |r| r.get(0))
            .unwrap();
        assert_eq!(clock, "synchronised");
        let id: i32 = db
            .pragma_query_value(None, "application_id", |r| r.get(0))
            .unwrap();
        assert_eq!(id, APPLICATION_ID);
        drop(db);
        assert_eq!(std::fs::read(&file).unwrap()[68..72], *b"FTap");
    }
}
