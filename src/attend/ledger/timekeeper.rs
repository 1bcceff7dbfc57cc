//! True time of a tap: whether the wall clock can be trusted, and what to store if it cannot. Pure.
//!
//! A Pi without a clock chip boots with whatever time was stored last, is synchronised some time later, and may be set
//! wrong by a person. The clock that counts from boot never jumps; a moment at which the wall clock was right ties both
//! together (an [`Anchor`]), and tells the time of every other moment of the same boot.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::stamp::Sync;

/// 2025-01-01, before this program was written: a wall clock that claims less has not been set at all.
const EARLIEST: i64 = 1_735_689_600;
/// Smaller differences are not a step: the two clocks are read one after the other.
const SLACK: Duration = Duration::from_millis(250);
/// How fast a time daemon lets the wall clock run away from the other one while it adjusts it (adjtimex(2): 500 ppm;
/// twice that for the sake of others), as a divisor.
const SLEW: u32 = 1000;
/// After a step that nobody vouches for, the time since the anchor is right to the second for so long, with a crystal
/// of 40 ppm.
const HOLDS_FOR: Duration = Duration::from_secs(6 * 3600);

/// A moment at which the wall clock was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// On the clock that counts from boot.
    pub boottime: Duration,
    /// The true time at that moment.
    pub utc: Timestamp,
}

impl Anchor {
    /// The true time of another moment of the same boot.
    #[must_use]
    pub fn utc_at(&self, boottime: Duration) -> Timestamp {
        let passed = difference(boottime, self.boottime);
        self.utc.saturating_add(passed).unwrap_or(self.utc)
    }
}

/// How far the times of a tap can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Not yet, but it will soon be known: the tap waits.
    Held,
    /// The wall clock was right.
    Synchronised,
    /// Told from an anchor of the same boot.
    Corrected,
    /// Best effort: neither the wall clock nor an anchor vouches for it.
    Uncertain,
}

impl Trust {
    /// The word in ledger, header and export.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Synchronised => "synchronised",
            Self::Corrected => "corrected",
            Self::Uncertain => "uncertain",
        }
    }
}

/// The clocks at one moment, and what is known of the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// The clock that counts from boot.
    pub boottime: Duration,
    /// The wall clock.
    pub wall: Timestamp,
    /// What vouches for it.
    pub sync: Sync,
}

/// Result of a look at the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing new.
    Nothing,
    /// The wall clock is right from now on: the first time in this boot, or again after a step.
    Anchored(Anchor),
    /// The wall clock has been set, by this much, and nobody vouches for it.
    Stepped(SignedDuration),
}

/// Knows what time it really was.
#[derive(Debug)]
pub struct Timekeeper {
    anchor: Option<Anchor>,
    /// Whether the wall clock was set since, and nobody vouches for it.
    stepped: bool,
    sync: Option<Sync>,
    /// When the first look was.
    begun: Option<Duration>,
    /// For how long a tap waits for the clock.
    hold: Duration,
}

impl Timekeeper {
    /// One that holds taps for no longer than `hold`; `anchor` is what an earlier run noted in this boot.
    #[must_use]
    pub const fn new(anchor: Option<Anchor>, hold: Duration) -> Self {
        Self {
            anchor,
            stepped: false,
            sync: None,
            begun: None,
            hold,
        }
    }

    /// For how long a tap waits for the clock at most.
    #[must_use]
    pub const fn hold(&self) -> Duration {
        self.hold
    }

    /// The last moment that is known to be right.
    #[must_use]
    pub const fn anchor(&self) -> Option<Anchor> {
        self.anchor
    }

    /// Looks at the clocks.
    pub fn look(&mut self, look: &Look) -> Seen {
        self.begun.get_or_insert(look.boottime);
        let before = self.sync.replace(look.sync);
        let vouched = plausible(look.wall) && look.sync.vouches();
        let now = Anchor {
            boottime: look.boottime,
            utc: look.wall,
        };
        let Some(anchor) = self.anchor else {
            if !vouched {
                return Seen::Nothing;
            }
            self.anchor = Some(now);
            return Seen::Anchored(now);
        };
        let moved = look.wall.duration_since(anchor.utc_at(look.boottime));
        if moved.unsigned_abs() <= slack(anchor, look.boottime) {
            // Unchanged, or back to the trusted time.
            self.stepped = false;
            if vouched {
                self.anchor = Some(now);
            }
            Seen::Nothing
        } else if vouched && look.sync.vouches_anew(before.as_ref(), anchor.utc) {
            self.stepped = false;
            self.anchor = Some(now);
            Seen::Anchored(now)
        } else if self.stepped {
            Seen::Nothing
        } else {
            self.stepped = true;
            Seen::Stepped(moved)
        }
    }

    /// What is to be written for a moment at which the wall clock said `wall`, and how far it can be trusted. A look
    /// has to come first.
    #[must_use]
    pub fn judge(&self, boottime: Duration, wall: Timestamp) -> (Timestamp, Trust) {
        let Some(anchor) = self.anchor else {
            let trust = if self.is_worth_waiting(boottime, wall) {
                Trust::Held
            } else {
                Trust::Uncertain
            };
            return (wall, trust);
        };
        let told = anchor.utc_at(boottime);
        let moved = wall.duration_since(told).unsigned_abs();
        if !self.stepped && moved <= slack(anchor, boottime) {
            (wall, Trust::Synchronised)
        } else if difference(boottime, anchor.boottime).unsigned_abs() <= HOLDS_FOR {
            (told, Trust::Corrected)
        } else {
            (told, Trust::Uncertain)
        }
    }

    /// Whether the right time will be known soon. A clock that was never set is waited for as long as a tap may be; one
    /// that may be right, only while a time daemon has just begun: a network without time servers is to cost ten
    /// minutes once, not at every tap.
    fn is_worth_waiting(&self, boottime: Duration, wall: Timestamp) -> bool {
        let begun = self.begun.unwrap_or(boottime);
        let expected = self.sync.is_some_and(|s| s.expected);
        !self.hold.is_zero()
            && (!plausible(wall) || (expected && boottime.saturating_sub(begun) < self.hold))
    }
}

/// Whether a wall clock that says this may have been set.
#[must_use]
pub fn plausible(wall: Timestamp) -> bool {
    wall.as_second() >= EARLIEST
}

fn slack(anchor: Anchor, boottime: Duration) -> Duration {
    SLACK + difference(boottime, anchor.boottime).unsigned_abs() / SLEW
}

fn difference(a: Duration, b: Duration) -> SignedDuration {
    let signed = |d| SignedDuration::try_from(d).unwrap_or(SignedDuration::MAX);
    signed(a).saturating_sub(signed(b))
}

#[cfg(test)]
mod tests;
