//! The thread that looks after the ledger: right times for taps that wait for them, room for the last taps, old ones
//! removed, the journal kept short.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use jiff::SignedDuration;
use rusqlite::Connection;

use super::edition::Edition;
use super::roster::Roster;
use super::store::Store;
use super::timekeeper::{Anchor, Seen, plausible};
use super::times::Whose;
use super::turn::Urgency;
use super::writer::Writer;
use super::{names, schema, times};
use crate::attend::zone;
use crate::base::beat::Beat;
use crate::base::card_status::CardStatus;
use crate::base::clock::{Clock, Monotime};
use crate::base::slot::Slot;
use crate::base::stop::{Stop, lock};
use crate::config::Live;
use crate::{say, say_error, say_info, say_warn};

/// How soon a clock step or a retry request of another program is noticed.
const TICK: Duration = Duration::from_secs(3);
/// How often old taps are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);
/// Taps that are removed at once: a tap that comes meanwhile waits for them.
const PRUNE_BATCH: usize = 200;
/// How often the anchor is stored while nothing happens; the wall clock drifts by at most a second meanwhile.
const NOTE_EVERY: Duration = Duration::from_secs(1800);
/// How often the waiting taps are counted; in between they are reckoned.
const COUNT_EVERY: Duration = Duration::from_secs(60);
/// How often what is in the journal is copied into the file.
const SHORTEN_EVERY: Duration = Duration::from_secs(10);
/// When every page of a large file is looked at; a small one is looked at at once.
const EXAMINE_AFTER: Duration = Duration::from_secs(60);
/// Bytes up to which looking at every page takes a moment.
const SMALL: u64 = 16 << 20;
/// Of the ledger and of the time zone, among the alarms.
const ALARM: &str = "ledger";
const ZONE: &str = "time zone";
/// How often the time zone is looked for.
const ZONE_EVERY: Duration = Duration::from_secs(60);
/// Taps whose names are compared with a changed roster at once.
const RENAME_BATCH: usize = 500;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The thread's body.
pub struct Upkeep {
    /// The ledger.
    pub store: Arc<Store>,
    /// Days that delivered taps are kept.
    pub live: Live,
    /// Read again when its file has changed; none without a roster.
    pub roster: Option<Roster>,
    /// Rung when something has become deliverable; none without a server.
    pub bell: Option<Arc<Slot<()>>>,
    /// Told how many taps wait.
    pub card_status: Arc<CardStatus>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
    /// The sign of life.
    pub beat: Beat,
}

/// What is remembered from tick to tick.
struct UpkeepMemory {
    writer: Option<Writer>,
    /// The last fault that was logged.
    told: Option<String>,
    /// The last count of retry requests of other programs.
    retries: Option<i64>,
    pruned: Option<Monotime>,
    noted: Option<Monotime>,
    counted: Option<Monotime>,
    shortened: Option<Monotime>,
    zone: Option<Monotime>,
    /// Why there is no time zone, as it was told.
    no_zone: Option<String>,
    begun: Monotime,
    /// The file whose pages were looked at last.
    examined: Option<Edition>,
    /// Which reading of the roster the names of the ledger follow, or are about to.
    roster: u64,
    /// The last tap whose name was compared with the roster; none if all were.
    renamed: Option<i64>,
}

impl Upkeep {
    /// Looks after the ledger until the order to stop.
    pub fn run(&self) {
        let mut memory = UpkeepMemory::new(self.clock.now());
        loop {
            if let Some(roster) = &self.roster {
                let config = self.live.now();
                if let Some(file) = &config.attendance.roster {
                    let columns = config.attendance.roster_columns.clone();
                    roster.change(file, &columns.unwrap_or_default());
                }
                roster.refresh(self.clock.now());
            }
            match self.tick(&mut memory) {
                Ok(()) => memory.told = None,
                Err(e) => memory.tell(&e),
            }
            memory.look_at_the_zone(&self.card_status, self.clock.now());
            match self.store.locked_by() {
                Some(holder) => self.card_status.raise(ALARM, &held(&holder)),
                None => self.card_status.lower(ALARM),
            }
            if self.beat.wait(self.clock.as_ref(), &self.stop, TICK) {
                return;
            }
        }
    }

