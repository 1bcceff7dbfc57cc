//! Roster: who a card belongs to, from a CSV file (`attendance.roster`).
//!
//! People keep this file with whatever they have, so reading is tolerant: encoding ([`decode`]), records ([`records`]),
//! headings and columns ([`table`], [`columns`]), numbers of cards ([`uid`], [`forms`]). What cannot be read is named and
//! never guessed: a wrong name would be believed. A file that is missing or unreadable costs the names, never a tap.

mod columns;
mod contents;
mod day;
mod decode;
mod directory;
mod forms;
mod headings;
mod name;
mod parse;
mod records;
mod table;
mod uid;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use jiff::civil::DateTime;
use log::error;

use crate::attend::ledger::query::View;
use crate::attend::uid::Uid;
use crate::base::beat::Beat;
use crate::base::clock::Monotime;
use crate::base::files;
use crate::base::limited::{Limited, NotDone};
use crate::base::stop::{Stop, lock};
use crate::config::RosterColumns;
use crate::{say, say_info, say_warn};
pub use contents::{Contents, Problems};
pub use directory::{Directory, Person, Whose};
pub use forms::Tapped;
pub use name::is_name;

/// A roster of 200,000 people is smaller; anything larger is another file given by mistake.
const LARGEST_BYTES: u64 = 16 * 1024 * 1024;
/// The file is looked at this often at most.
const LOOK: Duration = Duration::from_secs(2);
/// How long the disk is waited for; reading goes on.
const PATIENCE: Duration = Duration::from_secs(3);
/// Cards that were tapped, of the ledger, by which a roster is understood.
const TAPPED: u32 = 20_000;

/// What the roster says of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// It belongs to this person.
    Known(String),
    /// The card is not in the roster, or not for whom.
    Unknown,
    /// There is no roster, or none could be read so far.
    NoRoster,
}

impl Name {
    /// The person's name, if it is known.
    #[must_use]
    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Known(name) => Some(name),
            Self::Unknown | Self::NoRoster => None,
        }
    }
}

/// A shared handle; a copy costs a reference count. Looking a name up never waits for a file to be read.
#[derive(Debug, Clone)]
pub struct Roster(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The file, and its columns where they are not to be found.
    source: Mutex<(PathBuf, RosterColumns)>,
    /// Folder of the ledger, for the cards that were tapped.
    ledger: PathBuf,
    /// Replaced as a whole; none until a file could be read.
    people: Mutex<Option<Arc<Directory>>>,
    /// How often it was replaced.
    edition: AtomicU64,
    /// Whether a card was asked for that it does not know.
    missed: AtomicBool,
    watch: Mutex<Watch>,
    /// Where the file is looked at and read.
    disk: Limited<()>,
    /// Whether it has been logged that the disk does not answer.
    told: AtomicBool,
}

#[derive(Debug, Default)]
struct Watch {
    looked: Option<Monotime>,
    seen: Option<Seen>,
    /// Read without success or with doubts: the next card that is tapped may tell more.
    doubtful: bool,
    /// What was said last.
    said: Option<String>,
}

/// What the file looked like: identity, size and times; or that it could not be looked at.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    File([u64; 3], [i64; 4]),
    Nothing,
}

impl Roster {
    /// A roster in `file`, beside the ledger in the folder `ledger`; nothing is read before the first
    /// [`refresh`](Self::refresh).
    #[must_use]
    pub fn new(file: PathBuf, columns: RosterColumns, ledger: PathBuf, stop: &Stop) -> Self {
        Self(Arc::new(Inner {
            source: Mutex::new((file, columns)),
            ledger,
            people: Mutex::default(),
            edition: AtomicU64::default(),
            missed: AtomicBool::default(),
            watch: Mutex::default(),
            // The caller has a heartbeat of its own, and the wait is shorter than its limit.
            disk: Limited::new("roster", stop, &Beat::default()),
            told: AtomicBool::default(),
        }))
    }

    /// Another file, or other columns, from the next [`refresh`](Self::refresh) on.
    pub fn change(&self, file: &Path, columns: &RosterColumns) {
        let mut source = lock(&self.0.source);
        if source.0 != file || source.1 != *columns {
            *source = (file.to_owned(), columns.clone());
            drop(source);
            // What was read of the other file, and when, is of no use.
            *lock(&self.0.watch) = Watch::default();
        }
    }

    /// Who has the card at a local time; none where the time is not certain.
    #[must_use]
    pub fn name(&self, card: &Uid, when: Option<DateTime>) -> Name {
        let Some(people) = self.people() else {
            self.0.missed.store(true, Ordering::Relaxed);
            return Name::NoRoster;
        };
        match people.whose(card, when) {
            Whose::Known(person) => Name::Known(person.name.to_string()),
            Whose::Earlier | Whose::Disputed | Whose::Unknown => {
                self.0.missed.store(true, Ordering::Relaxed);
                Name::Unknown
            }
        }
    }

    /// The people; none until a file could be read.
    #[must_use]
    pub fn people(&self) -> Option<Arc<Directory>> {
        // The lock is held only while the `Arc` is cloned.
        lock(&self.0.people).clone()
    }

    /// Another number whenever the file was read anew; 0 before it was read.
    #[must_use]
    pub fn edition(&self) -> u64 {
        self.0.edition.load(Ordering::Relaxed)
    }

