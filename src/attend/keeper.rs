//! The thread between readers and ledger: records, then tells the person at the reader.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use log::debug;

use super::last_tap::{LastTap, TapShown};
use super::ledger::roster::{Name, Roster};
use super::ledger::timekeeper::{Trust, plausible};
use super::ledger::{Entry, Ledger, Recorded};
use super::trace::{Outcome, TapRecord, TapTrace};
use crate::attend::indicator::{Event, Notice, Panel};
use crate::attend::reader::{Sighting, Tap};
use crate::base::beat::Beat;
use crate::base::card_status::CardStatus;
use crate::base::clock::Clock;
use crate::base::planted;
use crate::base::presence::{InView, Presence};
use crate::base::slot::Slot;
use crate::base::stats::Stats;
use crate::base::stop::Stop;
use crate::config::Live;
use crate::{say, say_error, say_info, say_warn};

/// Taps that may wait for the disk; then the reader waits too.
const QUEUE: usize = 64;
/// How soon the order to stop is heard where even the reader's thread does not hear it, which waits for nothing itself.
/// Otherwise its end of the queue tells it at once.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the recording of a tap is begun, if the loop panics in it.
const TRIES: u32 = 2;

/// The queue from reader to keeper.
#[must_use]
pub fn queue() -> (SyncSender<Tap>, Receiver<Tap>) {
    sync_channel(QUEUE)
}

/// The thread's body.
pub struct Keeper {
    /// Taps from the readers.
    pub taps: Receiver<Tap>,
    /// Where they are recorded.
    pub ledger: Ledger,
    /// How long a card counts once, and whether a tap without a face in view is marked for review.
    pub live: Live,
    /// Who the cards belong to; none without a roster.
    pub roster: Option<Roster>,
    /// Who is in view.
    pub presence: Arc<Presence>,
    /// The indicators for the person at the reader.
    pub panel: Panel,
    /// Where the newest tap is left for those who show it.
    pub last_tap: Arc<LastTap>,
    /// Told that one more tap waits.
    pub card_status: Arc<CardStatus>,
    /// Rung for the uplink when there is something to deliver; none without a server.
    pub bell: Option<Arc<Slot<()>>>,
    /// The trace.
    pub trace: TapTrace,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
    /// Counts.
    pub stats: Arc<Stats>,
    /// The sign of life.
    pub beat: Beat,
    /// The tap that is being recorded, and how often that was begun; none at first.
    pub in_hand: Option<(Tap, u32)>,
}

/// Outcome of a tap for the indicators.
enum TapOutcome {
    Counted {
        id: i64,
        /// The ledger's file system, if it forgets everything at a power cut.
        forgetful: Option<&'static str>,
        /// The time is uncertain.
        uncertain: bool,
        /// A face was required, and none was seen: the word for it in the ledger.
        faceless: Option<&'static str>,
    },
    Repeat,
    Refused(String),
    Unread(String),
    /// The ledger could not be written.
    NotStored(String),
}

impl Keeper {
    /// Records until the readers are gone, or the order to stop is given and the queue is empty.
    ///
    /// After a panic the tap that was in hand is recorded first: one that was stored already is a repeat, so it counts
    /// once. One that brings the loop down each time is told as not stored.
    pub fn run(&mut self) {
        self.finish_tap_in_hand();
        loop {
            self.beat.turn();
            match self.taps.recv_timeout(PATIENCE) {
                Ok(tap) => {
                    self.in_hand = Some((tap.clone(), 1));
                    self.keep(&tap);
                    self.done();
                }
                Err(RecvTimeoutError::Timeout) if !self.stop.requested() => {}
                Err(_) => return,
            }
        }
    }

    fn finish_tap_in_hand(&mut self) {
        let Some((tap, begun)) = self.in_hand.take() else {
            return;
        };
        if begun < TRIES {
            self.in_hand = Some((tap.clone(), begun + 1));
            self.keep(&tap);
        } else {
            let why = say!(
                "the program fails on it, see crash.log",
                "プログラムの異常です。crash.log を確認してください"
            );
            self.conclude(&tap, &TapOutcome::NotStored(why), &Name::NoRoster);
        }
        self.done();
    }

