//! Where a face is in the room now, from pictures that are already a little old.

use std::time::Duration;

use crate::base::clock::Monotime;

/// A face that jumps by more than this, and more than noise can make of it, between two pictures is somebody else, or was found anew: its
/// speed is unknown. A head that turns at 100 degrees a second moves 3.3 degrees from picture to picture.
const JUMP_DEGREES: f64 = 5.0;
/// People change their mind: of those who move, the part that still does is smaller by 1/e after so many seconds.
const STEADFAST: f64 = 1.5;
/// A picture that is off by so many times what was to be expected shows a face that has changed its mind.
const SUDDEN: f64 = 3.0;
/// After a longer gap between two pictures their difference says nothing about the speed.
const GAP: Duration = Duration::from_millis(400);

/// Angle and speed of one axis, in degrees and degrees a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Where it is.
    pub angle: f64,
    /// How fast it moves.
    pub speed: f64,
}

/// What is assumed of the faces and of what is measured of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assumed {
    /// Standard deviation of a measured angle, in degrees.
    pub noise: f64,
    /// How much the speed changes: its variance grows by so much a second, in degrees^2/s^3.
    pub unrest: f64,
    /// Standard deviation of the speed of a face that was just found, in degrees a second.
    pub first_speed: f64,
    /// No speed above this is believed, in degrees a second.
    pub top_speed: f64,
}

/// Angle and speed, and how well they are known.
#[derive(Debug, Clone, Copy)]
struct State {
    angle: f64,
    speed: f64,
    /// Variances of angle and speed, and their covariance.
    angle_angle: f64,
    angle_speed: f64,
    speed_speed: f64,
}

impl State {
    const fn fresh(measured: f64, variance: f64, first_speed: f64) -> Self {
        Self {
            angle: measured,
            speed: 0.0,
            angle_angle: variance,
            angle_speed: 0.0,
            speed_speed: first_speed * first_speed,
        }
    }

    /// Lets `h` seconds pass.
    fn pass(&mut self, h: f64, unrest: f64) {
        self.angle += self.speed * h;
        self.angle_angle +=
            h * (2.0 * self.angle_speed + h * self.speed_speed) + unrest * h.powi(3) / 3.0;
        self.angle_speed += h * self.speed_speed + unrest * h * h / 2.0;
        self.speed_speed += unrest * h;
    }

    /// Takes a measurement.
    fn correct(&mut self, residual: f64, variance: f64) {
        let whole = self.angle_angle + variance;
        let (angle, speed) = (self.angle_angle / whole, self.angle_speed / whole);
        self.angle += angle * residual;
        self.speed += speed * residual;
        self.speed_speed -= speed * self.angle_speed;
        self.angle_speed *= 1.0 - angle;
        self.angle_angle *= 1.0 - angle;
    }

    /// The speed, as far as it stands out from what is not known of it: that of a face that stands still is noise, and
    /// prediction would make an angle of it.
    fn certain_speed(&self) -> f64 {
        let square = self.speed * self.speed;
        self.speed * square / (square + self.speed_speed + f64::MIN_POSITIVE)
    }
}

/// For how many seconds' way somebody goes on at the same speed within the next `ahead` seconds, on average.
fn carried(ahead: f64) -> f64 {
    STEADFAST * (1.0 - (-ahead / STEADFAST).exp())
}

/// A Kalman filter on one angle of the room, of a face whose speed changes at random.
#[derive(Debug)]
pub struct Estimator {
    assumed: Assumed,
    last: Option<(Monotime, State)>,
}

impl Estimator {
    /// An estimator that has seen nothing yet.
    #[must_use]
    pub const fn new(assumed: Assumed) -> Self {
        Self {
            assumed,
            last: None,
        }
    }

    /// The angle was measured in a picture that was captured at `at`; `blur` is what it may be off in degrees, besides noise,
    /// as the mount was moving. An older picture than the last one is ignored.
    pub fn update(&mut self, at: Monotime, measured: f64, blur: f64) {
        let variance = self.assumed.noise * self.assumed.noise + blur * blur;
        let fresh = State::fresh(measured, variance, self.assumed.first_speed);
        let state = match self.last {
            Some((then, _)) if at <= then => return,
            Some((then, before)) if at.since(then) <= GAP => {
                let h = at.seconds_since(then);
                let mut state = before;
                state.pass(h, self.assumed.unrest);
                let residual = measured - state.angle;
                let expected = state.angle_angle + variance;
                if residual * residual > SUDDEN.powi(2) * expected {
                    // It has stopped or turned: its speed is as unknown as that of a face just found.
                    state = before;
                    state.speed_speed += self.assumed.first_speed.powi(2);
                    state.pass(h, self.assumed.unrest);
                }
                if residual.abs() > JUMP_DEGREES + 3.0 * self.assumed.noise + 2.0 * blur {
                    fresh
                } else {
                    state.correct(residual, variance);
                    let most = self.assumed.top_speed;
                    state.speed = state.speed.clamp(-most, most);
                    state
                }
            }
            _ => fresh,
        };
        self.last = Some((at, state));
    }

