//! The real readers, through the PC/SC daemon (pcscd).

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use pcsc::{
    Context, Disposition, Error, PNP_NOTIFICATION, Protocols, ReaderState, Scope, ShareMode, State,
};

use super::{ReadError, Readers, Slot};
use crate::base::stop::{Stop, lock};
use crate::say;

/// Longest answer to an extended APDU in pcsc-lite (`MAX_BUFFER_SIZE_EXTENDED`).
const ANSWER_MAX: usize = 4 + 3 + (1 << 16) + 3 + 2;

/// How long a card may take to answer. Telling the identifier takes milliseconds; a driver whose card has
/// stopped in the middle may wait for ever, and must not take the other readers with it.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Makes connections to the daemon. The order to stop wakes whoever waits on the newest of them.
#[derive(Debug)]
pub struct Opener {
    newest: Arc<Mutex<Option<Handle>>>,
}

/// A connection that can be woken.
struct Handle(Context);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

impl Opener {
    /// Registers with `stop`, once for all connections that will be made.
    #[must_use]
    pub fn new(stop: &Stop) -> Self {
        let newest = Arc::new(Mutex::new(None::<Handle>));
        let woken = Arc::clone(&newest);
        stop.on_request(move || {
            if let Some(Handle(context)) = lock(&woken).take() {
                // `SCardCancel` asks the daemon, and one that hangs would hold up the order to stop.
                // If there is no thread to be had, the timeout of the wait does the same.
                let _ = std::thread::Builder::new()
                    .name("reader-wake".into())
                    .spawn(move || context.cancel());
            }
        });
        Self { newest }
    }

    /// Connects to the daemon.
    ///
    /// # Errors
    /// The daemon does not run, refuses, or speaks another version; the message says what to do.
    pub fn open(&self) -> Result<PcscReaders> {
        let context = Context::establish(Scope::System).map_err(explained)?;
        *lock(&self.newest) = Some(Handle(context.clone()));
        Ok(PcscReaders {
            context,
            states: vec![ReaderState::new(PNP_NOTIFICATION(), State::UNAWARE)],
            slots: Vec::new(),
            asking: BTreeMap::new(),
            newest: Arc::clone(&self.newest),
        })
    }
}

/// The names of the readers that exist now.
///
/// # Errors
/// As [`Opener::open`].
pub fn names() -> Result<Vec<String>> {
    let context = Context::establish(Scope::System).map_err(explained)?;
    let names = context.list_readers_owned().map_err(explained)?;
    Ok(names.iter().map(|n| text(n)).collect())
}

/// A connection to the daemon.
pub struct PcscReaders {
    context: Context,
    /// The pseudo reader of hot-plugging, then the readers.
    states: Vec<ReaderState>,
    /// The readers at the last change. Not read from `states`: a wait that times out spoils those.
    slots: Vec<Slot>,
    /// The last exchange with each reader; one that hangs ends when its card is taken away.
    asking: BTreeMap<String, JoinHandle<()>>,
    newest: Arc<Mutex<Option<Handle>>>,
}

impl Drop for PcscReaders {
    fn drop(&mut self) {
        // Or the connection would live on in there.
        lock(&self.newest).take();
    }
}

impl Readers for PcscReaders {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<Slot>> {
        // pcsc-lite before 2.3.0 misses a reader that comes between listing and waiting, so the list is
        // taken anew each time, whatever the pseudo reader says.
        let names = self.context.list_readers_owned().map_err(explained)?;
        self.states
            .retain(|s| s.name() == PNP_NOTIFICATION() || names.iter().any(|n| **n == *s.name()));
        self.slots
            .retain(|s| names.iter().any(|n| text(n) == s.reader));
        for name in names {
            if !self.states.iter().any(|s| *s.name() == *name) {
                self.states.push(ReaderState::new(name, State::UNAWARE));
            }
        }
        match self.context.get_status_change(timeout, &mut self.states) {
            Ok(()) => {
                for state in &mut self.states {
                    state.sync_current_state();
                }
                // A reader that is going is reported once more, as unknown.
                self.states
                    .retain(|s| !s.event_state().intersects(State::UNKNOWN | State::IGNORE));
                self.slots = self.states.iter().filter_map(slot).collect();
            }
            // An unknown reader went between listing and waiting.
            Err(Error::Timeout | Error::Cancelled | Error::UnknownReader) => {}
            Err(e) => return Err(explained(e)),
        }
        Ok(self.slots.clone())
    }

