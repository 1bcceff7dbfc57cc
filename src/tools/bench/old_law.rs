//! The law of the tracker that FaceTap replaces: PD on pixels, with whatever delay there is.

use super::camera::Picture;
use super::controller::Controller;
use super::mount::Caps;
use crate::follow::control::{Axis, Each};
use crate::follow::detect::Face;
use crate::follow::pose::Pose;
use crate::follow::servo::steps::STEPS_PER_DEGREE;
use crate::follow::view::PICTURE;

/// One command every so many pictures.
const EVERY: u64 = 5;
/// Range of each axis in steps from the centre.
const RANGE: f64 = 568.0;
/// Without a face for this long, in ms, it goes to neutral.
const NEUTRAL: u64 = 10_000;
/// Torque is released when it has had this long, in ms, to get there.
const RELEASE: u64 = 5000;

/// Gains and dead zone of an axis: pixels for pan and tilt, degrees for roll, to steps.
struct Axes {
    proportional: f64,
    derivative: f64,
    scale: f64,
    dead_zone: f64,
}

const fn gains(axis: Axis) -> Axes {
    let (derivative, scale, dead_zone) = match axis {
        Axis::Pan => (1.2, 1.0, 20.0),
        Axis::Tilt => (1.0, 1.0, 20.0),
        Axis::Roll => (1.0, 5.0, 6.0),
    };
    Axes {
        proportional: 0.3,
        derivative,
        scale,
        dead_zone,
    }
}

/// The PD law with its state.
#[derive(Default)]
pub(super) struct OldLaw {
    /// Steps from the centre.
    offset: Each<f64>,
    /// Errors at the last command.
    before: Option<Each<f64>>,
    pictures: u64,
    /// When a face was last seen, in ms.
    seen: Option<u64>,
}

impl Controller for OldLaw {
    fn caps(&self) -> Caps {
        Caps {
            speed: 200.0,
            acceleration: 500.0,
        }
    }

    fn see(&mut self, picture: &Picture, face: Option<Face>) {
        self.pictures += 1;
        let Some(face) = face else {
            return;
        };
        self.seen = Some(picture.ready);
        if !self.pictures.is_multiple_of(EVERY) {
            return;
        }
        let aim = face.aim();
        let error = Each {
            pan: f64::from(aim.x) - f64::from(PICTURE.0) / 2.0,
            tilt: f64::from(PICTURE.1) / 2.0 - f64::from(aim.y),
            roll: f64::from(face.roll_degrees()),
        };
        let before = self.before.replace(error).unwrap_or(error);
        for axis in Axis::ALL {
            let gains = gains(axis);
            if error[axis].abs() <= gains.dead_zone {
                continue;
            }
            let change =
                gains.proportional * error[axis] + gains.derivative * (error[axis] - before[axis]);
            self.offset[axis] = (self.offset[axis] + gains.scale * change).clamp(-RANGE, RANGE);
        }
    }

    fn tick(&mut self, ms: u64, _: Pose) -> Option<Pose> {
        let missed = ms.saturating_sub(self.seen.unwrap_or(0));
        if self.seen.is_none() || missed > NEUTRAL {
            self.offset = Each::default();
            self.before = None;
        }
        let holds = self.seen.is_some() && missed <= NEUTRAL + RELEASE;
        holds.then(|| Each::new(|axis| self.offset[axis] / STEPS_PER_DEGREE).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::detect::Point;

    fn face(x: f32, y: f32) -> Face {
        let eye = |dx: f32| Point { x: x + dx, y };
        Face {
            x: x - 50.0,
            y: y - 40.0,
            w: 100.0,
            h: 120.0,
            left_eye: eye(-25.0),
            right_eye: eye(25.0),
            score: 0.9,
        }
    }

    fn show(law: &mut OldLaw, frame: u64, face: Option<Face>) {
        let ms = frame * 33;
        let picture = Picture {
            frame,
            exposed: ms,
            arrived: ms,
            ready: ms,
            faces: Vec::new(),
        };
        law.see(&picture, face);
    }

    #[test]
    fn every_fifth_picture_adds_its_part_and_its_change() {
        let mut law = OldLaw::default();
        (1..=4).for_each(|i| show(&mut law, i, Some(face(420.0, 240.0))));
        assert_eq!(law.offset.pan, 0.0);
        show(&mut law, 5, Some(face(420.0, 240.0)));
        assert!((law.offset.pan - 30.0).abs() < 1e-6, "{:?}", law.offset);
        (6..=10).for_each(|i| show(&mut law, i, Some(face(370.0, 200.0))));
        // 0.3 * 50 + 1.2 * -50; tilt 0.3 * 40 + 1.0 * 40.
        assert!(
            (law.offset.pan - 30.0 - 15.0 + 60.0).abs() < 1e-6,
            "{:?}",
            law.offset
        );
        assert!((law.offset.tilt - 52.0).abs() < 1e-6, "{:?}", law.offset);
        // Within the dead zone nothing is added.
        let before = law.offset;
        (11..=15).for_each(|i| show(&mut law, i, Some(face(339.0, 240.0))));
        assert_eq!(law.offset, before);
        (16..=900).for_each(|i| show(&mut law, i, Some(face(639.0, 240.0))));
        assert_eq!(law.offset.pan, RANGE);
    }

    #[test]
    fn after_ten_seconds_without_a_face_it_goes_to_neutral_and_lets_go() {
        let mut law = OldLaw::default();
        assert_eq!(law.tick(0, Pose::HOME), None);
        (1..=5).for_each(|i| show(&mut law, i, Some(face(420.0, 240.0))));
        assert!(law.tick(9_000, Pose::HOME).unwrap().pan > 2.0);
        assert_eq!(law.tick(10_200, Pose::HOME), Some(Pose::HOME));
        assert_eq!(law.tick(20_000, Pose::HOME), None);
    }
}