    /// Reads the file if it is new or has changed, and tells the log about it. Looks at the file every two
    /// seconds at most; reading takes some milliseconds for 10,000 lines. What cannot be read leaves the
    /// names as they were, and a disk that hangs is waited for no longer than [`PATIENCE`].
    pub fn refresh(&self, now: Monotime) {
        let inner = Arc::clone(&self.0);
        match self.0.disk.run(PATIENCE, move || inner.refresh(now)) {
            Ok(()) => self.0.told.store(false, Ordering::Relaxed),
            Err(NotDone::Stopped) => {}
            Err(why) => {
                if !self.0.told.swap(true, Ordering::Relaxed) {
                    let (file, _) = lock(&self.0.source).clone();
                    let shown = file.display();
                    let why = anyhow!(say!(
                        "cannot read {shown} (attendance.roster): {why}; its disk or the network behind it hangs",
                        "{shown} を読み込めません（attendance.roster）: {why}（ディスクまたはネットワークの停止）"
                    ));
                    let again = lock(&self.0.people).is_some();
                    error!("{}", unusable(&why, again));
                }
            }
        }
    }
}

impl Inner {
    fn refresh(&self, now: Monotime) {
        let mut watch = lock(&self.watch);
        if watch.looked.is_some_and(|then| now.since(then) < LOOK) {
            return;
        }
        watch.looked = Some(now);
        let (file, columns) = &lock(&self.source).clone();
        // Metadata from before the read: a write during the read is then noticed at the next look.
        let seen = look(file);
        let missed = self.missed.swap(false, Ordering::Relaxed);
        let again = watch.doubtful && missed;
        if watch.seen.as_ref() == Some(&seen) && !again {
            return;
        }
        watch.seen = Some(seen);
        let tapped = tapped(&self.ledger);
        let told = match read(file, columns, &tapped) {
            Ok(contents) => {
                let told = tell(file, &contents, watch.said.as_deref());
                watch.doubtful = contents.unknown || tapped.is_empty();
                *lock(&self.people) = Some(Arc::new(contents.people));
                self.edition.fetch_add(1, Ordering::Relaxed);
                told
            }
            Err(e) => {
                watch.doubtful = true;
                let text = unusable(&e, lock(&self.people).is_some());
                if watch.said.as_ref() != Some(&text) {
                    error!("{text}");
                }
                text
            }
        };
        watch.said = Some(told);
    }
}

/// The cards that the ledger in this folder knows. Where there is none, the roster has to be understood without.
#[must_use]
pub fn tapped(ledger: &Path) -> Tapped {
    let cards = View::open(ledger).and_then(|view| view.counted_cards(TAPPED));
    Tapped::new(cards.unwrap_or_default())
}

fn unusable(why: &anyhow::Error, again: bool) -> String {
    if again {
        say!(
            "roster: {why:#}; the names read before are kept",
            "名簿: {why:#}。前回読み込んだ名前を使い続けます"
        )
    } else {
        say!(
            "roster: {why:#}; taps are counted without names",
            "名簿: {why:#}。名前なしで記録します"
        )
    }
}

/// Says how many cards there are, where they were found, and what a person should look at; unless that was said before.
fn tell(file: &Path, contents: &Contents, before: Option<&str>) -> String {
    let (file, summary, notes) = (file.display(), contents.summary(), contents.notes());
    let told = format!("{summary}\n{}", notes.join("\n"));
    if before == Some(told.as_str()) {
        return told;
    }
    for note in notes {
        say_warn!("roster {file}: {note}", "名簿 {file}: {note}");
    }
    say_info!("roster {file}: {summary}", "名簿 {file}: {summary}");
    told
}

fn look(file: &Path) -> Seen {
    // The time of the last change of the inode as well: a copy may keep the time of its original.
    std::fs::metadata(file).map_or(Seen::Nothing, |m| {
        Seen::File(
            [m.dev(), m.ino(), m.size()],
            [m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec()],
        )
    })
}

/// Reads a roster once.
///
/// # Errors
/// The file cannot be read, is too large, its encoding or columns cannot be told, or it has not one usable line; the
/// message names it.
pub fn read(file: &Path, columns: &RosterColumns, tapped: &Tapped) -> Result<Contents> {
    let shown = file.display();
    let bytes = files::read(file, LARGEST_BYTES).with_context(|| {
        say!(
            "cannot read {shown} (attendance.roster)",
            "{shown} を読み込めません（attendance.roster）"
        )
    })?;
    let contents = understand(&bytes, columns, tapped).with_context(|| shown.to_string())?;
    ensure!(
        !contents.people.is_empty(),
        say!(
            "{shown} has no line with a card number and a name{}",
            "{shown} にカード番号と名前のある行がありません{}",
            contents
                .problems
                .first
                .first()
                .map(|p| format!(" ({p})"))
                .unwrap_or_default()
        )
    );
    Ok(contents)
}

fn understand(bytes: &[u8], columns: &RosterColumns, tapped: &Tapped) -> Result<Contents> {
    let decoded = decode::decode(bytes)?;
    let mut contents = parse::parse(&decoded.text, columns, tapped)?;
    contents.encoding = decoded.encoding;
    Ok(contents)
}

#[cfg(test)]
mod tests;
