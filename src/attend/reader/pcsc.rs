//! The real readers, through the PC/SC daemon (pcscd).
//!
//! Every call into libpcsclite may hang: it waits for the daemon without limit, and holds a lock of the
//! whole library meanwhile. So no thread that matters makes one. A thread of its own looks at the readers
//! and reports; silence means that the daemon hangs. Each question to a card has a thread for as long as
//! it takes. There is at most one that looks, and one for each reader, whatever hangs.

mod arrival;
mod explain;

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use pcsc::{
    Context, Disposition, Error, PNP_NOTIFICATION, Protocols, ReaderState, Scope, ShareMode, State,
};

use super::{Answer, Connection, Moment, Opens, ReadError, Slot};
use crate::base::clock::Clock;
use crate::base::limited::{NotDone, in_time};
use crate::base::outside::plain;
use crate::base::stop::{Stop, lock};
use arrival::Arrival;
use explain::{explained, hangs, unread};

/// Longest answer to an extended APDU in pcsc-lite (`MAX_BUFFER_SIZE_EXTENDED`).
const ANSWER_MAX: usize = 4 + 3 + (1 << 16) + 3 + 2;
/// The daemon is asked anew so often: hot-plugging is found within this time where it misses it.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// The same while readers come and go, which one of them seldom does alone: a daemon that has just started finds one after
/// the other.
const LOOK_OFTEN: Duration = Duration::from_millis(250);
/// So long readers are expected to come or go after one has.
const SETTLED: Duration = Duration::from_secs(10);
/// Time-out of the daemon, which answers at least every [`LOOK_EVERY`].
const SILENCE: Duration = Duration::from_secs(5);
/// How long the thread of the connection before may take to end: its wait, and a moment.
const FAREWELL: Duration = Duration::from_secs(4);
/// Time for the names of the readers, which takes milliseconds.
const NAMES: Duration = Duration::from_secs(3);
/// Capacity of the message queue; senders block when it is full.
const NEWS: usize = 16;

/// Messages from the threads to the watch loop.
enum News {
    Looked(Vec<Slot>),
    Lost(Error),
    Answered(Answer),
    /// The order to stop.
    Woken,
}

/// Makes connections to the daemon. The order to stop wakes whoever waits on the newest of them.
pub struct Opener {
    clock: Arc<dyn Clock>,
    stop: Stop,
    newest: Arc<Mutex<Option<SyncSender<News>>>>,
    looking: Option<JoinHandle<()>>,
    exchanges: Exchanges,
    arrival: Arrival,
}

impl Opener {
    /// Registers with `stop`, once for all connections that will be made.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, stop: &Stop) -> Self {
        let newest = Arc::new(Mutex::new(None::<SyncSender<News>>));
        let woken = Arc::clone(&newest);
        stop.on_request(move || {
            if let Some(news) = lock(&woken).take() {
                // If the queue is full, the receiver is awake.
                let _ = news.try_send(News::Woken);
            }
        });
        Self {
            clock,
            stop: stop.clone(),
            newest,
            looking: None,
            exchanges: Exchanges::default(),
            arrival: Arrival::new(stop),
        }
    }

    /// Connects to the daemon. Whether it answers is seen at the first [`Connection::wait`].
    fn connect(&mut self) -> Result<PcscReaders> {
        let end = self.clock.now() + FAREWELL;
        while self.looking.as_ref().is_some_and(|t| !t.is_finished()) {
            if self.clock.now() >= end {
                // The same message as before, so that it is logged once.
                return Err(hangs(SILENCE));
            }
            if self.clock.wait(&self.stop, Duration::from_millis(10)) {
                return Err(explained(Error::Cancelled));
            }
        }
        let (sender, news) = sync_channel(NEWS);
        *lock(&self.newest) = Some(sender.clone());
        let (to, clock) = (sender.clone(), Arc::clone(&self.clock));
        let looking = thread::Builder::new().name("reader-look".into());
        self.looking = Some(looking.spawn(move || look(&to, clock.as_ref()))?);
        Ok(PcscReaders {
            news,
            sender,
            slots: None,
            answers: Vec::new(),
            silent: Duration::ZERO,
            asked: 0,
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
            exchanges: self.exchanges.clone(),
            newest: Arc::clone(&self.newest),
        })
    }
}

impl Opens for Opener {
    /// Fails if the daemon has hung since the connection before; the message says what to do.
    fn open(&mut self) -> Result<Box<dyn Connection>> {
        Ok(Box::new(self.connect()?))
    }

    fn daemon_came(&mut self, clock: &dyn Clock, stop: &Stop, pause: Duration) -> bool {
        self.arrival.wait(clock, stop, pause)
    }
}

