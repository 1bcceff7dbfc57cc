//! The set point of one axis: moves to its goal within limits of range, speed and acceleration.

/// Angles that an axis may take, in degrees; `low <= high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Smallest angle.
    pub low: f64,
    /// Largest angle.
    pub high: f64,
}

impl Range {
    /// The nearest angle within the range.
    #[must_use]
    pub fn clamp(self, angle: f64) -> f64 {
        angle.max(self.low).min(self.high)
    }
}

/// How an axis may move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// Highest speed in degrees a second.
    pub speed: f64,
    /// Highest acceleration in degrees a second squared.
    pub acceleration: f64,
    /// Speed for each degree that remains, in 1/s: how eagerly the goal is approached.
    pub eagerness: f64,
}

impl Motion {
    /// From the configuration, where `gain` is the part of the remaining angle that is closed in 0.1 s.
    #[must_use]
    pub fn new(speed: f64, acceleration: f64, gain: f64) -> Self {
        /// A real servo lags by some 50 ms; set points that move faster only make it ring.
        const MOST_EAGER: f64 = 15.0;
        let eagerness = -(1.0 - gain.clamp(0.0, 0.999)).ln() / 0.1;
        Self {
            speed,
            acceleration,
            eagerness: eagerness.min(MOST_EAGER),
        }
    }

    /// The speed at which to approach a goal that is `distance` degrees away: in proportion near it, and
    /// farther away such that constant braking ends on the proportional part.
    fn approach(self, distance: f64) -> f64 {
        // A part of the acceleration is kept for following a goal that moves.
        let brake = 0.9 * self.acceleration;
        let near = brake / (self.eagerness * self.eagerness);
        let d = distance.abs();
        let speed = if d <= near {
            self.eagerness * d
        } else {
            (2.0 * brake * (d - near / 2.0)).sqrt()
        };
        speed.copysign(distance)
    }
}

/// Longest step of the integration in seconds; short against every time constant.
const STEP: f64 = 0.005;

/// An axis outside of its range is back within so many degrees, a thousandth of a step.
const ARRIVED: f64 = 1e-4;

/// A set point with its speed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Profile {
    /// Where it is, in degrees.
    pub angle: f64,
    /// How fast it moves, in degrees a second.
    pub speed: f64,
}

impl Profile {
    /// At rest at an angle.
    #[must_use]
    pub const fn at(angle: f64) -> Self {
        Self { angle, speed: 0.0 }
    }

    /// Lets `dt` seconds pass on the way to `goal`, which itself moves at `goal_speed`.
    ///
    /// The set point never leaves `range` once it is inside. Where it starts outside it returns like any
    /// other movement, without a jump.
    pub fn advance(&mut self, dt: f64, goal: f64, goal_speed: f64, range: Range, motion: Motion) {
        let within = range.clamp(goal);
        // Speed that would carry a clamped goal farther out is not to be followed.
        let carried = if within == goal { goal_speed } else { 0.0 };
        let steps = (dt / STEP).ceil().max(1.0);
        let h = dt / steps;
        for i in 0..steps as u32 {
            let moved = range.clamp(within + carried * h * f64::from(i + 1));
            self.step(h, moved, carried, range, motion);
        }
    }

    /// Brakes to a standstill.
    pub fn brake(&mut self, dt: f64, range: Range, motion: Motion) {
        let distance = self.speed * self.speed.abs() / (2.0 * motion.acceleration);
        self.advance(dt, range.clamp(self.angle + distance), 0.0, range, motion);
    }

    fn step(&mut self, h: f64, goal: f64, goal_speed: f64, range: Range, motion: Motion) {
        let a = motion.acceleration;
        let change = a * h;
        let wanted =
            (goal_speed + motion.approach(goal - self.angle)).clamp(-motion.speed, motion.speed);
        let mut speed = wanted.clamp(self.speed - change, self.speed + change);
        if self.angle <= range.high {
            let most = fastest(range.high - self.angle, self.speed, a, h);
            speed = speed.min(most.max(self.speed - change));
        }
        if self.angle >= range.low {
            let most = fastest(self.angle - range.low, -self.speed, a, h);
            speed = speed.max((-most).min(self.speed + change));
        }
        let inside = (range.low..=range.high).contains(&self.angle);
        let before = self.speed;
        self.angle += (self.speed + speed) / 2.0 * h;
        self.speed = speed;
        let within = range.clamp(self.angle);
        if inside {
            // Rounding of the last bit.
            self.angle = within;
        } else if (within - self.angle).abs() < ARRIVED && before.abs() <= change && within == goal
        {
            // Who comes back from outside is to arrive, not to approach for ever.
            *self = Self::at(within);
        }
    }
}

