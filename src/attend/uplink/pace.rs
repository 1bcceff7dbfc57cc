//! Whether the server as a whole takes taps: when to send, when to wait, when to ask whether it is back. Pure.
//!
//! A tap that is refused holds up its own card (`held_up`). The server is out when nobody takes a connection, when it
//! says so itself, or when the taps of many cards in a row were not taken.

use std::collections::HashSet;
use std::time::Duration;

use crate::base::backoff::Backoff;
use crate::base::clock::Monotime;

/// The first pause after trouble; the longest is configured.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Cards whose tap was not taken, and none taken between, after which it is the server and not the cards.
const ENOUGH: usize = 8;
/// So many times more where the server has taken a tap a moment ago: something on the way refuses at random.
const PATIENT: usize = 3;
/// What a moment is.
const RECENTLY: Duration = Duration::from_secs(10);
/// So many times more of cards that are known to be refused while others pass.
const ALONE: usize = 4;
/// How often a server in trouble is asked whether it is back.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// How seldom in the end, where it says each time that it is well and yet takes nothing.
const ASK_SELDOM: Duration = Duration::from_secs(60);
/// A tap that is recorded while the server is out may be tried at once, this long after the last attempt: what is
/// wrong may have to do with the cards before it.
const KNOCK_AFTER: Duration = Duration::from_secs(1);

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// All that waits may be sent.
    Send,
    /// One tap may be sent, to see whether the server is back.
    Probe,
    /// The same, with a tap that was just recorded.
    Knock,
    /// Ask the server for its health.
    AskHealth,
    /// Send nothing before this time is over.
    Wait(Duration),
}

/// A tap that was not taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trouble<'a> {
    /// Of this card.
    pub card: &'a str,
    /// Others pass meanwhile.
    pub alone: bool,
    /// When it was sent.
    pub begun: Monotime,
}

/// How things stand between us and the server.
#[derive(Debug)]
pub(super) struct Pace {
    backoff: Backoff,
    longest: Duration,
    /// None while the server takes taps, as far as is known.
    out: Option<Out>,
    /// Cards in trouble since the last tap that was taken.
    troubled: HashSet<String>,
    /// The same, of those that are known to be alone in it.
    alone: HashSet<String>,
    /// Nothing is sent before this: whoever answers has asked for it.
    asked_until: Monotime,
    /// When a tap was taken last.
    taken: Option<Monotime>,
    /// Whether to ask for the health, because it is not clear who is in trouble.
    doubt: bool,
    health_asked: Option<Monotime>,
    ask_every: Duration,
}

/// The server is out.
#[derive(Debug)]
struct Out {
    /// When the last attempt that says so was noted: what was sent before it is no news.
    since: Monotime,
    retry: Monotime,
    /// There is nothing to try it with before this, unless a tap is recorded.
    idle: Monotime,
    ask: Monotime,
    /// Somebody takes connections.
    there: bool,
    /// It said that it is well, or was not asked.
    well: bool,
    /// A tap was recorded meanwhile.
    knocked: bool,
}

impl Pace {
    /// Begins with a server that takes taps.
    pub fn new(longest_pause: Duration) -> Self {
        Self {
            backoff: Backoff::new(FIRST_PAUSE, longest_pause),
            longest: longest_pause,
            out: None,
            troubled: HashSet::new(),
            alone: HashSet::new(),
            asked_until: Monotime::default(),
            taken: None,
            doubt: false,
            health_asked: None,
            ask_every: ASK_EVERY,
        }
    }

    /// What to do at `now`.
    pub fn next(&self, now: Monotime) -> Next {
        if now < self.asked_until {
            return Next::Wait(self.asked_until.since(now));
        }
        let Some(out) = &self.out else {
            let lately = |at: Option<Monotime>| at.is_some_and(|at| now.since(at) < RECENTLY);
            let ask = self.doubt && !lately(self.health_asked) && !lately(self.taken);
            return if ask { Next::AskHealth } else { Next::Send };
        };
        let knock = out.since + KNOCK_AFTER;
        let knocked = out.knocked && out.there;
        let retry = out.retry.max(out.idle);
        match () {
            () if retry <= now => Next::Probe,
            () if knocked && knock <= now => Next::Knock,
            () if out.ask <= now => Next::AskHealth,
            () if knocked => Next::Wait(retry.min(out.ask).min(knock).since(now)),
            () => Next::Wait(retry.min(out.ask).since(now)),
        }
    }

