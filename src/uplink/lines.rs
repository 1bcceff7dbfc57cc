//! Lines to the server: several taps are on their way at once, each of another card.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;

use super::client::{Parcel, Reply, Server};
use crate::base::stop::{Stop, lock};
use crate::base::threads::Threads;
use crate::ledger::outbox::Outgoing;

/// How many taps may be on their way at once.
pub(super) const LINES: usize = 4;

/// A tap that was sent, and what came back.
#[derive(Debug)]
pub(super) struct Sent {
    pub tap: Outgoing,
    pub reply: Reply,
}

/// Takes taps and sends them, in any order. No more than [`LINES`] are handed over before one is taken back.
pub(super) trait Lines: Send {
    /// Begins to send.
    fn hand_over(&mut self, tap: Outgoing, parcel: Parcel);

    /// One that has been sent; waits for it up to `timeout`.
    fn take_back(&mut self, timeout: Duration) -> Option<Sent>;

    /// How many were handed over and not taken back.
    fn on_their_way(&self) -> usize;
}

impl<L: Lines + ?Sized> Lines for &mut L {
    fn hand_over(&mut self, tap: Outgoing, parcel: Parcel) {
        (**self).hand_over(tap, parcel);
    }

    fn take_back(&mut self, timeout: Duration) -> Option<Sent> {
        (**self).take_back(timeout)
    }

    fn on_their_way(&self) -> usize {
        (**self).on_their_way()
    }
}

/// Lines on threads of their own.
pub(super) struct Threaded {
    jobs: SyncSender<(Outgoing, Parcel)>,
    done: Receiver<Sent>,
    on_their_way: usize,
}

impl Threaded {
    /// Starts the threads. They end when this is dropped and what they send has ended.
    pub fn start(threads: &mut Threads, stop: &Stop, server: &Arc<dyn Server>) -> Result<Self> {
        let (jobs, queue) = sync_channel(LINES);
        let (sender, done) = sync_channel(LINES);
        let queue = Arc::new(Mutex::new(queue));
        for number in 1..=LINES {
            let (queue, sender) = (Arc::clone(&queue), sender.clone());
            let server = Arc::clone(server);
            threads.start(&format!("uplink-{number}"), stop, move || {
                loop {
                    // In a statement of its own, so that the queue is free while this one sends.
                    let job: Result<(Outgoing, Parcel), _> = lock(&queue).recv();
                    let Ok((tap, parcel)) = job else {
                        return;
                    };
                    // The courier waits for every tap that it has handed over.
                    let reply = catch_unwind(AssertUnwindSafe(|| server.post(&parcel)))
                        .unwrap_or_else(|_| {
                            Reply::NoAnswer("the program failed, see crash.log".to_owned())
                        });
                    if sender.send(Sent { tap, reply }).is_err() {
                        return;
                    }
                }
            })?;
        }
        Ok(Self {
            jobs,
            done,
            on_their_way: 0,
        })
    }
}

impl Lines for Threaded {
    fn hand_over(&mut self, tap: Outgoing, parcel: Parcel) {
        // The threads end after this end of the queue only; should they not, no answer is no answer.
        if self.jobs.send((tap, parcel)).is_ok() {
            self.on_their_way += 1;
        }
    }

    fn take_back(&mut self, timeout: Duration) -> Option<Sent> {
        let sent = self.done.recv_timeout(timeout).ok()?;
        self.on_their_way -= 1;
        Some(sent)
    }

    fn on_their_way(&self) -> usize {
        self.on_their_way
    }
}
