use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};

use super::*;
use crate::attend::reader::at_once::AtOnce;
use crate::attend::reader::atr::CardType;
use crate::attend::reader::{Connection, Opens, ReadError, Readers, Slot};
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
            let at_once = AtOnce::new(scripted, Arc::clone(&scripted_clock));
            Ok(Box::new(at_once) as Box<dyn Connection>)
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

/// A daemon that is away, and whose folder shows a sign of it at the tries that `signs` names.
struct Away {
    signs: Vec<usize>,
    pauses: Arc<Mutex<Vec<Duration>>>,
    stop: Stop,
}

impl Opens for Away {
    fn open(&mut self) -> Result<Box<dyn Connection>> {
        Err(gone())
    }

    fn daemon_came(&mut self, _clock: &dyn Clock, _stop: &Stop, pause: Duration) -> bool {
        let mut pauses = lock(&self.pauses);
        pauses.push(pause);
        if pauses.len() == 10 {
            self.stop.request(Reason::Duration);
        }
        self.signs.contains(&pauses.len())
    }
}

#[test]
fn a_sign_of_the_daemon_makes_the_pauses_short_again() {
    let (stop, pauses) = (Stop::new(), Arc::new(Mutex::new(Vec::new())));
    Watch {
        open: Box::new(Away {
            signs: vec![7],
            pauses: Arc::clone(&pauses),
            stop: stop.clone(),
        }),
        selection: Selection::All,
        taps: sync_channel(1).0,
        panel: crate::attend::indicator::panel().0,
        card_status: Arc::default(),
        clock: ManualClock::shared(Duration::from_secs(1)),
        usb: Bus::new("/no/such/folder".into(), &stop, &Beat::default()),
        stop,
        stats: Arc::default(),
        beat: Beat::default(),
    }
    .run();
    let pauses = lock(&pauses);
    assert!(pauses[6] > Duration::from_secs(2), "{pauses:?}");
    assert!(pauses[7] < Duration::from_millis(500), "{pauses:?}");
}

/// Cards that are exchanged without any event: each answer to a question without a reset is the next of `asked`, and each
/// to one with a reset that of `reset`.
struct Exchanged {
    looks: VecDeque<Slot>,
    asked: VecDeque<u8>,
    reset: VecDeque<u8>,
    tickets: u64,
    answers: Vec<Answer>,
    clock: Arc<ManualClock>,
    stop: Stop,
}

impl Exchanged {
    fn answer(&mut self, next: Option<u8>, atr: Option<Vec<u8>>) -> u64 {
        self.tickets += 1;
        let result = match next {
            Some(n) => uid_answer(n),
            None => Err(ReadError::Card("gone".into())),
        };
        let at = Moment::now(self.clock.as_ref());
        self.answers.push(Answer {
            ticket: self.tickets,
            at,
            result,
            atr,
        });
        self.tickets
    }
}

impl Connection for Exchanged {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<Slot>> {
        self.clock.advance(timeout);
        let next = match self.looks.len() {
            1 => self.looks.front().cloned(),
            _ => self.looks.pop_front(),
        };
        if self.asked.is_empty() {
            self.stop.request(Reason::Duration);
        }
        Ok(next.into_iter().collect())
    }

    fn ask(&mut self, _reader: &str, _command: &[u8]) -> u64 {
        let next = self.asked.pop_front();
        self.answer(next, None)
    }

    fn ask_anew(&mut self, _reader: &str, _command: &[u8]) -> u64 {
        let next = self.reset.pop_front();
        self.answer(next, Some(vec![0x3B, 0x81, 0x80, 0x01, 0x80, 0x80]))
    }

    fn misses_exchanges(&self) -> bool {
        true
    }

    fn answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }
}

/// What is seen of cards that answer so, while the reader tells these states in turn.
fn exchange(looks: &[(u16, bool)], asked: &[u8], reset: &[u8]) -> Vec<Sighting> {
    let clock = ManualClock::shared(Duration::from_secs(1));
    let (stop, (sender, taps)) = (Stop::new(), sync_channel(64));
    let looks = looks
        .iter()
        .map(|(events, card)| slots(*events, *card).unwrap().remove(0));
    let mut connection = Some(Exchanged {
        looks: looks.collect(),
        asked: asked.iter().copied().collect(),
        reset: reset.iter().copied().collect(),
        tickets: 0,
        answers: Vec::new(),
        clock: Arc::clone(&clock),
        stop: stop.clone(),
    });
    Watch {
        open: Box::new(move || Ok(Box::new(connection.take().unwrap()) as Box<dyn Connection>)),
        selection: Selection::All,
        taps: sender,
        panel: crate::attend::indicator::panel().0,
        card_status: Arc::default(),
        clock,
        usb: Bus::new("/no/such/folder".into(), &stop, &Beat::default()),
        stop,
        stats: Arc::default(),
        beat: Beat::default(),
    }
    .run();
    sightings(&taps)
}

fn desfire(n: u8) -> Sighting {
    Sighting::Card(Uid::new(&[n; 4]).unwrap(), CardType::TypeA)
}

#[test]
fn a_card_in_the_place_of_another_is_a_tap_with_its_own_kind() {
    let seen = exchange(&[(0, false), (1, true)], &[1, 1, 1, 2, 2, 3, 3], &[2, 3]);
    assert_eq!(seen, [card(1), desfire(2), desfire(3)]);
}

#[test]
fn an_event_for_an_exchange_that_was_seen_already_is_no_second_tap() {
    let lies = (1, true);
    let states = [(0, false), lies, lies, lies, lies, (3, true)];
    let seen = exchange(&states, &[1, 2, 2, 2, 2, 2], &[2]);
    assert_eq!(seen, [card(1), desfire(2)]);
}

#[test]
fn a_card_that_is_pulled_while_it_is_asked_again_is_no_failed_tap() {
    let seen = exchange(&[(0, false), (1, true)], &[1, 1, 2, 1, 1], &[]);
    assert_eq!(seen, [card(1)]);
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
        // Something happens before the time is over.
        self.clock.advance(timeout.min(Duration::from_millis(500)));
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
                atr: None,
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
        open: Box::new(move || Ok(Box::new(mute.take().unwrap()) as Box<dyn Connection>)),
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
