//! A set point that turns round again and again.

use std::time::Duration;

use crate::base::clock::Monotime;

/// A movement counts from this many degrees on.
const LEAST: f64 = 1.0;
/// So many turns.
const TURNS: u32 = 4;
/// A turn is forgotten in about this time.
const MEMORY: Duration = Duration::from_millis(1600);
/// At most so many times more turns are waited for.
const PATIENCE: u32 = 8;

/// Which way the set point of an axis went last.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Way {
    /// The farthest angle in the present direction.
    extreme: f64,
    /// 1, -1, or 0 before the first movement.
    direction: f64,
}

impl Way {
    /// Whether the set point has turned.
    fn turns(&mut self, angle: f64) -> bool {
        let moved = angle - self.extreme;
        if moved * self.direction > 0.0 {
            self.extreme = angle;
            return false;
        }
        if moved.abs() < LEAST {
            return false;
        }
        let turned = self.direction != 0.0;
        self.extreme = angle;
        self.direction = moved.signum();
        turned
    }
}

/// Counts turns of the set points.
#[derive(Debug)]
pub struct Swing {
    ways: Option<[Way; 2]>,
    /// Turns with the time of the last one, which are forgotten one by one.
    turns: u32,
    last: Option<Monotime>,
    patience: u32,
}

impl Default for Swing {
    fn default() -> Self {
        Self {
            ways: None,
            turns: 0,
            last: None,
            patience: 1,
        }
    }
}

impl Swing {
    /// Takes the set points of pan and tilt. True if that is a swing; the count begins anew then.
    pub fn watch(&mut self, now: Monotime, set_points: [f64; 2]) -> bool {
        let at = |extreme| Way {
            extreme,
            direction: 0.0,
        };
        let ways = self.ways.get_or_insert(set_points.map(at));
        let turned = ways
            .iter_mut()
            .zip(set_points)
            .fold(false, |any, (way, angle)| way.turns(angle) || any);
        if self.last.is_some_and(|last| now.since(last) > MEMORY) {
            self.turns = self.turns.saturating_sub(1);
            self.last = Some(now);
        }
        if turned {
            self.turns += 1;
            self.last = Some(now);
        }
        let swings = self.turns >= TURNS * self.patience;
        if swings {
            self.turns = 0;
        }
        swings
    }

    /// The swing was the face's own: the next one has to last longer.
    pub fn was_the_face(&mut self) {
        self.patience = (self.patience * 2).min(PATIENCE);
    }

    /// How many times longer than at first is waited for.
    #[must_use]
    pub const fn patience(&self) -> u32 {
        self.patience
    }

    /// Whether it was the face's own so often that this is hard to believe.
    #[must_use]
    pub const fn out_of_patience(&self) -> bool {
        self.patience >= PATIENCE
    }

    /// Nothing is known about what moves there.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// The mount goes somewhere else than after a face.
    pub fn interrupt(&mut self) {
        self.ways = None;
    }
}
