//! Lines to the server: several taps are on their way at once, each of another card.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;

use super::LINES;
use super::api::Api;
use super::client::{Parcel, Reply, Server};
use crate::attend::ledger::outbox::Outgoing;
use crate::base::clock::Clock;
use crate::base::stop::{Stop, lock};
use crate::base::threads::Threads;

/// A tap that was sent, and its answer.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub tap: Outgoing,
    pub reply: Reply,
    /// The reply rejects the tap, and comes from a server whose health is the API's.
    pub from_api: bool,
}

/// Takes taps and sends them, in any order. No more than [`LINES`] are handed over before one is taken back.
pub(super) trait Lines: Send {
    /// Begins to send. False if that cannot be: no line is free, for all hang.
    fn hand_over(&mut self, tap: Outgoing, parcel: Parcel) -> bool;

    /// One that has been sent; waits for it up to `timeout`.
    fn take_back(&mut self, timeout: Duration) -> Option<Sent>;
}

impl<L: Lines + ?Sized> Lines for &mut L {
    fn hand_over(&mut self, tap: Outgoing, parcel: Parcel) -> bool {
        (**self).hand_over(tap, parcel)
    }

    fn take_back(&mut self, timeout: Duration) -> Option<Sent> {
        (**self).take_back(timeout)
    }
}

/// Lines on threads of their own.
pub(super) struct Threaded {
    jobs: SyncSender<(Outgoing, Parcel)>,
    done: Receiver<Sent>,
}

impl Threaded {
    /// Starts the threads. They end when this is dropped and what they send has ended.
    pub fn start(
        threads: &mut Threads,
        stop: &Stop,
        server: &Arc<dyn Server>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        let api = Arc::new(Api::new(server, clock));
        let (jobs, queue) = sync_channel(LINES);
        let (sender, done) = sync_channel(LINES);
        let queue = Arc::new(Mutex::new(queue));
        for number in 1..=LINES {
            let (queue, sender) = (Arc::clone(&queue), sender.clone());
            let (server, api) = (Arc::clone(server), Arc::clone(&api));
            threads.start(&format!("uplink-{number}"), stop, move || {
                loop {
                    // In a statement of its own, so that the queue is free while this one sends.
                    let job: Result<(Outgoing, Parcel), _> = lock(&queue).recv();
                    let Ok((tap, parcel)) = job else {
                        return;
                    };
                    // The courier waits for every tap that it has handed over.
                    let ask = || {
                        let reply = server.post(&parcel);
                        let from_api = api.rejects(&reply);
                        (reply, from_api)
                    };
                    let (reply, from_api) =
                        catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|_| {
                            let why = "the program failed, see crash.log".to_owned();
                            (Reply::NoAnswer(why), false)
                        });
                    let sent = Sent {
                        tap,
                        reply,
                        from_api,
                    };
                    if sender.send(sent).is_err() {
                        return;
                    }
                }
            })?;
        }
        Ok(Self { jobs, done })
    }
}

impl Lines for Threaded {
    fn hand_over(&mut self, tap: Outgoing, parcel: Parcel) -> bool {
        self.jobs.try_send((tap, parcel)).is_ok()
    }

    fn take_back(&mut self, timeout: Duration) -> Option<Sent> {
        self.done.recv_timeout(timeout).ok()
    }
}
