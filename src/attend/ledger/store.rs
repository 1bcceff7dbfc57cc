//! The ledger of this process: its file, its lock file and its write lock.
//!
//! Keeper, uplink and upkeep write through connections of their own (`writer`).

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use log::debug;

use rusqlite::Connection;

use super::edition::{self, Edition, Identity, identity};
use super::holder::holders;
use super::lock::DirLock;
use super::reserve::{Reserve, share};
use super::schema::is_damage;
use super::stamp::Sync;
use super::timekeeper::{Look, Seen, Timekeeper, Trust};
use super::turn::{Turn, Urgency};
use super::{FILE, damage, journal, medium, schema, times};
use crate::attend::reader::Moment;
use crate::base::clock::Clock;
use crate::base::proc;
use crate::base::stop::lock;
use crate::{say, say_error, say_warn};

/// How long a tap waits for the clock to be synchronised, at most.
pub const HOLD: Duration = Duration::from_secs(600);

/// Reads the synchronisation state of the wall clock.
type AskSync = Box<dyn Fn() -> Sync + Send + std::marker::Sync>;

/// Weight of writes that found the file locked, after which it is no passing lock: that of one tap, which has waited for a
/// second, or of so many others.
const LOCKED_FOR_GOOD: u32 = 3;

/// What is known of another program's lock.
#[derive(Debug, Default)]
struct Locked {
    /// Weight of the writes in a row that found it.
    weight: u32,
    /// Whoever holds it, once that was told.
    holder: Option<String>,
}

/// The ledger of this process.
pub struct Store {
    dir: PathBuf,
    file: PathBuf,
    pub(super) turn: Turn,
    /// Incremented whenever the file is replaced or its journal rebuilt.
    generation: AtomicU64,
    reserve: Reserve,
    /// Whether the reserved space was used and that has been logged.
    full: AtomicBool,
    /// What another program's lock has come to.
    locked: Mutex<Locked>,
    /// The file system, if it forgets everything at a power cut.
    forgetful: Option<&'static str>,
    boot_id: String,
    sync: AskSync,
    time: Mutex<Timekeeper>,
    /// The connection over which the file was looked at, for the first who writes: opening it takes a good part of the
    /// start on a slow board.
    pub(super) opened: Mutex<Option<(Connection, Identity)>>,
    _lock: DirLock,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.file).finish()
    }
}

