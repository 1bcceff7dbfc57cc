//! Where a face is in the room now, from pictures that are already a little old.

use std::time::Duration;

use crate::base::clock::Monotime;

/// Memory of the filter: a measurement loses weight by e in this time. Longer is smoother and later.
const MEMORY_SECONDS: f64 = 0.045;
/// A face that jumps by more than this between two pictures is somebody else, or was found anew: its
/// speed is unknown. A head that turns at 100 degrees a second moves 3.3 degrees from picture to picture.
const JUMP_DEGREES: f64 = 5.0;
/// After a longer gap between two pictures their difference says nothing about the speed.
const GAP: Duration = Duration::from_millis(400);
/// Prediction ends here: people change their mind faster than this.
const FARTHEST: f64 = 0.25;

/// Angle and speed of one axis, in degrees and degrees a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Where it is.
    pub angle: f64,
    /// How fast it moves.
    pub speed: f64,
}

/// An alpha-beta filter on one angle of the room, critically damped: alpha = 1 - theta^2,
/// beta = (1 - theta)^2 (Brookner, "Tracking and Kalman Filtering Made Easy").
#[derive(Debug)]
pub struct Estimator {
    top_speed: f64,
    last: Option<(Monotime, Estimate)>,
}

impl Estimator {
    /// An estimator that believes in no speed above `top_speed` degrees a second.
    #[must_use]
    pub const fn new(top_speed: f64) -> Self {
        Self {
            top_speed,
            last: None,
        }
    }

    /// The angle was measured in a picture that was captured at `at`. An older picture than the last one
    /// is ignored.
    pub fn update(&mut self, at: Monotime, measured: f64) {
        let fresh = Estimate {
            angle: measured,
            speed: 0.0,
        };
        let estimate = match self.last {
            Some((then, _)) if at <= then => return,
            Some((then, old)) if at.since(then) <= GAP => {
                let dt = at.seconds_since(then);
                let expected = old.angle + old.speed * dt;
                let residual = measured - expected;
                if residual.abs() > JUMP_DEGREES {
                    fresh
                } else {
                    let theta = (-dt / MEMORY_SECONDS).exp();
                    let alpha = 1.0 - theta * theta;
                    let beta = (1.0 - theta) * (1.0 - theta);
                    let speed = old.speed + beta / dt * residual;
                    Estimate {
                        angle: expected + alpha * residual,
                        speed: speed.clamp(-self.top_speed, self.top_speed),
                    }
                }
            }
            _ => fresh,
        };
        self.last = Some((at, estimate));
    }

    /// Where it is at `time`, by prediction over at most a quarter of a second; none before the first
    /// measurement.
    #[must_use]
    pub fn at(&self, time: Monotime) -> Option<Estimate> {
        self.last.map(|(then, e)| {
            let ahead = time.since(then).as_secs_f64();
            Estimate {
                angle: e.angle + e.speed * ahead.min(FARTHEST),
                // Beyond the prediction it stands.
                speed: if ahead < FARTHEST { e.speed } else { 0.0 },
            }
        })
    }

    /// What the last picture showed, without prediction.
    #[must_use]
    pub fn last(&self) -> Option<Estimate> {
        self.last.map(|(_, e)| e)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    #[test]
    fn learns_a_steady_speed_and_predicts_with_it() {
        let mut e = Estimator::new(120.0);
        for i in 0..30 {
            e.update(at(i * 33), 0.033 * 20.0 * i as f64);
        }
        let now = e.at(at(29 * 33 + 100)).unwrap();
        let truth = 20.0 * (29.0 * 0.033 + 0.1);
        assert!((now.angle - truth).abs() < 0.1, "{now:?} {truth}");
        assert!((now.speed - 20.0).abs() < 0.5);
    }

    #[test]
    fn a_jump_has_no_speed() {
        let mut e = Estimator::new(120.0);
        e.update(at(0), 0.0);
        e.update(at(33), 20.0);
        let found = Estimate {
            angle: 20.0,
            speed: 0.0,
        };
        assert_eq!(e.at(at(200)), Some(found));
    }

    #[test]
    fn prediction_is_capped_and_old_pictures_are_ignored() {
        let mut e = Estimator::new(50.0);
        for i in 0..30 {
            e.update(at(i * 33), 3.0 * i as f64);
        }
        e.update(at(10), -80.0);
        let near = e.at(at(29 * 33)).unwrap();
        let far = e.at(at(60_000)).unwrap();
        assert!(near.speed <= 50.0);
        assert!(far.angle - near.angle <= 50.0 * FARTHEST + 1e-9 && far.speed == 0.0);
    }
}
