//! What happens at the reader, handed to whatever shows it.

use crate::base::stop::Stop;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// What happens, for the person at the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The service has started.
    Started,
    /// The server answers: for the first time, or again.
    ServerConnected,
    /// A reader is there: from the start, plugged in, or after the connection to it was lost.
    ReaderConnected,
    /// A card lies on a reader and is being read.
    Reading,
    /// It is durable in the ledger.
    Counted,
    /// It is in the ledger, which lies on a disk that forgets everything at a power cut.
    CountedInMemory,
    /// The card had just been counted.
    Repeat,
    /// This card cannot be used here.
    Refused,
    /// The card could not be read: tap again.
    ReadFailed,
    /// The tap could not be stored.
    StorageFailed,
    /// The service ends: wakes who waits.
    Ending,
}

impl Event {
    /// Whether it is the outcome of a tap.
    #[must_use]
    pub fn answers_a_tap(self) -> bool {
        match self {
            Self::Counted
            | Self::CountedInMemory
            | Self::Repeat
            | Self::Refused
            | Self::ReadFailed
            | Self::StorageFailed => true,
            Self::Started
            | Self::ServerConnected
            | Self::ReaderConnected
            | Self::Reading
            | Self::Ending => false,
        }
    }
}

/// An event, and whom and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What happens.
    pub event: Event,
    /// The reader that it happens at, if it happens at one.
    pub reader: Option<String>,
    /// The person's name by the roster, or that it does not know the card; none without a roster.
    pub name: Option<String>,
}

impl From<Event> for Notice {
    /// An event without a reader and without a tap.
    fn from(event: Event) -> Self {
        Self {
            event,
            reader: None,
            name: None,
        }
    }
}

/// Events that may wait for a display; more are dropped, for they would be shown too late.
const QUEUE: usize = 8;

/// The other threads' end. Showing never blocks.
#[derive(Debug, Clone)]
pub struct Panel(Vec<SyncSender<Notice>>);

impl Panel {
    /// One more display, which is shown the same. To be called before the panel is cloned.
    #[must_use]
    pub fn add(&mut self) -> Receiver<Notice> {
        let (sender, receiver) = sync_channel(QUEUE);
        self.0.push(sender);
        receiver
    }

    /// Wakes every display at the order to stop.
    pub fn end_with(&self, stop: &Stop) {
        let panel = self.clone();
        stop.on_request(move || panel.show(Event::Ending));
    }

    /// Shows an event as soon as may be; a display that is far behind does not get it.
    pub fn show(&self, notice: impl Into<Notice>) {
        let notice = notice.into();
        for display in &self.0 {
            match display.try_send(notice.clone()) {
                // Without a display the receiver is dropped.
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        }
    }
}

/// A panel with one display.
#[must_use]
pub fn panel() -> (Panel, Receiver<Notice>) {
    let mut panel = Panel(Vec::new());
    let receiver = panel.add();
    (panel, receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_never_blocks() {
        let (panel, _events) = panel();
        for _ in 0..1000 {
            panel.show(Event::Counted);
        }
    }

    #[test]
    fn a_display_that_is_behind_or_gone_takes_nothing_from_the_others() {
        let (mut panel, behind) = panel();
        let (gone, other) = (panel.add(), panel.add());
        drop(gone);
        let mut seen = 0;
        for _ in 0..100 {
            panel.show(Event::Counted);
            seen += other.try_iter().count();
        }
        assert_eq!(seen, 100);
        assert_eq!(behind.try_iter().count(), QUEUE);
    }
}
