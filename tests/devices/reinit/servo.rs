//! The servo port: the adapter is pulled and plugged in.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};

use facetap::base::beat::Beat;
use facetap::base::clock::{Clock, SystemClock};
use facetap::base::limited::Limited;
use facetap::base::stats::Stats;
use facetap::base::stop::{Reason, Stop, lock};
use facetap::base::threads::Threads;
use facetap::config::{Config, Live};
use facetap::follow::control::{Follower, Mode};
use facetap::follow::servo::{ServoLoop, SimulatedServos};
use facetap::follow::trace::FrameTrace;

use super::hasty::HastyClock;
use super::measure::{a_thousand_times, alone, side_by_side};
use crate::daemon::{PATIENCE, wait_until};

/// Servos behind a pseudo-terminal to which `link` leads, until they are dropped.
struct Plugged<'a> {
    link: &'a Path,
    stop: Stop,
    threads: Option<Threads>,
}

impl<'a> Plugged<'a> {
    fn in_at(link: &'a Path) -> Self {
        let (stop, mut threads) = (Stop::new(), Threads::default());
        let axes = Config::default().servo.axes;
        let servos =
            SimulatedServos::start(&axes, Arc::new(SystemClock), &stop, &mut threads).unwrap();
        symlink(servos.path(), link).unwrap();
        Self {
            link,
            stop,
            threads: Some(threads),
        }
    }
}

impl Drop for Plugged<'_> {
    fn drop(&mut self) {
        // First: the number of the pseudo-terminal may be somebody else's soon.
        std::fs::remove_file(self.link).unwrap();
        self.stop.request(Reason::Duration);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        if let Some(threads) = self.threads.take() {
            assert!(threads.join(&clock, PATIENCE).is_empty());
        }
    }
}

/// The servo loop, whose adapter is plugged in so often.
fn serve(link: &Path, cycles: usize) {
    let config = Config::default();
    let follower = Follower::new(&config.tracking, &config.camera, &config.servo.axes);
    let follower = Arc::new(Mutex::new(follower));
    let (stats, stop) = (Arc::new(Stats::default()), Stop::new());
    let mut servo = config.servo.clone();
    servo.port = link.to_string_lossy().into_owned();
    let servos = ServoLoop {
        config: servo,
        live: Live::new(config),
        follower: Arc::clone(&follower),
        trace: Arc::new(FrameTrace::default()),
        stats: Arc::clone(&stats),
        clock: Arc::new(HastyClock::default()),
        stop: stop.clone(),
        beat: Beat::default(),
        port: Limited::new("servo-port", &stop, &Beat::default()),
    };
    let thread = std::thread::spawn(move || servos.run());
    let is = |right: fn(Mode) -> bool| right(lock(&follower).mode()).then_some(());
    for _ in 0..cycles {
        let plugged = Plugged::in_at(link);
        wait_until("the servos", || is(|mode| mode != Mode::Absent));
        drop(plugged);
        wait_until("their loss", || is(|mode| mode == Mode::Absent));
    }
    stop.request(Reason::Duration);
    thread.join().unwrap();
    // A simulated servo that the machine has no time for looks like a lost one, and is found again.
    let reconnects = stats.servo_reconnects.get() as usize;
    assert!(
        (cycles - 1..cycles + cycles / 10).contains(&reconnects),
        "{reconnects} reconnections, plugged in {cycles} times"
    );
}

#[test]
fn adapters_that_are_plugged_in_a_thousand_times() {
    alone(
        "reinit::servo::adapters_that_are_plugged_in_a_thousand_times",
        || {
            let folder = tempfile::tempdir().unwrap();
            a_thousand_times("servo port", |cycles| {
                side_by_side(8, cycles, |n, cycles| {
                    serve(&folder.path().join(n.to_string()), cycles);
                });
            });
        },
    );
}
