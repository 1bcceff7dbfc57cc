//! The server that the configuration names now: another address counts for the next request.

use std::sync::{Arc, Mutex};

use anyhow::Result;

use super::client::{HttpServer, Parcel, Reply, Server};
use crate::base::stop::{Stop, lock};
use crate::config::Live;
use crate::say_error;

/// Stands for one server after the other.
pub(super) struct CurrentServer {
    live: Live,
    stop: Stop,
    current: Mutex<Current>,
}

struct Current {
    generation: u64,
    server: Arc<HttpServer>,
}

impl CurrentServer {
    /// None where the configuration names no server.
    ///
    /// # Errors
    /// As of [`HttpServer::new`].
    pub fn open(live: &Live, stop: &Stop) -> Result<Option<Self>> {
        let generation = live.generation();
        let Some(server) = HttpServer::new(&live.now(), stop)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            live: live.clone(),
            stop: stop.clone(),
            current: Mutex::new(Current {
                generation,
                server: Arc::new(server),
            }),
        }))
    }

    /// The server of now. One that cannot be used is named once, and the one before goes on.
    fn now(&self) -> Arc<HttpServer> {
        let mut current = lock(&self.current);
        let generation = self.live.generation();
        if current.generation != generation {
            current.generation = generation;
            let config = self.live.now();
            match HttpServer::new(&config, &self.stop) {
                Ok(Some(server)) => current.server = Arc::new(server),
                Ok(None) => {}
                Err(e) => say_error!(
                    "the server of the changed configuration cannot be used, the one before goes on: {e:#}",
                    "変更後の設定のサーバーを使用できないため、以前のサーバーを使い続けます: {e:#}"
                ),
            }
        }
        Arc::clone(&current.server)
    }
}

impl Server for CurrentServer {
    fn post(&self, parcel: &Parcel) -> Reply {
        self.now().post(parcel)
    }

    fn health(&self) -> Reply {
        self.now().health()
    }
}
