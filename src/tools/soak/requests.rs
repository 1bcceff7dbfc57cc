//! The requests: one after the other, each waited for.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::tally::RequestKind;
use super::taps;
use super::trace::Seen;
use crate::attend::trace::Outcome;
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::{Stop, lock};

/// A request that takes longer has failed.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// How soon the order to stop is heard.
const STEP: Duration = Duration::from_millis(100);

/// Asks the service for something.
pub(super) struct Requests {
    pub seen: Arc<Seen>,
    /// Where the simulated reader takes its cards from.
    pub cards: File,
    /// What is asked for in turn; not empty.
    pub kinds: Vec<RequestKind>,
    pub clock: Arc<dyn Clock>,
    pub stop: Stop,
    turn: usize,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// As it should, after this time.
    After(Duration),
    /// Not in time, or not as it should.
    Failed,
    /// It was broken off.
    Stopped,
}

impl Requests {
    pub const fn new(
        seen: Arc<Seen>,
        cards: File,
        kinds: Vec<RequestKind>,
        clock: Arc<dyn Clock>,
        stop: Stop,
    ) -> Self {
        Self {
            seen,
            cards,
            kinds,
            clock,
            stop,
            turn: 0,
        }
    }

    /// Makes the next request and waits for what comes of it.
    pub fn next(&mut self) -> (RequestKind, Answer) {
        let kind = self.kinds[self.turn % self.kinds.len()];
        self.turn += 1;
        let answer = match kind {
            RequestKind::Tap => self.tap(),
            RequestKind::Frame => self.frame(),
        };
        (kind, answer)
    }

    fn tap(&mut self) -> Answer {
        let begin = self.clock.now();
        let n = lock(&self.seen.taps).add();
        // One write of a line goes in as a whole or, into a FIFO that is full, not at all: then the service has not
        // taken a card for hours' worth of them, and this one fails, too.
        let _ = self.cards.write(format!("{}\n", taps::uid(n)).as_bytes());
        let seen = Arc::clone(&self.seen);
        let outcome = || lock(&seen.taps).outcome(n);
        match self.wait(begin, || outcome().is_some()) {
            Answer::After(_) if outcome() != Some(Outcome::Counted) => Answer::Failed,
            Answer::After(took) => {
                lock(&self.seen.taps).in_time(n);
                Answer::After(took)
            }
            other => other,
        }
    }

    /// A picture that was captured after this moment.
    fn frame(&self) -> Answer {
        let begin = self.clock.now();
        self.wait(begin, || self.seen.frame() >= Some(begin))
    }

    fn wait(&self, begin: Monotime, done: impl Fn() -> bool) -> Answer {
        loop {
            let took = self.clock.now().since(begin);
            if done() {
                return Answer::After(took);
            }
            if self.stop.requested() {
                return Answer::Stopped;
            }
            if took >= TIMEOUT {
                return Answer::Failed;
            }
            self.seen.bell.take((TIMEOUT - took).min(STEP));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::ManualClock;
    use crate::base::stop::Reason;
    use std::io::{BufRead as _, BufReader};

    /// Requests whose cards a thread answers with these outcomes in turn, each after so many seconds; frames come with
    /// every card.
    fn served(answers: Vec<(u64, Option<Outcome>)>) -> (Requests, std::thread::JoinHandle<()>) {
        let (reader, writer) = std::io::pipe().unwrap();
        let seen = Arc::<Seen>::default();
        let clock = ManualClock::shared(Duration::from_secs(100));
        let requests = Requests::new(
            Arc::clone(&seen),
            File::from(std::os::fd::OwnedFd::from(writer)),
            vec![RequestKind::Tap],
            clock.clone(),
            Stop::new(),
        );
        let service = std::thread::spawn(move || {
            let mut cards = BufReader::new(reader).lines();
            for (seconds, outcome) in answers {
                let card = cards.next().unwrap().unwrap();
                clock.advance(Duration::from_secs(seconds));
                if let Some(outcome) = outcome {
                    lock(&seen.taps).told(&card, outcome);
                }
                seen.bell.put(());
            }
        });
        (requests, service)
    }

    #[test]
    fn a_tap_succeeds_if_it_is_counted_in_time() {
        let (mut requests, service) = served(vec![
            (3, Some(Outcome::Counted)),
            (1, Some(Outcome::Failed)),
            (1, Some(Outcome::Repeat)),
            (11, None),
        ]);
        let mut next = || requests.next().1;
        // The clock may be read before or after it was put forward.
        assert!(matches!(next(), Answer::After(_)));
        assert_eq!([next(), next(), next()], [Answer::Failed; 3]);
        service.join().unwrap();
        assert_eq!(lock(&requests.seen.taps).account().confirmed, 1);
    }

    #[test]
    fn the_order_to_stop_breaks_a_request_off() {
        let (mut requests, service) = served(vec![(0, None)]);
        requests.kinds = vec![RequestKind::Frame, RequestKind::Tap];
        requests.stop.request(Reason::Signal(15));
        assert_eq!(requests.next(), (RequestKind::Frame, Answer::Stopped));
        assert_eq!(requests.next(), (RequestKind::Tap, Answer::Stopped));
        service.join().unwrap();
    }
}
