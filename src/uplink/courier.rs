//! Carries taps from the ledger to the server, as `pace` says.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use log::{debug, error, info, warn};

use super::client::{Parcel, Reply, Server};
use super::denials::Denials;
use super::lines::{LINES, Lines, Sent};
use super::pace::{Next, Pace};
use super::wire::{self, Verdict};
use super::{PATIENCE, Uplink};
use crate::base::beat::Beat;
use crate::base::clock::Clock;
use crate::base::stop::Stop;
use crate::indicator::{Event, Panel};
use crate::ledger::outbox::{Ended, Head, Outbox, Outgoing, Settled};
use crate::ledger::store::Store;
use crate::reader::Moment;
use crate::say;
use crate::standing::{self, Standing};
use crate::stats::Stats;

/// What was last said about the server, so that a fault is logged once and not at every attempt.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Fine,
    Trouble(String),
}

/// Carries taps from the ledger to the server.
pub(super) struct Courier<'a> {
    server: Arc<dyn Server>,
    lines: Box<dyn Lines + 'a>,
    store: Arc<Store>,
    terminal_id: String,
    clock: Arc<dyn Clock>,
    stop: Stop,
    stats: Arc<Stats>,
    panel: Panel,
    standing: Arc<Standing>,
    beat: Beat,
    pace: Pace,
    /// None until it could be opened, and after it has failed.
    outbox: Option<Outbox>,
    told: Told,
    denials: Denials,
}

/// One round: what is to be sent in it, and what has come of it.
struct Round {
    fresh_only: bool,
    queue: VecDeque<Head>,
    /// Cards that are in the queue, on their way, or in trouble: no second tap of theirs is sent.
    cards: HashSet<String>,
    /// The newest tap that was looked at.
    newest: i64,
    in_flight: usize,
    ended: Vec<Ended>,
    settled: u64,
    /// Of those, the ones that the server has.
    delivered: u64,
    /// Whether anything was tried in vain.
    left: bool,
    /// Whether there is no use in going on.
    enough: bool,
}

impl<'a> Courier<'a> {
    pub fn new(uplink: &Uplink, lines: Box<dyn Lines + 'a>) -> Self {
        Self {
            pace: Pace::new(uplink.longest_pause),
            server: Arc::clone(&uplink.server),
            lines,
            store: Arc::clone(&uplink.store),
            terminal_id: uplink.terminal_id.clone(),
            clock: Arc::clone(&uplink.clock),
            stop: uplink.stop.clone(),
            stats: Arc::clone(&uplink.stats),
            panel: uplink.panel.clone(),
            standing: Arc::clone(&uplink.standing),
            beat: uplink.beat.clone(),
            outbox: None,
            told: Told::Nothing,
            denials: Denials::default(),
        }
    }

    /// Says at the start whether the server is there.
    pub fn greet(&mut self) {
        let reply = self.server.health();
        if self.stop.requested() {
            return;
        }
        match unwell(&reply) {
            None => self.tell_fine(),
            Some(why) => {
                self.tell_trouble(&why);
                self.pace.health(false, self.clock.now(), fastrand::f64());
            }
        }
    }

    /// Does what is to be done now. Returns how long nothing else is, unless a tap is recorded.
    pub fn step(&mut self, mut rung: bool) -> Duration {
        loop {
            self.beat.turn();
            let next = self.pace.next(self.clock.now(), rung);
            rung = false;
            match next {
                Next::Wait(pause) => return pause,
                Next::AskHealth => self.ask_health(),
                Next::DeliverAll | Next::DeliverFresh => match self.round(next) {
                    Ok(more) => rung = more,
                    Err(e) => {
                        self.outbox = None;
                        self.pace.stumbled(self.clock.now(), fastrand::f64());
                        self.tell_trouble(&format!("{e:#}"));
                    }
                },
            }
            self.standing.set_under_way(0);
            if self.stop.requested() {
                return Duration::ZERO;
            }
        }
    }

    fn ask_health(&mut self) {
        let fine = unwell(&self.server.health()).is_none();
        if self.pace.health(fine, self.clock.now(), fastrand::f64()) {
            self.tell_fine();
        }
    }

