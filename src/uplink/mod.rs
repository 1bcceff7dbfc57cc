//! Uplink: what the ledger holds goes to the attendance server, in order per card.
//!
//! A thread of its own with a connection of its own to the ledger: the reader never waits for it. The
//! server tells a repeated delivery only by the last tap of the card that it received, so the next tap of
//! a card is sent only when the one before is settled; then retries are harmless. [`wire`] knows the
//! bytes, [`client`] speaks HTTP, `pace` decides when, `courier` does it.

pub mod client;
mod courier;
mod pace;
pub mod terminal;
pub mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::base::clock::Clock;
use crate::base::slot::{Slot, Taken};
use crate::base::stop::Stop;
use crate::config::Config;
use crate::indicator::Panel;
use crate::say;
use crate::standing::Standing;
use crate::stats::Stats;
use client::{HttpServer, Server};
use courier::{Courier, unwell};

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
    /// Told when the server answers.
    pub panel: Panel,
    /// Told how many taps wait, and whether the server takes them.
    pub standing: Arc<Standing>,
}

impl Uplink {
    /// Delivers until the order to stop. The ledger must have been opened for recording before.
    pub fn run(self) {
        let bell = Arc::clone(&self.bell);
        self.stop.on_request({
            let bell = Arc::clone(&bell);
            move || bell.close()
        });
        let stop = self.stop.clone();
        let mut courier = Courier::new(self);
        courier.greet();
        let mut rung = false;
        while !stop.requested() {
            let pause = courier.step(rung);
            rung = match bell.take(pause) {
                Taken::Item(()) => true,
                Taken::Nothing => false,
                Taken::Closed => return,
            };
        }
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
    panel: Panel,
    standing: Arc<Standing>,
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
        panel,
        standing,
    }))
}