    /// Where it is at `time`, by prediction over at most `reach` seconds; none before the first measurement.
    #[must_use]
    pub fn at(&self, time: Monotime, reach: f64) -> Option<Estimate> {
        self.last.map(|(then, state)| {
            let ahead = time.since(then).as_secs_f64();
            let speed = state.certain_speed();
            Estimate {
                angle: state.angle + speed * carried(ahead.min(reach)),
                // Beyond the prediction it stands.
                speed: if ahead < reach { speed } else { 0.0 },
            }
        })
    }

    /// What the last picture showed, without prediction.
    #[must_use]
    pub fn last(&self) -> Option<Estimate> {
        self.last.map(|(_, state)| Estimate {
            angle: state.angle,
            speed: state.speed,
        })
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSUMED: Assumed = Assumed {
        noise: 0.15,
        unrest: 500.0,
        first_speed: 15.0,
        top_speed: 120.0,
    };

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    #[test]
    fn learns_a_steady_speed_and_predicts_with_it() {
        let mut e = Estimator::new(ASSUMED);
        for i in 0..30 {
            e.update(at(i * 33), 0.033 * 20.0 * i as f64, 0.0);
        }
        let now = e.at(at(29 * 33 + 100), 0.6).unwrap();
        let truth = 20.0 * (29.0 * 0.033 + 0.1);
        // A little less far than at that speed: people stop.
        assert!(
            now.angle < truth && (now.angle - truth).abs() < 0.2,
            "{now:?} {truth}"
        );
        assert!((now.speed - 20.0).abs() < 1.0);
    }

    #[test]
    fn follows_a_face_that_turns_round() {
        // 25 degrees at 0.2 Hz, predicted over 0.2 s.
        let place = |s: f64| 25.0 * (s * 0.4 * std::f64::consts::PI).sin();
        let mut e = Estimator::new(ASSUMED);
        let mut worst: f64 = 0.0;
        for i in 0..300 {
            let s = f64::from(i) / 30.0;
            e.update(
                Monotime::from_zero(Duration::from_secs_f64(s)),
                place(s),
                0.0,
            );
            if i > 30 {
                let ahead = Monotime::from_zero(Duration::from_secs_f64(s + 0.2));
                worst = worst.max((e.at(ahead, 0.6).unwrap().angle - place(s + 0.2)).abs());
            }
        }
        assert!(worst < 1.6, "{worst}");
    }

    #[test]
    fn a_jump_has_no_speed() {
        let mut e = Estimator::new(ASSUMED);
        e.update(at(0), 0.0, 0.0);
        e.update(at(33), 20.0, 0.0);
        let found = Estimate {
            angle: 20.0,
            speed: 0.0,
        };
        assert_eq!(e.at(at(200), 0.6), Some(found));
    }

    #[test]
    fn what_a_moving_mount_shows_counts_for_little() {
        let off = |blur: f64| {
            let mut e = Estimator::new(ASSUMED);
            (0..30).for_each(|i| e.update(at(i * 33), 10.0, 0.0));
            e.update(at(990), 12.0, blur);
            e.at(at(990), 0.6).unwrap().angle - 10.0
        };
        assert!(
            off(2.0) < 0.1 && off(0.0) > 1.0,
            "{} {}",
            off(2.0),
            off(0.0)
        );
    }

    #[test]
    fn prediction_is_capped_and_old_pictures_are_ignored() {
        let mut e = Estimator::new(Assumed {
            top_speed: 50.0,
            ..ASSUMED
        });
        for i in 0..30 {
            e.update(at(i * 33), 3.0 * i as f64, 0.0);
        }
        e.update(at(10), -80.0, 0.0);
        let near = e.at(at(29 * 33), 0.25).unwrap();
        let far = e.at(at(60_000), 0.25).unwrap();
        assert!(near.speed <= 50.0);
        assert!(far.angle - near.angle <= 50.0 * 0.25 + 1e-9 && far.speed == 0.0);
    }
}