impl Store {
    /// Opens the ledger in `dir`; creates folder and file if need be, brings an older file up to date, and sets a damaged
    /// one aside for a fresh one with everything that can be read.
    ///
    /// # Errors
    /// The folder cannot be made, another process has the ledger, or the file cannot be used. The message names the file
    /// and says what to do.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::asking(dir, Box::new(Sync::now))
    }

    /// The same, with another way to ask about the wall clock.
    pub(super) fn asking(dir: &Path, sync: AskSync) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| {
            format!(
                "cannot make the data folder {}; make it for this user, or set data_dir in the \
                 configuration",
                dir.display()
            )
        })?;
        let lock = DirLock::take(dir)?;
        let file = dir.join(FILE);
        damage::finish(&file)?;
        let reserve = Reserve::new(dir);
        if journal::has_room_to_open(dir).is_err() {
            reserve.give_up();
            journal::has_room_to_open(dir)?;
        }
        look_for_a_lost_one(&file, &reserve)?;
        let there = identity(&file).ok();
        let (db, identity) = match edition::open(&file) {
            Err(e) if is_damage(&e) => {
                damage::quarantine(&file, there, &e)?;
                edition::open(&file)?
            }
            other => other?,
        };
        // The name of a new file is durable only when its folder is.
        std::fs::File::open(dir)
            .and_then(|d| d.sync_all())
            .with_context(|| format!("cannot write to the data folder {}", dir.display()))?;
        let boot_id = proc::boot_id();
        let anchor = times::noted_anchor(&db, &boot_id)?;
        let forgetful = medium::forgetful(dir);
        if let Some(kind) = forgetful {
            let folder = dir.display();
            say_error!(
                "the data folder {folder} is on {kind}: A POWER CUT LOSES EVERY TAP that was not delivered; set \
                     data_dir to a folder on a disk",
                "データフォルダ {folder} は {kind} 上にあります。停電時に未送信の記録がすべて失われます。\
                     data_dir をディスク上のフォルダに設定してください"
            );
        }
        Ok(Self {
            reserve,
            dir: dir.to_owned(),
            file,
            turn: Turn::default(),
            generation: AtomicU64::new(0),
            full: AtomicBool::new(false),
            locked: Mutex::default(),
            forgetful,
            boot_id,
            sync,
            opened: Mutex::new(Some((db, identity))),
            time: Mutex::new(Timekeeper::new(anchor, HOLD)),
            _lock: lock,
        })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// This boot of the machine.
    pub(super) fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// The file system of the folder, if it forgets everything at a power cut.
    #[must_use]
    pub const fn forgetful(&self) -> Option<&'static str> {
        self.forgetful
    }

    /// Looks at the clocks: when that was, and what it has shown. The first look comes before the first tap.
    pub fn look(&self, clock: &dyn Clock) -> (Moment, Seen) {
        // In this order: a mark that is older than the time beside it is put right by the next look, one that is newer
        // would vouch for a time from before the synchronisation.
        let sync = (self.sync)();
        let at = Moment::now(clock);
        let look = Look {
            boottime: at.boottime,
            wall: at.wall.timestamp(),
            sync,
        };
        let seen = lock(&self.time).look(&look);
        (at, seen)
    }

    /// When that really was, and how far it can be trusted.
    pub(super) fn judge(&self, at: &Moment) -> (jiff::Zoned, Trust) {
        let (utc, trust) = lock(&self.time).judge(at.boottime, at.wall.timestamp());
        (utc.to_zoned(at.wall.time_zone().clone()), trust)
    }

    /// What is known of the time.
    pub(super) fn time(&self) -> &Mutex<Timekeeper> {
        &self.time
    }

    /// Reserves space for the last taps. A failure is not final: it is tried again later.
    pub(super) fn reserve(&self) {
        if self.reserve.reserve().is_ok_and(|there| there)
            && self.full.swap(false, Ordering::Relaxed)
        {
            let file = self.file.display();
            say_warn!(
                "there is room on the disk of {file} again",
                "{file} のディスクに空きができました"
            );
        }
    }

    /// Which file the ledger is now.
    pub(super) fn edition(&self) -> Edition {
        // In this order: a file that is replaced meanwhile is a later one, whichever of the two is seen.
        let generation = self.generation.load(Ordering::Acquire);
        Edition {
            generation,
            file: identity(&self.file).ok(),
        }
    }

    /// Sets the file aside, if it is still the one that damage was found in: otherwise that was somebody else, and what is
    /// there now has to be checked by itself. The caller holds the write lock.
    pub(super) fn quarantine(&self, found_in: Edition, why: &anyhow::Error) -> Result<()> {
        if self.edition() == found_in && damage::quarantine(&self.file, found_in.file, why)? {
            self.generation.fetch_add(1, Ordering::Release);
        } else {
            debug!("damage was found in a ledger that has been replaced since: {why:#}");
        }
        Ok(())
    }

    /// Whether the disk is so full that a tap may fail for it.
    pub(super) fn disk_is_tight(&self) -> bool {
        self.reserve.is_needed()
    }

    /// Bytes of the disk that the journal may take.
    pub(super) fn share_of_disk(&self) -> u64 {
        share(&self.dir)
    }

    /// Whoever holds the file locked so that nothing can be written, for people; none where nobody does for long.
    #[must_use]
    pub fn locked_by(&self) -> Option<String> {
        lock(&self.locked).holder.clone()
    }

    /// A write found the file locked by another program. Once it is clear that this is for long, it is told who that is.
    pub(super) fn found_locked(&self, urgency: Urgency) {
        let mut locked = lock(&self.locked);
        locked.weight = locked.weight.saturating_add(match urgency {
            Urgency::Tap => LOCKED_FOR_GOOD,
            Urgency::Background => 1,
        });
        if locked.holder.is_some() || locked.weight < LOCKED_FOR_GOOD {
            return;
        }
        let holder =
            holders(&self.file).unwrap_or_else(|| say!("another program", "別のプログラム"));
        let file = self.file.display();
        say_error!(
            "THE LEDGER {file} IS HELD LOCKED by {holder}: no tap can be counted until it lets go; write or discard the \
                 changes there, close it, or end the process (sudo fuser -v {file} shows it)",
            "記録ファイル {file} が {holder} によりロックされています。解除されるまで記録できません。変更の保存または破棄を\
                 して閉じるか、プロセスを終了してください (sudo fuser -v {file} で確認できます)"
        );
        locked.holder = Some(holder);
    }

    /// A write has succeeded.
    pub(super) fn is_writable(&self) {
        let before = std::mem::take(&mut *lock(&self.locked));
        if let Some(holder) = before.holder {
            let file = self.file.display();
            say_warn!(
                "the ledger {file} is no longer held locked by {holder}: taps are counted again",
                "記録ファイル {file} のロックが解除されました ({holder})。記録を再開します"
            );
        }
    }

    /// Copies what `deleted` still has into `fresh`. The caller holds the write lock.
    pub(super) fn carry_over_deleted(&self, deleted: &Connection, fresh: &mut Connection) {
        self.generation.fetch_add(1, Ordering::Release);
        let file = self.file.display();
        match damage::carry_over_all(deleted, fresh) {
            Ok(taps) => say_error!(
                "THE LEDGER {file} WAS DELETED while it was in use: it is made anew, with the {taps} taps that it had",
                "使用中の記録ファイル {file} が削除されました。{taps} 件を引き継いで作り直しました"
            ),
            Err(e) => say_error!(
                "THE LEDGER {file} WAS DELETED while it was in use, and its taps could not be carried over: {e:#}",
                "使用中の記録ファイル {file} が削除され、記録を引き継げませんでした: {e:#}"
            ),
        }
    }

    /// The journal was deleted under its connections; all that was in it has been copied.
    pub(super) fn journal_was_deleted(&self) {
        self.generation.fetch_add(1, Ordering::Release);
        let file = self.file.display();
        say_error!(
            "the journal of the ledger {file} WAS DELETED while it was in use; its taps have been saved",
            "使用中の記録ファイル {file} のジャーナルが削除されました。内容は保存済みです"
        );
    }

    /// Releases the reserved space. True if there was some.
    pub(super) fn release_reserve(&self) -> bool {
        if !self.reserve.is_needed() || !self.reserve.give_up() {
            return false;
        }
        self.full.store(true, Ordering::Relaxed);
        let file = self.file.display();
        say_error!(
            "THE DISK IS FULL: {file} now uses the room that was put by for the last taps; free some space",
            "ディスクの空きがありません: {file} は予備領域を使用しています。空き容量を確保してください"
        );
        true
    }
}

/// A ledger that is gone while things beside it show that there was one: what is left in its journal is carried over.
fn look_for_a_lost_one(file: &Path, reserve: &Reserve) -> Result<()> {
    if std::fs::metadata(file).is_ok_and(|m| m.len() > 0) {
        return Ok(());
    }
    if journal::length(file) > 0 {
        // SQLite would discard the journal of an empty file.
        let why = schema::Damaged("the file is empty, its journal is not".to_owned());
        damage::quarantine(file, identity(file).ok(), &why.into())?;
    } else if reserve.is_there() {
        let name = file.display();
        say_error!(
            "THE LEDGER {name} IS GONE: a new one is begun; taps that waited in the old one are lost unless it is \
                 put back",
            "記録ファイル {name} がありません。新しく作成します。古いファイルを戻さない限り、未送信の記録は失われます"
        );
    }
    Ok(())
}