    fn done(&mut self) {
        self.in_hand = None;
        self.card_status.tap_done();
    }

    fn name(&self, tap: &Tap) -> Name {
        match (&self.roster, &tap.sighting) {
            (Some(roster), Sighting::Card(uid, _)) => {
                let wall = &tap.at.wall;
                roster.name(uid, plausible(wall.timestamp()).then(|| wall.datetime()))
            }
            _ => Name::NoRoster,
        }
    }

    fn keep(&mut self, tap: &Tap) {
        self.card_status.card(self.clock.now());
        let name = self.name(tap);
        let verdict = self.decide(tap, name.known());
        self.conclude(tap, &verdict, &name);
    }

    /// Publishes the outcome of the tap: indicators, trace, counters.
    fn conclude(&self, tap: &Tap, verdict: &TapOutcome, name: &Name) {
        let since = |clock: &dyn Clock| clock.now().since(tap.at.monotonic);
        let durable =
            matches!(verdict, TapOutcome::Counted { .. }).then(|| since(self.clock.as_ref()));
        self.panel.show(Notice {
            event: verdict.event(),
            reader: Some(tap.reader.clone()),
            name: shown(name),
        });
        let feedback = since(self.clock.as_ref());
        let uid = match &tap.sighting {
            Sighting::Card(uid, _) | Sighting::Refused(uid, ..) => uid.to_string(),
            Sighting::Unread(_) => String::new(),
        };
        self.trace.tap(&TapRecord {
            answered: tap.at.monotonic,
            uid: &uid,
            reader: &tap.reader,
            outcome: verdict.outcome(),
            durable,
            feedback,
        });
        self.last_tap.set(TapShown {
            at: tap.at.monotonic,
            card: uid.clone(),
            name: name.known().map(str::to_owned),
            outcome: verdict.event(),
        });
        self.count(verdict, name);
        verdict.log(&tap.reader, &who(&uid, name));
    }

    fn decide(&mut self, tap: &Tap, name: Option<&str>) -> TapOutcome {
        let (uid, card, refusal) = match &tap.sighting {
            Sighting::Card(uid, card) => (*uid, *card, None),
            Sighting::Refused(uid, card, why) => (*uid, *card, Some(why.to_string())),
            Sighting::Unread(why) => return TapOutcome::Unread(why.clone()),
        };
        let in_view = self.presence.at(tap.at.monotonic);
        let faceless = match in_view {
            _ if !self.live.now().attendance.require_face => None,
            Some(InView { faces: 1.., .. }) => None,
            Some(_) => Some("no-face"),
            // There is no camera, or it delivers nothing.
            None => Some("face-unknown"),
        };
        let entry = Entry {
            uid,
            card,
            name,
            reader: &tap.reader,
            at: &tap.at,
            in_view,
            review: faceless,
        };
        if let Some(why) = refusal {
            if let Err(e) = self.ledger.refuse(&entry, &why) {
                // The person is told the same; only the list of refused cards lacks one.
                debug!("a refused card was not noted: {e:#}");
            }
            return TapOutcome::Refused(why);
        }
        if planted::taps_are_slow() {
            let _ = self
                .beat
                .wait(self.clock.as_ref(), &self.stop, planted::SLOW);
        }
        if planted::taps_are_lost() {
            return TapOutcome::Counted {
                id: 0,
                forgetful: None,
                uncertain: false,
                faceless: None,
            };
        }
        let repeat = Duration::from_secs_f64(self.live.now().cards.repeat_seconds);
        match self.ledger.record(&entry, repeat) {
            Ok(Recorded::Counted { id, clock }) => TapOutcome::Counted {
                id,
                forgetful: self.ledger.store().forgetful(),
                uncertain: clock == Trust::Uncertain,
                faceless,
            },
            Ok(Recorded::Repeat) => TapOutcome::Repeat,
            Err(e) => TapOutcome::NotStored(format!("{e:#}")),
        }
    }

