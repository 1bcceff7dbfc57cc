//! Present state of the card side, in counters that every thread may read; the idle display shows them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::Monotime;
use crate::base::stop::lock;

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

/// Taps that will not, or not soon, get to the server though it takes others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Troubled {
    /// Taps that the server has rejected. They are sent again only by `facetap attendance retry`.
    pub rejected: u64,
    /// Taps that were refused again and again, by the server or something on the way. They are tried again and again.
    pub held_up: u64,
    /// The first of those.
    pub held: Vec<HeldTap>,
    /// What a person has to mend, by what it is about. Left out of a file where there is nothing.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub alarms: BTreeMap<String, String>,
}

/// A tap that was refused again and again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HeldTap {
    /// Its number in the ledger.
    pub tap: i64,
    /// The card, upper-case hex.
    pub card: String,
    /// Consecutive failed attempts by this process.
    pub attempts: u32,
    /// Status and beginning of what answered, or why nothing did.
    pub answer: String,
}

/// Present state. The numbers are for display: each is correct within a minute.
#[derive(Debug, Default)]
pub struct CardStatus {
    readers: AtomicU32,
    waiting: AtomicU64,
    unrecorded: AtomicU64,
    under_way: AtomicU32,
    server: AtomicU8,
    rejected: AtomicU64,
    held_up: AtomicU64,
    held: Mutex<Vec<HeldTap>>,
    alarms: Mutex<BTreeMap<&'static str, String>>,
    /// Milliseconds of the monotonic clock; 0 before the first.
    last_card: AtomicU64,
}

impl CardStatus {
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

    /// So many taps wait no longer.
    pub fn fewer_wait(&self, taps: u64) {
        let fewer = |waiting: u64| Some(waiting.saturating_sub(taps));
        let _ = (self.waiting).fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
    }

    /// Taps that the server has rejected.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Tells how many taps the server has rejected.
    pub fn set_rejected(&self, taps: u64) {
        self.rejected.store(taps, Ordering::Relaxed);
    }

    /// One more tap was rejected.
    pub fn one_more_rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// Taps that are held up while others pass.
    #[must_use]
    pub fn held_up(&self) -> u64 {
        self.held_up.load(Ordering::Relaxed)
    }

    /// Tells how many taps are held up, and the first of them.
    pub fn set_held_up(&self, count: u64, first: Vec<HeldTap>) {
        self.held_up.store(count, Ordering::Relaxed);
        *lock(&self.held) = first;
    }

    /// Taps that do not get to the server as others do.
    #[must_use]
    pub fn troubled(&self) -> Troubled {
        Troubled {
            rejected: self.rejected(),
            held_up: self.held_up(),
            held: lock(&self.held).clone(),
            alarms: (lock(&self.alarms).iter())
                .map(|(about, what)| ((*about).to_owned(), what.clone()))
                .collect(),
        }
    }

    /// A person has to do something about this.
    pub fn raise(&self, about: &'static str, what: &str) {
        lock(&self.alarms).insert(about, what.to_owned());
    }

    /// It is mended.
    pub fn lower(&self, about: &'static str) {
        lock(&self.alarms).remove(about);
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
