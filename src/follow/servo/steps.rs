//! Units of the servos and of the mount; converted here and nowhere else.

use crate::config;

/// So many steps of an STS servo make a degree.
pub const STEPS_PER_DEGREE: f64 = 4096.0 / 360.0;
/// Highest speed that register 46 of an STS is given, in steps/s: about 264 degrees a second, what an STS3215
/// reaches without load at 7.4 V.
const TOP_SPEED: f64 = 3000.0;
/// Highest value of its acceleration register.
const TOP_ACCELERATION: f64 = 254.0;
/// A servo's own limits lie above those of the set point, so that they are a safety net and do not
/// themselves shape the movement.
pub const MARGIN: f64 = 1.5;

/// A position in steps of a servo, counted as its protocol does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Steps(pub i32);

/// The units of a protocol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// So many steps make a degree.
    pub per_degree: f64,
    /// Straight ahead.
    pub centre: i32,
    /// The goals that can be given.
    pub goals: (i32, i32),
    /// The fastest that a servo is told to turn, in steps a second.
    pub top_speed: f64,
    /// A little for what the encoder and a rattling mount make, in steps.
    pub rattle: f64,
}

/// STS: 4096 steps a turn.
pub const STS: Scale = Scale {
    per_degree: STEPS_PER_DEGREE,
    centre: 2048,
    goals: (0, 4095),
    top_speed: TOP_SPEED,
    rattle: 40.0,
};

impl Scale {
    /// Steps a second of a speed in degrees a second.
    #[must_use]
    pub fn speed(&self, degrees_per_second: f64) -> f64 {
        degrees_per_second * self.per_degree
    }

    /// Whether a servo that stood at `from` can be at `to` after this time, in seconds: it is told to turn no faster than
    /// [`top_speed`](Self::top_speed), and a hand turns it no faster.
    #[must_use]
    pub fn within_reach(&self, from: Steps, to: Steps, seconds: f64) -> bool {
        /// After a longer pause it can be anywhere near all the same.
        const LONGEST: f64 = 0.1;
        let reach = MARGIN * self.top_speed * seconds.clamp(0.0, LONGEST) + self.rattle;
        f64::from((to.0 - from.0).abs()) <= reach
    }
}

/// How a servo is mounted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mounting {
    /// 1, or -1 where it is mounted the other way round.
    sign: f64,
    low: f64,
    high: f64,
    /// The units of its servo.
    pub scale: Scale,
}

impl Mounting {
    /// From the configuration, for a servo with these units.
    #[must_use]
    pub fn new(axis: &config::Axis, scale: Scale) -> Self {
        Self {
            sign: if axis.invert { -1.0 } else { 1.0 },
            low: axis.min,
            high: axis.max,
            scale,
        }
    }

    /// The steps of an angle. Rounding never leads across a limit that the angle itself keeps.
    #[must_use]
    pub fn steps(&self, degrees: f64) -> Steps {
        let per_degree = self.scale.per_degree;
        let mut steps = (degrees * per_degree).round();
        if degrees <= self.high {
            steps = steps.min((self.high * per_degree).floor());
        }
        if degrees >= self.low {
            steps = steps.max((self.low * per_degree).ceil());
        }
        let (lowest, highest) = self.scale.goals;
        // A cast of what is not a number gives 0, the left end: never reached, angles are finite.
        let at = (f64::from(self.scale.centre) + self.sign * steps) as i32;
        Steps(at.clamp(lowest, highest))
    }

    /// The steps between which the axis may be, the smaller one first.
    #[must_use]
    pub fn range(&self) -> (i32, i32) {
        let (Steps(one), Steps(other)) = (self.steps(self.low), self.steps(self.high));
        (one.min(other), one.max(other))
    }

    /// Whether goals reach as far as the configuration wants.
    #[must_use]
    pub fn reaches_its_limits(&self) -> bool {
        let (lowest, highest) = self.scale.goals;
        let at = |degrees: f64| {
            f64::from(self.scale.centre) + self.sign * degrees * self.scale.per_degree
        };
        let within = |at: f64| (f64::from(lowest) - 1.0..=f64::from(highest) + 1.0).contains(&at);
        within(at(self.low)) && within(at(self.high))
    }

