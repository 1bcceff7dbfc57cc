//! Carries taps from the ledger to the server: `road` knows whether the server takes any and which cards have to wait,
//! `under_way` what has been sent.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use log::debug;

use super::LINES;
use super::client::{Parcel, Server};
use super::judgement::Judgement;
use super::lines::Lines;
use super::pace::Next;
use super::queue::Queue;
use super::road::Road;
use super::stall::{STALLED, Stall};
use super::teller::stalled;
use super::under_way::{Heard, UnderWay};
use super::{PATIENCE, Uplink, wire};
use crate::attend::ledger::outbox::{Exchanged, Head, Outbox, Outgoing, Settled};
use crate::attend::ledger::store::Store;
use crate::attend::reader::Moment;
use crate::base::backoff::Backoff;
use crate::base::beat::Beat;
use crate::base::card_status::CardStatus;
use crate::base::clock::{Clock, Monotime};
use crate::base::slot::{Slot, Taken};
use crate::base::stop::Stop;

/// Lines that cards may take which are held up: what never gets an answer must not block them all.
const LINES_HELD_UP: usize = LINES / 2;
/// How often all cards are looked at, should a wake-up have been missed.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How soon after a wake-up: it may have meant more than one thing.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Pauses while the ledger cannot be used. A lock that another program holds is free a moment later.
const LEDGER_FIRST_PAUSE: Duration = Duration::from_millis(250);
const LEDGER_LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Nothing is looked at more often than this while nothing happens.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// Carries taps from the ledger to the server.
pub(super) struct Courier<'a> {
    server: Arc<dyn Server>,
    lines: Box<dyn Lines + 'a>,
    under_way: &'a mut UnderWay,
    store: Arc<Store>,
    terminal_id: String,
    bell: Arc<Slot<()>>,
    clock: Arc<dyn Clock>,
    stop: Stop,
    card_status: Arc<CardStatus>,
    beat: Beat,
    road: Road,
    stall: Stall,
    has_stalled: bool,
    /// None until it could be opened, and after it has failed.
    outbox: Option<Outbox>,
    ledger_backoff: Backoff,
    /// When the ledger is tried again.
    ledger_at: Monotime,
    queue: Queue,
    /// The newest tap that was looked at.
    newest: i64,
    /// When all cards are looked at.
    look_at: Monotime,
    /// Whether the bell was heard.
    rung: bool,
}

impl<'a> Courier<'a> {
    pub fn new(uplink: &Uplink, lines: Box<dyn Lines + 'a>, under_way: &'a mut UnderWay) -> Self {
        let now = uplink.clock.now();
        // Where the loop begins anew because nothing moved.
        let lost = under_way.give_up(now - STALLED, "no answer for five minutes");
        if lost > 0 {
            debug!("{lost} attempts given up");
        }
        Self {
            server: Arc::clone(&uplink.server),
            lines,
            under_way,
            store: Arc::clone(&uplink.store),
            terminal_id: uplink.terminal_id.clone(),
            bell: Arc::clone(&uplink.bell),
            clock: Arc::clone(&uplink.clock),
            stop: uplink.stop.clone(),
            card_status: Arc::clone(&uplink.card_status),
            beat: uplink.beat.clone(),
            road: Road::new(uplink),
            stall: Stall::default(),
            has_stalled: false,
            outbox: None,
            ledger_backoff: Backoff::new(LEDGER_FIRST_PAUSE, LEDGER_LONGEST_PAUSE),
            ledger_at: now,
            queue: Queue::default(),
            newest: 0,
            look_at: now,
            rung: false,
        }
    }

    /// Says at the start whether the server is there.
    pub fn greet(&mut self) {
        let reply = self.server.health();
        if !self.stop.requested() {
            self.road.greet(&reply, self.clock.now());
        }
    }

    /// Whether deliveries have stalled for so long that the loop must be restarted.
    pub fn has_stalled(&self) -> bool {
        self.has_stalled
    }

    /// Does what is to be done now. Returns how long nothing else is, unless the bell rings.
    pub fn step(&mut self, rung: bool) -> Duration {
        self.rung |= rung;
        loop {
            self.beat.turn();
            self.hear(Duration::ZERO);
            if self.stop.requested() {
                self.note_at_the_end();
                return Duration::ZERO;
            }
            let now = self.clock.now();
            if self.stall.look(self.is_due(now), now) {
                stalled(STALLED.as_secs() / 60);
                self.has_stalled = true;
                return Duration::ZERO;
            }
            let pause = self.turn(now);
            self.publish();
            if pause.is_zero() {
                continue;
            }
            if self.under_way.count() == 0 {
                return pause;
            }
            self.hear(pause.min(PATIENCE));
            self.rung |= self.bell.take(Duration::ZERO) == Taken::Item(());
        }
    }

