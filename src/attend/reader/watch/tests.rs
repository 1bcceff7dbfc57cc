use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};

use super::*;
use crate::attend::reader::at_once::AtOnce;
use crate::attend::reader::atr::CardType;
use crate::attend::reader::{ReadError, Readers, Slot};
use crate::attend::uid::Uid;
use crate::base::clock::ManualClock;
use crate::base::stop::{Reason, lock};
use anyhow::anyhow;
/// What the scripted readers do next: answers to `wait`, and answers of cards.
#[derive(Default)]
struct Script {
    waits: VecDeque<Result<Vec<Slot>>>,
    answers: VecDeque<Result<Vec<u8>, ReadError>>,
}

struct Scripted(Arc<Mutex<Script>>, Stop, Arc<dyn Clock>);

impl Readers for Scripted {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<Slot>> {
        self.2.wait(&Stop::new(), timeout);
        lock(&self.0).waits.pop_front().unwrap_or_else(|| {
            self.1.request(Reason::Duration);
            Ok(Vec::new())
        })
    }

    fn transmit(&mut self, _reader: &str, _command: &[u8]) -> Result<Vec<u8>, ReadError> {
        lock(&self.0).answers.pop_front().unwrap()
    }
}

fn slots(events: u16, card: bool) -> Result<Vec<Slot>> {
    Ok(vec![Slot {
        reader: "R".into(),
        events,
        card: card.then(|| vec![0x3B, 0x00]),
    }])
}

fn uid_answer(n: u8) -> Result<Vec<u8>, ReadError> {
    Ok(vec![n, n, n, n, 0x90, 0x00])
}

fn gone() -> anyhow::Error {
    anyhow!("gone")
}

/// Runs the watch over the script to its end.
fn watch(script: Script) -> (Receiver<Tap>, Arc<Stats>) {
    watch_with(script, Selection::All)
}

fn watch_with(script: Script, selection: Selection) -> (Receiver<Tap>, Arc<Stats>) {
    let stop = Stop::new();
    let script = Arc::new(Mutex::new(script));
    let (sender, taps) = sync_channel(64);
    let stats = Arc::new(Stats::default());
    let open_stop = stop.clone();
    let clock: Arc<dyn Clock> = ManualClock::shared(Duration::from_secs(1));
    let scripted_clock = Arc::clone(&clock);
    Watch {
        open: Box::new(move || {
            let scripted = Scripted(
                Arc::clone(&script),
                open_stop.clone(),
                Arc::clone(&scripted_clock),
            );
            Ok(Box::new(AtOnce::new(scripted, Arc::clone(&scripted_clock))))
        }),
        selection,
        taps: sender,
        panel: crate::attend::indicator::panel().0,
        card_status: Arc::default(),
        clock,
        usb: Bus::new("/no/such/folder".into(), &stop, &Beat::default()),
        stop,
        stats: Arc::clone(&stats),
        beat: Beat::default(),
    }
    .run();
    (taps, stats)
}

fn sightings(taps: &Receiver<Tap>) -> Vec<Sighting> {
    taps.try_iter().map(|t| t.sighting).collect()
}

fn card(n: u8) -> Sighting {
    Sighting::Card(Uid::new(&[n; 4]).unwrap(), CardType::Unknown)
}

#[test]
fn each_insertion_is_a_tap() {
    let (taps, stats) = watch(Script {
        waits: [
            slots(0, false),
            slots(1, true),
            slots(1, true),
            slots(3, true),
        ]
        .into(),
        answers: [uid_answer(1), uid_answer(1)].into(),
    });
    assert_eq!(sightings(&taps), [card(1), card(1)]);
    assert_eq!(stats.reader_reconnects.get(), 0);
}

