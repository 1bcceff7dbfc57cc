//! The thread that watches the readers, for as long as the service runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use anyhow::Result;
use log::{debug, warn};

use super::insertions::Change;
use super::memory::{Link, WatchMemory};
use super::reading::{Heard, Reading, Turn};
use super::recheck::{Found, Recheck};
use super::selection::Selection;
use super::usb::Bus;
use super::{Answer, Connection, Moment, Open, Sighting, Tap, apdu, queue};
use crate::attend::indicator::{Event, Notice, Panel};
use crate::base::beat::Beat;
use crate::base::card_status::CardStatus;
use crate::base::clock::Clock;
use crate::base::stats::Stats;
use crate::base::stop::Stop;
use crate::{say, say_info, say_warn};

/// Longest wait for a change: the order to stop is heard even if its wake-up call is lost.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// The thread's body. The queue behind `taps` is bounded; what is in it is never dropped, and while it is full the thread
/// waits ([`queue`]).
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
    pub card_status: Arc<CardStatus>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
    /// Counts.
    pub stats: Arc<Stats>,
    /// Tells what is on the USB.
    pub usb: Bus,
    /// The sign of life.
    pub beat: Beat,
}

/// What is known of the cards over one connection, by reader.
#[derive(Default)]
struct Cards {
    /// Those that are being read.
    readings: BTreeMap<String, Reading>,
    /// Those that lie there, read before.
    lying: BTreeMap<String, Recheck>,
}

impl Watch {
    /// Watches until the order to stop; makes the connection anew whenever it is lost.
    pub fn run(&mut self) {
        let mut memory = WatchMemory::default();
        while !self.stop.requested() {
            if let Err(fault) = self.run_once(&mut memory) {
                if self.stop.requested() {
                    return;
                }
                self.card_status.set_readers(0);
                if memory.lost(&fault) {
                    self.stats.reader_faults.increment();
                }
            }
            let pause = memory.backoff.pause();
            self.beat.extend_deadline(pause);
            if self
                .open
                .daemon_came(self.clock.as_ref(), &self.stop, pause)
            {
                memory.backoff.reset();
            }
            self.beat.turn();
        }
    }

    /// Watches over one connection. Returns without an error at the order to stop only.
    fn run_once(&mut self, memory: &mut WatchMemory) -> Result<()> {
        let mut readers = self.open.open()?;
        let mut cards = Cards::default();
        let mut pause = LOOK_EVERY;
        while !self.stop.requested() {
            self.beat.turn();
            let slots = readers.wait(pause)?;
            self.connected(memory);
            let used: Vec<_> = slots
                .iter()
                .filter(|s| self.selection.includes(&s.reader))
                .cloned()
                .collect();
            self.card_status.set_readers(used.len());
            // First, for they are about the cards of the look before.
            self.hear(readers.as_mut(), memory, &mut cards)?;
            for change in memory.insertions.look(&used) {
                self.react(memory, &mut cards, change);
            }
            let insertions = &memory.insertions;
            cards.lying.retain(|reader, _| insertions.has_card(reader));
            pause = self.go_on(readers.as_mut(), memory, &mut cards)?;
            let names: Vec<_> = slots.iter().map(|s| s.reader.as_str()).collect();
            if used.is_empty() && !memory.waiting {
                tell_waiting(&names);
            }
            memory.waiting = used.is_empty();
            memory.look_at_usb(&self.usb, &names, self.clock.now());
        }
        Ok(())
    }

    /// Asks the cards whose turn it is and gives up those that take too long. How long nothing is to do.
    fn go_on(
        &self,
        readers: &mut dyn Connection,
        memory: &mut WatchMemory,
        cards: &mut Cards,
    ) -> Result<Duration> {
        let now = self.clock.now();
        let mut pause = LOOK_EVERY;
        for (reader, reading) in &mut cards.readings {
            match reading.turn(now) {
                Turn::Wait(until) => pause = pause.min(until.since(now)),
                Turn::Ask if reading.exchanged.is_some() => {
                    reading.asked(readers.ask_anew(reader, &apdu::GET_UID), now);
                }
                Turn::Ask => reading.asked(readers.ask(reader, &apdu::GET_UID), now),
                Turn::Over(sighting) => {
                    let at = Moment::now(self.clock.as_ref());
                    self.hand_on(reader.clone(), at, sighting);
                }
            }
        }
        (cards.readings).retain(|_, reading| !matches!(reading.turn(now), Turn::Over(_)));
        for (reader, card) in &mut cards.lying {
            match card.due() {
                Some(due) if due <= now => card.asked(readers.ask(reader, &apdu::GET_UID)),
                Some(due) => pause = pause.min(due.since(now)),
                None => {}
            }
        }
        // Some have answered already, without anything to wait for.
        if self.hear(readers, memory, cards)? {
            pause = Duration::ZERO;
        }
        Ok(pause)
    }

    /// Takes the answers that have come. True if there is something to do at once.
    fn hear(
        &self,
        readers: &mut dyn Connection,
        memory: &mut WatchMemory,
        cards: &mut Cards,
    ) -> Result<bool> {
        let mut any = false;
        for answer in readers.answers() {
            let ticket = answer.ticket;
            if let Some((reader, _)) = cards.lying.iter().find(|(_, c)| c.awaits(ticket)) {
                let reader = reader.clone();
                any |= self.hear_lying(cards, &reader, answer)?;
                continue;
            }
            let found = cards.readings.iter_mut().find(|(_, r)| r.awaits(ticket));
            let Some((reader, reading)) = found else {
                debug!("an answer came too late");
                continue;
            };
            any = true;
            if let Some(atr) = answer.atr {
                reading.was_reset(atr);
            }
            match reading.heard(answer.result, self.clock.now()) {
                Heard::Again => {}
                Heard::Lost(fault) => return Err(fault),
                Heard::Done(sighting) => {
                    let reader = reader.clone();
                    if let Some(reading) = cards.readings.remove(&reader) {
                        if readers.misses_exchanges() {
                            let yet = reading.may_answer_yet();
                            let lying =
                                Recheck::after(&sighting, yet, reading.atr(), self.clock.now());
                            cards.lying.extend(lying.map(|card| (reader.clone(), card)));
                        }
                        self.conclude(memory, &reading, reader, answer.at, sighting);
                    }
                }
            }
        }
        Ok(any)
    }

