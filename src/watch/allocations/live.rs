//! The recorded allocations that have not been freed: a table of fixed size that allocates nothing.
//!
//! It is read at every `free` of the process while recording is on. Nearly all of these are of pointers that were not
//! recorded, so whether a pointer *may* be in the table is answered by one read without a lock.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::sampling::weight;
use crate::base::stop::lock;

/// Return addresses kept of an allocation. From OpenCV's inner loops to the caller in this program it is up to 25.
pub const DEPTH: usize = 32;

/// Most recorded allocations at a time. They stand for 4 GB of small ones, more than a board has; large ones are
/// recorded once each, and 16,384 of these are found without the others.
const CAPACITY: usize = 16_384;

/// Heads of chains. Four times the capacity, so that a full table lets one of five frees look without need.
const BUCKETS: usize = 65_536;

/// No entry. Entries are counted from 1, so that an empty table is all zeros and takes no room in the file.
const NONE: u32 = 0;

/// The return addresses of an allocation, the innermost first; zeros behind the last.
pub type Frames = [usize; DEPTH];

#[derive(Clone, Copy)]
struct Entry {
    address: usize,
    size: usize,
    frames: Frames,
    /// The next of the chain, or of the free ones.
    next: u32,
}

/// A recorded allocation, as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Recorded {
    /// Bytes asked for.
    pub size: usize,
    /// Who asked.
    pub frames: Frames,
}

struct Entries {
    all: [Entry; CAPACITY],
    /// How many were ever in use.
    used: u32,
    free: u32,
    live: usize,
    /// Not recorded for want of a free entry.
    lost: u64,
    current: f64,
    peak: f64,
}

/// The table.
pub struct Live {
    heads: [AtomicU32; BUCKETS],
    entries: Mutex<Entries>,
}

/// What the recorded allocations stand for, in bytes, and how many of them there are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sums {
    /// Live now.
    pub current: f64,
    /// The most that were live at a time.
    pub peak: f64,
    /// Entries in use.
    pub live: usize,
    /// Allocations that found the table full.
    pub lost: u64,
}

impl Live {
    /// An empty table, for a static variable: it is too large for a stack.
    #[must_use]
    pub const fn new() -> Self {
        const ENTRY: Entry = Entry {
            address: 0,
            size: 0,
            frames: [0; DEPTH],
            next: NONE,
        };
        Self {
            heads: [const { AtomicU32::new(NONE) }; BUCKETS],
            entries: Mutex::new(Entries {
                all: [ENTRY; CAPACITY],
                used: 0,
                free: NONE,
                live: 0,
                lost: 0,
                current: 0.0,
                peak: 0.0,
            }),
        }
    }

    /// Whether the address may be in the table. False is certain for whoever owns the allocation: its entry was made
    /// before anybody knew the address, and the head of its chain is never empty as long as it is there.
    #[inline]
    pub fn may_have(&self, address: usize) -> bool {
        self.heads[bucket(address)].load(Ordering::Relaxed) != NONE
    }

    /// Notes an allocation, if `still` holds once it is this thread's turn.
    pub fn insert(&self, address: usize, recorded: &Recorded, still: impl FnOnce() -> bool) {
        let entries = &mut *lock(&self.entries);
        if !still() {
            return;
        }
        let Some(n) = entries.take() else {
            entries.lost += 1;
            return;
        };
        let head = &self.heads[bucket(address)];
        entries.all[n as usize - 1] = Entry {
            address,
            size: recorded.size,
            frames: recorded.frames,
            next: head.load(Ordering::Relaxed),
        };
        head.store(n, Ordering::Relaxed);
        entries.live += 1;
        entries.current += weight(recorded.size).0;
        entries.peak = entries.peak.max(entries.current);
    }

    /// Takes an allocation out; none if it was not recorded.
    pub fn remove(&self, address: usize) -> Option<Recorded> {
        let entries = &mut *lock(&self.entries);
        let head = &self.heads[bucket(address)];
        let (mut before, mut n) = (NONE, head.load(Ordering::Relaxed));
        while n != NONE {
            let entry = entries.all[n as usize - 1];
            if entry.address == address {
                if before == NONE {
                    head.store(entry.next, Ordering::Relaxed);
                } else {
                    entries.all[before as usize - 1].next = entry.next;
                }
                entries.give_back(n);
                // Sums of rounded numbers drift; a table that is empty stands for nothing.
                entries.current = if entries.live == 0 {
                    0.0
                } else {
                    entries.current - weight(entry.size).0
                };
                return Some(Recorded {
                    size: entry.size,
                    frames: entry.frames,
                });
            }
            (before, n) = (n, entry.next);
        }
        None
    }

    /// What is in the table, added up.
    pub fn sums(&self) -> Sums {
        let entries = lock(&self.entries);
        Sums {
            current: entries.current,
            peak: entries.peak,
            live: entries.live,
            lost: entries.lost,
        }
    }

    /// A copy of everything in the table.
    pub fn all(&self) -> Vec<Recorded> {
        // Nothing may be allocated under the lock: the allocation could be one that is recorded.
        let mut copy = Vec::with_capacity(self.sums().live + 64);
        let entries = lock(&self.entries);
        let used = entries.all.iter().take(entries.used as usize);
        let live = used.filter(|e| e.address != 0).map(|e| Recorded {
            size: e.size,
            frames: e.frames,
        });
        let room = copy.capacity();
        copy.extend(live.take(room));
        drop(entries);
        copy
    }

    /// Forgets everything, after `first` was done in this thread's turn.
    pub fn clear(&self, first: impl FnOnce()) {
        let mut entries = lock(&self.entries);
        first();
        for head in &self.heads {
            head.store(NONE, Ordering::Relaxed);
        }
        entries.forget();
    }
}

impl Entries {
    fn take(&mut self) -> Option<u32> {
        if self.free != NONE {
            let n = self.free;
            self.free = self.all[n as usize - 1].next;
            return Some(n);
        }
        if (self.used as usize) < CAPACITY {
            self.used += 1;
            return Some(self.used);
        }
        None
    }

    /// The last one given back is the next one taken, so that no more memory is touched than has to be.
    fn give_back(&mut self, n: u32) {
        let free = self.free;
        let entry = &mut self.all[n as usize - 1];
        entry.address = 0;
        entry.next = free;
        self.free = n;
        self.live -= 1;
    }

    fn forget(&mut self) {
        (self.used, self.free, self.live, self.lost) = (0, NONE, 0, 0);
        (self.current, self.peak) = (0.0, 0.0);
    }
}

/// Fibonacci hashing: the low four bits of an address are always zero, the others are spread by the multiplication.
#[inline]
fn bucket(address: usize) -> usize {
    ((address as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize
}

#[cfg(test)]
mod tests;