#[test]
fn a_card_that_moved_is_asked_again_before_it_counts_as_failed() {
    let (taps, _) = watch(Script {
        // Three tries with each card, a pause before each of the later ones.
        waits: [1, 1, 1, 1, 1, 3, 3, 3, 3, 3]
            .map(|events| slots(events, true))
            .into(),
        answers: [
            Err(ReadError::Card("moved".into())),
            Ok(vec![0x63, 0x00]),
            uid_answer(1),
            Ok(vec![0x63, 0x00]),
            Err(ReadError::Card("moved".into())),
            Err(ReadError::Card("gone".into())),
        ]
        .into(),
    });
    let seen = sightings(&taps);
    assert_eq!(seen[0], card(1));
    assert!(matches!(&seen[1], Sighting::Unread(why) if why.contains("63 00")));
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_wrong_answer_is_not_asked_for_again() {
    for (answer, want) in [
        (vec![], "empty"),
        (vec![7; 300], "07 07"),
        (vec![0x6A, 0x81], "6A 81"),
    ] {
        let (taps, _) = watch(Script {
            waits: [slots(1, true)].into(),
            answers: [Ok(answer)].into(),
        });
        let seen = sightings(&taps);
        assert!(
            matches!(&seen[0], Sighting::Unread(why) if why.contains(want)),
            "{seen:?}"
        );
    }
}

#[test]
fn cards_that_cannot_identify_are_refused() {
    let (taps, _) = watch(Script {
        waits: [slots(1, true)].into(),
        answers: [Ok(vec![0x08, 1, 2, 3, 0x90, 0x00])].into(),
    });
    assert!(matches!(sightings(&taps)[0], Sighting::Refused(..)));
}

#[test]
fn a_restarted_daemon_is_counted_and_a_lying_card_is_not() {
    let (taps, stats) = watch(Script {
        waits: [
            slots(1, true),
            Err(gone()),
            slots(1, true),
            slots(2, false),
            slots(3, true),
        ]
        .into(),
        answers: [uid_answer(1), uid_answer(1), uid_answer(1)].into(),
    });
    assert_eq!(sightings(&taps), [card(1), card(1)]);
    assert_eq!(stats.reader_reconnects.get(), 1);
    assert_eq!(stats.reader_faults.get(), 1);
}

#[test]
fn a_tap_cut_off_by_the_daemon_is_not_lost() {
    let (taps, stats) = watch(Script {
        waits: [slots(0, false), slots(1, true), slots(1, true)].into(),
        answers: [Err(ReadError::Connection(gone())), uid_answer(1)].into(),
    });
    assert_eq!(sightings(&taps), [card(1)]);
    assert_eq!(stats.reader_reconnects.get(), 1);
}

#[test]
fn a_reader_plugged_in_again_is_counted() {
    let (taps, stats) = watch(Script {
        waits: [Ok(vec![]), slots(0, false), Ok(vec![]), slots(0, false)].into(),
        answers: VecDeque::new(),
    });
    assert_eq!(sightings(&taps), []);
    assert_eq!(stats.reader_reconnects.get(), 1);
}

#[test]
fn only_selected_readers_are_used() {
    let (taps, _) = watch_with(
        Script {
            waits: [slots(1, true)].into(),
            answers: VecDeque::new(),
        },
        Selection::Named(vec!["other".into()]),
    );
    assert_eq!(sightings(&taps), []);
}

/// Two readers: the card in the first never answers, that in the second does.
struct Mute {
    looks: VecDeque<Vec<Slot>>,
    asked: u64,
    answers: Vec<Answer>,
    clock: Arc<ManualClock>,
    stop: Stop,
}

impl Connection for Mute {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<Slot>> {
        self.clock.advance(timeout);
        if self.looks.len() == 1 && self.clock.now().since_zero() > Duration::from_secs(10) {
            self.stop.request(Reason::Duration);
        }
        Ok(match self.looks.len() {
            1 => self.looks[0].clone(),
            _ => self.looks.pop_front().unwrap(),
        })
    }

    fn ask(&mut self, reader: &str, _command: &[u8]) -> u64 {
        self.asked += 1;
        if reader == "answers" {
            self.answers.push(Answer {
                ticket: self.asked,
                at: Moment::now(self.clock.as_ref()),
                result: uid_answer(2),
            });
        }
        self.asked
    }

    fn answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }
}

#[test]
fn a_card_that_is_silent_delays_no_other_reader_and_is_given_up() {
    let clock = ManualClock::shared(Duration::ZERO);
    let (stop, stats) = (Stop::new(), Arc::new(Stats::default()));
    let (sender, taps) = sync_channel(64);
    let slot = |reader: &str, card: bool| Slot {
        reader: reader.into(),
        events: u16::from(card),
        card: card.then(|| vec![0x3B, 0x00]),
    };
    let mut mute = Some(Mute {
        looks: [
            vec![slot("silent", false), slot("answers", false)],
            vec![slot("silent", true), slot("answers", false)],
            vec![slot("silent", true), slot("answers", true)],
        ]
        .into(),
        asked: 0,
        answers: Vec::new(),
        clock: Arc::clone(&clock),
        stop: stop.clone(),
    });
    Watch {
        open: Box::new(move || Ok(Box::new(mute.take().unwrap()))),
        selection: Selection::All,
        taps: sender,
        panel: crate::attend::indicator::panel().0,
        card_status: Arc::default(),
        clock: clock.clone(),
        usb: Bus::new("/no/such/folder".into(), &stop, &Beat::default()),
        stop,
        stats,
        beat: Beat::default(),
    }
    .run();
    let seen: Vec<Tap> = taps.try_iter().collect();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert_eq!(
        (seen[0].reader.as_str(), &seen[0].sighting),
        ("answers", &card(2))
    );
    assert!(matches!(&seen[1].sighting, Sighting::Unread(_)));
    let between = seen[1].at.monotonic.since(seen[0].at.monotonic);
    assert!(between >= Duration::from_secs(1), "{between:?}");
}
