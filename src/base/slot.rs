//! A mailbox for one item: the newest wins, the reader never sees a stale one twice.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::stop::lock;

/// A single-slot mailbox. Putting never blocks; what was not taken in time is dropped and counted.
#[derive(Debug)]
pub struct Slot<T> {
    state: Mutex<SlotState<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct SlotState<T> {
    item: Option<T>,
    dropped: u64,
    closed: bool,
}

/// What a wait on a [`Slot`] ended with.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// The newest item.
    Item(T),
    /// Nothing came in time.
    Nothing,
    /// The slot was closed and is empty.
    Closed,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(SlotState {
                item: None,
                dropped: 0,
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }
}

impl<T> Slot<T> {
    /// Puts an item in place of whatever lay there. Returns what had to make way, so that its memory can
    /// be used again.
    pub fn put(&self, item: T) -> Option<T> {
        let mut state = lock(&self.state);
        let old = state.item.replace(item);
        if old.is_some() {
            state.dropped += 1;
        }
        drop(state);
        self.changed.notify_one();
        old
    }

    /// Takes the item, waiting up to `timeout` for one.
    pub fn take(&self, timeout: Duration) -> Taken<T> {
        let state = lock(&self.state);
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, timeout, |s| s.item.is_none() && !s.closed)
            .unwrap_or_else(PoisonError::into_inner);
        match state.item.take() {
            Some(item) => Taken::Item(item),
            None if state.closed => Taken::Closed,
            None => Taken::Nothing,
        }
    }

    /// Closes the slot for new items; the item in it can still be taken.
    pub fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_all();
    }

    /// How many items were replaced before anybody took them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        lock(&self.state).dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_item_wins() {
        let slot = Slot::default();
        assert_eq!(slot.put(1), None);
        assert_eq!(slot.put(2), Some(1));
        assert_eq!(slot.dropped(), 1);
        assert_eq!(slot.take(Duration::ZERO), Taken::Item(2));
        assert_eq!(slot.take(Duration::ZERO), Taken::Nothing);
    }

    #[test]
    fn closing_wakes_a_waiter_but_loses_nothing() {
        let slot = std::sync::Arc::new(Slot::<u8>::default());
        let waiter = {
            let slot = std::sync::Arc::clone(&slot);
            std::thread::spawn(move || slot.take(Duration::from_secs(3600)))
        };
        slot.close();
        assert_eq!(waiter.join().unwrap(), Taken::Closed);
        slot.put(7);
        assert_eq!(slot.take(Duration::ZERO), Taken::Item(7));
    }
}
