//! Reckoning around a turn: offsets the shortest way, and sweeps across the place where positions begin again.

use crate::follow::servo::protocol::table::Offset;

/// The same place by the shortest way around a turn.
#[must_use]
pub const fn shortest(steps: i32, turn: i32) -> i32 {
    (steps + turn / 2).rem_euclid(turn) - turn / 2
}

/// An offset as the servo can hold it: the shortest way, where positions go round; none if it is too far.
#[must_use]
pub fn fitting(offset: &Offset, steps: i32) -> Option<i32> {
    match offset.turn {
        // Just opposite there is one step that cannot be told; the one beside it can.
        Some(turn) => Some(shortest(steps, turn).clamp(-offset.most, offset.most)),
        None => (steps.abs() <= offset.most).then_some(steps),
    }
}

/// The offset with which what is told as `position` now, with the offset `now`, is told as `wanted`; none if it is too far.
#[must_use]
pub fn offset_for(offset: &Offset, now: i32, position: i32, wanted: i32) -> Option<i32> {
    fitting(offset, now + offset.sign * (wanted - position))
}

/// A shaft that is turned by hand.
#[derive(Debug, Clone, Copy)]
pub struct Sweep {
    turn: Option<i32>,
    last: i32,
    at: i32,
    /// How far it has come, counted on beyond the end of the turn.
    pub low: i32,
    /// The same to the other side.
    pub high: i32,
}

/// Why a sweep is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A turn or more.
    WholeTurn,
    /// So far between two looks that the way round is not known.
    TooFast,
}

impl Sweep {
    /// One that begins here.
    #[must_use]
    pub const fn at(position: i32, turn: Option<i32>) -> Self {
        Self {
            turn,
            last: position,
            at: position,
            low: position,
            high: position,
        }
    }

    /// Goes on to here.
    ///
    /// # Errors
    /// What it is becoming is no sweep that a limit could be made of.
    pub fn to(&mut self, position: i32) -> Result<(), Refused> {
        let by = match self.turn {
            Some(turn) => shortest(position - self.last, turn),
            None => position - self.last,
        };
        if self.turn.is_some_and(|turn| by.abs() > turn / 3) {
            return Err(Refused::TooFast);
        }
        self.last = position;
        self.at += by;
        self.low = self.low.min(self.at);
        self.high = self.high.max(self.at);
        if self.turn.is_some_and(|turn| self.high - self.low >= turn) {
            return Err(Refused::WholeTurn);
        }
        Ok(())
    }

    /// Whether it leads across the end of the goals.
    #[must_use]
    pub const fn leaves(&self, goals: (i32, i32)) -> bool {
        self.low < goals.0 || self.high > goals.1
    }

    /// Its middle, and how far it goes from there to either side.
    #[must_use]
    pub const fn middle(&self) -> (i32, i32) {
        let half = (self.high - self.low) / 2;
        (self.low + half, half)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::protocol::dynamixel::Dynamixel;
    use super::super::super::protocol::sts::Sts;
    use super::super::super::protocol::{Protocol, table::Offset};
    use super::*;

    fn of(protocol: &dyn Protocol) -> Offset {
        protocol.table().unwrap().offset.unwrap()
    }

    #[test]
    fn the_shortest_way_is_never_more_than_half_a_turn() {
        for (steps, want) in [
            (0, 0),
            (2047, 2047),
            (2048, -2048),
            (-2048, -2048),
            (3000, -1096),
            (-3000, 1096),
            (4095, -1),
            (4096, 0),
            (-10_000, -1808),
        ] {
            assert_eq!(shortest(steps, 4096), want, "{steps}");
        }
    }

    #[test]
    fn a_centre_is_where_the_servo_stands() {
        let sts = of(&Sts);
        // Told = measured - offset.
        for (now, position) in [
            (0, 2500),
            (0, 1000),
            (-100, 3000),
            (2047, 4095),
            (-2047, 0),
            (500, 2048),
        ] {
            let new = offset_for(&sts, now, position, 2048).unwrap();
            let measured = position + now;
            assert!(new.abs() <= 2047);
            let told = (measured - new).rem_euclid(4096);
            // Just opposite, it is one step beside.
            assert!((told - 2048).abs() <= 1, "{now} {position}: {told}");
        }
        assert_eq!(offset_for(&sts, 0, 2500, 2048), Some(452));
        assert_eq!(offset_for(&sts, 2000, 2500, 2048), Some(2452 - 4096));
        assert_eq!(offset_for(&sts, 0, 0, 2048), Some(-2047));
        let dynamixel = of(&Dynamixel);
        // Told = measured + offset, and never round.
        assert_eq!(offset_for(&dynamixel, 0, 2500, 2048), Some(-452));
        assert_eq!(offset_for(&dynamixel, -100, 1500, 2048), Some(448));
        assert_eq!(offset_for(&dynamixel, 0, 3500, 2048), None);
        assert_eq!(fitting(&sts, 3000), Some(-1096));
        assert_eq!(fitting(&dynamixel, 1025), None);
    }

    #[test]
    fn a_sweep_is_unwrapped_and_a_whole_turn_is_refused() {
        let mut sweep = Sweep::at(3900, Some(4096));
        for position in [4090, 200, 500, 4000, 3700] {
            sweep.to(position).unwrap();
        }
        assert_eq!((sweep.low, sweep.high), (3700, 4596));
        assert!(sweep.leaves((0, 4095)));
        assert_eq!(sweep.middle(), (4148, 448));
        let mut round = Sweep::at(0, Some(4096));
        let ends: Vec<_> = (1..=9).map(|n| round.to(n * 512 % 4096)).collect();
        assert_eq!(ends.iter().position(Result::is_err), Some(7));
        assert_eq!(ends[7], Err(Refused::WholeTurn));
        assert_eq!(Sweep::at(0, Some(4096)).to(2000), Err(Refused::TooFast));
        // An SCS has no turn to come round.
        let mut plain = Sweep::at(500, None);
        plain.to(20).unwrap();
        plain.to(1000).unwrap();
        assert_eq!((plain.low, plain.high), (20, 1000));
    }
}
