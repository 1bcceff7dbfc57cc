//! Cards whose tap was refused on the way: each has a back-off of its own and does not delay other cards. Pure.
//!
//! Nothing of this outlives the process: a new one tries every card at once.

use std::collections::HashMap;
use std::time::Duration;

use super::judgement::Judgement;
use crate::attend::ledger::outbox::Head;
use crate::base::card_status::HeldTap;
use crate::base::clock::Monotime;

/// The first pause of a card, and by how much each is longer than the one before. Gentle: where something on the way
/// refuses every other attempt at random, a tap that is refused ten times in a row is seen every day.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const GROWTH: f64 = 1.5;
/// After so many refusals the pause is days: longer than the longest that can be configured.
const GROWN: u32 = 40;
/// Failed attempts after which a tap is shown as held up.
const SHOWN_AFTER: u32 = 2;
/// Taps that are named; more are only counted.
const NAMED: usize = 20;
/// Refusals after which an answer that no further attempt will make clear is asked for as seldom as is allowed.
const UNCLEAR_AFTER: u32 = 4;
/// Characters of an answer that are shown.
const ANSWER: usize = 400;

/// The cards that are held up.
#[derive(Debug)]
pub(super) struct HeldUp {
    cards: HashMap<String, Entry>,
    longest: Duration,
    /// Taps that the server has taken.
    passed: u64,
    /// Whether [`news`](Self::news) has something to tell.
    changed: bool,
}

#[derive(Debug)]
struct Entry {
    tap: i64,
    times: u32,
    answer: String,
    until: Monotime,
    /// How many taps the server had taken when this card's was first refused.
    passed_before: u64,
    /// No further attempt will make the answer clear.
    unclear: bool,
}

/// A tap that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    /// How often in a row.
    pub times: u32,
    /// Whether the server has taken others between two refusals: it is this card's trouble, not the server's.
    pub alone: bool,
}

impl HeldUp {
    /// `longest`: the longest pause.
    pub fn new(longest: Duration) -> Self {
        Self {
            cards: HashMap::new(),
            longest,
            passed: 0,
            changed: true,
        }
    }

    /// The tap was not taken; whoever answered may have asked for a pause. `random` lies in `0.0..1.0`.
    pub fn refused(
        &mut self,
        head: &Head,
        judged: &Judgement,
        now: Monotime,
        random: f64,
    ) -> Refusal {
        let Judgement {
            answer,
            asked,
            unclear,
            ..
        } = judged;
        let entry = (self.cards.entry(head.uid.clone())).or_insert_with(|| Entry {
            tap: head.id,
            times: 0,
            answer: String::new(),
            until: now,
            passed_before: self.passed,
            unclear: false,
        });
        self.changed = true;
        entry.tap = head.id;
        entry.times = entry.times.saturating_add(1);
        entry.unclear = *unclear;
        entry.answer = answer.chars().take(ANSWER).collect();
        let pause = if *unclear && entry.times >= UNCLEAR_AFTER {
            self.longest
        } else {
            pause(entry.times).min(self.longest)
        };
        // Not all of them in the same moment.
        let pause = pause.mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0));
        let asked = asked.unwrap_or_default().min(self.longest);
        entry.until = now + pause.max(asked);
        Refusal {
            times: entry.times,
            alone: entry.times > 1 && self.passed > entry.passed_before,
        }
    }

    /// The server has dealt with a tap of this card. Where the answers to others could not be understood, they may be now.
    pub fn passed(&mut self, uid: &str, now: Monotime) {
        self.passed += 1;
        self.forget(uid);
        for entry in self.cards.values_mut().filter(|entry| entry.unclear) {
            (entry.until, entry.unclear) = (entry.until.min(now), false);
        }
    }

    /// There is nothing to send of this card.
    pub fn forget(&mut self, uid: &str) {
        self.changed |= self.cards.remove(uid).is_some();
    }

    /// This tap is the first of its card now. Where that is another one than was refused, a person has sent it again: it is
    /// due at once.
    pub fn is_first(&mut self, head: &Head, now: Monotime) {
        if let Some(entry) = self.cards.get_mut(&head.uid)
            && entry.tap != head.id
        {
            entry.until = entry.until.min(now);
        }
    }

    /// Whether this card is held up, its pause over or not.
    pub fn has(&self, uid: &str) -> bool {
        self.cards.contains_key(uid)
    }

    /// Up to `most` cards whose pause is over, the longest over first; those that `skip` names are left out.
    pub fn due(&self, most: usize, now: Monotime, skip: impl Fn(&Head) -> bool) -> Vec<Head> {
        let mut due: Vec<_> = (self.cards.iter())
            .filter(|(_, entry)| entry.until <= now)
            .map(|(uid, entry)| {
                let head = Head {
                    id: entry.tap,
                    uid: uid.clone(),
                };
                (entry.until, head)
            })
            .filter(|(_, head)| !skip(head))
            .collect();
        due.sort_by_key(|(until, head)| (*until, head.id));
        due.into_iter().take(most).map(|(_, head)| head).collect()
    }

    /// When the next pause is over; none if no card is held up.
    pub fn next(&self) -> Option<Monotime> {
        self.cards.values().map(|entry| entry.until).min()
    }

    /// The server is back from a trouble of its own: all may be tried now.
    pub fn server_is_back(&mut self, now: Monotime) {
        for entry in self.cards.values_mut() {
            entry.until = entry.until.min(now);
        }
    }

    /// How many taps were refused again and again, and the first of them by their number; none if that is what was told
    /// last.
    pub fn news(&mut self) -> Option<(u64, Vec<HeldTap>)> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let mut shown: Vec<_> = (self.cards.iter())
            .filter(|(_, entry)| entry.times >= SHOWN_AFTER)
            .collect();
        shown.sort_by_key(|(_, entry)| entry.tap);
        let named = shown.iter().take(NAMED).map(|(uid, entry)| HeldTap {
            tap: entry.tap,
            card: (*uid).clone(),
            attempts: entry.times,
            answer: entry.answer.clone(),
        });
        Some((shown.len() as u64, named.collect()))
    }
}

