//! Carries taps from the ledger to the server, as `pace` says.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use log::{debug, error, info, warn};

use super::Uplink;
use super::client::{Reply, Server};
use super::pace::{Next, Pace};
use super::wire::{self, Verdict};
use crate::base::clock::Clock;
use crate::base::stop::Stop;
use crate::indicator::{Event, Panel};
use crate::ledger::outbox::{Outbox, Outgoing, Settled};
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
pub(super) struct Courier {
    server: Box<dyn Server>,
    dir: PathBuf,
    terminal_id: String,
    clock: Arc<dyn Clock>,
    stop: Stop,
    stats: Arc<Stats>,
    panel: Panel,
    standing: Arc<Standing>,
    pace: Pace,
    /// None until it could be opened, and after it has failed.
    outbox: Option<Outbox>,
    told: Told,
}

/// Whether the server has dealt with what it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// It has, one way or the other.
    None,
    /// Something is still pending.
    Some,
    /// The same, and there is no use in going on.
    Enough,
}

impl Courier {
    pub fn new(uplink: Uplink) -> Self {
        Self {
            pace: Pace::new(uplink.longest_pause),
            server: uplink.server,
            dir: uplink.dir,
            terminal_id: uplink.terminal_id,
            clock: uplink.clock,
            stop: uplink.stop,
            stats: uplink.stats,
            panel: uplink.panel,
            standing: uplink.standing,
            outbox: None,
            told: Told::Nothing,
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
            match self.pace.next(self.clock.now(), rung) {
                Next::Wait(pause) => return pause,
                Next::AskHealth => self.ask_health(),
                round => {
                    if let Err(e) = self.round(round) {
                        self.outbox = None;
                        self.pace.stumbled(self.clock.now(), fastrand::f64());
                        self.tell_trouble(&format!("{e:#}"));
                    }
                }
            }
            rung = false;
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

    /// Sends the oldest tap of each card, then the next ones of those that got through, and so on.
    fn round(&mut self, round: Next) -> Result<()> {
        let outbox = match self.outbox.take() {
            Some(outbox) => outbox,
            None => Outbox::open(&self.dir)?,
        };
        let mut sent = 0u64;
        let mut left = false;
        let mut fresh_only = round == Next::DeliverFresh;
        loop {
            let (settled, trouble) = self.pass(&outbox, fresh_only)?;
            if self.stop.requested() {
                return Ok(());
            }
            sent += settled;
            left |= trouble != Trouble::None;
            if settled == 0 || trouble == Trouble::Enough {
                break;
            }
            // What has been tried in this round is not tried again in it.
            fresh_only = true;
        }
        self.pace
            .round_over(round, sent > 0, left, self.clock.now(), fastrand::f64());
        if sent > 0 {
            let waiting = outbox.pending()?;
            info!(
                "{}",
                say!(
                    "sent to the server: {sent}, still waiting: {waiting}",
                    "サーバーへ送信済み: {sent} 件、未送信: {waiting} 件"
                )
            );
        }
        self.outbox = Some(outbox);
        Ok(())
    }

    /// Sends the oldest tap of each card. Returns how many were settled, and whether any was not.
    fn pass(&mut self, outbox: &Outbox, fresh_only: bool) -> Result<(u64, Trouble)> {
        let mut settled = 0;
        let mut trouble = Trouble::None;
        for id in outbox.heads(fresh_only)? {
            if self.stop.requested() {
                break;
            }
            match self.deliver(outbox, id)? {
                Trouble::None => settled += 1,
                Trouble::Some => trouble = Trouble::Some,
                Trouble::Enough => return Ok((settled, Trouble::Enough)),
            }
        }
        Ok((settled, trouble))
    }

    fn deliver(&mut self, outbox: &Outbox, id: i64) -> Result<Trouble> {
        let Some(tap) = outbox.begin_attempt(id, &self.clock.wall())? else {
            return Ok(Trouble::None);
        };
        let body = wire::body(&tap.uid, &tap.local_time, &self.terminal_id);
        let reply = self.server.post(&body, &tap.idempotency_key);
        let (why, there) = match reply {
            Reply::Answer { status, body } => {
                let answer = wire::summary(status, &body);
                match wire::verdict(status, &body) {
                    Verdict::Delivered => {
                        return self.settle(outbox, &tap, Settled::Delivered, &answer);
                    }
                    Verdict::Rejected => {
                        return self.settle(outbox, &tap, Settled::Rejected, &answer);
                    }
                    Verdict::Trouble => (answer, true),
                }
            }
            Reply::NoAnswer(why) => (why, true),
            Reply::Unreachable(why) => (why, false),
        };
        if self.stop.requested() {
            // We hung up ourselves.
            return Ok(Trouble::Enough);
        }
        self.stats.delivery_faults.increment();
        outbox.note_trouble(id, &why)?;
        self.tell_trouble(&why);
        Ok(if self.pace.trouble(id, there) {
            Trouble::Enough
        } else {
            Trouble::Some
        })
    }

    fn settle(
        &mut self,
        outbox: &Outbox,
        tap: &Outgoing,
        how: Settled,
        answer: &str,
    ) -> Result<Trouble> {
        let Outgoing { id, uid, .. } = tap;
        outbox.settle(*id, how, answer, &self.clock.wall())?;
        match how {
            Settled::Delivered => {
                self.stats.delivered.increment();
                debug!("tap {id} delivered: {answer}");
            }
            Settled::Rejected => {
                self.stats.delivery_faults.increment();
                error!(
                    "{}",
                    say!(
                        "the server rejected tap {id} ({uid}); it stays in the ledger: {answer}",
                        "サーバーが {id} 件目 ({uid}) を拒否しました。記録は保持します: {answer}"
                    )
                );
            }
        }
        self.pace.worked();
        self.tell_fine();
        Ok(Trouble::None)
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
        let trouble = Told::Trouble(why.to_owned());
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
        Reply::Unreachable(why) | Reply::NoAnswer(why) => Some(why.clone()),
    }
}

#[cfg(test)]
mod tests;