    fn count(&self, verdict: &TapOutcome, name: &Name) {
        let stats = &self.stats;
        match verdict {
            TapOutcome::Counted { .. } => {
                stats.taps_counted.increment();
                self.card_status.one_more_waits();
                if *name == Name::Unknown {
                    stats.taps_unknown.increment();
                }
                if let Some(bell) = &self.bell {
                    bell.put(());
                }
            }
            TapOutcome::Repeat => stats.taps_repeated.increment(),
            TapOutcome::Refused(_) => stats.taps_refused.increment(),
            TapOutcome::Unread(_) | TapOutcome::NotStored(_) => stats.taps_failed.increment(),
        }
    }
}

/// A card as the log names it.
/// What a display calls the person.
fn shown(name: &Name) -> Option<String> {
    match name {
        Name::Known(name) => Some(name.clone()),
        Name::Unknown => Some(say!("Unknown Card", "ﾐﾄｳﾛｸ ｶｰﾄﾞ")),
        Name::NoRoster => None,
    }
}

fn who(uid: &str, name: &Name) -> String {
    match name {
        Name::Known(name) => format!("{uid} ({name})"),
        Name::Unknown => say!("{uid} (unknown card)", "{uid}（未登録カード）"),
        Name::NoRoster => uid.to_owned(),
    }
}

impl TapOutcome {
    fn event(&self) -> Event {
        match self {
            Self::Counted {
                forgetful: Some(_), ..
            } => Event::CountedInMemory,
            Self::Counted { .. } => Event::Counted,
            Self::Repeat => Event::Repeat,
            Self::Refused(_) => Event::Refused,
            Self::Unread(_) => Event::ReadFailed,
            Self::NotStored(_) => Event::StorageFailed,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Counted { .. } => Outcome::Counted,
            Self::Repeat => Outcome::Repeat,
            Self::Refused(_) => Outcome::Refused,
            Self::Unread(_) | Self::NotStored(_) => Outcome::Failed,
        }
    }

    fn log(&self, reader: &str, uid: &str) {
        match self {
            Self::Counted {
                id,
                forgetful,
                uncertain,
                faceless,
            } => {
                say_info!(
                    "card reader {reader}: {uid} counted (tap {id})",
                    "カードリーダー {reader}: {uid} を記録しました（{id} 件目）"
                );
                tell_doubts(*id, *forgetful, *uncertain, *faceless);
            }
            Self::Repeat => say_info!(
                "card reader {reader}: {uid} repeated, already counted",
                "カードリーダー {reader}: {uid} は記録済みです（重複タッチ）"
            ),
            Self::Refused(why) => say_warn!(
                "card reader {reader}: {uid} refused: {why}",
                "カードリーダー {reader}: {uid} は使用できません: {why}"
            ),
            Self::Unread(why) => say_warn!(
                "card reader {reader}: {why}; tap again",
                "カードリーダー {reader}: {why}。もう一度タッチしてください"
            ),
            Self::NotStored(why) => say_error!(
                "card reader {reader}: {uid} was NOT counted: {why}",
                "カードリーダー {reader}: {uid} を記録できませんでした: {why}"
            ),
        }
    }
}

/// What a person has to know of a tap that was counted all the same.
fn tell_doubts(id: i64, forgetful: Option<&str>, uncertain: bool, faceless: Option<&str>) {
    if let Some(kind) = forgetful {
        say_error!(
            "tap {id} is on {kind}: A POWER CUT LOSES IT unless it is delivered before",
            "{id} 件目は {kind} 上にあります。送信前に停電すると失われます"
        );
    }
    if uncertain {
        debug!("tap {id}: nobody vouches for the time");
    }
    match faceless {
        None => {}
        Some("no-face") => say_warn!(
            "tap {id}: no face was in view; marked for review",
            "{id} 件目: 顔が検出されていません。要確認として記録しました"
        ),
        Some(_) => say_warn!(
            "tap {id}: no camera could tell whether a face was in view; marked for review",
            "{id} 件目: カメラが使えず顔を確認できません。要確認として記録しました"
        ),
    }
}

#[cfg(test)]
mod tests;
