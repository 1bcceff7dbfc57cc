use serde_json::Value;

use super::*;
use crate::attend::indicator::panel;
use crate::attend::reader::Moment;
use crate::attend::reader::atr::CardType;
use crate::attend::reader::refusal::Refusal;
use crate::attend::uid::Uid;
use crate::base::clock::ManualClock;
use crate::base::slot::Taken;
use crate::base::stop::Reason;
use crate::base::trace::TraceFile;
use crate::config::{Config, Live, RosterColumns};

struct KeeperScene {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    sender: SyncSender<Tap>,
    keeper: Keeper,
    events: Receiver<Notice>,
    stats: Arc<Stats>,
    bell: Arc<Slot<()>>,
}

fn scene() -> KeeperScene {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::shared(Duration::from_secs(100));
    let (sender, taps) = queue();
    let stats = Arc::new(Stats::default());
    let bell = Arc::new(Slot::default());
    let (panel, events) = panel();
    let trace = TraceFile::create(&dir.path().join("trace"), clock.now()).unwrap();
    let keeper = Keeper {
        taps,
        ledger: Ledger::open(dir.path()).unwrap(),
        live: Live::new(Config::default()),
        presence: Arc::default(),
        roster: None,
        panel,
        last_tap: Arc::default(),
        card_status: Arc::default(),
        bell: Some(Arc::clone(&bell)),
        trace: TapTrace::new(Arc::new(trace)),
        clock: clock.clone(),
        stop: Stop::new(),
        stats: Arc::clone(&stats),
        beat: Beat::default(),
        in_hand: None,
    };
    KeeperScene {
        dir,
        clock,
        sender,
        keeper,
        events,
        stats,
        bell,
    }
}

impl KeeperScene {
    fn tap(&self, sighting: Sighting) {
        let at = Moment::now(self.clock.as_ref());
        let reader = "R".to_owned();
        self.keeper.card_status.tap_read();
        self.sender
            .send(Tap {
                reader,
                at,
                sighting,
            })
            .unwrap();
    }

    /// Lets the keeper work off the queue; what the person saw and what the trace says.
    fn work(mut self) -> (Vec<Event>, Vec<(String, String)>, Arc<Stats>) {
        drop(self.sender);
        self.keeper.run();
        assert_eq!(self.keeper.card_status.queues(0).taps_unrecorded, 0);
        // Its trace is complete then.
        drop(self.keeper);
        let text = std::fs::read_to_string(self.dir.path().join("trace")).unwrap();
        let trace = text
            .lines()
            .map(|line| {
                let v: Value = serde_json::from_str(line).unwrap();
                let outcome = v["outcome"].as_str().unwrap().to_owned();
                assert_eq!(v["durable_ms"].is_number(), outcome == "counted", "{v}");
                (outcome, v["uid"].as_str().unwrap().to_owned())
            })
            .collect();
        (
            self.events.try_iter().map(|n| n.event).collect(),
            trace,
            self.stats,
        )
    }
}

fn card(n: u8) -> Sighting {
    Sighting::Card(Uid::new(&[n; 4]).unwrap(), CardType::Felica)
}

fn line(outcome: &str, uid: &str) -> (String, String) {
    (outcome.to_owned(), uid.to_owned())
}

#[test]
fn every_tap_is_told_traced_and_counted_by_its_outcome() {
    let scene = scene();
    scene.tap(card(1));
    scene.tap(card(1));
    scene.tap(Sighting::Refused(
        Uid::new(&[8, 1, 2, 3]).unwrap(),
        CardType::TypeA,
        Refusal::Phone,
    ));
    scene.tap(Sighting::Unread("moved".into()));
    let bell = Arc::clone(&scene.bell);
    let (events, trace, stats) = scene.work();
    assert_eq!(
        events,
        [
            Event::Counted,
            Event::Repeat,
            Event::Refused,
            Event::ReadFailed
        ]
    );
    assert_eq!(
        trace,
        [
            line("counted", "01010101"),
            line("repeat", "01010101"),
            line("refused", "08010203"),
            line("failed", "")
        ]
    );
    let counts = [
        &stats.taps_counted,
        &stats.taps_repeated,
        &stats.taps_refused,
        &stats.taps_failed,
    ];
    assert_eq!(counts.map(|c| c.get()), [1; 4]);
    assert_eq!(bell.take(Duration::ZERO), Taken::Item(()));
}

