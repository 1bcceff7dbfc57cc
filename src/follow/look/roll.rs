//! How the followed head leans, from closer looks at it now and then.
//!
//! YuNet draws the eyes of small faces towards the level: in the looks that keep a face, two hundredths of the inclination
//! are left of it, at 160 pixels a half to all of it (measured on rotated photographs and on the clips). So the eyes of
//! such looks say nothing, and the face is looked at once more, enlarged, now and then: heads roll slowly, and what was
//! seen holds for some time. It is kept as an angle of the room, for the mount rolls meanwhile.

use std::time::Duration;

use crate::base::clock::Monotime;
use crate::follow::detect::Face;
use crate::follow::pose::Gaze;

/// Seconds between two closer looks at a head that is held still, and at one that is not; and pictures, where they are few.
const CALM: (f64, u32) = (0.7, 18);
const LIVELY: (f64, u32) = (0.25, 6);
/// The eyes of a small face tell little, so that it is not worth more than this.
const SMALL: (f64, u32) = (2.0, 24);
/// Degrees from one look to the next from which on a head is not held still.
const LEANT: f32 = 3.0;
/// After so long without a closer look that succeeded the angle is forgotten.
const FORGET: Duration = Duration::from_secs(4);
/// Most degrees that are believed; a face that leans more is not found in the first place.
const MOST: f32 = 45.0;

/// What closer looks have shown of one face.
#[derive(Debug, Default)]
pub struct Roll {
    /// The number of the face.
    of: Option<u64>,
    known: Option<Known>,
    looked: Option<Monotime>,
    /// Pictures since.
    pictures: u32,
    lively: bool,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    /// Degrees clockwise in the room where `fixed` is false, otherwise in the picture.
    degrees: f32,
    fixed: bool,
    at: Monotime,
}

/// By how much the picture was rolled; none if that is not known.
fn rolled(gaze: Gaze) -> Option<(f32, bool)> {
    match gaze {
        Gaze::Fixed => Some((0.0, true)),
        Gaze::Known { pose, .. } => Some((pose.roll as f32, false)),
        Gaze::Unknown => None,
    }
}

impl Roll {
    /// Whether this face is to be looked at closely now; to be asked at every picture.
    pub fn is_due(&mut self, now: Monotime, id: u64, small: bool) -> bool {
        if self.of != Some(id) {
            *self = Self {
                of: Some(id),
                ..Self::default()
            };
        }
        self.pictures = self.pictures.saturating_add(1);
        let (seconds, pictures) = match self.lively {
            _ if small => SMALL,
            true => LIVELY,
            false => CALM,
        };
        self.looked.is_none_or(|looked| {
            self.pictures >= pictures && now.since(looked).as_secs_f64() >= seconds
        })
    }

    /// A closer look has shown this angle in the picture, or nothing.
    pub fn looked(&mut self, now: Monotime, gaze: Gaze, degrees: Option<f32>) {
        self.looked = Some(now);
        self.pictures = 0;
        let (Some(degrees), Some((rolled, fixed))) = (degrees, rolled(gaze)) else {
            self.lively = false;
            return;
        };
        let degrees = degrees.clamp(-MOST, MOST) + rolled;
        let before = self.known.replace(Known {
            degrees,
            fixed,
            at: now,
        });
        self.lively = before.is_none_or(|b| (b.degrees - degrees).abs() > LEANT);
    }

    /// The face with its eyes as they are known to be.
    #[must_use]
    pub fn shown(&self, now: Monotime, gaze: Gaze, face: Face) -> Face {
        let angle = self
            .known
            .zip(rolled(gaze))
            .and_then(|(known, (rolled, fixed))| {
                let holds = now.since(known.at) <= FORGET && known.fixed == fixed;
                holds.then_some(known.degrees - rolled)
            });
        match angle {
            Some(angle) => face.leaning(angle),
            None => face.of_unknown_lean(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::detect::Point;
    use crate::follow::pose::Pose;

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn face() -> Face {
        Face {
            x: 0.0,
            y: 0.0,
            w: 100.0,
            h: 120.0,
            left_eye: Point { x: 30.0, y: 50.0 },
            right_eye: Point { x: 70.0, y: 50.0 },
            score: 0.9,
        }
    }

    fn rolled(degrees: f64) -> Gaze {
        let pose = Pose {
            roll: degrees,
            ..Pose::HOME
        };
        Gaze::Known { pose, speed: 0.0 }
    }

    #[test]
    fn the_angle_is_one_of_the_room_and_turns_about_the_aim() {
        let mut roll = Roll::default();
        assert!(roll.is_due(at(0), 1, false));
        roll.looked(at(0), rolled(5.0), Some(12.0));
        let shown = roll.shown(at(300), rolled(10.0), face());
        assert!((shown.roll_degrees() - 7.0).abs() < 0.01);
        let (a, b) = (shown.aim(), face().aim());
        assert!((a.x - b.x).abs() < 0.01 && (a.y - b.y).abs() < 0.01);
        // Nothing is made up where it is not known how the picture was rolled, or after too long.
        for (ms, gaze) in [
            (300, Gaze::Unknown),
            (300, Gaze::Fixed),
            (5000, rolled(5.0)),
        ] {
            let shown = roll.shown(at(ms), gaze, face());
            assert_eq!(shown.left_eye, shown.right_eye);
        }
    }

    #[test]
    fn a_head_that_leans_is_looked_at_more_often_and_another_one_at_once() {
        let mut roll = Roll::default();
        let mut looks = Vec::new();
        for ms in (0..5000).step_by(50) {
            if roll.is_due(at(ms), 1, false) {
                looks.push(ms);
                // It begins to lean after two seconds.
                let angle = (ms.max(2000) - 2000).min(1000) as f32 * 0.02;
                roll.looked(at(ms), Gaze::Fixed, Some(angle));
            }
        }
        let within = |from, to| looks.iter().filter(|l| (from..to).contains(*l)).count();
        assert!(
            within(500, 2000) <= 2 && within(2000, 3500) >= 3,
            "{looks:?}"
        );
        assert!(roll.is_due(at(5000), 2, false));
        let unknown = roll.shown(at(5000), Gaze::Fixed, face());
        assert_eq!(unknown.left_eye, unknown.right_eye);
    }

    #[test]
    fn absurd_angles_are_bounded() {
        let mut roll = Roll::default();
        roll.is_due(at(0), 1, false);
        roll.looked(at(0), Gaze::Fixed, Some(89.0));
        let shown = roll.shown(at(0), Gaze::Fixed, face());
        assert!((shown.roll_degrees() - MOST).abs() < 0.1);
    }
}
