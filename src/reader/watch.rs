//! The thread that watches the readers, for as long as the service runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use anyhow::Result;
use log::{debug, info, warn};

use super::atr::CardType;
use super::insertions::{Change, Insertions};
use super::selection::Selection;
use super::{Moment, Open, ReadError, Readers, Sighting, Tap, apdu, refusal};
use crate::base::backoff::Backoff;
use crate::base::clock::Clock;
use crate::base::stop::Stop;
use crate::indicator::{Event, Notice, Panel};
use crate::say;
use crate::standing::Standing;
use crate::stats::Stats;

/// Longest wait for a change: hot-plugging is found within this time where the daemon misses it, and the
/// order to stop is heard even if its wake-up call is lost.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often a card is asked before the tap counts as failed, and the pause between.
const TRIES: u32 = 3;
const RETRY_PAUSE: Duration = Duration::from_millis(40);
/// Asking for the daemon costs one local connection, so the pauses stay short: back within five seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// The thread's body. The queue behind `taps` is bounded; what is in it is never dropped.
pub struct Watch {
    /// Makes the connection to the readers.
    pub open: Open,
    /// Which readers are used.
    pub selection: Selection,
    /// Where taps go.
    pub taps: SyncSender<Tap>,
    /// Told when a card is being read.
    pub panel: Panel,
    /// Told how many readers can be used.
    pub standing: Arc<Standing>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
    /// Counts.
    pub stats: Arc<Stats>,
}

/// How things stand between us and the readers.
enum Link {
    /// There has been no connection yet.
    Fresh,
    /// There is one.
    Up,
    /// There was one.
    Lost,
}

/// What is remembered from one connection to the next.
struct Memory {
    link: Link,
    insertions: Insertions,
    /// Readers that were unplugged while the connection stood.
    unplugged: BTreeSet<String>,
    /// The last fault that was logged.
    told: Option<String>,
    /// Whether "waiting for a card reader" is the last thing that was said about their number.
    waiting: bool,
    backoff: Backoff,
}

impl Watch {
    /// Watches until the order to stop; makes the connection anew whenever it is lost.
    pub fn run(mut self) {
        let mut memory = Memory {
            link: Link::Fresh,
            insertions: Insertions::default(),
            unplugged: BTreeSet::new(),
            told: None,
            waiting: false,
            backoff: Backoff::new(Duration::from_millis(250), LONGEST_PAUSE),
        };
        while !self.stop.requested() {
            if let Err(fault) = self.run_once(&mut memory) {
                if self.stop.requested() {
                    return;
                }
                self.standing.set_readers(0);
                if memory.lost(&fault) {
                    self.stats.reader_faults.increment();
                }
            }
            self.clock.wait(&self.stop, memory.backoff.pause());
        }
    }

    /// Watches over one connection. Returns without an error at the order to stop only.
    fn run_once(&mut self, memory: &mut Memory) -> Result<()> {
        let mut readers = (self.open)()?;
        while !self.stop.requested() {
            let slots = readers.wait(LOOK_EVERY)?;
            self.connected(memory);
            let used: Vec<_> = slots
                .iter()
                .filter(|s| self.selection.includes(&s.reader))
                .cloned()
                .collect();
            self.standing.set_readers(used.len());
            for change in memory.insertions.look(&used) {
                self.react(readers.as_mut(), memory, change)?;
            }
            if used.is_empty() && !memory.waiting {
                let others: Vec<_> = slots.iter().map(|s| s.reader.as_str()).collect();
                tell_waiting(&others);
            }
            memory.waiting = used.is_empty();
        }
        Ok(())
    }

    /// The first answer of a connection shows that it stands.
    fn connected(&self, memory: &mut Memory) {
        match std::mem::replace(&mut memory.link, Link::Up) {
            Link::Up => return,
            Link::Fresh => {}
            Link::Lost => self.reconnected(&say!(
                "connected to the card readers again",
                "カードリーダーに再接続しました"
            )),
        }
        memory.told = None;
        memory.backoff.reset();
    }

    fn reconnected(&self, what: &str) {
        self.stats.reader_reconnects.increment();
        warn!("[READER_RECONNECT] {what}");
    }