    /// A card that lies there has answered. True if it is another one, which is to be read.
    fn hear_lying(&self, cards: &mut Cards, reader: &str, mut answer: Answer) -> Result<bool> {
        let now = self.clock.now();
        let Some(card) = cards.lying.get_mut(reader) else {
            return Ok(false);
        };
        match card.heard(&mut answer.result, now) {
            Found::NothingNew => return Ok(false),
            Found::Lost(fault) => return Err(fault),
            Found::Another => {}
        }
        debug!("{reader}: another card lies there, though none was seen to go");
        self.card_status.card(now);
        self.show(Event::Reading, reader);
        let reading = Reading::exchanged(card.told, card.atr(), now);
        cards.lying.remove(reader);
        cards.readings.insert(reader.to_owned(), reading);
        Ok(true)
    }

    /// A card was read, or could not be. Hands it on, unless it is no tap.
    fn conclude(
        &self,
        memory: &mut WatchMemory,
        reading: &Reading,
        reader: String,
        at: Moment,
        sighting: Sighting,
    ) {
        let now = self.clock.now();
        let uid = match &sighting {
            Sighting::Card(uid, _) | Sighting::Refused(uid, ..) => Some(*uid),
            Sighting::Unread(_) => None,
        };
        let lay_there = uid.is_some_and(|uid| !memory.insertions.told(&reader, uid, reading.new));
        let known = match (&reading.exchanged, uid) {
            // Asked again, one that could be read before is gone, and one with changing identifiers shows the next.
            (Some(told), _) => match (told, &sighting) {
                (_, Sighting::Unread(_)) => true,
                (Some(told), Sighting::Refused(_, _, why)) => told.refused == Some(*why),
                _ => false,
            },
            (None, Some(uid)) => memory.was_found(&reader, uid, now),
            (None, None) => false,
        };
        if lay_there || known {
            debug!("the card has been lying on {reader} since it was read");
            return;
        }
        if let (Some(_), Some(uid)) = (&reading.exchanged, uid) {
            memory.exchanged.insert(reader.clone(), (uid, now));
        }
        self.hand_on(reader, at, sighting);
    }

    /// The first answer of a connection shows that it stands.
    fn connected(&self, memory: &mut WatchMemory) {
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

    fn react(&self, memory: &mut WatchMemory, cards: &mut Cards, change: Change) {
        match change {
            Change::ReaderCame(name) => {
                self.show(Event::ReaderConnected, &name);
                if memory.unplugged.remove(&name) {
                    self.reconnected(&say!(
                        "card reader is back: {name}",
                        "カードリーダーが再び接続されました: {name}"
                    ));
                } else {
                    say_info!(
                        "card reader: {name}",
                        "カードリーダーを検出しました: {name}"
                    );
                }
            }
            Change::ReaderWent(name) => {
                say_warn!(
                    "card reader unplugged: {name}",
                    "カードリーダーが取り外されました: {name}"
                );
                memory.unplugged.insert(name);
            }
            Change::Card { reader, atr, new } => {
                self.card_status.card(self.clock.now());
                self.show(Event::Reading, &reader);
                let reading = Reading::new(&atr, new, self.clock.now());
                cards.lying.remove(&reader);
                // The card before, if it is still being read, is gone; its owner is told to tap again. One that was found
                // in the place of another is the one that came.
                let before = cards.readings.insert(reader.clone(), reading);
                if before.is_some_and(|before| before.exchanged.is_none()) {
                    self.missed(reader);
                }
            }
            Change::Missed(reader) => self.missed(reader),
        }
    }

    fn missed(&self, reader: String) {
        let why = say!(
            "the card was taken away too soon",
            "カードを離すのが早すぎます"
        );
        let at = Moment::now(self.clock.as_ref());
        self.hand_on(reader, at, Sighting::Unread(why));
    }

    fn show(&self, event: Event, reader: &str) {
        self.panel.show(Notice {
            event,
            reader: Some(reader.to_owned()),
            name: None,
        });
    }

    fn hand_on(&self, reader: String, at: Moment, sighting: Sighting) {
        let tap = Tap {
            reader,
            at,
            sighting,
        };
        self.card_status.tap_read();
        let handed = queue::hand_on(&self.taps, tap, &self.beat, self.clock.as_ref(), &self.stop);
        // Only while the service ends, when a tap is acknowledged no more.
        if let Err(Tap { reader, .. }) = handed {
            self.card_status.tap_done();
            say_warn!(
                "card reader {reader}: a tap came too late, the service is ending",
                "カードリーダー {reader}: 終了処理中のため、タッチを記録できません"
            );
        }
    }
}

fn tell_waiting(others: &[&str]) {
    if others.is_empty() {
        say_info!(
            "waiting for a card reader: none is connected",
            "カードリーダーを待っています（未接続）"
        );
    } else {
        let names = others.join(", ");
        say_warn!(
            "waiting for a card reader: cards.readers names none of those that exist ({names})",
            "カードリーダーを待っています: cards.readers に該当するものがありません（接続中: {names}）"
        );
    }
}

#[cfg(test)]
mod tests;
