//! Owner of all requests in flight: taps handed to the lines, and answers not yet stored in the ledger.
//!
//! It outlives a fault of the ledger and a panic of the loop. A tap leaves it only when its end is noted, so nothing
//! that is under way, or whose answer is known, is ever sent again.

use std::collections::{BTreeMap, VecDeque};

use super::lines::Sent;
use crate::attend::ledger::outbox::{Ended, Head, Outgoing, Settled};
use crate::base::clock::Monotime;

/// Requests in flight.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    /// Attempts whose answer has not come, by the number of the tap.
    sent: BTreeMap<i64, Attempt>,
    /// Answers that have come, to be judged.
    heard: VecDeque<Heard>,
    /// Attempts that have ended, to be noted in the ledger.
    ended: Vec<Ended>,
}

#[derive(Debug)]
struct Attempt {
    tap: Outgoing,
    begun: Monotime,
}

/// An answer that has come.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    /// The request and its answer.
    pub sent: Sent,
    /// When it was sent.
    pub begun: Monotime,
}

impl UnderWay {
    /// Taps that are on their way to the server now.
    pub fn count(&self) -> usize {
        self.sent.len()
    }

    /// How many of them are of cards that `which` names.
    pub fn count_of(&self, which: impl Fn(&str) -> bool) -> usize {
        (self.sent.values()).filter(|a| which(&a.tap.uid)).count()
    }

    /// Whether a tap may not be sent now: it, or another one of its card, is under way or not noted yet.
    pub fn holds(&self, head: &Head) -> bool {
        let same = |id: i64, uid: &str| {
            if cfg!(feature = "unordered-delivery") {
                id == head.id
            } else {
                uid == head.uid
            }
        };
        self.sent.values().any(|a| same(a.tap.id, &a.tap.uid))
            || (self.heard.iter()).any(|h| same(h.sent.tap.id, &h.sent.tap.uid))
            || self.ended.iter().any(|e| same(e.id, &e.uid))
    }

    /// An attempt begins.
    pub fn begin(&mut self, tap: Outgoing, now: Monotime) {
        self.sent.insert(tap.id, Attempt { tap, begun: now });
    }

    /// An answer has arrived. False if its attempt was already given up.
    pub fn hear(&mut self, sent: Sent) -> bool {
        let waited_for = (self.sent.get(&sent.tap.id))
            .is_some_and(|attempt| attempt.tap.attempts == sent.tap.attempts);
        let attempt = waited_for.then(|| self.sent.remove(&sent.tap.id)).flatten();
        self.heard.extend(attempt.map(|attempt| Heard {
            sent,
            begun: attempt.begun,
        }));
        waited_for
    }

    /// The next answer to be judged. It stays until [`judged`](Self::judged).
    pub fn to_judge(&self) -> Option<Heard> {
        self.heard.front().cloned()
    }

    /// The answer was judged; none if there is nothing to note.
    pub fn judged(&mut self, ended: Option<Ended>) {
        self.heard.pop_front();
        self.ended.extend(ended);
    }

    /// Ends to store in the ledger.
    pub fn to_note(&self) -> &[Ended] {
        &self.ended
    }

    /// All ends were stored.
    pub fn noted(&mut self) {
        self.ended.clear();
    }

    /// Gives up the attempts that were begun at `before` or earlier: no line brings them back any more. Returns how many.
    pub fn give_up(&mut self, before: Monotime, why: &str) -> usize {
        let lost: Vec<i64> = (self.sent.iter())
            .filter(|(_, attempt)| attempt.begun <= before)
            .map(|(id, _)| *id)
            .collect();
        for id in &lost {
            self.lose(*id, why, false);
        }
        lost.len()
    }

    /// An attempt that was not made after all.
    pub fn not_sent(&mut self, id: i64, why: &str) {
        self.lose(id, why, true);
    }

    /// `over`: the server cannot process this request later.
    fn lose(&mut self, id: i64, why: &str, over: bool) {
        let attempt = self.sent.remove(&id);
        self.ended.extend(attempt.map(|a| Ended {
            id,
            uid: a.tap.uid,
            idempotency_key: a.tap.idempotency_key,
            how: Settled::NotYet,
            answer: why.to_owned(),
            over,
            maybe_stored: a.tap.maybe_stored || !over,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attend::uplink::client::Reply;
    use std::time::Duration;

    fn at(s: u64) -> Monotime {
        Monotime::from_zero(Duration::from_secs(s))
    }

    fn tap(id: i64, attempts: i64) -> Outgoing {
        Outgoing {
            id,
            uid: format!("{id:08X}"),
            local_time: String::new(),
            clock: String::new(),
            idempotency_key: id.to_string(),
            attempts,
            maybe_stored: false,
        }
    }

    fn answer(id: i64, attempts: i64) -> Sent {
        Sent {
            tap: tap(id, attempts),
            reply: Reply::NoAnswer(String::new()),
            from_api: false,
        }
    }

    fn head(id: i64) -> Head {
        Head {
            id,
            uid: tap(id, 0).uid,
        }
    }

    fn ended(id: i64) -> Ended {
        Ended {
            id,
            uid: tap(id, 0).uid,
            idempotency_key: id.to_string(),
            how: Settled::Delivered,
            answer: String::new(),
            over: true,
            maybe_stored: true,
        }
    }

    #[test]
    fn a_card_is_held_until_its_end_is_noted() {
        let mut under_way = UnderWay::default();
        under_way.begin(tap(1, 0), at(0));
        assert_eq!((under_way.count(), under_way.holds(&head(1))), (1, true));
        assert!(!under_way.holds(&head(2)));
        assert!(under_way.hear(answer(1, 0)));
        assert_eq!((under_way.count(), under_way.holds(&head(1))), (0, true));
        // As often as the loop is begun again, the answer is there.
        for _ in 0..2 {
            assert_eq!(under_way.to_judge().unwrap().sent.tap.id, 1);
        }
        under_way.judged(Some(ended(1)));
        assert!(under_way.to_judge().is_none() && under_way.holds(&head(1)));
        assert_eq!(under_way.to_note().len(), 1);
        under_way.noted();
        assert!(under_way.to_note().is_empty() && !under_way.holds(&head(1)));
    }

    #[test]
    fn an_answer_that_nobody_waits_for_changes_nothing() {
        let mut under_way = UnderWay::default();
        assert!(!under_way.hear(answer(7, 0)));
        under_way.begin(tap(1, 1), at(0));
        assert!(!under_way.hear(answer(1, 0)), "of the attempt before");
        assert_eq!(under_way.count(), 1);
        assert!(under_way.hear(answer(1, 1)));
        assert!(!under_way.hear(answer(1, 1)), "twice");
        assert_eq!(under_way.count(), 0);
    }

    #[test]
    fn attempts_that_never_end_are_given_up() {
        let mut under_way = UnderWay::default();
        under_way.begin(tap(1, 0), at(0));
        under_way.begin(tap(2, 0), at(9));
        assert_eq!(under_way.give_up(at(5), "lost"), 1);
        assert_eq!(under_way.count(), 1);
        let [lost] = under_way.to_note() else {
            panic!("{under_way:?}");
        };
        // The server may still process it.
        assert_eq!((lost.id, lost.how, lost.over), (1, Settled::NotYet, false));
        assert!(lost.maybe_stored);
        under_way.not_sent(2, "no line");
        let refused = &under_way.to_note()[1];
        assert!(refused.over && !refused.maybe_stored);
    }
}
