//! When to deliver, when to wait, when to ask whether the server is back. Pure.

use std::time::Duration;

use crate::base::backoff::Backoff;
use crate::base::clock::Monotime;

/// The first pause after trouble; the longest is configured.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Different taps in trouble, and none delivered between, after which it is the server and not the tap.
const ENOUGH: usize = 3;
/// How often a server in trouble is asked whether it is back.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// How seldom in the end, where it says each time that it is well and yet takes nothing.
const ASK_SELDOM: Duration = Duration::from_secs(60);

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Deliver the oldest pending tap of every card.
    DeliverAll,
    /// The same, without those that have been tried before.
    DeliverFresh,
    /// Ask the server for its health.
    AskHealth,
    /// Nothing before this time is over, unless a new tap is recorded.
    Wait(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is known to be pending.
    Clear,
    /// There is, or may be, something to deliver now.
    Due,
    /// Something was not delivered: again at `retry`. The server is asked for its health at `ask`.
    Waiting {
        /// Whether new taps may be sent all the same: the server takes some, or it is not known yet that
        /// it does not.
        open: bool,
        retry: Monotime,
        ask: Monotime,
    },
}

/// How things stand between us and the server.
#[derive(Debug)]
pub(super) struct Pace {
    state: State,
    backoff: Backoff,
    /// Taps in trouble since the last one that was delivered; no more than [`ENOUGH`].
    troubled: Vec<i64>,
    /// False since the server was last found not to answer; its return is the moment to deliver.
    there: bool,
    /// Until the server is asked for its health.
    ask_every: Duration,
}

/// Longer than any pause: woken by a new tap or the order to stop.
const UNTIL_WOKEN: Duration = Duration::from_secs(3600);

impl Pace {
    /// Begins with everything due, for an earlier run may have left something.
    pub fn new(longest_pause: Duration) -> Self {
        Self {
            state: State::Due,
            backoff: Backoff::new(FIRST_PAUSE, longest_pause),
            troubled: Vec::new(),
            there: true,
            ask_every: ASK_EVERY,
        }
    }

    /// What to do at `now`; `rung` tells that a tap was recorded since the last call.
    pub fn next(&self, now: Monotime, rung: bool) -> Next {
        match self.state {
            State::Due => Next::DeliverAll,
            State::Clear if rung => Next::DeliverAll,
            State::Clear => Next::Wait(UNTIL_WOKEN),
            State::Waiting { retry, .. } if retry <= now => Next::DeliverAll,
            State::Waiting { open: true, .. } if rung => Next::DeliverFresh,
            State::Waiting { ask, .. } if ask <= now => Next::AskHealth,
            State::Waiting { retry, ask, .. } => Next::Wait(retry.min(ask).since(now)),
        }
    }

    /// The server has dealt with a tap.
    pub fn worked(&mut self) {
        self.troubled.clear();
        self.there = true;
        self.ask_every = ASK_EVERY;
    }

    /// The server has not dealt with tap `id`; `there` tells whether it took the connection. True if
    /// there is no use in sending others.
    pub fn trouble(&mut self, id: i64, there: bool) -> bool {
        if !self.server_is_out() && !self.troubled.contains(&id) {
            self.troubled.push(id);
        }
        self.there &= there;
        self.server_is_out()
    }

    /// Whether it is the server that is in trouble, and not a tap.
    pub fn server_is_out(&self) -> bool {
        !self.there || self.troubled.len() >= ENOUGH
    }

    /// A round is over; `sent` tells whether it sent anything, `left` whether it tried in vain to.
    /// `random` lies in `0.0..1.0`.
    pub fn round_over(&mut self, round: Next, sent: bool, left: bool, now: Monotime, random: f64) {
        self.state = if left {
            self.wait(!self.server_is_out(), now, random)
        } else if round == Next::DeliverFresh {
            if !sent {
                return;
            }
            // It takes taps: those that it did not take before may pass now.
            State::Due
        } else {
            self.backoff.reset();
            State::Clear
        };
    }

    /// The server was asked for its health; if that is fine, everything is due. Returns true where it shows the server to
    /// be back.
    pub fn health(&mut self, fine: bool, now: Monotime, random: f64) -> bool {
        let back = fine && !self.there;
        self.there = fine;
        match self.state {
            _ if back => {
                self.worked();
                self.backoff.reset();
                self.state = State::Due;
            }
            // It says that it is well: worth a try, and the next one later.
            State::Waiting { .. } if fine => {
                self.ask_every = (self.ask_every * 2).min(ASK_SELDOM);
                self.state = State::Due;
            }
            State::Waiting { retry, .. } => {
                self.state = State::Waiting {
                    open: false,
                    retry,
                    ask: now + self.ask_every,
                };
            }
            State::Due if !fine => self.state = self.wait(false, now, random),
            State::Due | State::Clear => {}
        }
        back
    }

    /// The ledger cannot be used: nothing before a pause is over.
    pub fn stumbled(&mut self, now: Monotime, random: f64) {
        self.state = self.wait(false, now, random);
    }

