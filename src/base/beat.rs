//! Heartbeats: each loop reports at every turn, and the watchdog sees which one has stopped.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::clock::{Clock, Monotime};
use super::planted;
use super::stop::{Stop, lock};

/// The heartbeat of one loop. The default one is not watched.
#[derive(Clone, Default)]
pub struct Beat(Option<Arc<Watched>>);

impl std::fmt::Debug for Beat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Beat")
            .field(&self.0.as_ref().map(|w| w.name))
            .finish()
    }
}

struct Watched {
    name: &'static str,
    limit: Duration,
    clock: Arc<dyn Clock>,
    /// Deadline of an announced pause, in ms of the monotonic clock. Silence until then does not count.
    quiet_until: AtomicU64,
    restarts: AtomicU64,
    over: AtomicBool,
}

fn milliseconds(at: Monotime) -> u64 {
    u64::try_from(at.since_zero().as_millis()).unwrap_or(u64::MAX)
}

impl Beat {
    /// Reports one turn of the loop.
    pub fn turn(&self) {
        self.extend_deadline(Duration::ZERO);
        if let Some(watched) = &self.0 {
            planted::point(watched.name);
        }
    }

    /// Extends the deadline of the next sign of life; call before a blocking step.
    pub fn extend_deadline(&self, long: Duration) {
        if let Some(watched) = &self.0 {
            let until = milliseconds(watched.clock.now() + long);
            watched.quiet_until.store(until, Ordering::Relaxed);
        }
    }

    /// Waits as [`Clock::wait`] does, as an announced pause.
    #[must_use]
    pub fn wait(&self, clock: &dyn Clock, stop: &Stop, pause: Duration) -> bool {
        self.extend_deadline(pause);
        let stopped = clock.wait(stop, pause);
        self.turn();
        stopped
    }

    /// The loop was begun again after a panic.
    pub(super) fn restarted(&self) {
        if let Some(watched) = &self.0 {
            watched.restarts.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The loop has ended normally and is no longer watched.
    pub(super) fn over(&self) {
        if let Some(watched) = &self.0 {
            watched.over.store(true, Ordering::Relaxed);
        }
    }
}

/// State of a loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// The loop's name, which is that of its thread.
    pub name: &'static str,
    /// Time since its last sign of life, without announced pauses.
    pub silent: Duration,
    /// The longest silence that is allowed.
    pub limit: Duration,
    /// How often it was begun again after a panic.
    pub restarts: u64,
}

impl Pulse {
    /// Whether it is still within its limit.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.silent <= self.limit
    }
}

/// All loops that are watched.
#[derive(Clone, Default)]
pub struct Beats(Arc<Mutex<Vec<Arc<Watched>>>>);

impl std::fmt::Debug for Beats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(lock(&self.0).iter().map(|w| w.name))
            .finish()
    }
}

impl Beats {
    /// Watches a loop that must report at least every `limit` from now on.
    #[must_use]
    pub fn watch(&self, name: &'static str, limit: Duration, clock: &Arc<dyn Clock>) -> Beat {
        let watched = Arc::new(Watched {
            name,
            limit,
            clock: Arc::clone(clock),
            quiet_until: AtomicU64::new(milliseconds(clock.now())),
            restarts: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        lock(&self.0).push(Arc::clone(&watched));
        Beat(Some(watched))
    }

    /// The present state of each loop that has not ended.
    #[must_use]
    pub fn pulses(&self, now: Monotime) -> Vec<Pulse> {
        let now = milliseconds(now);
        lock(&self.0)
            .iter()
            .filter(|w| !w.over.load(Ordering::Relaxed))
            .map(|w| Pulse {
                name: w.name,
                silent: Duration::from_millis(
                    now.saturating_sub(w.quiet_until.load(Ordering::Relaxed)),
                ),
                limit: w.limit,
                restarts: w.restarts.load(Ordering::Relaxed),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::ManualClock;
    const LIMIT: Duration = Duration::from_secs(15);

    fn watched() -> (Arc<ManualClock>, Arc<dyn Clock>, Beats, Beat) {
        let manual = ManualClock::shared(Duration::from_secs(100));
        let clock: Arc<dyn Clock> = manual.clone();
        let beats = Beats::default();
        let beat = beats.watch("loop", LIMIT, &clock);
        (manual, clock, beats, beat)
    }

    #[test]
    fn a_silent_loop_is_seen_after_its_limit() {
        let (manual, clock, beats, beat) = watched();
        manual.advance(LIMIT);
        assert!(beats.pulses(clock.now())[0].is_alive());
        manual.advance(Duration::from_millis(1));
        assert!(!beats.pulses(clock.now())[0].is_alive());
        beat.turn();
        assert!(beats.pulses(clock.now())[0].is_alive());
    }

    #[test]
    fn an_announced_pause_is_no_silence() {
        let (manual, clock, beats, beat) = watched();
        beat.extend_deadline(Duration::from_secs(60));
        manual.advance(Duration::from_secs(70));
        let pulse = &beats.pulses(clock.now())[0];
        assert_eq!(
            (pulse.silent, pulse.is_alive()),
            (Duration::from_secs(10), true)
        );
        assert!(!beat.wait(clock.as_ref(), &Stop::new(), Duration::from_secs(3600)));
        assert_eq!(beats.pulses(clock.now())[0].silent, Duration::ZERO);
    }

    #[test]
    fn a_loop_that_has_ended_is_not_missed() {
        let (manual, clock, beats, beat) = watched();
        beat.over();
        manual.advance(LIMIT * 9);
        assert_eq!(beats.pulses(clock.now()), []);
    }
}