    /// Whether the server is in trouble, and not only some cards.
    pub fn is_out(&self) -> bool {
        self.out.is_some()
    }

    /// A tap was recorded.
    pub fn knock(&mut self) {
        if let Some(out) = &mut self.out {
            out.knocked = true;
            out.idle = Monotime::default();
        }
    }

    /// It was tried, or need not be.
    pub fn knock_is_over(&mut self) {
        if let Some(out) = &mut self.out {
            out.knocked = false;
        }
    }

    /// It is time for a probe, but there is nothing to send before `until`.
    pub fn nothing_before(&mut self, until: Monotime) {
        if let Some(out) = &mut self.out {
            out.idle = until;
        }
    }

    /// The server has dealt with a tap. True if it was out.
    pub fn worked(&mut self, now: Monotime) -> bool {
        self.taken = Some(now);
        self.doubt = false;
        self.open()
    }

    /// Whoever answered has asked to be left alone for so long: it is obeyed up to the longest pause, with every card.
    pub fn asked(&mut self, pause: Duration, now: Monotime) {
        self.asked_until = self.asked_until.max(now + pause.min(self.longest));
    }

    /// A tap was not taken. True if the server is out from now on. `random` lies in `0.0..1.0`.
    pub fn trouble(&mut self, trouble: &Trouble, now: Monotime, random: f64) -> bool {
        if let Some(out) = &mut self.out {
            out.there = true;
            if trouble.begun >= out.since {
                self.shut(true, now, random);
            }
            return false;
        }
        let cards = if trouble.alone {
            &mut self.alone
        } else {
            &mut self.troubled
        };
        cards.insert(trouble.card.to_owned());
        let recent = (self.taken).is_some_and(|at| now.since(at) < RECENTLY);
        let enough = if recent { ENOUGH * PATIENT } else { ENOUGH };
        let all = self.troubled.len() + self.alone.len();
        if self.troubled.len() < enough && all < enough * ALONE {
            return false;
        }
        self.shut(true, now, random);
        true
    }

    /// The connection for a tap sent at `begun` failed. True if the server counts as down from now on.
    pub fn gone(&mut self, begun: Monotime, now: Monotime, random: f64) -> bool {
        let was_out = self.is_out();
        if self.out.as_ref().is_none_or(|out| begun >= out.since) {
            self.shut(false, now, random);
        }
        if let Some(out) = &mut self.out {
            (out.there, out.well) = (false, false);
        }
        !was_out
    }

    /// A tap is refused again, and it is not clear whether the others would be: the server may be asked.
    pub fn doubt(&mut self) {
        self.doubt = true;
    }

    /// The server was asked for its health: is it `fine`, and was anybody `there`? Returns true where that shows it to be
    /// back.
    pub fn health(&mut self, fine: bool, there: bool, now: Monotime, random: f64) -> bool {
        self.health_asked = Some(now);
        self.doubt = false;
        let Some(out) = &mut self.out else {
            if !fine {
                self.shut(there, now, random);
            }
            if let Some(out) = &mut self.out {
                out.well = false;
            }
            return false;
        };
        out.there = there;
        if fine && !out.well {
            self.open();
            return true;
        }
        if fine {
            // It says that it is well: worth a try, and the next one later.
            self.ask_every = (self.ask_every * 2).min(ASK_SELDOM);
            out.retry = now;
        }
        out.well = fine;
        out.ask = now + self.ask_every;
        false
    }