    fn wait(&mut self, open: bool, now: Monotime, random: f64) -> State {
        State::Waiting {
            open,
            retry: now + self.backoff.pause_with_jitter(random),
            ask: now + self.ask_every,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: f64 = 0.5;

    fn at(s: u64) -> Monotime {
        Monotime::from_zero(Duration::from_secs(s))
    }

    fn wait(s: u64) -> Next {
        Next::Wait(Duration::from_secs(s))
    }

    fn shut(pace: &mut Pace, now: Monotime, there: bool) {
        for id in 0..3 {
            pace.trouble(id, there);
        }
        pace.round_over(Next::DeliverAll, false, true, now, MIDDLE);
    }

    #[test]
    fn a_new_tap_is_delivered_at_once() {
        let mut pace = Pace::new(Duration::from_secs(600));
        assert_eq!(pace.next(at(0), false), Next::DeliverAll);
        pace.worked();
        pace.round_over(Next::DeliverAll, true, false, at(0), MIDDLE);
        assert_eq!(pace.next(at(1), false), Next::Wait(UNTIL_WOKEN));
        assert_eq!(pace.next(at(1), true), Next::DeliverAll);
    }

    #[test]
    fn one_tap_in_trouble_does_not_hold_up_the_others() {
        let mut pace = Pace::new(Duration::from_secs(600));
        pace.worked();
        assert!(!pace.trouble(1, true));
        pace.round_over(Next::DeliverAll, true, true, at(0), MIDDLE);
        assert_eq!(pace.next(at(0), false), wait(1));
        assert_eq!(pace.next(at(0), true), Next::DeliverFresh);
        pace.round_over(Next::DeliverFresh, false, false, at(0), MIDDLE);
        assert_eq!(pace.next(at(0), false), wait(1), "there was none");
        assert_eq!(pace.next(at(1), false), Next::DeliverAll);
        pace.worked();
        pace.round_over(Next::DeliverFresh, true, false, at(0), MIDDLE);
        assert_eq!(pace.next(at(0), false), Next::DeliverAll);
    }

    #[test]
    fn a_server_in_trouble_is_left_alone_for_longer_and_longer() {
        let mut pace = Pace::new(Duration::from_secs(6));
        for _ in 0..9 {
            assert!(!pace.trouble(1, true), "it may be this tap alone");
        }
        assert!(!pace.trouble(2, true));
        assert!(pace.trouble(3, true));
        let mut now = at(0);
        let mut pauses = Vec::new();
        for _ in 0..5 {
            pace.round_over(Next::DeliverAll, false, true, now, MIDDLE);
            let Next::Wait(pause) = pace.next(now, true) else {
                panic!("a new tap must wait too");
            };
            pauses.push(pause.as_secs());
            now = now + pause;
            assert_eq!(pace.next(now, false), Next::DeliverAll);
            assert!(pace.trouble(1, true), "one more is enough now");
        }
        assert_eq!(pauses, [1, 2, 4, 6, 6]);
    }

    #[test]
    fn the_return_of_a_server_that_was_gone_is_the_moment_to_deliver() {
        let mut pace = Pace::new(Duration::from_secs(600));
        for second in 0..6 {
            shut(&mut pace, at(second), false);
        }
        let now = at(5);
        assert_eq!(pace.next(now, false), wait(10));
        assert_eq!(pace.next(at(15), false), Next::AskHealth);
        assert!(!pace.health(false, at(15), MIDDLE));
        assert_eq!(pace.next(at(15), false), wait(10));
        assert!(pace.health(true, at(25), MIDDLE));
        assert_eq!(pace.next(at(25), false), Next::DeliverAll);
    }

    #[test]
    fn a_server_that_says_that_it_is_well_is_tried_but_ever_more_seldom() {
        let mut pace = Pace::new(Duration::from_secs(600));
        for second in 0..6 {
            shut(&mut pace, at(second), true);
        }
        let mut now = at(5);
        for pause in [10, 20, 40, 60, 60] {
            assert_eq!(pace.next(now, false), wait(pause));
            now = now + Duration::from_secs(pause);
            assert_eq!(pace.next(now, false), Next::AskHealth);
            assert!(!pace.health(true, now, MIDDLE), "it never was away");
            assert_eq!(pace.next(now, false), Next::DeliverAll);
            // The pause until it is tried without being asked is longer by now.
            shut(&mut pace, now, true);
        }
    }

    #[test]
    fn one_refused_connection_is_enough() {
        let mut pace = Pace::new(Duration::from_secs(600));
        assert!(pace.trouble(1, false));
        pace.round_over(Next::DeliverAll, false, true, at(0), MIDDLE);
        assert_eq!(pace.next(at(0), true), wait(1));
    }

    #[test]
    fn a_server_that_is_not_there_at_the_start_is_tried_soon() {
        let mut pace = Pace::new(Duration::from_secs(600));
        assert!(!pace.health(false, at(0), MIDDLE));
        assert_eq!(pace.next(at(0), false), wait(1));
    }
}