/// The highest speed at the end of a step from which braking still ends within `room` degrees, having
/// begun the step at `speed`: (speed + v) / 2 h + v^2 / 2a <= room. Minus infinity if there is none.
fn fastest(room: f64, speed: f64, a: f64, h: f64) -> f64 {
    let left = room - speed * h / 2.0;
    if left >= 0.0 {
        a * ((h * h / 4.0 + 2.0 * left / a).sqrt() - h / 2.0)
    } else {
        // Turning back within the step is the only way to stay inside.
        2.0 * left / h
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RANGE: Range = Range {
        low: -50.0,
        high: 50.0,
    };

    fn motion(gain: f64) -> Motion {
        Motion::new(120.0, 500.0, gain)
    }

    #[test]
    fn reaches_the_goal_without_passing_it() {
        for gain in [0.05, 0.3, 0.5, 0.9, 1.0] {
            let mut p = Profile::at(0.0);
            let mut highest: f64 = 0.0;
            for _ in 0..1000 {
                p.advance(0.02, 20.0, 0.0, RANGE, motion(gain));
                highest = highest.max(p.angle);
            }
            assert!((p.angle - 20.0).abs() < 0.01, "{gain} {p:?}");
            assert!(highest < 20.01, "{gain} {highest}");
        }
    }

    #[test]
    fn the_gain_is_the_part_closed_in_a_tenth_of_a_second() {
        // A distance so small that no limit matters.
        let mut p = Profile::at(0.0);
        let m = Motion::new(1000.0, 1e6, 0.5);
        for _ in 0..5 {
            p.advance(0.02, 1.0, 0.0, RANGE, m);
        }
        assert!((p.angle - 0.5).abs() < 0.03, "{p:?}");
    }

    #[test]
    fn comes_back_from_outside_without_a_jump() {
        let mut p = Profile::at(80.0);
        let mut last = 80.0;
        for _ in 0..200 {
            p.advance(0.02, 60.0, 0.0, RANGE, motion(0.5));
            assert!(last - p.angle <= 120.0 * 0.02 + 1e-9 && p.angle <= last + 1e-9);
            last = p.angle;
        }
        assert!((p.angle - 50.0).abs() < 0.01);
    }

    #[test]
    fn brakes_in_the_shortest_way() {
        let mut p = Profile {
            angle: 0.0,
            speed: 100.0,
        };
        for _ in 0..100 {
            p.brake(0.02, RANGE, motion(0.5));
        }
        assert!(
            (p.angle - 10.0).abs() < 1.5 && p.speed.abs() < 1e-3,
            "{p:?}"
        );
    }

    proptest! {
        #[test]
        fn limits_hold_for_any_goals_and_steps(
            start in -70.0..70.0f64,
            gain in 0.05..1.0f64,
            speed in 1.0..360.0f64,
            acceleration in 10.0..5000.0f64,
            steps in prop::collection::vec((0.001..0.1f64, -400.0..400.0f64, -400.0..400.0f64), 1..120),
        ) {
            let m = Motion::new(speed, acceleration, gain);
            let mut p = Profile::at(start);
            for (dt, goal, goal_speed) in steps {
                let before = p;
                p.advance(dt, goal, goal_speed, RANGE, m);
                prop_assert!(p.speed.abs() <= speed + 1e-6);
                prop_assert!((p.speed - before.speed).abs() <= acceleration * dt + 1e-6);
                prop_assert!((p.angle - before.angle).abs() <= speed * dt + 1e-6);
                if (RANGE.low..=RANGE.high).contains(&before.angle) {
                    prop_assert!((RANGE.low..=RANGE.high).contains(&p.angle), "{:?}", p);
                }
            }
        }
    }
}