/// The names of the readers that exist now.
///
/// # Errors
/// The daemon does not run, refuses, hangs, or speaks another version; the message says what to do.
pub fn names() -> Result<Vec<String>> {
    let ask = || {
        let context = Context::establish(Scope::System)?;
        let names = context.list_readers_owned()?;
        Ok(names.iter().map(|n| text(n)).collect())
    };
    let names = in_time("reader-names", NAMES, ask).map_err(|why| match why {
        NotDone::Hangs => hangs(NAMES),
        why => why.into(),
    })?;
    names.map_err(explained)
}

/// A connection to the daemon.
pub struct PcscReaders {
    news: Receiver<News>,
    sender: SyncSender<News>,
    /// The readers at the last look; none before the first.
    slots: Option<Vec<Slot>>,
    answers: Vec<Answer>,
    /// For how long nothing has come while it was waited for.
    silent: Duration,
    asked: u64,
    clock: Arc<dyn Clock>,
    stop: Stop,
    exchanges: Exchanges,
    newest: Arc<Mutex<Option<SyncSender<News>>>>,
}

impl Drop for PcscReaders {
    fn drop(&mut self) {
        lock(&self.newest).take();
        // The looking thread ends when it finds, after its wait, that the receiver is dropped.
    }
}

impl Connection for PcscReaders {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<Slot>> {
        loop {
            match self.news.recv_timeout(timeout) {
                Ok(News::Looked(slots)) => {
                    self.silent = Duration::ZERO;
                    self.slots = Some(slots);
                }
                Ok(News::Answered(answer)) => self.answers.push(answer),
                Ok(News::Lost(e)) => return Err(explained(e)),
                Ok(News::Woken) => {}
                Err(RecvTimeoutError::Timeout) => self.silent += timeout,
                Err(RecvTimeoutError::Disconnected) => return Err(explained(Error::CommError)),
            }
            if self.silent >= SILENCE {
                return Err(hangs(SILENCE));
            }
            match &self.slots {
                Some(slots) => return Ok(slots.clone()),
                // No state yet, and the service is stopping.
                None if self.stop.requested() => return Err(explained(Error::Cancelled)),
                None => {}
            }
        }
    }

    fn ask(&mut self, reader: &str, command: &[u8]) -> u64 {
        self.begin(reader, command, Start::AsItIs)
    }

    fn ask_anew(&mut self, reader: &str, command: &[u8]) -> u64 {
        self.begin(reader, command, Start::Reset)
    }

    fn misses_exchanges(&self) -> bool {
        true
    }

    fn answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }
}

impl PcscReaders {
    fn begin(&mut self, reader: &str, command: &[u8], start: Start) -> u64 {
        self.asked += 1;
        let (ticket, clock, sender) = (self.asked, Arc::clone(&self.clock), self.sender.clone());
        let answered = move |result: Result<Heard, ReadError>| {
            let at = Moment::now(clock.as_ref());
            let (result, atr) = match result {
                Ok(Heard { answer, atr }) => (Ok(answer), atr),
                Err(e) => (Err(e), None),
            };
            Answer {
                ticket,
                at,
                result,
                atr,
            }
        };
        let later = answered.clone();
        let begun = self.exchanges.begin(reader, command, start, move |result| {
            // The other end is gone if the connection was lost since.
            let _ = sender.send(News::Answered(later(result)));
        });
        if let Err(e) = begun {
            self.answers.push(answered(Err(e)));
        }
        ticket
    }
}

/// Looks at the readers until the receiver is dropped.
fn look(news: &SyncSender<News>, clock: &dyn Clock) {
    if let Err(e) = look_on(news, clock) {
        let _ = news.send(News::Lost(e));
    }
}

