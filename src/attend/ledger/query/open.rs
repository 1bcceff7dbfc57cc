//! Opens a ledger for reading, with or without a running service and whatever the rights of this user.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags};

use super::row::Tables;
use crate::attend::ledger::{FILE, journal, schema};
use crate::say;

/// How long a command waits for the service's write.
const BUSY: Duration = Duration::from_secs(5);

/// Opens the ledger in `dir` read-only.
pub(super) fn open(dir: &Path) -> Result<(Connection, Tables)> {
    let file = dir.join(FILE);
    must_be_readable(&file)?;
    let shown = file.display();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let room = has_room(dir);
    let no_room = room.is_err();
    let read = room.and_then(|()| {
        let db = Connection::open_with_flags(&file, flags)?;
        look(db, &file)
    });
    match read {
        // Reading beside a journal takes the right and the room to write a file beside it. Whoever has not got it may
        // read the file alone, if nobody writes and nothing is left in the journal.
        Err(e)
            if (no_room || cannot_open(&e)) && !super::in_use(dir) && journal_is_empty(&file) =>
        {
            open_alone(&file).and_then(|db| look(db, &file))
        }
        Err(e) if cannot_open(&e) => Err(e).context(say!(
            "this user may read {shown}, but not the journal beside it; use sudo",
            "{shown} のジャーナルを読む権限がありません。sudo を使ってください"
        )),
        other => other,
    }
    .with_context(|| {
        say!(
            "cannot read the ledger {shown}",
            "台帳 {shown} を読み込めません"
        )
    })
}

/// Opens the file of a ledger that nobody writes and whose journal is empty: nothing beside it is needed or made.
pub(in crate::attend::ledger) fn open_alone(file: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let uri = format!("file:{}?immutable=1", escape(file));
    Ok(Connection::open_with_flags(
        uri,
        flags | OpenFlags::SQLITE_OPEN_URI,
    )?)
}

/// Opens the ledger in `dir` for a change, without making or migrating anything.
pub(super) fn open_to_change(dir: &Path) -> Result<(Connection, Tables)> {
    let file = dir.join(FILE);
    must_be_readable(&file)?;
    let shown = file.display();
    ensure!(
        access(&file, AccessFlags::W_OK).is_ok() && access(dir, AccessFlags::W_OK).is_ok(),
        say!(
            "this user may not write the ledger {shown}; use sudo",
            "台帳 {shown} に書き込む権限がありません。sudo を使ってください"
        )
    );
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let change = || -> Result<(Connection, Tables)> {
        has_room(dir)?;
        let db = Connection::open_with_flags(&file, flags)?;
        // A commit returns when the disk has it.
        db.pragma_update(None, "synchronous", "FULL")?;
        look(db, &file)
    };
    change().with_context(|| {
        say!(
            "cannot use the ledger {shown}",
            "台帳 {shown} を使用できません"
        )
    })
}

/// A running service has made the room that is needed beside the file.
fn has_room(dir: &Path) -> Result<()> {
    if super::in_use(dir) {
        return Ok(());
    }
    journal::has_room_to_open(dir)
}

fn must_be_readable(file: &Path) -> Result<()> {
    let shown = file.display();
    match access(file, AccessFlags::R_OK) {
        Ok(()) => Ok(()),
        Err(Errno::ENOENT | Errno::ENOTDIR) => bail!(say!(
            "there is no ledger {shown} yet; it is made when `facetap run` starts. If it lies elsewhere, \
             name the service's configuration with --config, or its data_dir there",
            "台帳 {shown} はまだありません。`facetap run` の開始時に作成されます。別の場所にある場合は \
             --config でサービスの設定ファイルを指定してください"
        )),
        Err(Errno::EACCES) => bail!(say!(
            "this user may not read the ledger {shown}; use sudo",
            "台帳 {shown} を読む権限がありません。sudo を使ってください"
        )),
        Err(e) => Err(e).with_context(|| {
            say!(
                "cannot read the ledger {shown}",
                "台帳 {shown} を読み込めません"
            )
        }),
    }
}

/// Makes sure that it is a ledger; this is also the first reading.
fn look(db: Connection, file: &Path) -> Result<(Connection, Tables)> {
    db.busy_timeout(BUSY)?;
    ensure!(
        schema::is_ours(&db)?,
        say!(
            "it is a database of another program",
            "ほかのプログラムのデータベースです"
        )
    );
    let Some(tables) = Tables::of(&db)? else {
        bail!(say!(
            "{} has no taps that this version can read; was it written by a newer FaceTap, or never finished?",
            "{} にはこのバージョンで読める記録がありません（新しい FaceTap の台帳、または未完成）",
            file.display()
        ));
    };
    Ok((db, tables))
}

fn cannot_open(e: &anyhow::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
    e.downcast_ref::<rusqlite::Error>()
        .and_then(rusqlite::Error::sqlite_error_code)
        .is_some_and(|code| matches!(code, CannotOpen | PermissionDenied | ReadOnly))
}

fn journal_is_empty(file: &Path) -> bool {
    match std::fs::metadata(journal::journal(file)) {
        Ok(m) => m.len() == 0,
        Err(e) => e.kind() == ErrorKind::NotFound,
    }
}

/// A path within a URI as SQLite reads it.
pub(super) fn escape(file: &Path) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'.')
        .remove(b'-')
        .remove(b'_');
    percent_encode(file.as_os_str().as_bytes(), ESCAPED).to_string()
}