    /// Whether an attempt should begin or end now.
    fn is_due(&self, now: Monotime) -> bool {
        let waiting = matches!(self.road.pace.next(now), Next::Wait(_));
        self.under_way.count() > 0
            || !self.under_way.to_note().is_empty()
            || (!waiting && !self.queue.is_empty())
    }

    /// One thing that is to be done now. Returns how long there is nothing else to do.
    fn turn(&mut self, now: Monotime) -> Duration {
        if now < self.ledger_at {
            return self.ledger_at.since(now);
        }
        let next = self.road.pace.next(now);
        match self.exchange(next, now) {
            Ok(true) => {
                self.ledger_backoff.reset();
                self.road.teller.ledger_is_fine();
                Duration::ZERO
            }
            Ok(false) if next == Next::AskHealth && self.is_free_to_ask() => {
                self.ask_health();
                Duration::ZERO
            }
            Ok(false) => {
                self.ledger_backoff.reset();
                // A tap that was recorded may have changed it.
                if self.road.pace.next(now) == next {
                    self.pause(next, now)
                } else {
                    Duration::ZERO
                }
            }
            Err(e) => {
                self.outbox = None;
                self.road.teller.ledger_is_in_trouble(&format!("{e:#}"));
                let pause = self.ledger_backoff.pause();
                self.ledger_at = self.clock.now() + pause;
                pause
            }
        }
    }

    fn ask_health(&mut self) {
        let reply = self.server.health();
        if self.stop.requested() {
            return;
        }
        let (now, was_out) = (self.clock.now(), self.road.pace.is_out());
        self.road.health(&reply, now);
        if self.road.pace.is_out() != was_out {
            self.look_at = now;
        }
    }

    /// To ask takes a few seconds at worst, in which no answer is looked at.
    fn is_free_to_ask(&self) -> bool {
        self.road.pace.is_out() || self.under_way.count() == 0
    }

    /// How long there is nothing to do.
    fn pause(&mut self, next: Next, now: Monotime) -> Duration {
        if self.under_way.count() > 0 {
            return PATIENCE;
        }
        let held_up = self.road.held_up.next();
        let look = held_up.map_or(self.look_at, |due| due.min(self.look_at));
        let until = match next {
            Next::Wait(pause) => (now + pause).min(self.look_at),
            Next::Probe => {
                self.road
                    .pace
                    .nothing_before(look.max(now + SHORTEST_PAUSE));
                now
            }
            Next::Knock => {
                self.road.pace.knock_is_over();
                now
            }
            Next::Send | Next::AskHealth => look,
        };
        until.since(now).max(SHORTEST_PAUSE)
    }

    /// Notes what has ended, and sends what may be sent. True if that was anything.
    fn exchange(&mut self, next: Next, now: Monotime) -> Result<bool> {
        let mut outbox = match self.outbox.take() {
            Some(outbox) => outbox,
            None => Outbox::open(&self.store)?,
        };
        self.look(&mut outbox, now)?;
        let lines = match next {
            Next::Send => LINES,
            Next::Probe | Next::Knock => 1,
            Next::AskHealth if !self.road.pace.is_out() => LINES,
            Next::AskHealth | Next::Wait(_) => 0,
        };
        let room = lines.saturating_sub(self.under_way.count());
        let (candidates, held_up) = self.candidates(next, room, now);
        if self.under_way.to_note().is_empty() && candidates.is_empty() {
            if self.under_way.count() == 0 && self.road.teller.has_news() {
                self.road.teller.sum_up(outbox.pending()?);
            }
            self.outbox = Some(outbox);
            return Ok(false);
        }
        let at = Moment::now(self.clock.as_ref());
        let done = outbox.exchange(self.under_way.to_note(), &candidates, room, &at)?;
        self.outbox = Some(outbox);
        if next == Next::Knock {
            self.road.pace.knock_is_over();
        }
        self.carry_on(&candidates, held_up, done, now);
        Ok(true)
    }

    /// Looks for cards that have something to send.
    fn look(&mut self, outbox: &mut Outbox, now: Monotime) -> Result<()> {
        let newest = outbox.newest()?;
        let more = newest > self.newest;
        if more {
            for head in outbox.arrivals(self.newest)? {
                if self.rung && self.road.pace.is_out() {
                    self.queue.push_first(head);
                } else {
                    self.queue.push(head);
                }
            }
        }
        if self.rung {
            self.road.pace.knock();
            self.look_at = self.look_at.min(now + LOOK_AGAIN);
        }
        if now >= self.look_at || (self.rung && !more) {
            let heads = outbox.heads()?;
            self.queue.clear();
            for head in heads {
                self.road.held_up.is_first(&head, now);
                self.queue.push(head);
            }
            self.look_at = now + LOOK_EVERY;
        }
        self.newest = newest;
        self.rung = false;
        Ok(())
    }