    fn tick(&self, memory: &mut UpkeepMemory) -> Result<()> {
        let mut writer = match memory.writer.take() {
            Some(writer) => writer,
            None => Writer::open(&self.store)?,
        };
        writer.try_lock(&self.store)?;
        let now = self.clock.now();
        let due = |last: Option<Monotime>, every| last.is_none_or(|last| now.since(last) >= every);
        // This comes first: on a full disk everything after it fails.
        if writer.shorten_journal(&self.store, due(memory.shortened, SHORTEN_EVERY))? {
            memory.shortened = Some(now);
        }
        self.store.reserve();
        let mut news = self.look_at_the_clock(&mut writer, memory, now)?;
        news |= self.check_retry_requests(&mut writer, memory)?;
        news |= self.end_quiet(&mut writer)?;
        self.follow_roster(&mut writer, memory)?;
        if due(memory.pruned, PRUNE_EVERY) && self.prune(&mut writer)? {
            memory.pruned = Some(now);
        }
        if due(memory.counted, COUNT_EVERY) {
            let count = |state| move |db: &Connection| schema::count(db, state);
            let waiting = writer.read(&self.store, count("pending"))?;
            self.card_status.set_waiting(waiting);
            let rejected = writer.read(&self.store, count("rejected"))?;
            self.card_status.set_rejected(rejected);
            memory.counted = Some(now);
        }
        let there = self.store.edition();
        // Check again if a person has replaced the file.
        if memory.examined != Some(there)
            && (is_small(&self.store) || due(Some(memory.begun), EXAMINE_AFTER))
        {
            memory.examined = Some(there);
            writer.examine(&self.store, &self.stop, &self.beat)?;
        }
        memory.writer = Some(writer);
        if news && let Some(bell) = &self.bell {
            bell.put(());
        }
        Ok(())
    }

    /// True if taps have become deliverable.
    fn look_at_the_clock(
        &self,
        writer: &mut Writer,
        memory: &mut UpkeepMemory,
        now: Monotime,
    ) -> Result<bool> {
        let (at, seen) = self.store.look(self.clock.as_ref());
        if let Seen::Stepped(by) = seen {
            tell_step(by);
        }
        let (anchor, hold) = {
            let time = lock(self.store.time());
            (time.anchor(), time.hold())
        };
        let held = writer.read(&self.store, times::any_held)?;
        let boot_id = self.store.boot_id();
        let stale = memory
            .noted
            .is_none_or(|last| now.since(last) >= NOTE_EVERY);
        let mut changed = 0;
        if let Some(anchor) = anchor
            && (held || stale || matches!(seen, Seen::Anchored(_)))
        {
            let zone = at.wall.time_zone();
            changed = writer.write(&self.store, Urgency::Background, |tx| {
                times::note_anchor(tx, boot_id, &anchor)?;
                times::correct(tx, boot_id, &anchor, zone, Whose::Doubtful)
            })?;
            memory.noted = Some(now);
            if changed > 0 {
                // Whose a card was may depend on the day.
                memory.renamed = Some(0);
            }
            tell_corrected(changed, &anchor);
        } else if held {
            let guess = Anchor {
                boottime: at.boottime,
                utc: at.wall.timestamp(),
            };
            changed = writer.write(&self.store, Urgency::Background, |tx| {
                let set = if plausible(guess.utc) {
                    times::correct(tx, boot_id, &guess, at.wall.time_zone(), Whose::Unset)?
                } else {
                    0
                };
                Ok(set + times::release(tx, boot_id, at.boottime, hold)? as u64)
            })?;
            tell_released(changed);
        }
        Ok(changed > 0)
    }

    /// True if cards may be sent again that the server was slow with.
    fn end_quiet(&self, writer: &mut Writer) -> Result<bool> {
        if !writer.read(&self.store, times::any_quiet)? {
            return Ok(false);
        }
        let (boot_id, boottime) = (self.store.boot_id(), self.clock.boottime());
        let ended = writer.write(&self.store, Urgency::Background, |tx| {
            times::end_quiet(tx, boot_id, boottime)
        })?;
        Ok(ended > 0)
    }

    /// True if another program has requested a retry.
    fn check_retry_requests(&self, writer: &mut Writer, memory: &mut UpkeepMemory) -> Result<bool> {
        let retries = writer.read(&self.store, schema::retries)?;
        let before = memory.retries.replace(retries);
        if before.is_none_or(|before| before == retries) {
            return Ok(false);
        }
        // Another process changed taps; recount.
        memory.counted = None;
        Ok(true)
    }

    /// Gives taps the names that the roster has been corrected to, some at a time: a tap that comes meanwhile waits for
    /// them.
    fn follow_roster(&self, writer: &mut Writer, memory: &mut UpkeepMemory) -> Result<()> {
        let Some(roster) = &self.roster else {
            return Ok(());
        };
        let edition = roster.edition();
        if edition != memory.roster {
            memory.roster = edition;
            memory.renamed = Some(0);
        }
        let (Some(after), Some(people)) = (memory.renamed, roster.people()) else {
            return Ok(());
        };
        let (changes, last) = writer.read(&self.store, |db| {
            names::changes(db, &people, after, RENAME_BATCH)
        })?;
        if !changes.is_empty() {
            writer.write(&self.store, Urgency::Background, |tx| {
                names::apply(tx, &changes)
            })?;
            let count = changes.len();
            say_info!(
                "ledger: {count} earlier taps have the name that the roster has now",
                "記録: 名簿の変更に合わせて {count} 件の氏名を更新しました"
            );
        }
        memory.renamed = last;
        Ok(())
    }

