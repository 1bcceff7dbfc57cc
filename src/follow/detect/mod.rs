//! Detect: a picture in, faces out.
//!
//! [`open`] chooses between YuNet and Haar; both see a reduced picture (`decode`) and answer in pixels
//! of the full one. A [`Detector`] looks where and as closely as it is told ([`Look`]); when to look at what is decided
//! in `follow::look`.

mod choose;
mod decode;
pub(crate) mod haar;
#[cfg(test)]
pub(crate) mod tests;
mod yunet;

use anyhow::Result;

use crate::follow::camera::Picture;

pub use choose::open;
pub use decode::{Decoder, Pixels};

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

    /// The same with the line between the eyes at this angle; the aim stays.
    #[must_use]
    pub fn leaning(self, degrees: f32) -> Self {
        let (sin, cos) = (degrees - self.roll_degrees()).to_radians().sin_cos();
        let aim = self.aim();
        let turned = |eye: Point| {
            let (x, y) = (eye.x - aim.x, eye.y - aim.y);
            Point {
                x: aim.x + x * cos - y * sin,
                y: aim.y + x * sin + y * cos,
            }
        };
        Self {
            left_eye: turned(self.left_eye),
            right_eye: turned(self.right_eye),
            ..self
        }
    }

    /// The part that two boxes have in common, of what they cover together.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> f32 {
        let along = |a: f32, aw: f32, b: f32, bw: f32| ((a + aw).min(b + bw) - a.max(b)).max(0.0);
        let common =
            along(self.x, self.w, other.x, other.w) * along(self.y, self.h, other.y, other.h);
        common / (self.area() + other.area() - common).max(f32::MIN_POSITIVE)
    }

    /// The same elsewhere, by so many pixels.
    #[must_use]
    pub fn moved(self, right: f32, down: f32) -> Self {
        let point = |p: Point| Point {
            x: p.x + right,
            y: p.y + down,
        };
        Self {
            x: self.x + right,
            y: self.y + down,
            left_eye: point(self.left_eye),
            right_eye: point(self.right_eye),
            ..self
        }
    }

    /// The same with both eyes at the aim: how it leans is not known.
    #[must_use]
    pub fn of_unknown_lean(self) -> Self {
        let aim = self.aim();
        Self {
            left_eye: aim,
            right_eye: aim,
            ..self
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

/// Where and how closely to look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Look {
    /// At the whole picture, as closely as it is worth it.
    Fine,
    /// At the whole picture, for a quarter of the cost: small faces are not found.
    Coarse,
    /// At a square, for a tenth of the cost of a fine look.
    Part(Square),
    /// At the surroundings of a place as closely as in a fine look, a quarter of the picture for a third of its cost.
    Nearby(Point),
}

/// A square of a picture, in pixels of the full one. It may reach over the edges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Square {
    /// Its middle.
    pub centre: Point,
    /// Its side.
    pub side: f32,
    /// Whether more pixels of it are decoded than a large face needs.
    pub closer: bool,
}

/// What the scores of a detector mean: those of one model are not those of another. A face that is known is believed at a
/// lower score than one that nobody has seen before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Lowest score of a known face in a part of a picture.
    pub keep_part: f32,
    /// Lowest score of a known face in a coarse look, and of a new one.
    pub keep_coarse: f32,
    /// The same.
    pub find_coarse: f32,
    /// Lowest score of a known face in a fine look, and of a new one.
    pub keep_fine: f32,
    /// The same.
    pub find_fine: f32,
    /// A new face with less than `find` has to have this in a look of its own.
    pub confirm: f32,
    /// A new face is believed at once.
    pub sure: f32,
    /// A face that is seen as badly as this is looked at in every picture.
    pub weak: f32,
}

/// Finds faces. Reuses its buffers from picture to picture.
///
/// A picture is shown first, and then looked at in whatever ways are wanted; it is decoded when the first look needs
/// it, at each size at most once.
pub trait Detector: Send {
    /// The next picture. Returns its width and height.
    ///
    /// # Errors
    /// It has no size that it could have.
    fn show(&mut self, picture: &Picture) -> Result<(u32, u32)>;

    /// Looks at the picture that was shown, and adds the faces to `found`, in its pixels, from the lowest score on that is
    /// worth anything in such a look. Boxes may reach over the edges.
    ///
    /// # Errors
    /// The picture cannot be decoded, or the model fails on it. The detector stays usable.
    fn look(&mut self, picture: &Picture, look: Look, found: &mut Vec<Face>) -> Result<()>;

    /// How much a face leans, in degrees as [`Face::roll_degrees`] has them, by a closer look at it; none if that does not
    /// show it.
    ///
    /// # Errors
    /// As for [`look`](Self::look).
    fn lean(&mut self, picture: &Picture, face: &Face) -> Result<Option<f32>>;

    /// The brightness of the picture that was shown in some thousand points, row by row, and how many make a row.
    ///
    /// # Errors
    /// The picture cannot be decoded.
    fn brightness(&mut self, picture: &Picture) -> Result<(&[u8], usize)>;

    /// What its scores mean.
    fn scores(&self) -> Scores;

    /// Whether it can look coarsely and at parts; if not, each look is a fine one.
    fn has_parts(&self) -> bool;

    /// Whether the eyes that a look shows tell how a face leans, without [`lean`](Self::lean).
    fn sees_lean(&self) -> bool;

    /// The smallest face that is wanted, in pixels.
    fn min_face(&self) -> u32;

    /// What it is, for people: kind, model file, input size.
    fn describe(&self) -> String;

    /// The faces of one picture alone, of at least the wanted size, with how the largest one leans.
    ///
    /// # Errors
    /// As for [`show`](Self::show) and [`look`](Self::look).
    fn detect(&mut self, picture: &Picture) -> Result<Detection> {
        let (width, height) = self.show(picture)?;
        let mut faces = Vec::new();
        self.look(picture, Look::Fine, &mut faces)?;
        let (find, least) = (self.scores().find_fine, self.min_face() as f32);
        faces.retain(|f| f.score >= find && f.w.max(f.h) >= least);
        let mut faces: Vec<Face> = faces
            .into_iter()
            .filter_map(|face| clip(face, (width, height)))
            .collect();
        let largest = faces
            .iter_mut()
            .max_by(|a, b| a.area().total_cmp(&b.area()));
        if let Some(face) = largest
            && !self.sees_lean()
            && let Some(roll) = self.lean(picture, face)?
        {
            *face = face.leaning(roll);
        }
        Ok(Detection {
            width,
            height,
            faces,
        })
    }
}

/// Cuts a box at the edges of the picture. None if nothing of it lies within; the eyes may lie outside.
#[must_use]
pub fn clip(face: Face, (width, height): (u32, u32)) -> Option<Face> {
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
