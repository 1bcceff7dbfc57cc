//! Where in the room the pixels of a picture lie, as far as that is known.

use crate::follow::optics::{Optics, from_room, to_room};
use crate::follow::pose::{Gaze, Pose};

/// A place of a face: degrees of the room (to the right, up) where it is known where the camera looked, otherwise pixels
/// (to the right, down). Only differences and ratios are reckoned with.
pub type Place = [f64; 2];

/// How one picture shows the room.
#[derive(Debug, Clone, Copy)]
pub enum View {
    /// What lies in the picture is all that is known.
    Flat,
    /// The camera looked there.
    Room {
        /// The lens.
        optics: Optics,
        /// Width and height of the picture in pixels.
        size: (f64, f64),
        /// Where it looked.
        pose: Pose,
    },
}

impl View {
    /// The view of a picture of this size in pixels.
    #[must_use]
    pub fn new(optics: Optics, (width, height): (u32, u32), gaze: Gaze) -> Self {
        match gaze {
            Gaze::Known { pose, .. } => Self::Room {
                optics,
                size: (f64::from(width), f64::from(height)),
                pose,
            },
            Gaze::Fixed | Gaze::Unknown => Self::Flat,
        }
    }

    /// The place of a pixel.
    #[must_use]
    pub fn place(&self, x: f64, y: f64) -> Place {
        match self {
            Self::Flat => [x, y],
            Self::Room { optics, size, pose } => {
                let seen = optics.direction(x, y, size.0, size.1);
                let room = to_room(*pose, pose.roll, seen, 0.0);
                [room.pan, room.tilt]
            }
        }
    }

    /// The pixel of a place, which may lie outside of the picture; none behind the camera.
    #[must_use]
    pub fn pixel(&self, place: Place) -> Option<(f64, f64)> {
        match self {
            Self::Flat => Some((place[0], place[1])),
            Self::Room { optics, size, pose } => {
                let room = Pose {
                    pan: place[0],
                    tilt: place[1],
                    roll: 0.0,
                };
                let (direction, _) = from_room(*pose, room);
                optics.pixel(direction, size.0, size.1)
            }
        }
    }

    /// Whether places mean the same in both.
    #[must_use]
    pub const fn alike(&self, other: &Self) -> bool {
        matches!(
            (self, other),
            (Self::Flat, Self::Flat) | (Self::Room { .. }, Self::Room { .. })
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_stands_in_the_room_keeps_its_place_while_the_camera_turns_and_rolls() {
        let optics = Optics::new(&Config::default().camera);
        let look = |pan, roll| {
            let pose = Pose {
                pan,
                tilt: 3.0,
                roll,
            };
            View::new(optics, (640, 480), Gaze::Known { pose, speed: 0.0 })
        };
        let before = look(0.0, 0.0);
        let place = before.place(400.0, 200.0);
        let after = look(12.0, 8.0);
        let (x, y) = after.pixel(place).unwrap();
        assert!(x < 320.0, "it went to the left: {x}");
        let again = after.place(x, y);
        assert!((again[0] - place[0]).abs() < 1e-9 && (again[1] - place[1]).abs() < 1e-9);
        assert_eq!(View::Flat.pixel([7.0, 8.0]), Some((7.0, 8.0)));
        assert!(before.alike(&after) && !before.alike(&View::Flat));
    }
}
