//! How the card side stands now, in numbers that every thread may look at: what a display at rest shows.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::Monotime;

/// The attendance server, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Server {
    /// None is configured.
    #[default]
    None = 0,
    /// Not asked yet.
    Unknown = 1,
    /// It takes taps.
    Up = 2,
    /// It does not; they stay in the ledger.
    Down = 3,
}

/// How much waits in each queue. That of the pictures holds one, see the dropped frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Queues {
    /// Taps in the ledger that the server does not have yet.
    pub taps_waiting: u64,
    /// Taps that were read and are not in the ledger yet; readers wait beyond 64.
    pub taps_unrecorded: u64,
    /// Taps on their way to the server; at most 4.
    pub taps_under_way: u64,
    /// Lines of the log that wait for the disk; see `logging` for the limit.
    pub log_lines: u64,
}

/// How things stand. The numbers are for people: each is right within a minute.
#[derive(Debug, Default)]
pub struct Standing {
    readers: AtomicU32,
    waiting: AtomicU64,
    unrecorded: AtomicU64,
    under_way: AtomicU32,
    server: AtomicU8,
    /// Milliseconds of the monotonic clock; 0 before the first.
    last_card: AtomicU64,
}

impl Standing {
    /// Readers that can be used now.
    #[must_use]
    pub fn readers(&self) -> u32 {
        self.readers.load(Ordering::Relaxed)
    }

    /// Tells how many readers can be used now.
    pub fn set_readers(&self, readers: usize) {
        let readers = u32::try_from(readers).unwrap_or(u32::MAX);
        self.readers.store(readers, Ordering::Relaxed);
    }

    /// Taps that the server does not have yet.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Tells how many taps wait.
    pub fn set_waiting(&self, taps: u64) {
        self.waiting.store(taps, Ordering::Relaxed);
    }

    /// One more tap waits.
    pub fn one_more_waits(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// A tap is handed on, to be recorded.
    pub fn tap_read(&self) {
        self.unrecorded.fetch_add(1, Ordering::Relaxed);
    }

    /// It is recorded, or told as failed.
    pub fn tap_done(&self) {
        self.unrecorded.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether taps are on their way to the server now.
    #[must_use]
    pub fn sending(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }

    /// Tells how many taps are on their way.
    pub fn set_under_way(&self, taps: usize) {
        let taps = u32::try_from(taps).unwrap_or(u32::MAX);
        self.under_way.store(taps, Ordering::Relaxed);
    }

    /// How much waits in each queue now; the log knows its own.
    #[must_use]
    pub fn queues(&self, log_lines: u64) -> Queues {
        Queues {
            taps_waiting: self.waiting(),
            taps_unrecorded: self.unrecorded.load(Ordering::Relaxed),
            taps_under_way: self.under_way.load(Ordering::Relaxed).into(),
            log_lines,
        }
    }

    /// When a card was last held to a reader; none before the first.
    #[must_use]
    pub fn last_card(&self) -> Option<Monotime> {
        let at = self.last_card.load(Ordering::Relaxed);
        (at > 0).then(|| Monotime::from_zero(Duration::from_millis(at)))
    }

    /// A card is held to a reader at this moment.
    pub fn card(&self, now: Monotime) {
        let at = u64::try_from(now.since_zero().as_millis()).unwrap_or(u64::MAX);
        self.last_card.store(at.max(1), Ordering::Relaxed);
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> Server {
        match self.server.load(Ordering::Relaxed) {
            1 => Server::Unknown,
            2 => Server::Up,
            3 => Server::Down,
            _ => Server::None,
        }
    }

    /// Tells what is known of the server.
    pub fn set_server(&self, server: Server) {
        self.server.store(server as u8, Ordering::Relaxed);
    }
}