/// The pause after so many refusals.
fn pause(times: u32) -> Duration {
    let steps = times.saturating_sub(1).min(GROWN);
    FIRST_PAUSE.mul_f64(GROWTH.powf(steps.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: f64 = 0.5;

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn head(id: i64) -> Head {
        Head {
            id,
            uid: format!("{id:02}"),
        }
    }

    fn held() -> HeldUp {
        HeldUp::new(Duration::from_secs(600))
    }

    fn said(answer: &str, asked: Option<Duration>) -> Judgement {
        Judgement::refusal(answer, asked)
    }

    fn due(held: &HeldUp, now: Monotime) -> Vec<i64> {
        let due = held.due(9, now, |_| false);
        due.iter().map(|h| h.id).collect()
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let mut held = HeldUp::new(Duration::from_secs(2));
        let mut now = at(0);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            held.refused(&head(1), &said("403", None), now, MIDDLE);
            let next = held.next().unwrap();
            assert_eq!(due(&held, next - Duration::from_millis(1)), [0i64; 0]);
            assert_eq!(due(&held, next), [1]);
            pauses.push(next.since(now).as_millis());
            now = next;
        }
        assert_eq!(pauses, [250, 375, 562, 843, 1265, 1898, 2000, 2000]);
        assert!(pause(u32::MAX) > Duration::from_secs(86_400));
    }

    #[test]
    fn a_pause_that_was_asked_for_is_kept_up_to_the_longest() {
        let mut held = held();
        held.refused(
            &head(1),
            &said("429", Some(Duration::from_secs(30))),
            at(0),
            MIDDLE,
        );
        assert_eq!(held.next(), Some(at(30_000)));
        let hours = Duration::from_secs(1 << 40);
        held.refused(&head(1), &said("429", Some(hours)), at(0), MIDDLE);
        assert_eq!(held.next(), Some(at(600_000)));
        held.refused(&head(1), &said("429", Some(Duration::ZERO)), at(0), MIDDLE);
        assert!(held.next() > Some(at(500)), "but it is not hammered");
    }

    #[test]
    fn a_card_is_alone_when_others_pass_between_its_refusals() {
        let mut held = held();
        let refuse =
            |held: &mut HeldUp, id| held.refused(&head(id), &said("403", None), at(0), MIDDLE);
        let refusal = |times, alone| Refusal { times, alone };
        assert_eq!(refuse(&mut held, 1), refusal(1, false));
        assert_eq!(refuse(&mut held, 1), refusal(2, false), "nobody passes");
        held.passed("02", at(0));
        assert_eq!(refuse(&mut held, 1), refusal(3, true));
        assert_eq!(refuse(&mut held, 3), refusal(1, false), "not known yet");
        held.passed("01", at(0));
        assert_eq!(refuse(&mut held, 1), refusal(1, false), "it begins anew");
    }

    #[test]
    fn those_refused_again_and_again_are_named() {
        let mut held = held();
        for id in [2, 1] {
            held.refused(&head(id), &said("403 <html>", None), at(0), MIDDLE);
        }
        assert_eq!(held.news(), Some((0, vec![])), "once is nothing");
        for id in [2, 1] {
            held.refused(&head(id), &said(&"入".repeat(999), None), at(0), MIDDLE);
        }
        let (count, shown) = held.news().unwrap();
        assert_eq!((count, held.news()), (2, None));
        assert_eq!(shown.iter().map(|h| h.tap).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(shown[0].card, "01");
        assert_eq!(shown[0].answer.chars().count(), ANSWER);
        held.forget("01");
        held.passed("02", at(0));
        assert_eq!(held.news(), Some((0, vec![])));
        assert_eq!(held.next(), None);
    }

    #[test]
    fn a_tap_that_a_person_sends_again_does_not_wait() {
        let mut held = held();
        held.refused(&head(2), &said("403", None), at(0), MIDDLE);
        held.is_first(&head(2), at(1));
        assert_eq!(due(&held, at(1)), [0i64; 0]);
        let older = Head {
            id: 1,
            uid: head(2).uid,
        };
        held.is_first(&older, at(1));
        assert_eq!(due(&held, at(1)), [2]);
    }

    #[test]
    fn all_are_due_when_the_server_is_back() {
        let mut held = held();
        for id in 1..=3 {
            held.refused(
                &head(id),
                &said("500", Some(Duration::from_secs(60))),
                at(0),
                MIDDLE,
            );
        }
        assert_eq!(due(&held, at(5)), [0i64; 0]);
        held.server_is_back(at(5));
        assert_eq!(due(&held, at(5)), [1, 2, 3]);
        assert_eq!(held.due(2, at(5), |h| h.id == 1), [head(2), head(3)]);
    }

    #[test]
    fn what_no_attempt_makes_clear_is_tried_seldom_until_others_pass() {
        let mut held = held();
        let mut unclear = said("204 (an empty answer)", None);
        unclear.unclear = true;
        for n in 1..UNCLEAR_AFTER {
            held.refused(&head(1), &unclear, at(0), MIDDLE);
            assert!(held.next() < Some(at(1000)), "{n}");
        }
        held.refused(&head(1), &unclear, at(0), MIDDLE);
        assert_eq!(held.next(), Some(at(600_000)));
        held.refused(&head(2), &said("502", None), at(500), MIDDLE);
        held.passed("03", at(600));
        assert_eq!(due(&held, at(600)), [1], "it was not the server's trouble");
    }
}
