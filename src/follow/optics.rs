//! Pixels and angles: the lens, and the mount that carries it.

use crate::config::{self, Lens};

use super::pose::Pose;

/// The projection of a camera.
#[derive(Debug, Clone, Copy)]
pub struct Optics {
    lens: Lens,
    /// Half of the horizontal field of view.
    half_fov_radians: f64,
}

/// A direction seen from the camera, in degrees from its axis.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Direction {
    /// To the right in the picture.
    pub right: f64,
    /// Up in the picture.
    pub up: f64,
}

impl Optics {
    /// The projection that the configuration describes.
    #[must_use]
    pub fn new(camera: &config::Camera) -> Self {
        Self {
            lens: camera.lens,
            half_fov_radians: (camera.fov_degrees / 2.0).to_radians(),
        }
    }

    /// Focal length in pixels of a picture this wide: fx = (W/2) / tan(HFOV/2) for a rectilinear lens,
    /// (W/2) / (HFOV/2) for an equidistant one. Pixels are square, so fy is the same.
    fn focal(&self, width: f64) -> f64 {
        match self.lens {
            Lens::Rectilinear => width / 2.0 / self.half_fov_radians.tan(),
            Lens::Fisheye => width / 2.0 / self.half_fov_radians,
        }
    }

    /// The direction of a pixel (from the left top corner) of a picture of this size.
    #[must_use]
    pub fn direction(&self, x: f64, y: f64, width: f64, height: f64) -> Direction {
        let f = self.focal(width.max(1.0));
        let angle = |pixels: f64| match self.lens {
            Lens::Rectilinear => (pixels / f).atan().to_degrees(),
            Lens::Fisheye => (pixels / f).to_degrees(),
        };
        Direction {
            right: angle(x - width / 2.0),
            up: angle(height / 2.0 - y),
        }
    }

    /// The pixel of a direction; the inverse of [`direction`](Self::direction). None behind the camera.
    #[must_use]
    pub fn pixel(&self, d: Direction, width: f64, height: f64) -> Option<(f64, f64)> {
        let f = self.focal(width.max(1.0));
        let pixels = |degrees: f64| match self.lens {
            Lens::Rectilinear if degrees.abs() < 89.0 => Some(degrees.to_radians().tan() * f),
            Lens::Rectilinear => None,
            Lens::Fisheye => Some(degrees.to_radians() * f),
        };
        Some((width / 2.0 + pixels(d.right)?, height / 2.0 - pixels(d.up)?))
    }
}

/// Turns a vector in the picture counter-clockwise by `degrees`.
fn turned(d: Direction, degrees: f64) -> Direction {
    let (sin, cos) = degrees.to_radians().sin_cos();
    Direction {
        right: d.right * cos - d.up * sin,
        up: d.right * sin + d.up * cos,
    }
}

/// Where in the room something is that the camera sees in direction `seen` and inclined by
/// `inclination` degrees, while the mount stands at `pose`: the pose that would centre it upright.
/// `rolled` is the angle by which the picture itself was turned clockwise: `pose.roll`, unless it comes
/// from a recording.
///
/// Angles add up as if the axes met in one point, which is right to a small part of the offset, and the
/// offset shrinks as the mount turns.
#[must_use]
pub fn to_room(pose: Pose, rolled: f64, seen: Direction, inclination: f64) -> Pose {
    // A camera rolled clockwise shows the room rolled counter-clockwise; turn it back.
    let level = turned(seen, -rolled);
    Pose {
        pan: pose.pan + level.right,
        tilt: pose.tilt + level.up,
        roll: pose.roll + inclination,
    }
}

/// The inverse of [`to_room`]: how a camera at `pose` sees something that stands at `room`. Returns its
/// direction and inclination.
#[must_use]
pub fn from_room(pose: Pose, room: Pose) -> (Direction, f64) {
    let level = Direction {
        right: room.pan - pose.pan,
        up: room.tilt - pose.tilt,
    };
    (turned(level, pose.roll), room.roll - pose.roll)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn optics(lens: Lens, fov_degrees: f64) -> Optics {
        Optics::new(&config::Camera {
            lens,
            fov_degrees,
            ..Config::default().camera
        })
    }

    #[test]
    fn the_edge_lies_at_half_the_field_of_view() {
        for (lens, fov) in [(Lens::Rectilinear, 65.0), (Lens::Fisheye, 130.0)] {
            let d = optics(lens, fov).direction(640.0, 240.0, 640.0, 480.0);
            assert!(
                (d.right - fov / 2.0).abs() < 1e-9 && d.up.abs() < 1e-9,
                "{lens:?} {d:?}"
            );
        }
    }

    #[test]
    fn left_and_up_have_their_signs() {
        let d = optics(Lens::Rectilinear, 65.0).direction(100.0, 100.0, 640.0, 480.0);
        assert!(d.right < 0.0 && d.up > 0.0);
    }

    #[test]
    fn pixel_undoes_direction() {
        for (lens, fov) in [(Lens::Rectilinear, 65.0), (Lens::Fisheye, 180.0)] {
            let o = optics(lens, fov);
            let (x, y) = o
                .pixel(o.direction(600.0, 30.0, 640.0, 480.0), 640.0, 480.0)
                .unwrap();
            assert!(
                (x - 600.0).abs() < 1e-6 && (y - 30.0).abs() < 1e-6,
                "{lens:?}"
            );
        }
    }

    #[test]
    fn room_and_picture_undo_each_other_at_any_pose() {
        let pose = Pose {
            pan: 12.0,
            tilt: -7.0,
            roll: 25.0,
        };
        let room = Pose {
            pan: 20.0,
            tilt: 3.0,
            roll: 5.0,
        };
        let (seen, inclination) = from_room(pose, room);
        let back = to_room(pose, pose.roll, seen, inclination);
        assert!((back.pan - room.pan).abs() < 1e-9 && (back.tilt - room.tilt).abs() < 1e-9);
        assert!((back.roll - room.roll).abs() < 1e-9);
    }

    #[test]
    fn a_camera_rolled_clockwise_sees_the_right_side_turned_up() {
        let pose = Pose {
            roll: 90.0,
            ..Pose::HOME
        };
        let (seen, inclination) = from_room(
            pose,
            Pose {
                pan: 10.0,
                ..Pose::HOME
            },
        );
        assert!(
            (seen.up - 10.0).abs() < 1e-9 && seen.right.abs() < 1e-9,
            "{seen:?}"
        );
        assert!((inclination + 90.0).abs() < 1e-9);
    }
}