fn look_on(news: &SyncSender<News>, clock: &dyn Clock) -> Result<(), Error> {
    let context = Context::establish(Scope::System)?;
    let mut changed = clock.now();
    let mut states = vec![ReaderState::new(PNP_NOTIFICATION(), State::UNAWARE)];
    // Not read from `states` each time: a wait that times out spoils those.
    let mut slots: Vec<Slot> = Vec::new();
    loop {
        // pcsc-lite before 2.3.0 misses a reader that comes between listing and waiting, so the list is
        // taken anew each time, whatever the pseudo reader says.
        let names = context.list_readers_owned()?;
        states.retain(|s| s.name() == PNP_NOTIFICATION() || names.iter().any(|n| **n == *s.name()));
        slots.retain(|s| names.iter().any(|n| text(n) == s.reader));
        let before = states.len();
        for name in names {
            if !states.iter().any(|s| *s.name() == *name) {
                states.push(ReaderState::new(name, State::UNAWARE));
            }
        }
        let now = clock.now();
        if states.len() != before || states.len() != slots.len() + 1 {
            changed = now;
        }
        let settled = now.since(changed) >= SETTLED;
        let limit = if settled { LOOK_EVERY } else { LOOK_OFTEN };
        match context.get_status_change(limit, &mut states) {
            Ok(()) => {
                for state in &mut states {
                    state.sync_current_state();
                }
                // A reader that is going is reported once more, as unknown.
                states.retain(|s| !s.event_state().intersects(State::UNKNOWN | State::IGNORE));
                slots = states.iter().filter_map(slot).collect();
            }
            // An unknown reader went between listing and waiting.
            Err(Error::Timeout | Error::Cancelled | Error::UnknownReader) => {}
            Err(e) => return Err(e),
        }
        if news.send(News::Looked(slots.clone())).is_err() {
            return Ok(());
        }
    }
}

/// What is done with a card before it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    AsItIs,
    /// It is reset, and its answer to that kept: the daemon may know that of the card before.
    Reset,
}

/// What a card has answered.
struct Heard {
    answer: Vec<u8>,
    atr: Option<Vec<u8>>,
}

/// Questions to cards that have no answer yet, at most one for each reader: a driver whose card has
/// stopped in the middle may wait for ever. One that hangs ends when its card is taken away.
#[derive(Debug, Default, Clone)]
pub struct Exchanges(Arc<Mutex<BTreeMap<String, JoinHandle<()>>>>);

impl Exchanges {
    /// Sends one command to the card in `reader`; `done` is called with its answer on another thread.
    ///
    /// # Errors
    /// The reader has not answered the command before, or there is no thread to be had.
    fn begin(
        &self,
        reader: &str,
        command: &[u8],
        start: Start,
        done: impl FnOnce(Result<Heard, ReadError>) + Send + 'static,
    ) -> Result<(), ReadError> {
        let mut running = lock(&self.0);
        running.retain(|_, thread| !thread.is_finished());
        if running.contains_key(reader) {
            return Err(ReadError::Busy);
        }
        let (name, command) = (reader.to_owned(), command.to_owned());
        let thread = thread::Builder::new()
            .name("card".into())
            .spawn(move || done(exchange(&name, &command, start).map_err(unread)))
            .map_err(|e| ReadError::Card(e.to_string()))?;
        running.insert(reader.to_owned(), thread);
        Ok(())
    }

    /// Sends one command to the card in `reader` and waits for its answer for as long as `limit`.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn ask(&self, reader: &str, command: &[u8], limit: Duration) -> Result<Vec<u8>, ReadError> {
        let (sender, answer) = sync_channel(1);
        self.begin(reader, command, Start::AsItIs, move |result| {
            // The caller timed out and dropped the receiver.
            let _ = sender.send(result.map(|heard| heard.answer));
        })?;
        answer.recv_timeout(limit).map_err(|_| ReadError::Busy)?
    }
}

/// One command to the card in `reader`. On a connection of its own, for one that waits for a card can do
/// nothing else.
fn exchange(reader: &str, command: &[u8], start: Start) -> Result<Heard, Error> {
    let reader = CString::new(reader).map_err(|_| Error::UnknownReader)?;
    let context = Context::establish(Scope::System)?;
    let mut card = context.connect(&reader, ShareMode::Shared, Protocols::ANY)?;
    let mut atr = None;
    if start == Start::Reset {
        card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::UnpowerCard)?;
        atr = Some(card.status2_owned()?.atr().to_owned());
    }
    let mut buffer = vec![0; ANSWER_MAX];
    let answer = card.transmit(command, &mut buffer).map(<[u8]>::to_vec);
    // A reset, the default at a drop, would look like trouble to everybody else who uses the card. A card
    // that is gone by now has still answered.
    let _ = card.disconnect(Disposition::LeaveCard);
    answer.map(|answer| Heard { answer, atr })
}

/// None for the pseudo reader.
fn slot(state: &ReaderState) -> Option<Slot> {
    if state.name() == PNP_NOTIFICATION() {
        return None;
    }
    let seen = state.event_state();
    Some(Slot {
        reader: text(state.name()),
        // 16 bits of a 32-bit word.
        events: state.event_count() as u16,
        card: seen
            .contains(State::PRESENT)
            .then(|| state.atr().to_owned()),
    })
}

fn text(name: &CStr) -> String {
    plain(&name.to_string_lossy())
}
