use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

use jiff::{Timestamp, Zoned};

use super::*;
use crate::attend::reader::{Moment, Sighting};
use crate::base::beat::Beats;
use crate::base::clock::{ManualClock, Monotime};
use crate::base::stop::{Reason, lock};

/// As for the real loop.
const HUNG: Duration = Duration::from_secs(15);

type Step = Box<dyn FnMut(Duration) + Send>;

/// A clock that calls `step` with the time that was waited so far, at each wait.
struct Stepping {
    clock: ManualClock,
    waited: Mutex<Duration>,
    step: Mutex<Step>,
}

impl Stepping {
    fn new(step: impl FnMut(Duration) + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            clock: ManualClock::new(Duration::from_secs(100), Timestamp::UNIX_EPOCH),
            waited: Mutex::default(),
            step: Mutex::new(Box::new(step)),
        })
    }
}

impl Clock for Stepping {
    fn now(&self) -> Monotime {
        self.clock.now()
    }

    fn boottime(&self) -> Duration {
        self.clock.boottime()
    }

    fn wall(&self) -> Zoned {
        self.clock.wall()
    }

    fn wait(&self, stop: &Stop, timeout: Duration) -> bool {
        let stopped = self.clock.wait(stop, timeout);
        let waited = {
            let mut waited = lock(&self.waited);
            *waited += timeout;
            *waited
        };
        (lock(&self.step))(waited);
        stopped
    }
}

fn tap(clock: &dyn Clock, reader: &str) -> Tap {
    Tap {
        reader: reader.to_owned(),
        at: Moment::now(clock),
        sighting: Sighting::Unread("moved".into()),
    }
}

/// A queue of one with a tap in it.
fn full(clock: &dyn Clock) -> (SyncSender<Tap>, Receiver<Tap>) {
    let (sender, taps) = sync_channel(1);
    sender.send(tap(clock, "first")).unwrap();
    (sender, taps)
}

fn readers(taps: &Receiver<Tap>) -> Vec<String> {
    taps.try_iter().map(|t| t.reader).collect()
}

#[test]
fn a_ledger_that_takes_half_a_minute_leaves_a_reader_that_lives_and_a_tap_that_is_kept() {
    let beats = Beats::default();
    let watching = beats.clone();
    let start = Duration::from_secs(100);
    let taken = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&taken);
    let inbox = Arc::new(Mutex::new(None::<Receiver<Tap>>));
    let outlet = Arc::clone(&inbox);
    let clock = Stepping::new(move |waited| {
        let now = Monotime::from_zero(start + waited);
        assert!(watching.pulses(now)[0].is_alive(), "after {waited:?}");
        if waited >= Duration::from_secs(30) {
            lock(&seen).extend(lock(&outlet).as_ref().unwrap().try_iter());
        }
    });
    let shared: Arc<dyn Clock> = clock.clone();
    let beat = beats.watch("reader", HUNG, &shared);
    let (sender, taps) = full(clock.as_ref());
    *lock(&inbox) = Some(taps);
    let second = tap(clock.as_ref(), "second");
    hand_on(&sender, second, &beat, clock.as_ref(), &Stop::new()).unwrap();
    assert_eq!(lock(&taken).len(), 1);
    assert_eq!(readers(lock(&inbox).as_ref().unwrap()), ["second"]);
}

#[test]
fn a_ledger_that_never_takes_it_is_not_covered_up_for_ever() {
    let stop = Stop::new();
    let (beats, order) = (Beats::default(), stop.clone());
    let (watching, hung) = (beats.clone(), Arc::new(Mutex::new(None)));
    let first = Arc::clone(&hung);
    let clock = Stepping::new(move |waited| {
        let now = Monotime::from_zero(Duration::from_secs(100) + waited);
        if !watching.pulses(now)[0].is_alive() {
            lock(&first).get_or_insert(waited);
            order.request(Reason::Duration);
        }
    });
    let shared: Arc<dyn Clock> = clock.clone();
    let beat = beats.watch("reader", HUNG, &shared);
    let (sender, taps) = full(clock.as_ref());
    let second = tap(clock.as_ref(), "second");
    let back = hand_on(&sender, second, &beat, clock.as_ref(), &stop).unwrap_err();
    assert_eq!(back.reader, "second");
    let hung = lock(&hung).unwrap();
    assert!(hung >= IN_ORDER + HUNG && hung <= IN_ORDER + HUNG + 2 * TRY_EVERY);
    assert_eq!(readers(&taps), ["first"]);
}

#[test]
fn the_order_to_stop_ends_the_wait_and_leaves_the_ledger_a_moment() {
    let stop = Stop::new();
    let (order, inbox) = (stop.clone(), Arc::new(Mutex::new(None::<Receiver<Tap>>)));
    let outlet = Arc::clone(&inbox);
    let clock = Stepping::new(move |waited| {
        if waited == Duration::from_secs(2) {
            order.request(Reason::Duration);
        }
        // The ledger's thread empties its queue at the end.
        if waited == Duration::from_secs(2) + FAREWELL / 2 {
            lock(&outlet).as_ref().map(|taps| taps.try_recv().unwrap());
        }
    });
    let (sender, taps) = full(clock.as_ref());
    *lock(&inbox) = Some(taps);
    let send = |reader| {
        let next = tap(clock.as_ref(), reader);
        hand_on(&sender, next, &Beat::default(), clock.as_ref(), &stop)
    };
    send("second").unwrap();
    assert_eq!(*lock(&clock.waited), Duration::from_secs(2) + FAREWELL / 2);
    // Nobody takes another one.
    let before = *lock(&clock.waited);
    assert_eq!(send("third").unwrap_err().reader, "third");
    assert_eq!(*lock(&clock.waited) - before, FAREWELL);
    assert_eq!(readers(lock(&inbox).as_ref().unwrap()), ["second"]);
}

#[test]
fn a_ledger_that_is_gone_ends_the_wait_at_once() {
    let clock = Stepping::new(|_| ());
    let (sender, taps) = full(clock.as_ref());
    drop(taps);
    let next = tap(clock.as_ref(), "second");
    let stop = Stop::new();
    assert!(hand_on(&sender, next, &Beat::default(), clock.as_ref(), &stop).is_err());
    assert_eq!(*lock(&clock.waited), Duration::ZERO);
}