    fn transmit(&mut self, reader: &str, command: &[u8]) -> Result<Vec<u8>, ReadError> {
        let name = self
            .states
            .iter()
            .map(|s| s.name())
            .find(|n| text(n) == reader)
            .map(CStr::to_owned)
            .ok_or_else(|| {
                ReadError::Card(say!("the reader is gone", "リーダーが取り外されました"))
            })?;
        let hangs = || ReadError::Card(say!("the card does not answer", "カードが応答しません"));
        self.asking.retain(|_, thread| !thread.is_finished());
        if self.asking.contains_key(reader) {
            return Err(hangs());
        }
        let (sender, answer) = sync_channel(1);
        let command = command.to_owned();
        let thread = std::thread::Builder::new()
            .name("card".into())
            .spawn(move || {
                // Too late is nobody's business any more.
                let _ = sender.send(exchange(&name, &command));
            })
            .map_err(|e| ReadError::Card(e.to_string()))?;
        self.asking.insert(reader.to_owned(), thread);
        answer
            .recv_timeout(ANSWER_TIME)
            .map_err(|_| hangs())?
            .map_err(unread)
    }
}

/// One command to the card in `reader`. On a connection of its own, for one that waits for a card can do
/// nothing else.
fn exchange(reader: &CStr, command: &[u8]) -> Result<Vec<u8>, Error> {
    let context = Context::establish(Scope::System)?;
    let card = context.connect(reader, ShareMode::Shared, Protocols::ANY)?;
    let mut buffer = vec![0; ANSWER_MAX];
    let answer = card.transmit(command, &mut buffer).map(<[u8]>::to_vec);
    // A reset, the default at a drop, would look like trouble to everybody else who uses the card. A card
    // that is gone by now has still answered.
    let _ = card.disconnect(Disposition::LeaveCard);
    answer
}

fn unread(e: Error) -> ReadError {
    match e {
        Error::NoService
        | Error::ServiceStopped
        | Error::CommError
        | Error::InvalidHandle
        | Error::SecurityViolation => ReadError::Connection(explained(e)),
        // NotTransacted: the reader got no answer, which is how a card that goes in the middle shows.
        Error::RemovedCard | Error::NoSmartcard | Error::NotTransacted => ReadError::Card(say!(
            "the card was taken away too soon",
            "カードを離すのが早すぎます"
        )),
        Error::SharingViolation => ReadError::Card(say!(
            "another program uses the reader",
            "別のプログラムがリーダーを使用中です"
        )),
        e => ReadError::Card(say!(
            "the card cannot be read: {e}",
            "カードを読み取れません: {e}"
        )),
    }
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
    name.to_string_lossy().into_owned()
}

/// What failed between us and the daemon, and what to do about it.
fn explained(e: Error) -> anyhow::Error {
    let advice = match e {
        Error::NoService => say!(
            "the PC/SC daemon does not run; install pcscd and start it: systemctl start pcscd.socket",
            "PC/SC デーモンが動いていません。pcscd をインストールして起動してください: \
             systemctl start pcscd.socket"
        ),
        Error::ServiceStopped => say!(
            "the PC/SC daemon has stopped, or speaks another protocol version than libpcsclite; \
             if this stays, update pcscd and libpcsclite1 together",
            "PC/SC デーモンが停止したか、libpcsclite とプロトコルの版が異なります。\
             続く場合は pcscd と libpcsclite1 を一緒に更新してください"
        ),
        Error::SecurityViolation => say!(
            "polkit refuses access to the PC/SC daemon; allow this user the actions \
             org.debian.pcsc-lite.access_pcsc and org.debian.pcsc-lite.access_card",
            "polkit が PC/SC デーモンへのアクセスを拒否しています。このユーザーに \
             org.debian.pcsc-lite.access_pcsc と org.debian.pcsc-lite.access_card を許可してください"
        ),
        Error::CommError | Error::InvalidHandle => say!(
            "the connection to the PC/SC daemon is gone",
            "PC/SC デーモンとの接続が切れました"
        ),
        e => say!("the PC/SC daemon reports: {e}", "PC/SC デーモンの応答: {e}"),
    };
    anyhow!("{advice} ({:08X})", e as u32)
}
