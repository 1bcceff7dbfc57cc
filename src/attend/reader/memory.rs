//! What the watch remembers from one connection to the next, and says once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use log::warn;

use super::insertions::Insertions;
use super::usb;
use crate::attend::uid::Uid;
use crate::base::backoff::Backoff;
use crate::base::clock::Monotime;
use crate::say_warn;

/// Asking for the daemon costs one local connection, so the pauses stay short: back within five seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// So long after a card was found in the place of another the daemon may tell of that, too.
const SAME_EXCHANGE: Duration = Duration::from_secs(1);
/// How often the USB is looked at. What is seen twice is said: a reader that was just plugged in takes the
/// daemon a moment.
const USB_EVERY: Duration = Duration::from_secs(5);

/// How things stand between us and the readers.
pub(super) enum Link {
    /// There has been no connection yet.
    Fresh,
    /// There is one.
    Up,
    /// There was one.
    Lost,
}

/// What is remembered.
pub(super) struct WatchMemory {
    pub link: Link,
    pub insertions: Insertions,
    /// Readers that were unplugged while the connection stood.
    pub unplugged: BTreeSet<String>,
    /// Cards that were found in the place of others before the daemon told of it, by reader.
    pub exchanged: BTreeMap<String, (Uid, Monotime)>,
    /// The last fault that was logged.
    pub told: Option<String>,
    /// Whether "waiting for a card reader" is the last thing that was said about their number.
    pub waiting: bool,
    pub backoff: Backoff,
    usb: UsbLog,
}

#[derive(Default)]
struct UsbLog {
    next: Monotime,
    seen: BTreeSet<String>,
    told: BTreeSet<String>,
}

impl Default for WatchMemory {
    fn default() -> Self {
        Self {
            link: Link::Fresh,
            insertions: Insertions::default(),
            unplugged: BTreeSet::new(),
            exchanged: BTreeMap::new(),
            told: None,
            waiting: false,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            usb: UsbLog::default(),
        }
    }
}

impl WatchMemory {
    /// The connection is lost, or could not be made. Logged once for each cause; true if the cause is new.
    pub fn lost(&mut self, fault: &anyhow::Error) -> bool {
        self.insertions.disconnected();
        // They all come back with the next connection, which is what is counted.
        self.unplugged.clear();
        let why = format!("{fault:#}");
        let new = self.told.as_ref() != Some(&why);
        if new {
            match self.link {
                Link::Fresh => say_warn!(
                    "waiting for a card reader: {why}",
                    "カードリーダーを待っています: {why}"
                ),
                Link::Up | Link::Lost => {
                    say_warn!("card reader failure: {why}", "カードリーダーの異常: {why}")
                }
            }
            self.told = Some(why);
        }
        if matches!(self.link, Link::Up) {
            self.link = Link::Lost;
        }
        self.waiting = false;
        new
    }

    /// Whether a card that an event tells of is the one that was found without it.
    pub fn was_found(&self, reader: &str, uid: Uid, now: Monotime) -> bool {
        self.exchanged
            .get(reader)
            .is_some_and(|(found, at)| *found == uid && now.since(*at) < SAME_EXCHANGE)
    }

    /// Says why readers on the USB are missing from those with these names; once for each change.
    pub fn look_at_usb(&mut self, bus: &usb::Bus, names: &[&str], now: Monotime) {
        if now < self.usb.next {
            return;
        }
        self.usb.next = now + USB_EVERY;
        let Some(causes) = bus.causes(names) else {
            return;
        };
        for cause in self.usb.news(causes) {
            warn!("{cause}");
        }
    }
}

impl UsbLog {
    /// What is to be said now. What has gone is said again when it comes back.
    fn news(&mut self, causes: impl IntoIterator<Item = String>) -> Vec<String> {
        let now: BTreeSet<String> = causes.into_iter().collect();
        self.told.retain(|cause| now.contains(cause));
        let lasting = now.intersection(&self.seen);
        let news: Vec<_> = lasting
            .filter(|c| !self.told.contains(*c))
            .cloned()
            .collect();
        self.told.extend(news.iter().cloned());
        self.seen = now;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once_when_it_lasts_and_again_when_it_returns() {
        let mut log = UsbLog::default();
        let mut look = |causes: &[&str]| log.news(causes.iter().map(|c| (*c).to_owned())).len();
        assert_eq!(look(&["a"]), 0, "it may pass");
        assert_eq!(look(&["a"]), 1);
        assert_eq!(look(&["a", "b"]), 0);
        assert_eq!(look(&["a", "b"]), 1);
        assert_eq!(look(&[]), 0);
        assert_eq!(look(&["a"]), 0);
        assert_eq!(look(&["a"]), 1);
    }
}
