//! A face that does not move: a portrait on the wall, a poster, a sleeper. It does not hold the mount for ever.

use std::time::Duration;

use crate::base::clock::Monotime;

/// So many pictures in a row have to show it elsewhere until it has moved; fewer are a slip of the detector.
const PICTURES: u32 = 3;
/// A face that was not seen for so long is another one, or came back: it is given its time anew.
const AWAY: Duration = Duration::from_secs(10);

/// Where in the room a face has stood since when.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Pan and tilt of the room, in degrees.
    angle: [f64; 2],
    since: Monotime,
    seen: Monotime,
    /// Pictures in a row that showed it elsewhere.
    elsewhere: u32,
}

/// Judges whether the face that is followed moves. Pure: it reads no clock.
#[derive(Debug)]
pub struct Stillness {
    after: Duration,
    tolerance: f64,
    place: Option<Place>,
}

impl Stillness {
    /// A face is motionless after so long within so many degrees of where it was first seen.
    #[must_use]
    pub const fn new(after: Duration, tolerance: f64) -> Self {
        Self {
            after,
            tolerance,
            place: None,
        }
    }

    /// Judges by these from now on.
    pub const fn retune(&mut self, after: Duration, tolerance: f64) {
        self.after = after;
        self.tolerance = tolerance;
    }

    /// A picture shows a face at this pan and tilt of the room.
    pub fn see(&mut self, now: Monotime, angle: [f64; 2]) {
        let motionless = self.is_motionless();
        let fresh = Place {
            angle,
            since: now,
            seen: now,
            elsewhere: 0,
        };
        let place = self.place.get_or_insert(fresh);
        let apart = (0..2).any(|i| (place.angle[i] - angle[i]).abs() > self.tolerance);
        if apart {
            place.elsewhere += 1;
            if place.elsewhere >= PICTURES {
                *place = fresh;
            }
            return;
        }
        place.elsewhere = 0;
        if now.since(place.seen) > AWAY && !motionless {
            place.since = now;
        }
        place.seen = now;
    }

    /// Whether the face that is seen has not moved for that long. It stays so, also where it is lost and found again in
    /// the same place, until it is seen elsewhere.
    #[must_use]
    pub fn is_motionless(&self) -> bool {
        self.place
            .is_some_and(|place| place.seen.since(place.since) >= self.after)
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        self.place = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(300);

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    /// A face at `pan` in every picture of this time, in seconds; when it was first motionless.
    fn look(still: &mut Stillness, from: u64, to: u64, pan: impl Fn(u64) -> f64) -> Option<u64> {
        (from * 1000..to * 1000)
            .step_by(100)
            .find(|ms| {
                still.see(at(*ms), [pan(*ms), -3.0]);
                still.is_motionless()
            })
            .map(|ms| ms / 1000)
    }

    #[test]
    fn a_portrait_is_motionless_after_its_time_and_stays_so() {
        let mut still = Stillness::new(AFTER, 1.5);
        let trembling = |ms: u64| 20.0 + (ms as f64).sin();
        assert_eq!(look(&mut still, 0, 600, trembling), Some(300));
        // Lost for a minute, in between one picture that shows something else.
        still.see(at(361_000), [-30.0, 0.0]);
        assert!(still.is_motionless());
        still.see(at(361_100), [20.0, -3.0]);
        assert!(still.is_motionless());
    }

    #[test]
    fn whoever_moves_now_and_then_is_not() {
        let mut still = Stillness::new(AFTER, 1.5);
        let restless = |ms: u64| if ms % 200_000 < 100_000 { 20.0 } else { 22.0 };
        assert_eq!(look(&mut still, 0, 3600, restless), None);
        let slow = |ms: u64| ms as f64 / 100_000.0;
        assert_eq!(look(&mut still, 3600, 7200, slow), None);
    }

    #[test]
    fn one_that_moves_after_all_is_followed_again() {
        let mut still = Stillness::new(AFTER, 1.5);
        look(&mut still, 0, 301, |_| 20.0);
        assert!(still.is_motionless());
        for ms in [301_000, 301_100, 301_200] {
            assert!(still.is_motionless());
            still.see(at(ms), [25.0, -3.0]);
        }
        assert!(!still.is_motionless());
    }

    #[test]
    fn whoever_comes_back_to_the_same_place_has_its_time_anew() {
        let mut still = Stillness::new(AFTER, 1.5);
        assert_eq!(look(&mut still, 0, 200, |_| 20.0), None);
        assert_eq!(look(&mut still, 260, 1000, |_| 20.0), Some(560));
        still.clear();
        assert!(!still.is_motionless());
    }
}
