//! Daemons that hang, die and come back, readers that go, cards that are pulled: afterwards all is as before.

use std::fs;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use facetap::attend::indicator::{Event, Notice, panel};
use facetap::attend::reader::Sighting;
use facetap::attend::reader::acr122::{self, ReaderLamp};
use facetap::base::stop::{Reason, Stop};
use facetap::config::BeepSettings;
use nix::sys::signal::Signal;

use super::{Watching, a_moment, hex, idm};
use crate::card::{self, Card};
use crate::daemon::{Daemon, PORTS, Turn, wait_until};

/// Threads of this process with one of these names.
fn threads(names: &[&str]) -> usize {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
        .filter(|name| names.contains(&name.trim()))
        .count()
}

/// Threads of this process that talk to the daemon, and sockets. Other tests wait for their turn and have
/// neither.
fn in_use() -> (usize, usize) {
    let sockets = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let sockets = sockets
        .filter_map(|fd| fs::read_link(fd.path()).ok())
        .filter(|to| to.to_string_lossy().starts_with("socket:"));
    let threads = threads(&["reader-look", "card", "reader-names"]);
    (threads, sockets.count())
}

/// A test before may still be ending.
fn nothing_in_use() {
    wait_until("an end of all threads and sockets", || {
        (in_use() == (0, 0)).then_some(())
    });
}

/// With a connection that stands there is one thread with one socket.
fn only_one_in_use() {
    wait_until("one thread and one socket", || {
        (in_use() == (1, 1)).then_some(())
    });
}

fn taps(watching: &Watching, n: u8) {
    let _card = Card::felica(PORTS[0], idm(n));
    assert_eq!(watching.card().0, hex(n));
}

#[test]
fn a_daemon_that_hangs_is_noticed_and_found_again() {
    let Some(turn) = Turn::take() else { return };
    nothing_in_use();
    let daemon = Daemon::start(&turn);
    let watching = Watching::start("all");
    taps(&watching, 1);
    let faults = || watching.stats.reader_faults.get();
    let reconnects = || watching.stats.reader_reconnects.get();

    daemon.signal(Signal::SIGSTOP);
    wait_until("a fault", || (faults() == 1).then_some(()));
    assert_eq!(watching.card_status.readers(), 0);
    // It tries again and again.
    a_moment();
    a_moment();
    assert!(threads(&["reader-look", "reader-names"]) <= 1);
    // The card that lay there is asked again and again; the last question may have been under way.
    assert!(threads(&["card"]) <= 1);
    assert_eq!(faults(), 1, "said once");
    daemon.signal(Signal::SIGCONT);
    wait_until("the connection", || (reconnects() == 1).then_some(()));
    taps(&watching, 2);

    daemon.signal(Signal::SIGSTOP);
    wait_until("a second fault", || (faults() == 2).then_some(()));
    drop(daemon);
    let _daemon = Daemon::start(&turn);
    taps(&watching, 3);
    only_one_in_use();
    watching.end();
    nothing_in_use();
}

#[test]
fn killed_daemons_and_pulled_cards_leave_nothing_behind() {
    let Some(turn) = Turn::take() else { return };
    nothing_in_use();
    let mut daemon = Some(Daemon::start(&turn));
    let watching = Watching::start("all");
    taps(&watching, 1);
    only_one_in_use();
    for n in 2..6 {
        drop(daemon.take());
        daemon = Some(Daemon::start(&turn));
        taps(&watching, n);
        let pulled = Card::answering(PORTS[0], card::FELICA, |_| None);
        let tap = watching.next();
        assert!(matches!(tap.sighting, Sighting::Unread(_)), "{tap:?}");
        drop(pulled);
        taps(&watching, n + 100);
    }
    only_one_in_use();
    watching.end();
    nothing_in_use();
}

/// This daemon cannot be told to forget a reader of its configuration, so another one takes its place.
#[test]
fn readers_that_go_and_come_are_found_again() {
    let Some(turn) = Turn::take() else { return };
    nothing_in_use();
    let mut daemon = Some(Daemon::start(&turn));
    let watching = Watching::start("all");
    taps(&watching, 1);
    for n in 2..5 {
        drop(daemon.take());
        daemon = Some(Daemon::without_readers(&turn));
        wait_until("no reader", || {
            (watching.card_status.readers() == 0).then_some(())
        });
        drop(daemon.take());
        daemon = Some(Daemon::start(&turn));
        taps(&watching, n);
        assert_eq!(watching.card_status.readers(), 2);
    }
    only_one_in_use();
    watching.end();
    nothing_in_use();
}

#[test]
fn the_lamp_of_a_reader_is_told_through_the_card() {
    let Some(turn) = Turn::take() else { return };
    let _daemon = Daemon::start(&turn);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    let _card = Card::answering(PORTS[0], card::FELICA, move |apdu| {
        record.lock().unwrap().push(apdu.to_vec());
        // A reader that knows the one command and not the other.
        let known = apdu[2] == 0x40;
        Some(if known {
            vec![0x90, 0x02]
        } else {
            vec![0x6A, 0x81]
        })
    });
    let (panel, events) = panel();
    let stop = Stop::new();
    let lamp = ReaderLamp {
        events,
        has_lamp: |reader| reader.starts_with("Virtual PCD"),
        send: acr122::real(),
        beeps: BeepSettings {
            enabled: true,
            card_read: false,
            success: true,
            fail: true,
        },
        buzzer: Arc::new(AtomicBool::new(false)),
        stop: stop.clone(),
    };
    panel.end_with(&stop);
    let thread = std::thread::spawn(move || lamp.run());
    let yes = [0xFF, 0x00, 0x40, 0x2E, 0x04, 0x01, 0x00, 0x01, 0x01];
    let off = [0xFF, 0x00, 0x52, 0x00, 0x00];
    // On a slow machine a command may not get through: best effort.
    wait_until("both commands", || {
        panel.show(Notice {
            event: Event::Counted,
            reader: Some("Virtual PCD 00 00".into()),
            name: None,
        });
        a_moment();
        let asked = asked.lock().unwrap();
        let has = |command: &[u8]| asked.iter().any(|a| a == command);
        (has(&yes) && has(&off)).then_some(())
    });
    stop.request(Reason::Duration);
    thread.join().unwrap();
    let asked = asked.lock().unwrap();
    assert!(
        asked.iter().all(|a| a[..] == yes || a[..] == off),
        "{asked:02X?}"
    );
    assert_eq!(asked[0], yes, "what people wait for comes first");
    let offs = asked.iter().filter(|a| a[..] == off).count();
    assert_eq!(offs, 1, "once for the connection, though it was refused");
}
