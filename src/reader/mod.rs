//! Reader: a card held to a reader becomes a tap.
//!
//! [`watch`] is the thread: it waits for insertions on all readers, asks each card for its identifier
//! ([`apdu`], [`uid`]), tells its type by its ATR ([`atr`]), refuses what cannot identify anybody
//! ([`refusal`]) and hands a [`Tap`] on to the ledger's keeper. The real readers ([`pcsc`]) and the
//! simulated ones ([`simulated`]) stand side by side behind [`Readers`].

pub mod apdu;
pub mod atr;
mod insertions;
pub mod pcsc;
pub mod refusal;
pub mod selection;
pub mod simulated;
pub mod uid;
pub mod watch;

use std::sync::Arc;
use std::time::Duration;

use jiff::Zoned;

use crate::base::clock::{Clock, Monotime};
use crate::base::stop::Stop;
use crate::config::Cards;
use atr::CardType;
use refusal::Refusal;
use uid::Uid;

/// One moment on every clock.
#[derive(Debug, Clone)]
pub struct Moment {
    /// On the clock that never jumps.
    pub monotonic: Monotime,
    /// Since boot, including sleep.
    pub boottime: Duration,
    /// As the wall clock claims.
    pub wall: Zoned,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now(clock: &dyn Clock) -> Self {
        Self {
            monotonic: clock.now(),
            boottime: clock.boottime(),
            wall: clock.wall(),
        }
    }
}

/// A card was held to a reader.
#[derive(Debug, Clone)]
pub struct Tap {
    /// Name of the reader.
    pub reader: String,
    /// When the card answered, or when it was clear that it would not.
    pub at: Moment,
    /// What came of it.
    pub sighting: Sighting,
}

/// What came of holding a card to a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// The card told an identifier that can be counted.
    Card(Uid, CardType),
    /// The card told an identifier that cannot identify anybody.
    Refused(Uid, Refusal),
    /// The card could not be read: why, for people.
    Unread(String),
}

/// A reader, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub reader: String,
    /// How many times a card has come or gone, modulo 65536; counts from anywhere and starts anew when
    /// the connection does.
    pub events: u16,
    /// The card's answer to reset, while there is a card; empty if the card gave none.
    pub card: Option<Vec<u8>>,
}

/// Why a card could not be asked.
#[derive(Debug)]
pub enum ReadError {
    /// The card or its reader: another try may help. Why, for people.
    Card(String),
    /// The connection is gone; the readers are of no use any more.
    Connection(anyhow::Error),
}

/// All readers of the machine over one connection, or what stands in for them.
///
/// After an error of [`wait`](Self::wait), or [`ReadError::Connection`], the connection is dead: the
/// caller drops it and opens another. Dropping it closes everything.
pub trait Readers: Send {
    /// Waits until something changes, at most for `timeout`, and tells how every reader is now. No
    /// reader at all is not an error. May return early, and without any change.
    ///
    /// # Errors
    /// The connection is gone, or access is refused; the message says what to do.
    fn wait(&mut self, timeout: Duration) -> anyhow::Result<Vec<Slot>>;

    /// Sends one command to the card in `reader` and returns its whole answer, however long. The card
    /// is left as it was. Gives up after a few seconds, so that the other readers have their turn.
    ///
    /// # Errors
    /// See [`ReadError`]. After [`ReadError::Card`] the connection can be used further.
    fn transmit(&mut self, reader: &str, command: &[u8]) -> Result<Vec<u8>, ReadError>;
}

/// Makes the connection, again and again.
pub type Open = Box<dyn FnMut() -> anyhow::Result<Box<dyn Readers>> + Send>;

/// What the configuration asks for: the real readers, or the simulated one.
#[must_use]
pub fn open(cards: &Cards, clock: &Arc<dyn Clock>, stop: &Stop) -> Open {
    if selection::is_simulated(&cards.readers) {
        let (clock, stop) = (Arc::clone(clock), stop.clone());
        Box::new(move || {
            let simulated = simulated::Simulated::new(Arc::clone(&clock), stop.clone());
            Ok(Box::new(simulated) as Box<dyn Readers>)
        })
    } else {
        let opener = pcsc::Opener::new(stop);
        Box::new(move || Ok(Box::new(opener.open()?) as Box<dyn Readers>))
    }
}
