//! How much a head leans, from closer looks at it.
//!
//! YuNet draws the eyes of small faces towards the level: where a face is 50 pixels wide in its input, the
//! newer model shows 0.17 degrees for each degree of roll and the older one 0.5; at 160 pixels they show 0.5
//! to 1 (measured on rotated photographs and on the clips). So the largest face is looked at once more,
//! enlarged, but only now and then: heads roll slowly, and what was seen holds for some pictures. The coarse
//! angle in between is not used: it has little of the truth and two degrees of noise.

use super::{Face, Point};

/// Every so many pictures the face is looked at once more.
const EVERY: u32 = 5;
/// After so many pictures without a closer look that succeeded, the angle is forgotten.
const FORGET: u32 = 30;
/// Most degrees that are believed; a face that leans more is not found in the first place.
const MOST: f32 = 45.0;

/// What the closer look at one face showed.
#[derive(Debug, Default)]
pub struct Lean {
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    /// Degrees, clockwise.
    roll: f32,
    /// Where the face was.
    centre: Point,
    /// Pictures since the last closer look, and since the last one that succeeded.
    looked: u32,
    succeeded: u32,
}

impl Lean {
    /// Whether the face, the largest of a new picture, is to be looked at closely.
    pub fn wants_look(&mut self, face: &Face) -> bool {
        let centre = face.centre();
        self.known = self.known.take().filter(|known| {
            let moved = (known.centre.x - centre.x).hypot(known.centre.y - centre.y);
            moved < face.w && known.succeeded < FORGET
        });
        match &mut self.known {
            None => true,
            Some(known) => {
                known.centre = centre;
                known.looked += 1;
                known.succeeded += 1;
                known.looked >= EVERY
            }
        }
    }

    /// What the closer look showed: the roll in degrees, or nothing.
    pub fn looked(&mut self, face: &Face, roll: Option<f32>) {
        match (roll, &mut self.known) {
            (Some(roll), _) => {
                self.known = Some(Known {
                    roll: roll.clamp(-MOST, MOST),
                    centre: face.centre(),
                    looked: 0,
                    succeeded: 0,
                });
            }
            (None, Some(known)) => known.looked = 0,
            (None, None) => {}
        }
    }

    /// The face with the line between its eyes turned to the known angle; the aim point stays.
    pub fn corrected(&self, face: Face) -> Face {
        let Some(known) = &self.known else {
            return face;
        };
        let turn = known.roll - face.roll_degrees();
        let (sin, cos) = turn.to_radians().sin_cos();
        let aim = face.aim();
        let turned = |eye: Point| {
            let (x, y) = (eye.x - aim.x, eye.y - aim.y);
            Point {
                x: aim.x + x * cos - y * sin,
                y: aim.y + x * sin + y * cos,
            }
        };
        Face {
            left_eye: turned(face.left_eye),
            right_eye: turned(face.right_eye),
            ..face
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32) -> Face {
        Face {
            x,
            y: 0.0,
            w: 100.0,
            h: 120.0,
            left_eye: Point {
                x: x + 30.0,
                y: 50.0,
            },
            right_eye: Point {
                x: x + 70.0,
                y: 50.0,
            },
            score: 0.9,
        }
    }

    #[test]
    fn the_angle_is_kept_between_looks_and_turns_about_the_aim() {
        let mut lean = Lean::default();
        assert!(lean.wants_look(&face(0.0)), "a new face is looked at");
        lean.looked(&face(0.0), Some(12.0));
        for n in 1..EVERY {
            assert!(!lean.wants_look(&face(n as f32)), "{n}");
            let corrected = lean.corrected(face(n as f32));
            assert!((corrected.roll_degrees() - 12.0).abs() < 0.01);
            let (a, b) = (corrected.aim(), face(n as f32).aim());
            assert!((a.x - b.x).abs() < 0.01 && (a.y - b.y).abs() < 0.01);
        }
        assert!(lean.wants_look(&face(5.0)));
    }

    #[test]
    fn another_face_begins_anew() {
        let mut lean = Lean::default();
        lean.looked(&face(0.0), Some(12.0));
        assert!(lean.wants_look(&face(300.0)));
        assert_eq!(lean.corrected(face(300.0)), face(300.0));
    }

    #[test]
    fn what_cannot_be_confirmed_is_forgotten() {
        let mut lean = Lean::default();
        lean.looked(&face(0.0), Some(12.0));
        let mut looks = 0;
        for _ in 0..FORGET {
            if lean.wants_look(&face(0.0)) {
                looks += 1;
                lean.looked(&face(0.0), None);
            }
        }
        assert_eq!(looks, FORGET / EVERY);
        assert!(lean.wants_look(&face(0.0)));
        assert_eq!(lean.corrected(face(0.0)), face(0.0));
    }

    #[test]
    fn absurd_angles_are_bounded() {
        let mut lean = Lean::default();
        lean.looked(&face(0.0), Some(89.0));
        assert!((lean.corrected(face(0.0)).roll_degrees() - MOST).abs() < 0.1);
    }
}
