//! Reader: a card held to a reader becomes a tap.
//!
//! [`watch`] is the thread: it waits for insertions on all readers, asks each card for its identifier
//! ([`apdu`], [`uid`]), tells its type by its ATR ([`atr`]), refuses what cannot identify anybody
//! ([`refusal`]) and hands a [`Tap`] on to the ledger's keeper. A card that is slow holds up its own
//! reader only. The real readers ([`pcsc`]) and the simulated ones ([`simulated`], made one by
//! [`at_once`]) stand side by side behind [`Connection`]. Why a reader is missing is looked up on the USB
//! ([`usb`]); the lamp of some readers tells the outcome ([`acr122`]).

pub mod acr122;
pub mod apdu;
pub mod at_once;
pub mod atr;
mod insertions;
mod memory;
pub mod pcsc;
mod queue;
mod reading;
mod recheck;
pub mod refusal;
pub mod selection;
pub mod simulated;
pub mod usb;
pub mod watch;

use std::sync::Arc;
use std::time::Duration;

use jiff::Zoned;

use crate::attend::uid::Uid;
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::Stop;
use crate::config::Cards;
use atr::CardType;
use refusal::Refusal;

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
    /// The outcome.
    pub sighting: Sighting,
}

/// Outcome of holding a card to a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// The card told an identifier that can be counted.
    Card(Uid, CardType),
    /// The card told an identifier that cannot identify anybody.
    Refused(Uid, CardType, Refusal),
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
    /// The reader has not answered the question before.
    Busy,
    /// The connection is lost; connect again to use the readers.
    Connection(anyhow::Error),
}

/// Readers whose cards answer at once, or stand for such.
pub trait Readers: Send {
    /// As [`Connection::wait`].
    ///
    /// # Errors
    /// As [`Connection::wait`].
    fn wait(&mut self, timeout: Duration) -> anyhow::Result<Vec<Slot>>;

    /// Sends one command to the card in `reader` and returns its whole answer.
    ///
    /// # Errors
    /// See [`ReadError`]. After [`ReadError::Card`] the connection can be used further.
    fn transmit(&mut self, reader: &str, command: &[u8]) -> Result<Vec<u8>, ReadError>;
}

/// Outcome of a command to a card.
#[derive(Debug)]
pub struct Answer {
    /// The number of the question.
    pub ticket: u64,
    /// When the card answered, or when it was clear that it would not.
    pub at: Moment,
    /// The whole answer, however long.
    pub result: Result<Vec<u8>, ReadError>,
    /// The card's answer to reset, where it was made anew.
    pub atr: Option<Vec<u8>>,
}

/// All readers of the machine over one connection, or what stands in for them.
///
/// After an error of [`wait`](Self::wait), or [`ReadError::Connection`], the connection is dead: the
/// caller drops it and opens another. Dropping it closes everything.
pub trait Connection: Send {
    /// Waits until something changes or a card has answered, at most for about `timeout`, and tells how
    /// every reader is now. No reader at all is not an error. May return early, and without any change.
    ///
    /// # Errors
    /// The connection is gone, or access is refused; the message says what to do.
    fn wait(&mut self, timeout: Duration) -> anyhow::Result<Vec<Slot>>;

    /// Puts a question to the card in `reader` and returns its number; the answer comes out of
    /// [`answers`](Self::answers) in its time, if it comes. The card is left as it was.
    fn ask(&mut self, reader: &str, command: &[u8]) -> u64;

    /// As [`ask`](Self::ask), to a card that may be another one than the readers know of: it is reset first.
    fn ask_anew(&mut self, reader: &str, command: &[u8]) -> u64 {
        self.ask(reader, command)
    }

    /// Whether a card can be exchanged for another without any event, so that one that lies there has to be asked again.
    fn misses_exchanges(&self) -> bool {
        false
    }

    /// The answers that have come since the last call.
    fn answers(&mut self) -> Vec<Answer>;
}

/// Makes the connection, again and again.
pub trait Opens: Send {
    /// Makes it.
    ///
    /// # Errors
    /// It cannot be made, or the one before still hangs; the message says what to do.
    fn open(&mut self) -> anyhow::Result<Box<dyn Connection>>;

    /// Lets `pause` pass before the next try; less, and true, if there is a sign that it is worth one. The order to stop
    /// ends it.
    fn daemon_came(&mut self, clock: &dyn Clock, stop: &Stop, pause: Duration) -> bool {
        clock.wait(stop, pause);
        false
    }
}

impl<F: FnMut() -> anyhow::Result<Box<dyn Connection>> + Send> Opens for F {
    fn open(&mut self) -> anyhow::Result<Box<dyn Connection>> {
        self()
    }
}

/// What makes the connection.
pub type Open = Box<dyn Opens>;

/// What the configuration asks for: the real readers, or the simulated one.
#[must_use]
pub fn open(cards: &Cards, clock: &Arc<dyn Clock>, stop: &Stop) -> Open {
    let clock = Arc::clone(clock);
    if selection::is_simulated(&cards.readers) {
        let stop = stop.clone();
        Box::new(move || {
            let simulated = simulated::Simulated::new(Arc::clone(&clock), stop.clone());
            let at_once = at_once::AtOnce::new(simulated, Arc::clone(&clock));
            Ok(Box::new(at_once) as Box<dyn Connection>)
        })
    } else {
        Box::new(pcsc::Opener::new(clock, stop))
    }
}