    /// The angle of a position.
    #[must_use]
    pub fn degrees(&self, steps: Steps) -> f64 {
        self.exact_degrees(f64::from(steps.0))
    }

    /// The angle of a position between two steps, where a simulated shaft may be.
    #[must_use]
    pub fn exact_degrees(&self, steps: f64) -> f64 {
        self.sign * (steps - f64::from(self.scale.centre)) / self.scale.per_degree
    }

    /// A load as a part of what the motor can do, from about -1 to 1, positive where it pushes to larger angles.
    #[must_use]
    pub fn load(&self, load: i32, full: i32) -> f64 {
        self.sign * f64::from(load) / f64::from(full.max(1))
    }
}

/// The value of the speed register (46) of an STS that limits a servo to somewhat more than this speed.
#[must_use]
pub fn speed_limit(degrees_per_second: f64) -> u16 {
    (degrees_per_second * STEPS_PER_DEGREE * MARGIN)
        .round()
        .clamp(1.0, TOP_SPEED) as u16
}

/// The value of the acceleration register (41) of an STS that limits a servo to somewhat more than this.
#[must_use]
pub fn acceleration_limit(degrees_per_second_squared: f64) -> u8 {
    (degrees_per_second_squared * STEPS_PER_DEGREE * MARGIN / 100.0)
        .ceil()
        .clamp(1.0, TOP_ACCELERATION) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounting(invert: bool) -> Mounting {
        Mounting::new(
            &config::Axis {
                id: 1,
                min: -50.0,
                max: 50.0,
                invert,
            },
            STS,
        )
    }

    #[test]
    fn degrees_become_steps() {
        let (plain, inverted) = (mounting(false), mounting(true));
        for (degrees, steps) in [
            (0.0, 2048),
            (45.0, 2560),
            (-45.0, 1536),
            (50.0, 2616),
            (-50.0, 1480),
        ] {
            assert_eq!(plain.steps(degrees), Steps(steps));
            assert_eq!(inverted.steps(degrees), Steps(4096 - steps));
        }
    }

    #[test]
    fn steps_become_degrees() {
        assert_eq!(mounting(false).degrees(Steps(2560)), 45.0);
        assert_eq!(mounting(true).degrees(Steps(2560)), -45.0);
        for tenth in -500..=500 {
            let degrees = f64::from(tenth) / 10.0;
            let back = mounting(false).degrees(mounting(false).steps(degrees));
            assert!((back - degrees).abs() <= 1.0 / STEPS_PER_DEGREE && back.abs() <= 50.0);
        }
    }

    #[test]
    fn an_angle_outside_the_limits_keeps_its_place() {
        assert_eq!(mounting(false).steps(90.0), Steps(3072));
        assert_eq!(mounting(false).steps(400.0), Steps(4095));
        assert_eq!(mounting(false).steps(-400.0), Steps(0));
    }

    #[test]
    fn the_range_of_an_axis_is_in_order_either_way_round() {
        assert_eq!(mounting(false).range(), (1480, 2616));
        assert_eq!(mounting(true).range(), (1480, 2616));
    }

    #[test]
    fn no_servo_jumps() {
        let within = |to, seconds| STS.within_reach(Steps(2048), Steps(to), seconds);
        assert!(within(2048 + 60, 0.02) && within(2048 - 400, 0.1));
        assert!(!within(4095, 0.02) && !within(-300, 5.0) && !within(2048 + 500, 5.0));
    }

    #[test]
    fn load_is_a_part_of_what_the_motor_can_do() {
        assert_eq!(mounting(false).load(850, 1000), 0.85);
        assert_eq!(mounting(true).load(850, 1000), -0.85);
        assert_eq!(mounting(false).load(-550, 1100), -0.5);
    }

    #[test]
    fn limits_lie_above_what_is_asked_for_and_within_the_registers() {
        assert_eq!(speed_limit(120.0), 2048);
        assert_eq!(speed_limit(1e9), 3000);
        assert_eq!(acceleration_limit(500.0), 86);
        assert_eq!((acceleration_limit(0.0), acceleration_limit(1e9)), (1, 254));
    }
}
