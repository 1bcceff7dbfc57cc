//! What a camera would see: the inverse of what control makes of a picture, for simulations without pixels.

use crate::follow::detect::{Face, Point};
use crate::follow::optics::{Optics, from_room};
use crate::follow::pose::Pose;

/// Width and height in pixels of the pictures that simulations reckon with.
pub const PICTURE: (u32, u32) = (640, 480);

/// The face of somebody at `room`, `size` pixels wide, as a camera at `pose` has it in a [`PICTURE`]. None where the
/// middle between the eyes lies outside of the picture.
#[must_use]
pub fn face(optics: &Optics, pose: Pose, room: Pose, size: f64) -> Option<Face> {
    let (width, height) = (f64::from(PICTURE.0), f64::from(PICTURE.1));
    let (direction, inclination) = from_room(pose, room);
    let (x, y) = optics.pixel(direction, width, height)?;
    if !(0.0..width).contains(&x) || !(0.0..height).contains(&y) {
        return None;
    }
    let (sin, cos) = inclination.to_radians().sin_cos();
    let eye = |side: f64| Point {
        x: (x + side * size / 4.0 * cos) as f32,
        y: (y + side * size / 4.0 * sin) as f32,
    };
    Some(Face {
        x: (x - size / 2.0) as f32,
        y: (y - size * 0.4) as f32,
        w: size as f32,
        h: (size * 1.2) as f32,
        left_eye: eye(-1.0),
        right_eye: eye(1.0),
        score: 0.9,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_face_lies_where_it_stands_and_nowhere_beyond_the_edge() {
        let optics = Optics::new(&Config::default().camera);
        let at = |pan: f64| Pose {
            pan,
            roll: 30.0,
            ..Pose::HOME
        };
        let seen = face(&optics, at(10.0), at(10.0), 100.0).unwrap();
        assert_eq!((seen.aim().x, seen.aim().y), (320.0, 240.0));
        assert_eq!(seen.roll_degrees(), 0.0, "it leans as the camera does");
        let level = Pose {
            roll: 0.0,
            ..at(10.0)
        };
        let seen = face(&optics, level, at(20.0), 100.0).unwrap();
        assert!(seen.aim().x > 400.0 && (seen.roll_degrees() - 30.0).abs() < 1e-3);
        assert_eq!(face(&optics, level, at(43.0), 100.0), None);
    }
}
