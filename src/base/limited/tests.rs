//! Calls that hang until the test lets them go.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::base::beat::Beats;
use crate::base::clock::{Clock, ManualClock};
use crate::base::stop::Reason;

/// Reached only when something is broken.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

fn limited<S: Send + 'static>(name: &'static str) -> Limited<S> {
    Limited::new(name, &Stop::new(), &Beat::default())
}

/// A call that hangs, and what lets it go.
fn hanging() -> (Sender<()>, Receiver<()>) {
    channel()
}

/// Waits until a call of this thread has ended, as the next attempt would find it.
fn until_free<S: Send + 'static>(limited: &Limited<S>) {
    let end = Instant::now() + LONG;
    let state = lock(&limited.thread.shared.state);
    let terms = Terms {
        limit: LONG,
        hears_stop: false,
        waits_for_hung: true,
        keeps: true,
    };
    assert!(!limited.thread.wait(state, end, terms, |s| s.busy).busy);
}

/// How many threads of this process have the name.
fn threads(name: &str) -> usize {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .filter(|comm| comm.trim() == name)
        .count()
}

#[test]
fn what_returns_in_time_is_handed_over() {
    let limited = limited::<u32>("lim-quick");
    assert_eq!(limited.run(LONG, || 7).unwrap(), 7);
    limited.open(LONG, || Ok::<_, ()>(1)).unwrap().unwrap();
    assert_eq!(
        limited
            .with(LONG, |n| {
                *n += 1;
                *n
            })
            .unwrap(),
        2
    );
    // Open already: not opened again.
    limited.open(LONG, || Ok::<_, ()>(9)).unwrap().unwrap();
    assert_eq!(limited.close(LONG, |n| n).unwrap(), Some(2));
    assert!(matches!(limited.with(LONG, |n| *n), Err(NotDone::Closed)));
    assert_eq!(limited.open(LONG, || Err("no")).unwrap(), Err("no"));
    assert_eq!(threads("lim-quick"), 1);
    assert_eq!(in_time("lim-once", LONG, || 7).unwrap(), 7);
}

#[test]
fn a_call_that_never_returns_costs_one_thread() {
    let limited = limited::<()>("lim-hang");
    let (release, wait) = hanging();
    assert!(matches!(
        limited.run(SHORT, move || wait.recv()),
        Err(NotDone::Hangs)
    ));
    let tries = Arc::new(AtomicU32::new(0));
    for _ in 0..100 {
        let tries = Arc::clone(&tries);
        // At once, though the limit is long: nothing new is tried.
        let tried = limited.run(LONG, move || tries.fetch_add(1, Ordering::SeqCst));
        assert!(matches!(tried, Err(NotDone::Hangs)));
    }
    assert_eq!(tries.load(Ordering::SeqCst), 0);
    assert_eq!(threads("lim-hang"), 1);
    assert!(under_way().contains(&"lim-hang"));
    drop(release);
    until_free(&limited);
    assert_eq!(limited.run(LONG, || 8).unwrap(), 8, "it is tried again");
    assert_eq!(threads("lim-hang"), 1);
    assert!(!under_way().contains(&"lim-hang"));
}

#[test]
fn what_opens_too_late_is_used_all_the_same() {
    let limited = limited::<u32>("lim-late");
    let (release, wait) = hanging();
    let opened = limited.open(SHORT, move || {
        let _ = wait.recv();
        Ok::<_, ()>(5)
    });
    assert!(matches!(opened, Err(NotDone::Hangs)));
    drop(release);
    until_free(&limited);
    let again = limited.open(LONG, || Err("opened twice"));
    assert_eq!(again.unwrap(), Ok(()));
    assert_eq!(limited.take(LONG).unwrap(), 5);
}

