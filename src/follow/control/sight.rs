//! From a face in a picture to a direction, whatever a detector may claim.

use crate::follow::detect::Face;

use crate::follow::optics::{Direction, Optics};

/// Eyes that are nearer to each other than this part of the box say nothing about the inclination.
const EYES_APART: f64 = 0.1;
/// People do not lean their head farther; a steeper line is a mistaken eye.
const STEEPEST: f64 = 60.0;

/// Where a face is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sight {
    /// From the axis of the camera.
    pub direction: Direction,
    /// How the head leans in the picture, clockwise, in degrees; none if the eyes do not tell.
    pub inclination: Option<f64>,
}

impl Sight {
    /// The direction of a face in a picture of this size. None where its numbers make no sense.
    #[must_use]
    pub fn of(face: &Face, optics: &Optics, width: u32, height: u32) -> Option<Self> {
        let (w, h) = (f64::from(width), f64::from(height));
        if width == 0 || height == 0 || !(face.w > 0.0 && face.h > 0.0) {
            return None;
        }
        let (box_w, box_h) = (f64::from(face.w), f64::from(face.h));
        let centre = (
            f64::from(face.x) + box_w / 2.0,
            f64::from(face.y) + box_h / 2.0,
        );
        let eyes = (f64::from(face.aim().x), f64::from(face.aim().y));
        let plausible = (eyes.0 - centre.0).abs() <= box_w && (eyes.1 - centre.1).abs() <= box_h;
        let (x, y) = if plausible { eyes } else { centre };
        // A box may reach over the edge, but its aim cannot lie far outside of the picture. The
        // comparisons refuse what is not a number.
        let near = |at: f64, size: f64| (-size / 2.0..=size * 1.5).contains(&at);
        if !(near(x, w) && near(y, h)) {
            return None;
        }
        let apart = f64::from(face.right_eye.x) - f64::from(face.left_eye.x);
        let inclination = f64::from(face.roll_degrees());
        let tells = plausible && apart > EYES_APART * box_w && inclination.abs() <= STEEPEST;
        Some(Self {
            direction: optics.direction(x.clamp(0.0, w), y.clamp(0.0, h), w, h),
            inclination: tells.then_some(inclination),
        })
    }

    /// Whether the face is within `tolerance` degrees of the middle, sideways and in height.
    #[must_use]
    pub fn centred(&self, tolerance: f64) -> bool {
        self.direction.right.abs() <= tolerance && self.direction.up.abs() <= tolerance
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::follow::detect::Point;

    fn optics() -> Optics {
        Optics::new(&Config::default().camera)
    }

    fn face() -> Face {
        Face {
            x: 280.0,
            y: 200.0,
            w: 80.0,
            h: 80.0,
            left_eye: Point { x: 300.0, y: 240.0 },
            right_eye: Point { x: 340.0, y: 240.0 },
            score: 0.9,
        }
    }

    #[test]
    fn the_middle_between_the_eyes_counts() {
        let sight = Sight::of(&face(), &optics(), 640, 480).unwrap();
        assert_eq!(sight.direction, Direction::default());
        assert_eq!(sight.inclination, Some(0.0));
        assert!(sight.centred(0.1));
    }

    #[test]
    fn eyes_far_from_the_box_are_not_believed() {
        let nan = Point {
            x: f32::NAN,
            y: 240.0,
        };
        for eye in [nan, Point { x: 9000.0, y: 0.0 }] {
            let sight = Sight::of(
                &Face {
                    right_eye: eye,
                    ..face()
                },
                &optics(),
                640,
                480,
            )
            .unwrap();
            assert_eq!(sight.direction, Direction::default());
            assert_eq!(sight.inclination, None);
        }
    }

    #[test]
    fn nonsense_is_no_sight() {
        for bad in [
            Face { w: 0.0, ..face() },
            Face {
                h: f32::NAN,
                ..face()
            },
            Face {
                x: f32::NAN,
                left_eye: Point {
                    x: f32::NAN,
                    y: 0.0,
                },
                ..face()
            },
            Face {
                x: f32::INFINITY,
                ..face()
            },
            Face {
                x: 1e30,
                w: 1e30,
                ..face()
            },
        ] {
            assert_eq!(Sight::of(&bad, &optics(), 640, 480), None, "{bad:?}");
        }
        assert_eq!(Sight::of(&face(), &optics(), 0, 480), None);
    }
}
