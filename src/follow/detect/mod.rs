//! Detect: a picture in, faces out.
//!
//! [`open`] chooses between YuNet and Haar; both see a reduced picture (`decode`) and answer in pixels
//! of the full one.

mod choose;
mod decode;
pub(crate) mod haar;
mod lean;
#[cfg(test)]
pub(crate) mod tests;
mod yunet;

use anyhow::Result;

use crate::follow::camera::Picture;

pub use choose::open;

/// A point in pixels of the full picture, from its left top corner.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Downwards.
    pub y: f32,
}

/// A face in pixels of the full picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// Left edge of the box.
    pub x: f32,
    /// Upper edge of the box.
    pub y: f32,
    /// Width of the box.
    pub w: f32,
    /// Height of the box.
    pub h: f32,
    /// The eye on the left side of the picture.
    pub left_eye: Point,
    /// The eye on the right side of the picture.
    pub right_eye: Point,
    /// Confidence, 0 to 1.
    pub score: f32,
}

impl Face {
    /// Area of the box in square pixels.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.w * self.h
    }

    /// The middle of the box.
    #[must_use]
    pub fn centre(&self) -> Point {
        Point {
            x: self.x + self.w / 2.0,
            y: self.y + self.h / 2.0,
        }
    }

    /// The point to follow: the middle between the eyes.
    #[must_use]
    pub fn aim(&self) -> Point {
        Point {
            x: (self.left_eye.x + self.right_eye.x) / 2.0,
            y: (self.left_eye.y + self.right_eye.y) / 2.0,
        }
    }

    /// Angle of the line between the eyes in degrees, positive when the head leans clockwise as seen in
    /// the picture (the right end of the line is the lower one). Between -90 and 90.
    #[must_use]
    pub fn roll_degrees(&self) -> f32 {
        let dx = self.right_eye.x - self.left_eye.x;
        let dy = self.right_eye.y - self.left_eye.y;
        if dx.abs() < f32::EPSILON && dy.abs() < f32::EPSILON {
            0.0
        } else {
            dy.atan2(dx.max(f32::EPSILON)).to_degrees()
        }
    }
}

/// What was found in one picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Detection {
    /// Width of the full picture in pixels.
    pub width: u32,
    /// Height of the full picture in pixels.
    pub height: u32,
    /// The faces, in no particular order.
    pub faces: Vec<Face>,
}

/// Finds faces.
pub trait Detector: Send {
    /// Finds the faces of at least the configured size. Reuses its buffers from call to call.
    ///
    /// # Errors
    /// The picture cannot be decoded, or the model fails on it. The detector stays usable.
    fn detect(&mut self, picture: &Picture) -> Result<Detection>;

    /// What it is, for people: kind, model file, input size.
    fn describe(&self) -> String;
}

/// Cuts a box at the edges of the picture. None if nothing of it lies within; the eyes may lie outside.
fn clip(face: Face, (width, height): (u32, u32)) -> Option<Face> {
    let (x, y) = (face.x.max(0.0), face.y.max(0.0));
    let right = (face.x + face.w).min(width as f32);
    let bottom = (face.y + face.h).min(height as f32);
    (right - x >= 1.0 && bottom - y >= 1.0).then_some(Face {
        x,
        y,
        w: right - x,
        h: bottom - y,
        ..face
    })
}
