//! Write lock of the ledger: one thread at a time, and a tap has priority over background work.
//!
//! SQLite alone would let the second writer sleep in steps of up to 100 ms while the uplink takes the lock again
//! and again; a tap would wait for it.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::base::stop::lock;

/// Priority of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// A person waits at the reader.
    Tap,
    /// Background work.
    Background,
}

#[derive(Debug, Default)]
struct TurnState {
    taken: bool,
    /// Taps that wait for their turn.
    taps: usize,
}

/// The write lock. It is held for one transaction at most.
#[derive(Debug, Default)]
pub(super) struct Turn {
    state: Mutex<TurnState>,
    free: Condvar,
}

/// Guard of the write lock; dropping it releases the lock.
#[derive(Debug)]
pub(super) struct Mine<'a>(&'a Turn);

impl Turn {
    /// Waits for the write lock.
    pub fn take(&self, urgency: Urgency) -> Mine<'_> {
        let mut state = lock(&self.state);
        let tap = urgency == Urgency::Tap;
        state.taps += usize::from(tap);
        let mut state = self
            .free
            .wait_while(state, |s| s.taken || (!tap && s.taps > 0))
            .unwrap_or_else(PoisonError::into_inner);
        state.taps -= usize::from(tap);
        state.taken = true;
        Mine(self)
    }
}

impl Drop for Mine<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).taken = false;
        self.0.free.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    #[test]
    fn a_tap_goes_before_whoever_waited_longer() {
        let turn = Arc::new(Turn::default());
        let first = turn.take(Urgency::Background);
        let (sender, order) = channel();
        let start = |urgency, waiting: usize| {
            let (theirs, sender) = (Arc::clone(&turn), sender.clone());
            let thread = std::thread::spawn(move || {
                let mine = theirs.take(urgency);
                sender.send(urgency).unwrap();
                drop(mine);
            });
            // The tap must be waiting before the lock is released.
            while lock(&turn.state).taps < waiting {
                std::thread::yield_now();
            }
            thread
        };
        let threads = [start(Urgency::Background, 0), start(Urgency::Tap, 1)];
        drop(first);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(order.recv().unwrap(), Urgency::Tap);
        assert_eq!(order.recv().unwrap(), Urgency::Background);
    }
}