#[test]
fn what_hung_is_closed_on_its_own_thread_once_it_returns() {
    /// Tells where it was dropped.
    struct Device(Sender<Option<String>>);
    impl Drop for Device {
        fn drop(&mut self) {
            let thread = std::thread::current().name().map(str::to_owned);
            let _ = self.0.send(thread);
        }
    }
    let limited = limited::<Device>("lim-close");
    let (told, dropped) = channel();
    limited
        .open(LONG, move || Ok::<_, ()>(Device(told)))
        .unwrap()
        .unwrap();
    let (release, wait) = hanging();
    let hung = limited.with(SHORT, move |_| wait.recv());
    assert!(matches!(hung, Err(NotDone::Hangs)));
    assert!(dropped.try_recv().is_err(), "it is still in use");
    drop(release);
    let thread = dropped.recv_timeout(LONG).unwrap();
    assert_eq!(thread.as_deref(), Some("lim-close"));
    until_free(&limited);
    assert!(matches!(limited.with(LONG, |_| ()), Err(NotDone::Closed)));
}

#[test]
fn closing_waits_for_the_call_under_way_also_after_the_order_to_stop() {
    let stop = Stop::new();
    let limited = Limited::<u32>::new("lim-stop", &stop, &Beat::default());
    limited.open(LONG, || Ok::<_, ()>(3)).unwrap().unwrap();
    let (release, wait) = hanging();
    let (begun, begins) = channel();
    let order = stop.clone();
    let orders = std::thread::spawn(move || {
        begins.recv().unwrap();
        order.request(Reason::Duration);
    });
    let call = move |n: &mut u32| {
        begun.send(()).unwrap();
        let _ = wait.recv();
        *n += 1;
    };
    // The order ends the wait, however long the limit.
    let stopped = limited.with(LONG, call);
    assert!(matches!(stopped, Err(NotDone::Stopped)));
    assert!(matches!(limited.run(LONG, || 1), Err(NotDone::Stopped)));
    orders.join().unwrap();
    let released = std::thread::spawn(move || drop(release));
    let closed = limited.close(LONG, |n| n);
    released.join().unwrap();
    // Overdue by then: what it was called on is closed by the thread itself, or here.
    assert!(closed.is_ok_and(|n| n.is_none()));
}

#[test]
fn a_panic_in_the_call_is_the_callers() {
    let limited = limited::<u32>("lim-panic");
    limited.open(LONG, || Ok::<_, ()>(3)).unwrap().unwrap();
    let call = || limited.with(LONG, |_| panic!("on purpose"));
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    assert!(matches!(limited.with(LONG, |n| *n), Err(NotDone::Closed)));
    assert_eq!(limited.run(LONG, || 2).unwrap(), 2, "the thread goes on");
}

#[test]
fn callers_side_by_side_wait_for_each_other_but_not_for_one_that_hangs() {
    let limited = Arc::new(limited::<()>("lim-many"));
    let others: Vec<_> = (0..4)
        .map(|n| {
            let limited = Arc::clone(&limited);
            std::thread::spawn(move || limited.run(LONG, move || n).unwrap())
        })
        .collect();
    let sum: i32 = others.into_iter().map(|t| t.join().unwrap()).sum();
    assert_eq!(sum, 6);
    assert_eq!(threads("lim-many"), 1);
}

#[test]
fn the_wait_is_announced_and_the_thread_ends_with_its_owner() {
    let manual = ManualClock::shared(LONG);
    let clock: Arc<dyn Clock> = manual.clone();
    let beats = Beats::default();
    let beat = beats.watch("loop", Duration::from_secs(1), &clock);
    let limited = Limited::<()>::new("lim-beat", &Stop::new(), &beat);
    let pulses = beats.clone();
    let within = clock.clone();
    let silent = limited
        .run(LONG, move || {
            manual.advance(LONG - Duration::from_secs(1));
            pulses.pulses(within.now())[0].silent
        })
        .unwrap();
    assert_eq!(silent, Duration::ZERO);
    let end = Instant::now() + LONG;
    drop(limited);
    while threads("lim-beat") > 0 {
        assert!(Instant::now() < end, "the thread does not end");
        std::thread::yield_now();
    }
}