    fn react(&self, readers: &mut dyn Readers, memory: &mut Memory, change: Change) -> Result<()> {
        match change {
            Change::ReaderCame(name) => {
                if memory.unplugged.remove(&name) {
                    self.reconnected(&say!(
                        "card reader is back: {name}",
                        "カードリーダーが再び接続されました: {name}"
                    ));
                } else {
                    info!(
                        "{}",
                        say!(
                            "card reader: {name}",
                            "カードリーダーを検出しました: {name}"
                        )
                    );
                }
            }
            Change::ReaderWent(name) => {
                warn!(
                    "{}",
                    say!(
                        "card reader unplugged: {name}",
                        "カードリーダーが取り外されました: {name}"
                    )
                );
                memory.unplugged.insert(name);
            }
            Change::Card { reader, atr, new } => {
                self.panel.show(Notice {
                    event: Event::Reading,
                    reader: Some(reader.clone()),
                    name: None,
                });
                let (at, sighting) = self.read(readers, &reader, &atr)?;
                let uid = match &sighting {
                    Sighting::Card(uid, _) | Sighting::Refused(uid, _) => Some(*uid),
                    Sighting::Unread(_) => None,
                };
                if uid.is_none_or(|uid| memory.insertions.told(&reader, uid, new)) {
                    self.hand_on(reader, at, sighting);
                } else {
                    debug!("the card has been lying on {reader} since it was read");
                }
            }
            Change::Missed(reader) => {
                let why = say!(
                    "the card was taken away too soon",
                    "カードを離すのが早すぎます"
                );
                let at = Moment::now(self.clock.as_ref());
                self.hand_on(reader, at, Sighting::Unread(why));
            }
        }
        Ok(())
    }

    /// Asks the card, a few times if need be. Returns when it answered and what.
    ///
    /// # Errors
    /// The connection is gone. Nothing is known of the card then: it is read again after the next
    /// connection if it still lies there.
    fn read(
        &self,
        readers: &mut dyn Readers,
        reader: &str,
        atr: &[u8],
    ) -> Result<(Moment, Sighting)> {
        // The first reason is told: the ones after it are often no more than that the card is gone.
        let mut first = None;
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = readers.transmit(reader, &apdu::GET_UID);
            let at = Moment::now(self.clock.as_ref());
            let (why, passing) = match answer {
                Ok(bytes) => match apdu::uid(&bytes) {
                    Ok(uid) => {
                        let card = CardType::of_atr(atr);
                        let sighting = refusal::refusal(&uid, card)
                            .map_or(Sighting::Card(uid, card), |r| Sighting::Refused(uid, r));
                        return Ok((at, sighting));
                    }
                    Err(e) => (e.to_string(), e.is_passing()),
                },
                Err(ReadError::Card(why)) => (why, true),
                Err(ReadError::Connection(fault)) => return Err(fault),
            };
            debug!("{reader}: try {tries} of {TRIES}: {why}");
            let why = first.get_or_insert(why);
            if !passing || tries == TRIES || self.clock.wait(&self.stop, RETRY_PAUSE) {
                return Ok((at, Sighting::Unread(std::mem::take(why))));
            }
        }
    }

    fn hand_on(&self, reader: String, at: Moment, sighting: Sighting) {
        let tap = Tap {
            reader,
            at,
            sighting,
        };
        // The other end is gone only while the service ends, when a tap is acknowledged no more.
        if let Err(lost) = self.taps.send(tap) {
            let Tap { reader, .. } = lost.0;
            warn!(
                "{}",
                say!(
                    "card reader {reader}: a tap came too late, the service is ending",
                    "カードリーダー {reader}: 終了処理中のため、タッチを記録できません"
                )
            );
        }
    }
}

impl Memory {
    /// The connection is gone, or could not be made. Said once for each cause; true if it is a new one.
    fn lost(&mut self, fault: &anyhow::Error) -> bool {
        self.insertions.disconnected();
        // They all come back with the next connection, which is what is counted.
        self.unplugged.clear();
        let why = format!("{fault:#}");
        let new = self.told.as_ref() != Some(&why);
        if new {
            match self.link {
                Link::Fresh => warn!(
                    "{}",
                    say!(
                        "waiting for a card reader: {why}",
                        "カードリーダーを待っています: {why}"
                    )
                ),
                Link::Up | Link::Lost => warn!(
                    "{}",
                    say!("card reader failure: {why}", "カードリーダーの異常: {why}")
                ),
            }
            self.told = Some(why);
        }
        if matches!(self.link, Link::Up) {
            self.link = Link::Lost;
        }
        self.waiting = false;
        new
    }
}

fn tell_waiting(others: &[&str]) {
    if others.is_empty() {
        info!(
            "{}",
            say!(
                "waiting for a card reader: none is connected",
                "カードリーダーを待っています（未接続）"
            )
        );
    } else {
        let names = others.join(", ");
        warn!(
            "{}",
            say!(
                "waiting for a card reader: cards.readers names none of those that exist ({names})",
                "カードリーダーを待っています: cards.readers に該当するものがありません（接続中: {names}）"
            )
        );
    }
}

#[cfg(test)]
mod tests;
