//! What the health thread asks the loops for.

use std::sync::Arc;
use std::time::Duration;

use super::{Service, Shared};
use crate::base::card_status::Server;
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::lock;
use crate::service::reloads::Reloads;
use crate::watch::health::Vitals;
use crate::watch::health::state::{Devices, State};
use crate::watch::logging;
use crate::watch::monitor::{self, megabytes};

/// What all loops share, to be looked at.
pub(super) struct LiveVitals {
    shared: Shared,
    reloads: Arc<Reloads>,
    clock: Arc<dyn Clock>,
    camera: bool,
    servo: bool,
    cards: bool,
}

impl LiveVitals {
    pub fn new(service: &Service, shared: &Shared) -> Self {
        Self {
            shared: shared.clone(),
            reloads: Arc::clone(&service.reloads),
            clock: Arc::clone(&service.clock),
            camera: service.camera.is_some(),
            servo: service.config.servo.enabled,
            cards: service.config.cards.enabled,
        }
    }

    fn devices(&self) -> Devices {
        let in_view = self.shared.presence.at(self.clock.now());
        let server = match self.shared.card_status.server() {
            Server::None => "none",
            Server::Unknown => "unknown",
            Server::Up => "up",
            Server::Down => "down",
        };
        Devices {
            camera: self.camera.then_some(in_view.is_some()),
            servo: self
                .servo
                .then(|| lock(&self.shared.follower).measured().is_some()),
            readers: self.cards.then(|| self.shared.card_status.readers()),
            server: server.to_owned(),
            faces: in_view.map(|v| v.faces),
        }
    }
}

impl Vitals for LiveVitals {
    fn fill(&self, state: &mut State, rss: u64) {
        state.counters = self.shared.stats.counters();
        state.devices = self.devices();
        state.queues = self.shared.card_status.queues(logging::waiting());
        state.troubled = self.shared.card_status.troubled();
        state.memory.rss_mb = (megabytes(rss) * 10.0).round() / 10.0;
        (state.reloads, state.last_reload) = self.reloads.get();
    }

    fn last_card(&self) -> Option<Monotime> {
        self.shared.card_status.last_card()
    }

    fn face(&self) -> bool {
        let in_view = self.shared.presence.at(self.clock.now());
        in_view.is_some_and(|v| v.faces > 0)
    }

    fn sending(&self) -> bool {
        self.shared.card_status.sending()
    }

    fn rss(&self) -> u64 {
        monitor::rss_bytes().unwrap_or(0)
    }

    fn full_in(&self) -> Option<Duration> {
        self.shared.latest.verdicts().memory_full_in()
    }
}
