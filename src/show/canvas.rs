//! Pixels and what is drawn on them.

use anyhow::Result;
use opencv::core::{CV_8UC3, Mat, Point, Rect, Scalar, Size};
use opencv::imgproc::{
    FILLED, FONT_HERSHEY_SIMPLEX, INTER_AREA, INTER_LINEAR, LINE_8, LINE_AA, circle, line,
    put_text, rectangle, resize,
};
use opencv::prelude::*;

use super::fonts::Glyph;

/// Blue, green, red.
pub(super) type Colour = [u8; 3];

pub(super) const WHITE: Colour = [255, 255, 255];
pub(super) const GREEN: Colour = [80, 220, 60];
pub(super) const YELLOW: Colour = [60, 210, 240];
pub(super) const GREY: Colour = [170, 170, 170];
const RED: Colour = [40, 40, 190];

fn scalar(colour: Colour) -> Scalar {
    let [blue, green, red] = colour.map(f64::from);
    Scalar::new(blue, green, red, 0.0)
}

/// A picture of rows of blue, green and red bytes.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    mat: Mat,
}

impl Canvas {
    /// Black, of this size.
    pub fn clear(&mut self, (width, height): (u32, u32)) -> Result<()> {
        let size = Size::new(i32::try_from(width)?, i32::try_from(height)?);
        if self.mat.size()? == size {
            self.mat.data_bytes_mut()?.fill(0);
        } else {
            self.mat = Mat::new_rows_cols_with_default(
                size.height,
                size.width,
                CV_8UC3,
                Scalar::default(),
            )?;
        }
        Ok(())
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        (
            self.mat.cols().unsigned_abs(),
            self.mat.rows().unsigned_abs(),
        )
    }

    /// The rows, without padding.
    pub fn bytes(&self) -> Result<&[u8]> {
        Ok(self.mat.data_bytes()?)
    }

    /// Draws a picture of colours into a rectangle.
    pub fn picture(&mut self, picture: &Mat, place: Rect) -> Result<()> {
        let mut part = Mat::roi_mut(&mut self.mat, place)?;
        if picture.size()? == place.size() {
            picture.copy_to(&mut part)?;
            return Ok(());
        }
        // Where pixels are left out, their mean is what is seen.
        let smaller = picture.cols() > place.width * 3 / 2;
        let how = if smaller { INTER_AREA } else { INTER_LINEAR };
        resize(picture, &mut part, place.size(), 0.0, 0.0, how)?;
        Ok(())
    }

    pub fn line(&mut self, from: Point, to: Point, colour: Colour) -> Result<()> {
        line(&mut self.mat, from, to, scalar(colour), 1, LINE_AA, 0)?;
        Ok(())
    }

    pub fn frame(&mut self, at: Rect, colour: Colour, width: i32) -> Result<()> {
        rectangle(&mut self.mat, at, scalar(colour), width, LINE_8, 0)?;
        Ok(())
    }

    pub fn dot(&mut self, at: Point, radius: i32, colour: Colour) -> Result<()> {
        circle(
            &mut self.mat,
            at,
            radius,
            scalar(colour),
            FILLED,
            LINE_AA,
            0,
        )?;
        Ok(())
    }

    /// Darkens the rows from `top` on, so that what is written there can be read on any picture.
    pub fn shade(&mut self, top: i32, height: i32) -> Result<()> {
        for row in self.rows(top, height)? {
            row.iter_mut().for_each(|b| *b /= 3);
        }
        Ok(())
    }

    /// Makes the rows from `top` on red.
    pub fn alarm(&mut self, top: i32, height: i32) -> Result<()> {
        for row in self.rows(top, height)? {
            row.as_chunks_mut::<3>().0.fill(RED);
        }
        Ok(())
    }

    /// The rows of a band as far as it lies on the canvas.
    fn rows(&mut self, top: i32, height: i32) -> Result<impl Iterator<Item = &mut [u8]>> {
        let stride = usize::try_from(self.mat.cols())? * 3;
        let first = usize::try_from(top.max(0))?;
        let last = usize::try_from((top + height).max(0))?;
        let rows = self.mat.data_bytes_mut()?.chunks_exact_mut(stride.max(1));
        Ok(rows.take(last).skip(first))
    }

    /// Writes ASCII with its base line at `at`.
    pub fn ascii(&mut self, text: &str, at: Point, height: u32, colour: Colour) -> Result<()> {
        // Capital letters of this font are 21 pixels high at scale 1.
        let scale = f64::from(height) / 32.0;
        put_text(
            &mut self.mat,
            text,
            at,
            FONT_HERSHEY_SIMPLEX,
            scale,
            scalar(colour),
            1,
            LINE_AA,
            false,
        )?;
        Ok(())
    }

    /// Lays a glyph on the base line at `x`, `y`.
    pub fn glyph(&mut self, glyph: &Glyph, x: i32, y: i32, colour: Colour) -> Result<()> {
        let columns = self.mat.cols();
        let (left, top) = (x + glyph.left, y + glyph.top);
        let height = i32::try_from(glyph.alpha.len() / glyph.width.max(1))?;
        let above = usize::try_from((-top).max(0))?;
        let cover = glyph.alpha.chunks_exact(glyph.width.max(1)).skip(above);
        for (row, cover) in self.rows(top, height)?.zip(cover) {
            for (column, alpha) in (left..).zip(cover) {
                if !(0..columns).contains(&column) || *alpha == 0 {
                    continue;
                }
                let at = usize::try_from(column)? * 3;
                for (pixel, colour) in row[at..at + 3].iter_mut().zip(colour) {
                    let (old, new) = (u16::from(*pixel), u16::from(colour));
                    let alpha = u16::from(*alpha);
                    *pixel = ((old * (255 - alpha) + new * alpha) / 255) as u8;
                }
            }
        }
        Ok(())
    }
}