#[test]
fn what_waits_at_the_order_to_stop_is_still_recorded() {
    let scene = scene();
    for n in 1..=10 {
        scene.tap(card(n));
    }
    scene.keeper.stop.request(Reason::Duration);
    // The reader hangs: its end of the queue stays open.
    let hanging = scene.sender.clone();
    let (_, trace, stats) = scene.work();
    assert_eq!(trace.len(), 10);
    assert_eq!(stats.taps_counted.get(), 10);
    drop(hanging);
}

#[test]
fn a_ledger_that_cannot_be_written_never_says_yes() {
    let scene = scene();
    let (db, aside) = (
        scene.dir.path().join("attendance.db"),
        scene.dir.path().join("aside"),
    );
    // A folder in place of the file: whatever the keeper tries, it cannot be opened.
    std::fs::rename(&db, &aside).unwrap();
    std::fs::create_dir(&db).unwrap();
    scene.tap(card(1));
    let (events, trace, stats) = scene.work();
    assert_eq!(events, [Event::StorageFailed]);
    assert_eq!(trace, [line("failed", "01010101")]);
    assert_eq!((stats.taps_counted.get(), stats.taps_failed.get()), (0, 1));
}

#[test]
fn names_come_from_the_roster_and_unknown_cards_are_counted() {
    let mut scene = scene();
    let file = scene.dir.path().join("roster.csv");
    std::fs::write(&file, "01010101,Ann\n").unwrap();
    let roster = Roster::new(
        file,
        RosterColumns::default(),
        scene.dir.path().into(),
        &Stop::new(),
    );
    roster.refresh(scene.clock.now());
    scene.keeper.roster = Some(roster);
    scene.tap(card(1));
    scene.tap(card(2));
    drop(scene.sender);
    scene.keeper.run();
    let shown: Vec<_> = scene.events.try_iter().map(|n| n.name).collect();
    let called = |name: &str| Some(name.to_owned());
    assert_eq!(shown, [called("Ann"), called("Unknown Card")]);
    assert_eq!(scene.stats.taps_unknown.get(), 1);
    let db = rusqlite::Connection::open(scene.dir.path().join("attendance.db")).unwrap();
    let names: Vec<Option<String>> = db
        .prepare("SELECT name FROM tap ORDER BY id")
        .unwrap()
        .query_map([], |r| r.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(names, [Some("Ann".to_owned()), None]);
}

#[test]
fn a_tap_in_hand_when_the_loop_panicked_is_recorded_once() {
    for stored_before in [false, true] {
        let mut scene = scene();
        let tap = Tap {
            reader: "R".to_owned(),
            at: Moment::now(scene.clock.as_ref()),
            sighting: card(1),
        };
        if stored_before {
            scene.keeper.keep(&tap);
        }
        scene.keeper.card_status.tap_read();
        scene.keeper.in_hand = Some((tap, 1));
        let (events, trace, stats) = scene.work();
        assert_eq!(stats.taps_counted.get(), 1);
        assert_eq!(events.len(), trace.len());
    }
}

#[test]
fn a_tap_that_brings_the_loop_down_twice_is_told_as_not_stored() {
    let mut scene = scene();
    let at = Moment::now(scene.clock.as_ref());
    let (reader, sighting) = ("R".to_owned(), card(1));
    scene.keeper.card_status.tap_read();
    scene.keeper.in_hand = Some((
        Tap {
            reader,
            at,
            sighting,
        },
        2,
    ));
    scene.tap(card(2));
    let (events, trace, stats) = scene.work();
    assert_eq!(events, [Event::StorageFailed, Event::Counted]);
    assert_eq!(
        trace,
        [line("failed", "01010101"), line("counted", "02020202")]
    );
    assert_eq!((stats.taps_counted.get(), stats.taps_failed.get()), (1, 1));
}
