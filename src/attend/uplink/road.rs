//! What is known of the road to the server: whether the server takes taps, which cards are refused, and what was said.

use std::time::Duration;

use super::client::Reply;
use super::held_up::HeldUp;
use super::judgement::Judgement;
use super::pace::{Pace, Trouble};
use super::teller::Teller;
use super::{Uplink, unwell};
use crate::attend::ledger::outbox::{Head, Outgoing, Settled};
use crate::base::clock::Monotime;
use crate::say;

/// A pause that is asked for is told when it is this long: a person may miss the taps at the server.
const LONG_PAUSE: Duration = Duration::from_secs(10);

/// What is known.
pub(super) struct Road {
    pub pace: Pace,
    pub held_up: HeldUp,
    pub teller: Teller,
}

impl Road {
    pub fn new(uplink: &Uplink) -> Self {
        Self {
            pace: Pace::new(uplink.longest_pause()),
            held_up: HeldUp::new(uplink.longest_pause()),
            teller: Teller::new(&uplink.stats, &uplink.panel, &uplink.card_status),
        }
    }

    /// What the server has said of its health, before anything else.
    pub fn greet(&mut self, reply: &Reply, now: Monotime) {
        if unwell(reply).is_none() {
            self.teller.server_is_fine();
        } else {
            self.health(reply, now);
        }
    }

    /// What the server has said of its health.
    pub fn health(&mut self, reply: &Reply, now: Monotime) {
        let why = unwell(reply);
        if let Reply::Answer {
            retry_after: Some(asked),
            ..
        } = reply
            && why.is_some()
        {
            self.pace.asked(*asked, now);
        }
        let there = !matches!(reply, Reply::Unreachable(_));
        let back = (self.pace).health(why.is_none(), there, now, fastrand::f64());
        match why {
            None if back => {
                self.held_up.server_is_back(now);
                self.teller.server_is_fine();
            }
            None => {}
            Some(why) => self.teller.server_is_out(&why),
        }
    }

    /// Result of an attempt that began at `begun`.
    pub fn ended(&mut self, tap: &Outgoing, judged: &Judgement, begun: Monotime, now: Monotime) {
        let Judgement { how, answer, .. } = judged;
        self.teller.ended(tap, *how, answer);
        if *how != Settled::NotYet {
            if self.pace.worked(now) {
                self.held_up.server_is_back(now);
            }
            self.held_up.passed(&tap.uid, now);
            self.teller.server_is_fine();
        } else if judged.gone {
            self.pace.gone(begun, now, fastrand::f64());
            self.teller.server_is_out(answer);
        } else {
            self.refused(tap, judged, begun, now);
        }
    }

    /// A tap was not taken, though somebody was there.
    fn refused(&mut self, tap: &Outgoing, judged: &Judgement, begun: Monotime, now: Monotime) {
        let answer = &judged.answer;
        let head = Head {
            id: tap.id,
            uid: tap.uid.clone(),
        };
        let refusal = (self.held_up).refused(&head, judged, now, fastrand::f64());
        let trouble = Trouble {
            card: &tap.uid,
            alone: refusal.alone,
            begun,
        };
        let asked = judged.asked.unwrap_or_default();
        self.pace.asked(asked, now);
        self.pace.trouble(&trouble, now, fastrand::f64());
        if refusal.times > 1 && !refusal.alone {
            self.pace.doubt();
        }
        if asked >= LONG_PAUSE {
            self.teller.server_is_out(&asks_to_wait(answer, asked));
        } else if self.pace.is_out() {
            self.teller.server_is_out(answer);
        } else {
            self.teller.held_up(tap, refusal.times, judged);
        }
    }
}

fn asks_to_wait(answer: &str, asked: Duration) -> String {
    let seconds = asked.as_secs();
    say!(
        "{answer}; it asks to come again in {seconds} s (Retry-After), which is kept to up to \"retry_interval\"",
        "{answer}。{seconds} 秒後の再送を求めています (Retry-After)。\"retry_interval\" を上限として従います"
    )
}