    /// Sends the oldest tap of each card, then the next ones of those that got through, and so on. True if taps have
    /// come meanwhile that were not looked at.
    fn round(&mut self, kind: Next) -> Result<bool> {
        let mut outbox = match self.outbox.take() {
            Some(outbox) => outbox,
            None => Outbox::open(&self.store)?,
        };
        let fresh_only = kind == Next::DeliverFresh;
        // In this order: what comes in between is looked at twice rather than never.
        let newest = outbox.newest()?;
        let queue: VecDeque<Head> = outbox.heads(fresh_only)?.into();
        let mut round = Round {
            fresh_only,
            cards: queue.iter().map(|h| h.uid.clone()).collect(),
            queue,
            newest,
            in_flight: 0,
            ended: Vec::new(),
            settled: 0,
            delivered: 0,
            left: false,
            enough: false,
        };
        self.send_all(&mut outbox, &mut round)?;
        if self.stop.requested() {
            return Ok(false);
        }
        let Round {
            settled,
            delivered,
            left,
            ..
        } = round;
        self.pace
            .round_over(kind, settled > 0, left, self.clock.now(), fastrand::f64());
        if settled > 0 {
            let waiting = outbox.pending()?;
            self.standing.set_waiting(waiting);
            info!(
                "{}",
                say!(
                    "sent to the server: {delivered}, still waiting: {waiting}",
                    "サーバーへ送信済み: {delivered} 件、未送信: {waiting} 件"
                )
            );
        }
        let more = outbox.newest()? > round.newest;
        self.outbox = Some(outbox);
        Ok(more)
    }

    /// Keeps the lines busy until the queue is empty, or there is no use in going on, or the order to stop comes.
    fn send_all(&mut self, outbox: &mut Outbox, round: &mut Round) -> Result<()> {
        loop {
            self.beat.turn();
            self.exchange(outbox, round)?;
            self.standing.set_under_way(round.in_flight);
            if round.in_flight == 0 {
                return Ok(());
            }
            // All that have ended are noted in one go.
            let mut timeout = PATIENCE;
            while let Some(sent) = self.lines.take_back(timeout) {
                round.in_flight -= 1;
                self.judge(sent, round);
                timeout = Duration::ZERO;
            }
            if self.stop.requested() {
                return Ok(());
            }
        }
    }

    /// Notes what has ended, and hands out what may be sent next.
    fn exchange(&mut self, outbox: &mut Outbox, round: &mut Round) -> Result<()> {
        let newest = outbox.newest()?;
        if newest > round.newest {
            for head in outbox.arrivals(round.newest, round.fresh_only)? {
                if round.cards.insert(head.uid.clone()) {
                    round.queue.push_back(head);
                }
            }
            round.newest = newest;
        }
        // A server in trouble is asked with one tap.
        let lines = if self.pace.server_is_out() { 1 } else { LINES };
        let room = if round.enough {
            0
        } else {
            lines.saturating_sub(round.in_flight)
        };
        if round.ended.is_empty() && (room == 0 || round.queue.is_empty()) {
            return Ok(());
        }
        let now = Moment::now(self.clock.as_ref());
        let done = outbox.exchange(&round.ended, &round.queue, room, round.fresh_only, &now)?;
        for ended in round.ended.drain(..) {
            if ended.how != Settled::NotYet {
                round.cards.remove(&ended.uid);
            }
        }
        round.queue.drain(..done.taken);
        for head in done.next {
            round.cards.insert(head.uid.clone());
            round.queue.push_back(head);
        }
        for tap in done.begun {
            round.cards.insert(tap.uid.clone());
            round.in_flight += 1;
            let parcel = Parcel {
                body: wire::body(&tap.uid, &tap.local_time, &self.terminal_id),
                idempotency_key: tap.idempotency_key.clone(),
                clock: tap.clock.clone(),
            };
            self.lines.hand_over(tap, parcel);
        }
        Ok(())
    }