    /// Cards whose next tap may be sent now, and how many of them were held up; these come first.
    fn candidates(&mut self, next: Next, room: usize, now: Monotime) -> (Vec<Head>, usize) {
        if room == 0 {
            return (Vec::new(), 0);
        }
        let (under_way, held_up) = (&*self.under_way, &self.road.held_up);
        let skip = |head: &Head| under_way.holds(head) || held_up.has(&head.uid);
        let fresh = self.queue.first(LINES, skip);
        let held = match next {
            Next::Knock => 0,
            // Rather one that was never refused.
            Next::Probe if !fresh.is_empty() => 0,
            _ => LINES_HELD_UP.saturating_sub(under_way.count_of(|uid| held_up.has(uid))),
        };
        let mut all = held_up.due(held.min(room), now, |head| under_way.holds(head));
        let count = all.len();
        all.extend(fresh);
        (all, count)
    }

    /// Goes on after an exchange: the ledger knows what has ended, and what begins.
    fn carry_on(&mut self, candidates: &[Head], held_up: usize, done: Exchanged, now: Monotime) {
        for ended in self.under_way.to_note() {
            self.road.teller.noted(ended.how);
            // It has no pause of its own, so it is to be found when the others are.
            if ended.how == Settled::NotYet && !self.road.held_up.has(&ended.uid) {
                self.look_at = now;
            }
        }
        self.under_way.noted();
        self.queue.take(done.taken.saturating_sub(held_up));
        for head in &candidates[..done.taken.min(held_up)] {
            if !done.begun.iter().any(|tap| tap.uid == head.uid) {
                self.road.held_up.forget(&head.uid);
            }
        }
        done.next.into_iter().for_each(|head| self.queue.push(head));
        if !done.begun.is_empty() {
            self.stall.moved();
        }
        for tap in &done.begun {
            self.under_way.begin(tap.clone(), now);
        }
        // Before the first answer can come.
        self.publish();
        for tap in done.begun {
            let (id, parcel) = (tap.id, self.parcel(&tap));
            if !self.lines.hand_over(tap, parcel) {
                self.under_way.not_sent(id, "no line is free");
                self.look_at = now + LOOK_AGAIN;
            }
        }
    }

    fn parcel(&self, tap: &Outgoing) -> Parcel {
        Parcel {
            body: wire::body(&tap.uid, &tap.local_time, &self.terminal_id),
            idempotency_key: tap.idempotency_key.clone(),
            clock: tap.clock.clone(),
        }
    }

    /// Takes what has come back and judges it; waits for the first up to `timeout`.
    fn hear(&mut self, timeout: Duration) {
        let mut timeout = timeout;
        while let Some(sent) = self.lines.take_back(timeout) {
            let id = sent.tap.id;
            if self.under_way.hear(sent) {
                self.stall.moved();
            } else {
                debug!("tap {id}: an answer came after it was given up");
            }
            timeout = Duration::ZERO;
        }
        while let Some(Heard { sent, begun }) = self.under_way.to_judge() {
            let judged = Judgement::of(&sent);
            if judged.how == Settled::NotYet && self.stop.requested() {
                // We hung up ourselves.
                self.under_way.judged(None);
                continue;
            }
            let (now, was_out) = (self.clock.now(), self.road.pace.is_out());
            self.road.ended(&sent.tap, &judged, begun, now);
            if self.road.pace.is_out() != was_out {
                self.look_at = now;
            }
            self.under_way.judged(Some(judged.noted(sent.tap)));
        }
    }

    /// Notes what is known, so that the next run need not send it again.
    fn note_at_the_end(&mut self) {
        let ended = self.under_way.to_note();
        if ended.is_empty() {
            return;
        }
        let at = Moment::now(self.clock.as_ref());
        let noted = (self.outbox.as_mut()).map(|outbox| outbox.exchange(ended, &[], 0, &at));
        if let Some(Ok(_)) = noted {
            self.under_way.noted();
        }
        self.publish();
    }

    fn publish(&mut self) {
        self.card_status.set_under_way(self.under_way.count());
        if let Some((count, named)) = self.road.held_up.news() {
            self.card_status.set_held_up(count, named);
        }
    }
}

#[cfg(test)]
mod tests;
