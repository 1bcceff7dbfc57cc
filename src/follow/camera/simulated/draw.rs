//! Draws the room and the face in it.
//!
//! Room and face are drawn once; a picture is two affine maps of them, which costs about two
//! milliseconds at 640x480.

use anyhow::Result;
use opencv::core::{
    BORDER_CONSTANT, BORDER_REFLECT_101, Mat, Rect, Scalar, Size, ToOutputArray, Vec3b,
};
use opencv::imgproc::{self, INTER_LINEAR, WARP_INVERSE_MAP};
use opencv::prelude::*;

use super::path::Visitor;
use super::sprites::{EYES, FACE, HEAD, ROOM, ROOM_SCALE, face, room};
use crate::follow::optics::{Optics, from_room};
use crate::follow::pose::Pose;

/// The drawings that pictures are made of.
pub struct Painter {
    optics: Optics,
    size: (i32, i32),
    room: Mat,
    face: Mat,
    mask: Mat,
    /// Face and mask as they appear in the picture; kept from picture to picture.
    turned: (Mat, Mat),
}

impl Painter {
    /// Draws for pictures of this size, taken through this lens.
    ///
    /// # Errors
    /// OpenCV refuses, for want of memory.
    pub fn new(optics: Optics, width: i32, height: i32) -> Result<Self> {
        let (face, mask) = face()?;
        Ok(Self {
            optics,
            size: (width, height),
            room: room()?,
            face,
            mask,
            turned: (Mat::default(), Mat::default()),
        })
    }

    /// The picture that a camera at `pose` takes, as rows of blue, green, red.
    ///
    /// # Errors
    /// OpenCV refuses, for want of memory.
    pub fn picture(&mut self, pose: Pose, visitor: Option<Visitor>) -> Result<Vec<u8>> {
        let (width, height) = self.size;
        // Both come from the configuration and are positive.
        let mut data = vec![0; width.unsigned_abs() as usize * height.unsigned_abs() as usize * 3];
        {
            let mut picture = Mat::new_rows_cols_with_bytes_mut::<Vec3b>(height, width, &mut data)?;
            self.paint_room(&mut picture, pose)?;
            if let Some(visitor) = visitor {
                self.paint_face(&mut picture, pose, visitor)?;
            }
        }
        Ok(data)
    }

    /// The room is far away and nearly flat: the middle of the picture is exact, which is where the eye
    /// compares it with the face.
    fn paint_room(&self, picture: &mut impl ToOutputArray, pose: Pose) -> Result<()> {
        let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
        let middle = (width / 2.0, height / 2.0);
        let seen = self
            .optics
            .direction(middle.0 + 1.0, middle.1, width, height);
        let scale = seen.right * ROOM_SCALE;
        let (sin, cos) = pose.roll.to_radians().sin_cos();
        let matrix = affine(
            [[scale * cos, -scale * sin], [scale * sin, scale * cos]],
            middle,
            (
                (pose.pan + ROOM.0) * ROOM_SCALE,
                (ROOM.1 - pose.tilt) * ROOM_SCALE,
            ),
        )?;
        imgproc::warp_affine(
            &self.room,
            picture,
            &matrix,
            Size::new(self.size.0, self.size.1),
            INTER_LINEAR | WARP_INVERSE_MAP,
            BORDER_REFLECT_101,
            Scalar::default(),
        )?;
        Ok(())
    }

    fn paint_face(
        &mut self,
        picture: &mut impl MatTrait,
        pose: Pose,
        visitor: Visitor,
    ) -> Result<()> {
        let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
        let (direction, inclination) = from_room(pose, visitor.place);
        let Some((x, y)) = self.optics.pixel(direction, width, height) else {
            return Ok(());
        };
        let scale = visitor.height * width / HEAD;
        // The drawing, however it is turned, lies within this distance of the eyes.
        let reach = scale * EYES.0.hypot(f64::from(FACE.1) - EYES.1);
        let clip = |from: f64, end: i32| (from.clamp(0.0, f64::from(end))) as i32;
        let (left, right) = (
            clip((x - reach).floor(), self.size.0),
            clip((x + reach).ceil(), self.size.0),
        );
        let (top, bottom) = (
            clip((y - reach).floor(), self.size.1),
            clip((y + reach).ceil(), self.size.1),
        );
        if right - left < 2 || bottom - top < 2 {
            return Ok(());
        }
        let (sin, cos) = inclination.to_radians().sin_cos();
        let matrix = affine(
            [[scale * cos, -scale * sin], [scale * sin, scale * cos]],
            EYES,
            (x - f64::from(left), y - f64::from(top)),
        )?;
        let size = Size::new(right - left, bottom - top);
        let (face, mask) = &mut self.turned;
        for (from, to) in [(&self.face, &mut *face), (&self.mask, &mut *mask)] {
            imgproc::warp_affine(
                from,
                to,
                &matrix,
                size,
                INTER_LINEAR,
                BORDER_CONSTANT,
                Scalar::default(),
            )?;
        }
        let mut place = Mat::roi_mut(picture, Rect::new(left, top, size.width, size.height))?;
        face.copy_to_masked(&mut place, mask)?;
        Ok(())
    }
}

/// The affine map with this linear part that takes `from` to `to`.
fn affine(linear: [[f64; 2]; 2], from: (f64, f64), to: (f64, f64)) -> Result<Mat> {
    let row = |[a, b]: [f64; 2], to: f64| [a, b, to - a * from.0 - b * from.1];
    Ok(Mat::from_slice_2d(&[
        row(linear[0], to.0),
        row(linear[1], to.1),
    ])?)
}