    /// Decides what an answer means for its tap.
    fn judge(&mut self, sent: Sent, round: &mut Round) {
        let Sent { tap, reply } = sent;
        let over = !matches!(reply, Reply::TooSlow(_));
        let (answer, there, verdict) = match reply {
            Reply::Answer { status, body } => (
                wire::summary(status, &body),
                true,
                wire::verdict(status, &body),
            ),
            Reply::NoAnswer(why) | Reply::TooSlow(why) => (why, true, Verdict::Trouble),
            Reply::Unreachable(why) => (why, false, Verdict::Trouble),
        };
        let how = match verdict {
            Verdict::Stored => Settled::Delivered,
            // An attempt before this one may have been stored, whatever was heard of it.
            Verdict::Duplicate if tap.attempts > 0 => Settled::Delivered,
            Verdict::Duplicate => Settled::UnexpectedDuplicate,
            Verdict::Rejected => Settled::Rejected,
            Verdict::Denied if self.denials.is_this_taps_fault(tap.id) => Settled::Rejected,
            Verdict::Denied | Verdict::Trouble => Settled::NotYet,
        };
        if how == Settled::NotYet && self.stop.requested() {
            // We hung up ourselves.
            return;
        }
        self.tell(&tap, how, &answer);
        if how == Settled::NotYet {
            round.left = true;
            round.enough |= self.pace.trouble(tap.id, there);
        } else {
            round.settled += 1;
            round.delivered += u64::from(how == Settled::Delivered);
            self.pace.worked();
            self.tell_fine();
        }
        round.ended.push(Ended {
            id: tap.id,
            uid: tap.uid,
            how,
            answer,
            over,
        });
    }

    /// Counts and logs how an attempt ended.
    fn tell(&mut self, tap: &Outgoing, how: Settled, answer: &str) {
        let Outgoing { id, uid, .. } = tap;
        match how {
            Settled::Delivered => {
                self.denials.accepted(*id);
                self.stats.delivered.increment();
                debug!("tap {id} delivered: {answer}");
                return;
            }
            Settled::Rejected => error!(
                "{}",
                say!(
                    "the server rejected tap {id} ({uid}); it stays in the ledger (facetap attendance list \
                     --rejected): {answer}",
                    "サーバーが {id} 件目 ({uid}) を拒否しました。記録は保持します \
                     (facetap attendance list --rejected): {answer}"
                )
            ),
            Settled::UnexpectedDuplicate => error!(
                "{}",
                say!(
                    "the server takes tap {id} ({uid}) for one that it has, though it was never sent; please look \
                     (facetap attendance list --review): {answer}",
                    "サーバーは未送信の {id} 件目 ({uid}) を重複と判定しました。確認してください \
                     (facetap attendance list --review): {answer}"
                )
            ),
            Settled::NotYet => self.tell_trouble(answer),
        }
        self.stats.delivery_faults.increment();
    }

    fn tell_fine(&mut self) {
        if self.told != Told::Fine {
            info!("{}", say!("server connected", "サーバーに接続しました"));
            self.told = Told::Fine;
            self.standing.set_server(standing::Server::Up);
            self.panel.show(Event::ServerConnected);
        }
    }

    fn tell_trouble(&mut self, why: &str) {
        // Some reasons name the second.
        let trouble = Told::Trouble(why.replace(|c: char| c.is_ascii_digit(), ""));
        if self.told != trouble {
            warn!(
                "{}",
                say!(
                    "the server takes no taps now, they stay in the ledger: {why}",
                    "サーバーへ送信できません。記録は保持し、後で再送します: {why}"
                )
            );
            self.told = trouble;
            self.standing.set_server(standing::Server::Down);
        }
    }
}

/// Why the server is not well, judged by its answer for its health; none if it is.
pub(super) fn unwell(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Answer { status: 200, .. } => None,
        Reply::Answer { status, body } => Some(wire::summary(*status, body)),
        Reply::Unreachable(why) | Reply::NoAnswer(why) | Reply::TooSlow(why) => Some(why.clone()),
    }
}

#[cfg(test)]
mod tests;