    /// Removes a batch of old taps. True if none are left.
    fn prune(&self, writer: &mut Writer) -> Result<bool> {
        // By the time that is known to be right: with a clock that is years ahead everything would look old.
        let Some(anchor) = lock(self.store.time()).anchor() else {
            return Ok(true);
        };
        let days = i32::try_from(self.live.now().attendance.keep_days).unwrap_or(i32::MAX);
        let before = anchor
            .utc_at(self.clock.boottime())
            .saturating_sub(DAY.saturating_mul(days))
            .unwrap_or(jiff::Timestamp::MIN);
        let gone = writer.write(&self.store, Urgency::Background, |tx| {
            times::prune(tx, before, PRUNE_BATCH)
        })?;
        if gone > 0 {
            say_info!(
                "ledger: {gone} delivered taps older than {days} days removed",
                "記録: {days} 日を過ぎた送信済みの {gone} 件を削除しました"
            );
        }
        Ok(gone < PRUNE_BATCH)
    }
}

impl UpkeepMemory {
    fn new(now: Monotime) -> Self {
        Self {
            writer: None,
            told: None,
            retries: None,
            pruned: None,
            noted: None,
            counted: None,
            shortened: None,
            zone: None,
            no_zone: None,
            begun: now,
            examined: None,
            roster: 0,
            renamed: None,
        }
    }

    /// Tells of a time zone that cannot be found: at the start, and when that changes.
    fn look_at_the_zone(&mut self, card_status: &CardStatus, now: Monotime) {
        if self.zone.is_some_and(|last| now.since(last) < ZONE_EVERY) {
            return;
        }
        self.zone = Some(now);
        let trouble = zone::trouble();
        if trouble == self.no_zone {
            return;
        }
        match &trouble {
            Some(why) => {
                say_error!(
                    "THE TIME ZONE CANNOT BE FOUND, the server and everybody get times that are not those of the clock on \
                     the wall: {why}; install tzdata, set the zone (sudo timedatectl set-timezone Asia/Tokyo), restart",
                    "タイムゾーンが不明のため、サーバーへの送信を含むすべての時刻がずれています: {why}。tzdata を\
                     インストールし、設定 (sudo timedatectl set-timezone Asia/Tokyo) 後に再起動してください"
                );
                card_status.raise(ZONE, why);
            }
            None => {
                say_info!("the time zone is there", "タイムゾーンを確認しました");
                card_status.lower(ZONE);
            }
        }
        self.no_zone = trouble;
    }

    /// Logged once for each cause.
    fn tell(&mut self, e: &anyhow::Error) {
        let why = format!("{e:#}");
        if self.told.as_ref() != Some(&why) {
            say_warn!(
                "the ledger cannot be looked after: {why}",
                "記録の保守ができません: {why}"
            );
            self.told = Some(why);
        }
    }
}

fn held(holder: &str) -> String {
    say!(
        "held locked by {holder}, no tap can be counted; close it there, or end the process",
        "{holder} によりロックされ、記録できません。閉じるか、プロセスを終了してください"
    )
}

fn is_small(store: &Store) -> bool {
    std::fs::metadata(store.file()).is_ok_and(|m| m.len() <= SMALL)
}

fn tell_step(by: SignedDuration) {
    let seconds = by.as_secs_f64();
    say_warn!(
        "the clock was set by {seconds:+.1} s, and no time server vouches for it: taps go on with the time from \
             before",
        "時計が {seconds:+.1} 秒変更されましたが、時刻サーバーによる確認がありません。以前の時刻を基準に記録を続けます"
    );
}

fn tell_corrected(taps: u64, anchor: &Anchor) {
    if taps > 0 {
        let now = anchor.utc;
        say_info!(
            "the clock is right ({now:.0}): the times of {taps} earlier taps are corrected",
            "時計が同期されました ({now:.0})。以前の {taps} 件の時刻を補正しました"
        );
    }
}

fn tell_released(taps: u64) {
    if taps > 0 {
        say_warn!(
            "no time server vouches for the clock: {taps} taps go out with a time that may be wrong",
            "時刻サーバーによる確認がないため、{taps} 件を不確かな時刻のまま送信します"
        );
    }
}

#[cfg(test)]
mod tests;
