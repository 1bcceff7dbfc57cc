//! Roster: who a card belongs to, from a CSV file of UID and name (`attendance.roster`).
//!
//! People keep this file with whatever they have, so reading is tolerant ([`parse`], [`uid`], [`decode`]); what
//! cannot be read is named and never guessed. A file that is missing or unreadable costs the names, never a tap.

mod decode;
mod parse;
mod uid;

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use log::error;

use crate::attend::uid::Uid;
use crate::base::beat::Beat;
use crate::base::clock::Monotime;
use crate::base::files;
use crate::base::limited::{Limited, NotDone};
use crate::base::stop::{Stop, lock};
use crate::{say, say_info, say_warn};

/// A roster of 200,000 people is smaller; anything larger is another file given by mistake.
const LARGEST_BYTES: u64 = 16 * 1024 * 1024;
/// The file is looked at this often at most.
const LOOK: Duration = Duration::from_secs(2);
/// How long the disk is waited for; reading goes on.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bad lines that are named one by one; the rest is counted.
const NAMED: usize = 10;

/// What the roster says of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// It belongs to this person.
    Known(String),
    /// The card is not in the roster.
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

/// What a file held.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Names by card.
    pub names: HashMap<Uid, String>,
    /// One sentence for each line that was not used or replaced an earlier one, in the order of the file.
    pub problems: Vec<String>,
}

/// A shared handle; a copy costs a reference count. Looking a name up never waits for a file to be read.
#[derive(Debug, Clone)]
pub struct Roster(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    /// Replaced as a whole; none until a file could be read.
    names: Mutex<Option<Arc<HashMap<Uid, String>>>>,
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
}

/// What the file looked like: identity, size and times; or that it could not be looked at.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    File([u64; 3], [i64; 4]),
    Nothing,
}

impl Roster {
    /// A roster in `file`; nothing is read before the first [`refresh`](Self::refresh).
    #[must_use]
    pub fn new(file: PathBuf, stop: &Stop) -> Self {
        Self(Arc::new(Inner {
            file,
            names: Mutex::default(),
            watch: Mutex::default(),
            // The caller has a heartbeat of its own, and the wait is shorter than its limit.
            disk: Limited::new("roster", stop, &Beat::default()),
            told: AtomicBool::default(),
        }))
    }

    /// Who the card belongs to.
    #[must_use]
    pub fn name(&self, card: &Uid) -> Name {
        // The lock is held only while the `Arc` is cloned.
        let Some(names) = lock(&self.0.names).clone() else {
            return Name::NoRoster;
        };
        names
            .get(card)
            .map_or(Name::Unknown, |name| Name::Known(name.clone()))
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
                    let shown = self.0.file.display();
                    let why = anyhow!(say!(
                        "cannot read {shown} (attendance.roster): {why}; its disk or the network behind it hangs",
                        "{shown} を読み込めません（attendance.roster）: {why}（ディスクまたはネットワークの停止）"
                    ));
                    let again = lock(&self.0.names).is_some();
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
        let file = &self.file;
        // Metadata from before the read: a write during the read is then noticed at the next look.
        let seen = look(file);
        if watch.seen.as_ref() == Some(&seen) {
            return;
        }
        watch.seen = Some(seen);
        match read(file) {
            Ok(contents) => {
                tell(file, &contents);
                *lock(&self.names) = Some(Arc::new(contents.names));
            }
            Err(e) => {
                let again = lock(&self.names).is_some();
                error!("{}", unusable(&e, again));
            }
        }
    }
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

/// Names the lines that were not used, and says how many names there are.
fn tell(file: &Path, contents: &Contents) {
    let (file, names) = (file.display(), contents.names.len());
    for problem in contents.problems.iter().take(NAMED) {
        say_warn!("roster {file}: {problem}", "名簿 {file}: {problem}");
    }
    let more = contents.problems.len().saturating_sub(NAMED);
    if more > 0 {
        say_warn!(
            "roster {file}: {more} more lines like these",
            "名簿 {file}: 同様の行がほかに {more} 行あります"
        );
    }
    say_info!(
        "roster {file}: {names} cards",
        "名簿 {file}: カード {names} 枚"
    );
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
/// The file cannot be read, is too large, or has not one usable line; the message names it.
pub fn read(file: &Path) -> Result<Contents> {
    let shown = file.display();
    let bytes = files::read(file, LARGEST_BYTES).with_context(|| {
        say!(
            "cannot read {shown} (attendance.roster)",
            "{shown} を読み込めません（attendance.roster）"
        )
    })?;
    let contents = parse::parse(&decode::decode(&bytes)).with_context(|| shown.to_string())?;
    ensure!(
        !contents.names.is_empty(),
        say!(
            "{shown} has no line with a card number and a name{}",
            "{shown} にカード番号と名前のある行がありません{}",
            contents
                .problems
                .first()
                .map(|p| format!(" ({p})"))
                .unwrap_or_default()
        )
    );
    Ok(contents)
}

#[cfg(test)]
mod tests;