    fn open(&mut self) -> bool {
        self.troubled.clear();
        self.alone.clear();
        self.backoff.reset();
        self.ask_every = ASK_EVERY;
        self.out.take().is_some()
    }

    fn shut(&mut self, there: bool, now: Monotime, random: f64) {
        let pause = self.backoff.pause_with_jitter(random);
        let well = self.out.as_ref().is_none_or(|out| out.well);
        self.out = Some(Out {
            since: now,
            retry: now + pause,
            idle: Monotime::default(),
            ask: now + self.ask_every,
            there,
            well,
            knocked: false,
        });
        self.troubled.clear();
        self.alone.clear();
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

    fn pace() -> Pace {
        Pace::new(Duration::from_secs(600))
    }

    /// A tap of card `n` was not taken, just now.
    fn refuse(pace: &mut Pace, n: usize, alone: bool, now: Monotime) -> bool {
        let trouble = Trouble {
            card: &n.to_string(),
            alone,
            begun: now,
        };
        pace.trouble(&trouble, now, MIDDLE)
    }

    /// Many cards in a row were not taken.
    fn shut(pace: &mut Pace, now: Monotime) {
        for n in 0..ENOUGH {
            assert_eq!(refuse(pace, n, false, now), n == ENOUGH - 1);
        }
    }

    #[test]
    fn a_few_cards_in_trouble_do_not_hold_up_the_others() {
        let mut pace = pace();
        for second in 0..100 {
            for n in 0..ENOUGH - 1 {
                assert!(!refuse(&mut pace, n, false, at(second)));
            }
        }
        assert_eq!(pace.next(at(100)), Next::Send);
        pace.worked(at(100));
        // Refused at random, while others pass.
        for n in 0..ENOUGH * PATIENT - 1 {
            assert!(!refuse(&mut pace, n, false, at(105)));
        }
        assert!(refuse(&mut pace, 99, false, at(105)));
    }

    #[test]
    fn cards_that_are_alone_in_their_trouble_count_for_less() {
        let mut pace = pace();
        for n in 0..ENOUGH * ALONE - 1 {
            assert!(!refuse(&mut pace, n, true, at(0)));
        }
        assert!(refuse(&mut pace, 99, true, at(0)));
    }

    #[test]
    fn a_server_in_trouble_is_left_alone_for_longer_and_longer() {
        let mut pace = Pace::new(Duration::from_secs(6));
        shut(&mut pace, at(10));
        let mut now = at(10);
        let mut pauses = Vec::new();
        for _ in 0..5 {
            let Next::Wait(pause) = pace.next(now) else {
                panic!("{:?}", pace.next(now));
            };
            pauses.push(pause.as_secs());
            // What was sent before is no news.
            let late = Trouble {
                card: "late",
                alone: false,
                begun: now - Duration::from_secs(1),
            };
            assert!(!pace.trouble(&late, now, MIDDLE));
            assert_eq!(pace.next(now), Next::Wait(pause));
            now = now + pause;
            assert_eq!(pace.next(now), Next::Probe);
            assert!(!refuse(&mut pace, 1, false, now), "it is out already");
        }
        assert_eq!(pauses, [1, 2, 4, 6, 6]);
        assert!(pace.worked(now));
        assert_eq!(pace.next(now), Next::Send);
        shut(&mut pace, now + RECENTLY);
        assert_eq!(pace.next(now + RECENTLY), wait(1), "the pauses begin anew");
    }

    #[test]
    fn a_pause_that_is_asked_for_is_kept_to_by_every_card() {
        let mut pace = pace();
        assert!(!refuse(&mut pace, 0, false, at(0)));
        pace.asked(Duration::from_secs(8), at(0));
        pace.knock();
        assert_eq!(pace.next(at(3)), wait(5));
        // What was sent before that is taken, or not.
        pace.worked(at(3));
        assert_eq!(pace.next(at(3)), wait(5));
        shut(&mut pace, at(3) + RECENTLY);
        pace.asked(Duration::from_secs(8), at(13));
        pace.asked(Duration::from_secs(2), at(14));
        pace.knock();
        assert_eq!(pace.next(at(20)), wait(1));
        assert_eq!(pace.next(at(21)), Next::Probe);
        pace.asked(Duration::MAX, at(21));
        assert_eq!(pace.next(at(21)), wait(600), "no longer than is configured");
    }

    #[test]
    fn a_new_tap_knocks_at_a_server_that_is_there() {
        let mut pace = pace();
        shut(&mut pace, at(0));
        refuse(&mut pace, 1, false, at(1));
        refuse(&mut pace, 1, false, at(3));
        assert_eq!(pace.next(at(3)), wait(4));
        pace.knock();
        assert_eq!(pace.next(at(3)), wait(1));
        assert_eq!(pace.next(at(4)), Next::Knock);
        pace.knock_is_over();
        assert_eq!(pace.next(at(4)), wait(3));
        pace.gone(at(7), at(7), MIDDLE);
        pace.knock();
        assert_eq!(pace.next(at(9)), wait(6), "nobody is there");
    }

    #[test]
    fn the_return_of_a_server_that_was_gone_is_the_moment_to_deliver() {
        let mut pace = pace();
        assert!(pace.gone(at(0), at(0), MIDDLE), "one is enough");
        for second in 1..6 {
            assert!(!pace.gone(at(second), at(second), MIDDLE));
        }
        assert_eq!(pace.next(at(5)), wait(10));
        assert_eq!(pace.next(at(15)), Next::AskHealth);
        assert!(!pace.health(false, false, at(15), MIDDLE));
        assert_eq!(pace.next(at(15)), wait(10));
        assert!(pace.health(true, true, at(25), MIDDLE));
        assert_eq!(pace.next(at(25)), Next::Send);
    }

    #[test]
    fn a_server_that_says_that_it_is_well_is_tried_but_ever_more_seldom() {
        let mut pace = pace();
        shut(&mut pace, at(0));
        for second in 1..6 {
            refuse(&mut pace, 1, false, at(second));
        }
        let mut now = at(5);
        for pause in [10, 20, 40, 60, 60] {
            assert_eq!(pace.next(now), wait(pause));
            now = now + Duration::from_secs(pause);
            assert_eq!(pace.next(now), Next::AskHealth);
            assert!(!pace.health(true, true, now, MIDDLE), "it never was away");
            assert_eq!(pace.next(now), Next::Probe);
            // The pause until it is tried without being asked is longer by now.
            refuse(&mut pace, 1, false, now);
        }
    }

    #[test]
    fn in_doubt_the_server_is_asked_now_and_then() {
        let mut pace = pace();
        pace.doubt();
        assert_eq!(pace.next(at(0)), Next::AskHealth);
        assert!(!pace.health(true, true, at(0), MIDDLE));
        pace.doubt();
        assert_eq!(pace.next(at(9)), Next::Send, "not again so soon");
        assert_eq!(pace.next(at(10)), Next::AskHealth);
        pace.worked(at(10));
        assert_eq!(pace.next(at(30)), Next::Send, "that was clear enough");
        pace.doubt();
        assert!(!pace.health(false, true, at(30), MIDDLE));
        assert!(pace.is_out());
        assert!(pace.health(true, true, at(40), MIDDLE), "it is back");
    }

    #[test]
    fn a_probe_without_a_tap_waits() {
        let mut pace = pace();
        pace.gone(at(0), at(0), MIDDLE);
        assert_eq!(pace.next(at(1)), Next::Probe);
        pace.nothing_before(at(31));
        assert_eq!(pace.next(at(1)), wait(9), "it is asked for its health");
        pace.health(false, false, at(10), MIDDLE);
        pace.health(false, false, at(25), MIDDLE);
        assert_eq!(pace.next(at(30)), wait(1));
        assert_eq!(pace.next(at(31)), Next::Probe);
        pace.nothing_before(at(61));
        pace.knock();
        assert_eq!(pace.next(at(32)), Next::Probe, "a tap was recorded");
    }
}
