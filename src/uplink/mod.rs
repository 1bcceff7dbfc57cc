//! Uplink: what the ledger holds goes to the attendance server, in order per card.
//!
//! A thread of its own with a connection of its own to the ledger: the reader never waits for it. The
//! server tells a repeated delivery only by the last tap of the card that it received, so the next tap of
//! a card is sent only when the one before is settled; then retries are harmless. [`wire`] knows the
//! bytes, [`client`] speaks HTTP, `pace` decides when.

pub mod client;
mod pace;
pub mod terminal;
pub mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use log::{debug, error, info, warn};

use crate::base::clock::Clock;
use crate::base::slot::{Slot, Taken};
use crate::base::stop::Stop;
use crate::config::Config;
use crate::ledger::outbox::{Outbox, Outgoing, Settled};
use crate::say;
use crate::stats::Stats;
use client::{HttpServer, Reply, Server};
use pace::{Next, Pace};
use wire::Verdict;

/// The thread's body.
pub struct Uplink {
    /// The server.
    pub server: Box<dyn Server>,
    /// Data folder with the ledger.
    pub dir: PathBuf,
    /// Name of this device at the server.
    pub terminal_id: String,
    /// Longest pause between attempts (`retry_interval`).
    pub longest_pause: Duration,
    /// Rung when a tap was recorded.
    pub bell: Arc<Slot<()>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
    /// Counts.
    pub stats: Arc<Stats>,
}

impl Uplink {
    /// Delivers until the order to stop. The ledger must have been opened for recording before.
    pub fn run(self) {
        let bell = Arc::clone(&self.bell);
        self.stop.on_request({
            let bell = Arc::clone(&bell);
            move || bell.close()
        });
        let mut courier = Courier::new(self);
        courier.greet();
        let mut rung = false;
        while !courier.stop.requested() {
            let pause = courier.step(rung);
            rung = match bell.take(pause) {
                Taken::Item(()) => true,
                Taken::Nothing => false,
                Taken::Closed => return,
            };
        }
    }
}

/// What was last said about the server, so that a fault is logged once and not at every attempt.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Fine,
    Trouble(String),
}

/// Carries taps from the ledger to the server.
struct Courier {
    server: Box<dyn Server>,
    dir: PathBuf,
    terminal_id: String,
    clock: Arc<dyn Clock>,
    stop: Stop,
    stats: Arc<Stats>,
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
    fn new(uplink: Uplink) -> Self {
        Self {
            pace: Pace::new(uplink.longest_pause),
            server: uplink.server,
            dir: uplink.dir,
            terminal_id: uplink.terminal_id,
            clock: uplink.clock,
            stop: uplink.stop,
            stats: uplink.stats,
            outbox: None,
            told: Told::Nothing,
        }
    }

    /// Says at the start whether the server is there.
    fn greet(&mut self) {
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
    fn step(&mut self, mut rung: bool) -> Duration {
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
        }
    }
}

/// Why the server is not well, judged by its answer for its health; none if it is.
fn unwell(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Answer { status: 200, .. } => None,
        Reply::Answer { status, body } => Some(wire::summary(*status, body)),
        Reply::Unreachable(why) | Reply::NoAnswer(why) => Some(why.clone()),
    }
}

/// Whether the server answers (`facetap check`); what it is, for people. None without a server.
///
/// # Errors
/// It does not, or what it needs is missing; the message names the server.
pub fn probe(config: &Config) -> Result<Option<String>> {
    let Some(server) = HttpServer::new(config, &Stop::new())? else {
        return Ok(None);
    };
    let url = config.server_url.as_deref().unwrap_or_default();
    match unwell(&server.health()) {
        None => Ok(Some(say!("{url} answers", "{url} 応答あり"))),
        Some(why) => bail!(say!(
            "the server {url} does not answer for its health: {why}; check server_url and the network",
            "サーバー {url} が応答しません: {why}。server_url とネットワークを確認してください"
        )),
    }
}

/// The thread's body as configured; none without a server.
///
/// # Errors
/// A file that the configuration names cannot be used, or the name of this device cannot be kept.
pub fn open(
    config: &Config,
    dir: &Path,
    bell: Arc<Slot<()>>,
    clock: Arc<dyn Clock>,
    stop: &Stop,
    stats: Arc<Stats>,
) -> Result<Option<Uplink>> {
    let Some(server) = HttpServer::new(config, stop)? else {
        return Ok(None);
    };
    Ok(Some(Uplink {
        server: Box::new(server),
        dir: dir.to_owned(),
        terminal_id: terminal::id(config.terminal_id.as_deref(), dir)?,
        longest_pause: Duration::from_secs_f64(config.retry_interval),
        bell,
        clock,
        stop: stop.clone(),
        stats,
    }))
}

#[cfg(test)]
mod tests;
