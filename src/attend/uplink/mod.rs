//! Uplink: what the ledger holds goes to the attendance server, in order per card.
//!
//! Threads of its own with a connection of their own to the ledger: the reader never waits for them. The
//! server tells a repeated delivery only by the last tap of the card that it received, so the next tap of
//! a card is sent only when the one before is settled; then retries are harmless. Taps of different cards
//! are sent side by side. [`wire`] knows the bytes, [`client`] speaks HTTP, `answer` and [`meaning`] make sense of what comes, `lines` carry taps, `under_way` owns what
//! is on its way, `judgement` says what an answer means, `pace` whether the server takes any, `held_up` which cards wait
//! (both are part of the `road`), and `courier` puts it together.

mod answer;
mod api;
pub mod client;
mod courier;
mod current;
mod failure;
mod held_up;
mod judgement;
mod lines;
pub mod meaning;
mod pace;
mod queue;
mod reply;
mod resolver;
mod retry_after;
mod road;
mod stall;
mod teller;
pub mod terminal;
mod under_way;
pub mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::attend::indicator::Panel;
use crate::attend::ledger::store::Store;
use crate::base::beat::Beat;
use crate::base::card_status::CardStatus;
use crate::base::clock::Clock;
use crate::base::slot::{Slot, Taken};
use crate::base::stats::Stats;
use crate::base::stop::Stop;
use crate::base::threads::Threads;
use crate::config::{Config, Live, address::shown};
use crate::say;
use client::{HttpServer, Reply, Server};
use courier::Courier;
use current::CurrentServer;
use lines::{Lines, Threaded};
use under_way::UnderWay;

/// How many taps may be on their way at once.
const LINES: usize = 4;

/// How soon the order to stop is heard while taps are on their way.
const PATIENCE: Duration = Duration::from_millis(250);

/// What the threads need.
pub struct Uplink {
    /// The server.
    pub server: Arc<dyn Server>,
    /// The ledger.
    pub store: Arc<Store>,
    /// Name of this device at the server.
    pub terminal_id: String,
    /// The longest pause between attempts (`retry_interval`), and which server it is: where these change, delivery begins
    /// anew.
    pub live: Live,
    /// Rung when a tap was recorded.
    pub bell: Arc<Slot<()>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
    /// Counts.
    pub stats: Arc<Stats>,
    /// Told when the server answers.
    pub panel: Panel,
    /// Told how many taps wait, and whether the server takes them.
    pub card_status: Arc<CardStatus>,
    /// The sign of life.
    pub beat: Beat,
}

impl Uplink {
    /// Starts the threads: they deliver until the order to stop.
    ///
    /// # Errors
    /// The operating system refuses another thread.
    pub fn start(self, threads: &mut Threads) -> Result<()> {
        let mut lines = Threaded::start(threads, &self.stop, &self.server, &self.clock)?;
        // Out here, for it outlives a panic of the loop.
        let mut under_way = UnderWay::default();
        let (stop, clock, beat) = (
            self.stop.clone(),
            Arc::clone(&self.clock),
            self.beat.clone(),
        );
        let bell = Arc::clone(&self.bell);
        stop.on_request(move || bell.close());
        let bell = Arc::clone(&self.bell);
        self.live.on_change(move || {
            bell.put(());
        });
        threads.start_loop("uplink", &stop, &clock, &beat, move || {
            self.run(&mut lines, &mut under_way);
        })
    }

    fn run(&self, lines: &mut dyn Lines, under_way: &mut UnderWay) {
        while !self.stop.requested() {
            let mut courier = Courier::new(self, Box::new(&mut *lines), under_way);
            courier.greet();
            self.serve(&mut courier);
        }
    }

    fn settings(&self) -> [Option<String>; 4] {
        let now = self.live.now();
        let path = |file: &Option<PathBuf>| file.as_ref().map(|f| f.display().to_string());
        [
            now.server_url.clone(),
            path(&now.auth_token_file),
            path(&now.ca_file),
            Some(now.retry_interval.to_string()),
        ]
    }

    /// The longest pause between attempts.
    fn longest_pause(&self) -> Duration {
        Duration::from_secs_f64(self.live.now().retry_interval)
    }

    /// Delivers until the order to stop, until deliveries stall, or until there is another server.
    fn serve(&self, courier: &mut Courier) {
        let mut rung = false;
        let settings = self.settings();
        loop {
            let pause = courier.step(rung);
            // Of a new server nothing is known: what held taps back does not count any more.
            if self.stop.requested() || courier.has_stalled() || self.settings() != settings {
                return;
            }
            self.beat.extend_deadline(pause);
            let bell = self.bell.take(pause);
            self.beat.turn();
            // Closed: the order to stop, at which the courier notes what it knows.
            rung = matches!(bell, Taken::Item(()));
        }
    }
}

/// Why the server is not well, judged by its answer for its health; none if it is.
fn unwell(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Answer { status, body, .. } if wire::is_well(*status, body) => None,
        Reply::Answer {
            status, body, head, ..
        } => Some(meaning::describe(*status, body, head)),
        Reply::Unreachable(why) | Reply::NoAnswer(why) | Reply::TooSlow(why) => Some(why.clone()),
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
    let url = shown(config.server_url.as_deref().unwrap_or_default());
    let reply = server.health();
    let Some(why) = unwell(&reply) else {
        return Ok(Some(say!("{url} answers", "{url} 応答あり")));
    };
    if matches!(reply, Reply::Answer { .. }) {
        bail!(say!(
            "what answers at {url} is not the attendance server in good health: {why}",
            "{url} の応答は、正常な勤怠サーバーのものではありません: {why}"
        ));
    }
    bail!(say!(
        "the server {url} does not answer for its health: {why}; check server_url and the network",
        "サーバー {url} が応答しません: {why}。server_url とネットワークを確認してください"
    ))
}

/// The server of the configuration, and the name of this device at it; none without a server.
///
/// # Errors
/// A file that the configuration names cannot be used, or the name of this device cannot be kept.
pub fn server(live: &Live, dir: &Path, stop: &Stop) -> Result<Option<(Arc<dyn Server>, String)>> {
    let Some(server) = CurrentServer::open(live, stop)? else {
        return Ok(None);
    };
    let name = terminal::id(live.now().terminal_id.as_deref(), dir)?;
    Ok(Some((Arc::new(server), name)))
}
