//! The movement of a simulated servo: a set point that keeps the limits, and a shaft that lags behind it.

/// What a servo can do, in steps and seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Highest speed in steps/s.
    pub speed: f64,
    /// Highest acceleration in steps/s^2.
    pub acceleration: f64,
    /// The shaft follows its regulator with this time constant, in seconds.
    pub lag: f64,
    /// The mechanical ends, in steps.
    pub ends: (f64, f64),
}

/// A shaft with its regulator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shaft {
    /// Set point of the regulator and its speed, in steps and steps/s.
    regulator: (f64, f64),
    angle: f64,
}

impl Shaft {
    /// A shaft at rest at this many steps.
    #[must_use]
    pub const fn at(steps: f64) -> Self {
        Self {
            regulator: (steps, 0.0),
            angle: steps,
        }
    }

    /// Where it is, in steps.
    #[must_use]
    pub const fn position(&self) -> f64 {
        self.angle
    }

    /// Where its regulator wants it at this moment, and how fast that moves.
    #[must_use]
    pub const fn regulator(&self) -> (f64, f64) {
        self.regulator
    }

    /// Lets `h` seconds pass on the way to `goal`; without torque there is none.
    pub fn step(&mut self, h: f64, goal: Option<f64>, limits: Limits) {
        let Some(goal) = goal else {
            // Without torque it stays where it is: the gears hold the camera.
            self.regulator = (self.angle, 0.0);
            return;
        };
        let (at, speed) = self.regulator;
        let left = goal - at;
        let wanted = (2.0 * limits.acceleration * left.abs())
            .sqrt()
            .min(limits.speed)
            .min(left.abs() / h);
        let wanted = wanted.copysign(left);
        let change = limits.acceleration * h;
        let speed = wanted.clamp(speed - change, speed + change);
        let at = at + speed * h;
        self.regulator = (at, speed);
        let free = self.angle + (at - self.angle) * (1.0 - (-h / limits.lag).exp());
        self.angle = free.clamp(limits.ends.0, limits.ends.1);
    }
}
