//! From raw pictures to the pixels that detectors take, at their own size or a half, a quarter, an eighth of it.
//!
//! A smaller picture is the average of squares. OpenCV does the work: it has these loops in the processor's vectors.

use anyhow::Result;
use opencv::boxed_ref::BoxedRef;
use opencv::core::{Mat, Rect, Size, ToInputArray, Vec2b, Vector, merge};
use opencv::imgproc::{
    COLOR_GRAY2BGR, COLOR_YCrCb2BGR, COLOR_YUV2BGR_YUY2, COLOR_YUV2GRAY_YUY2, INTER_AREA,
    INTER_NEAREST, cvt_color_def, resize,
};
use opencv::prelude::*;

use super::{Packing, Range, Raw};

/// Makes pixels of raw pictures, in the same memory again and again.
#[derive(Debug, Default)]
pub struct Developer {
    /// Brightness, red, blue, each of the size that is wanted.
    planes: Vector<Mat>,
    stacked: Mat,
    whole: Mat,
}

impl Developer {
    /// Blue, green, red of a picture with each side `times` smaller, rounded up.
    ///
    /// # Errors
    /// OpenCV fails.
    pub fn colour(&mut self, raw: &Raw, times: u32, out: &mut Mat) -> Result<()> {
        let size = reduced((raw.layout.width, raw.layout.height), times)?;
        match raw.layout.packing {
            Packing::I420(range) => self.planar(raw, range, size, out),
            Packing::Yuyv => {
                let whole = if times == 1 {
                    &mut *out
                } else {
                    &mut self.whole
                };
                let pairs = raw.plane::<Vec2b>(0, raw.layout.stride / 2, raw.layout.height)?;
                cvt_color_def(&pairs.roi(all(raw)?)?, whole, COLOR_YUV2BGR_YUY2)?;
                if times != 1 {
                    resize(&self.whole, out, size, 0.0, 0.0, INTER_AREA)?;
                }
                Ok(())
            }
            Packing::Grey => {
                let bright = raw.plane::<u8>(0, raw.layout.stride, raw.layout.height)?;
                fit(&bright.roi(all(raw)?)?, &mut self.whole, size)?;
                Ok(cvt_color_def(&self.whole, out, COLOR_GRAY2BGR)?)
            }
        }
    }

    /// Its brightness with each side `times` smaller, rounded up.
    ///
    /// # Errors
    /// OpenCV fails.
    pub fn grey(&mut self, raw: &Raw, times: u32, out: &mut Mat) -> Result<()> {
        let size = reduced((raw.layout.width, raw.layout.height), times)?;
        if raw.layout.packing == Packing::Yuyv {
            let pairs = raw.plane::<Vec2b>(0, raw.layout.stride / 2, raw.layout.height)?;
            cvt_color_def(&pairs.roi(all(raw)?)?, &mut self.whole, COLOR_YUV2GRAY_YUY2)?;
            return fit(&self.whole, out, size);
        }
        let bright = raw.plane::<u8>(0, raw.layout.stride, raw.layout.height)?;
        fit(&bright.roi(all(raw)?)?, out, size)
    }

    /// Brings the three planes to one size and puts them together.
    fn planar(&mut self, raw: &Raw, range: Range, size: Size, out: &mut Mat) -> Result<()> {
        let layout = &raw.layout;
        let (stride, rows) = (layout.stride / 2, layout.height.div_ceil(2));
        let bright = layout.stride as usize * layout.height as usize;
        let blue = raw.plane::<u8>(bright, stride, rows)?;
        let red = raw.plane::<u8>(bright + stride as usize * rows as usize, stride, rows)?;
        let bright = raw.plane::<u8>(0, layout.stride, layout.height)?;
        let half = Rect::new(0, 0, i32::try_from(layout.width / 2)?, i32::try_from(rows)?);
        // OpenCV's order.
        for (at, (plane, part)) in [(bright, all(raw)?), (red, half), (blue, half)]
            .into_iter()
            .enumerate()
        {
            // The memory of the picture before.
            let mut fitted = self.planes.get(at).unwrap_or_default();
            fit(&plane.roi(part)?, &mut fitted, size)?;
            if range == Range::Limited {
                let narrow = std::mem::take(&mut fitted);
                let (least, width) = if at == 0 {
                    (16.0, 219.0)
                } else {
                    (128.0, 224.0)
                };
                let (scale, zero) = (255.0 / width, if at == 0 { 0.0 } else { 128.0 });
                narrow.convert_to(&mut fitted, -1, scale, zero - scale * least)?;
            }
            if at < self.planes.len() {
                self.planes.set(at, fitted)?;
            } else {
                self.planes.push(fitted);
            }
        }
        merge(&self.planes, &mut self.stacked)?;
        Ok(cvt_color_def(&self.stacked, out, COLOR_YCrCb2BGR)?)
    }
}

impl Raw {
    /// Rows of `T` within its bytes, `columns` of them in each, with what fills the rows up.
    fn plane<T: opencv::core::DataType>(
        &self,
        from: usize,
        columns: u32,
        rows: u32,
    ) -> Result<BoxedRef<'_, Mat>> {
        let bytes = columns as usize * rows as usize * size_of::<T>();
        let (rows, columns) = (i32::try_from(rows)?, i32::try_from(columns)?);
        let data = &self.data[from..from + bytes];
        Ok(Mat::new_rows_cols_with_bytes::<T>(rows, columns, data)?)
    }
}

/// All pixels of the picture, without what fills the rows up.
fn all(raw: &Raw) -> Result<Rect> {
    let (width, height) = (raw.layout.width, raw.layout.height);
    Ok(Rect::new(
        0,
        0,
        i32::try_from(width)?,
        i32::try_from(height)?,
    ))
}

/// The size with each side so many times smaller, rounded up as libjpeg does it.
///
/// # Errors
/// It is too large for OpenCV.
pub fn reduced((width, height): (u32, u32), times: u32) -> Result<Size> {
    let side = |side: u32| i32::try_from(side.div_ceil(times.max(1)));
    Ok(Size::new(side(width)?, side(height)?))
}

/// Brings a plane to a size: averages for a smaller one, and copies of each sample for a larger one.
fn fit(plane: &(impl ToInputArray + MatTraitConst), out: &mut Mat, size: Size) -> Result<()> {
    if plane.size()? == size {
        return Ok(plane.copy_to(out)?);
    }
    let how = if plane.cols() < size.width {
        INTER_NEAREST
    } else {
        INTER_AREA
    };
    Ok(resize(plane, out, size, 0.0, 0.0, how)?)
}
