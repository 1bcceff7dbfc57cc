//! What the health thread asks the loops for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Service, Shared};
use crate::base::clock::{Clock, Monotime};
use crate::base::presence::Presence;
use crate::base::standing::{Server, Standing};
use crate::base::stats::Stats;
use crate::base::stop::lock;
use crate::follow::control::Follower;
use crate::service::reloads::Reloads;
use crate::watch::health::Vitals;
use crate::watch::health::state::{Devices, Memory, State};
use crate::watch::logging;
use crate::watch::monitor::{self, Latest, megabytes};

/// What all loops share, to be looked at.
pub(super) struct Everything {
    stats: Arc<Stats>,
    standing: Arc<Standing>,
    latest: Arc<Latest>,
    presence: Arc<Presence>,
    follower: Arc<Mutex<Follower>>,
    reloads: Arc<Reloads>,
    clock: Arc<dyn Clock>,
    camera: bool,
    servo: bool,
    cards: bool,
    limit: u64,
}

impl Everything {
    pub fn new(service: &Service, shared: &Shared, limit: u64) -> Self {
        Self {
            stats: Arc::clone(&shared.stats),
            standing: Arc::clone(&shared.standing),
            latest: Arc::clone(&shared.latest),
            presence: Arc::clone(&shared.presence),
            follower: Arc::clone(&shared.follower),
            reloads: Arc::clone(&service.reloads),
            clock: Arc::clone(&service.clock),
            camera: service.camera.is_some(),
            servo: service.config.servo.enabled,
            cards: service.config.cards.enabled,
            limit,
        }
    }

    fn devices(&self) -> Devices {
        let in_view = self.presence.at(self.clock.now());
        let server = match self.standing.server() {
            Server::None => "none",
            Server::Unknown => "unknown",
            Server::Up => "up",
            Server::Down => "down",
        };
        Devices {
            camera: self.camera.then_some(in_view.is_some()),
            servo: self
                .servo
                .then(|| lock(&self.follower).measured().is_some()),
            readers: self.cards.then(|| self.standing.readers()),
            server: server.to_owned(),
            faces: in_view.map(|v| v.faces),
        }
    }
}

impl Vitals for Everything {
    fn fill(&self, state: &mut State, rss: u64) {
        state.counters = self.stats.counters();
        state.devices = self.devices();
        state.queues = self.standing.queues(logging::waiting());
        state.troubled = self.standing.troubled();
        state.memory = Memory {
            rss_mb: (megabytes(rss) * 10.0).round() / 10.0,
            limit_mb: megabytes(self.limit),
        };
        (state.reloads, state.last_reload) = self.reloads.get();
    }

    fn last_card(&self) -> Option<Monotime> {
        self.standing.last_card()
    }

    fn face(&self) -> bool {
        let in_view = self.presence.at(self.clock.now());
        in_view.is_some_and(|v| v.faces > 0)
    }

    fn sending(&self) -> bool {
        self.standing.sending()
    }

    fn rss(&self) -> u64 {
        monitor::rss_bytes().unwrap_or(0)
    }

    fn full_in(&self) -> Option<Duration> {
        self.latest.verdicts().memory_full_in()
    }
}
