//! A picture becomes pixels, no more of them than a detector looks at.
//!
//! JPEG can be decoded at a half, a quarter or an eighth of its size for a part of the cost, because
//! whole frequencies are left out.

use anyhow::{Result, bail};
use opencv::core::{CV_8UC1, CV_8UC3, Mat, Scalar, Size, Vec3b};
use opencv::imgcodecs::{
    IMREAD_COLOR, IMREAD_GRAYSCALE, IMREAD_IGNORE_ORIENTATION, IMREAD_REDUCED_COLOR_2,
    IMREAD_REDUCED_COLOR_4, IMREAD_REDUCED_COLOR_8, IMREAD_REDUCED_GRAYSCALE_2,
    IMREAD_REDUCED_GRAYSCALE_4, IMREAD_REDUCED_GRAYSCALE_8, imdecode_to,
};
use opencv::imgproc::{COLOR_BGR2GRAY, INTER_AREA, cvt_color_def, resize};
use opencv::prelude::*;

use crate::follow::camera::{Picture, jpeg};

/// The longer side of a picture is not reduced below this; the detectors are at home at 320 x 240.
const LONG_SIDE: u32 = 320;
/// Most pixels of a full picture. A damaged header may claim four thousand million.
const MAX_PIXELS: u64 = 50_000_000;

/// Which pixels a detector wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pixels {
    /// Blue, green, red.
    Colour,
    /// Brightness.
    Grey,
}

/// Decodes pictures into the same memory again and again.
#[derive(Debug)]
pub struct Decoder {
    pixels: Pixels,
    reduced: Mat,
    grey: Mat,
}

/// A decoded picture, reduced.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// The pixels.
    pub mat: &'a Mat,
    /// Width and height of the full picture in pixels.
    pub full: (u32, u32),
    /// How much smaller `mat` is than the full picture: 1, 2, 4 or 8.
    pub reduction: u32,
}

/// How much a picture is reduced: the most of 1, 2, 4, 8 that leaves the longer side long enough.
#[must_use]
pub fn reduction((width, height): (u32, u32)) -> u32 {
    [8, 4, 2]
        .into_iter()
        .find(|r| width.max(height) / r >= LONG_SIDE)
        .unwrap_or(1)
}

impl Decoder {
    /// A decoder for these pixels.
    #[must_use]
    pub fn new(pixels: Pixels) -> Self {
        Self {
            pixels,
            reduced: Mat::default(),
            grey: Mat::default(),
        }
    }

    /// Decodes a picture.
    ///
    /// # Errors
    /// It is no JPEG, too large, damaged beyond decoding, or has not the bytes it should have.
    pub fn decode(&mut self, picture: &Picture) -> Result<Decoded<'_>> {
        match picture {
            Picture::Jpeg(data) => self.jpeg(data),
            Picture::Bgr {
                width,
                height,
                data,
            } => self.bgr((*width, *height), data),
        }
    }

    fn jpeg(&mut self, data: &[u8]) -> Result<Decoded<'_>> {
        let Some(full) = jpeg::size(data) else {
            bail!("the picture is not a JPEG, or its header is damaged");
        };
        check(full)?;
        let reduction = reduction(full);
        let flags = match (self.pixels, reduction) {
            (Pixels::Colour, 8) => IMREAD_REDUCED_COLOR_8,
            (Pixels::Colour, 4) => IMREAD_REDUCED_COLOR_4,
            (Pixels::Colour, 2) => IMREAD_REDUCED_COLOR_2,
            (Pixels::Colour, _) => IMREAD_COLOR,
            (Pixels::Grey, 8) => IMREAD_REDUCED_GRAYSCALE_8,
            (Pixels::Grey, 4) => IMREAD_REDUCED_GRAYSCALE_4,
            (Pixels::Grey, 2) => IMREAD_REDUCED_GRAYSCALE_2,
            (Pixels::Grey, _) => IMREAD_GRAYSCALE,
        };
        let kind = match self.pixels {
            Pixels::Colour => CV_8UC3,
            Pixels::Grey => CV_8UC1,
        };
        mark(&mut self.reduced, reduced(full, reduction)?, kind)?;
        // Orientation is left alone: boxes are in pixels of the picture as it was sent.
        let decoded = imdecode_to(&data, flags | IMREAD_IGNORE_ORIENTATION, &mut self.reduced)?;
        if decoded.empty() || self.reduced.empty() || marked(&self.reduced)? {
            bail!("the JPEG picture is damaged");
        }
        let mat = &self.reduced;
        Ok(Decoded {
            mat,
            full,
            reduction,
        })
    }

    fn bgr(&mut self, full: (u32, u32), data: &[u8]) -> Result<Decoded<'_>> {
        check(full)?;
        let (width, height) = (i32::try_from(full.0)?, i32::try_from(full.1)?);
        if data.len() as u64 != u64::from(full.0) * u64::from(full.1) * 3 {
            bail!(
                "the picture has {} bytes, not 3 x {width} x {height}",
                data.len()
            );
        }
        let whole = Mat::new_rows_cols_with_bytes::<Vec3b>(height, width, data)?;
        let reduction = reduction(full);
        let size = reduced(full, reduction)?;
        if reduction == 1 {
            whole.copy_to(&mut self.reduced)?;
        } else {
            resize(&whole, &mut self.reduced, size, 0.0, 0.0, INTER_AREA)?;
        }
        let mat = match self.pixels {
            Pixels::Colour => &self.reduced,
            Pixels::Grey => {
                cvt_color_def(&self.reduced, &mut self.grey, COLOR_BGR2GRAY)?;
                &self.grey
            }
        };
        Ok(Decoded {
            mat,
            full,
            reduction,
        })
    }
}

/// The size of a reduced picture: rounded up, as libjpeg does it.
fn reduced(full: (u32, u32), reduction: u32) -> Result<Size> {
    let side = |full: u32| i32::try_from(full.div_ceil(reduction));
    Ok(Size::new(side(full.0)?, side(full.1)?))
}

/// Puts a mark into the last row of the buffer that decoding overwrites. OpenCV 4.6 does not say whether
/// it could decode: after a failure the buffer still holds the picture before, or part of it.
fn mark(mat: &mut Mat, size: Size, kind: i32) -> Result<()> {
    if mat.size()? != size || mat.typ() != kind {
        *mat = Mat::new_rows_cols_with_default(size.height, size.width, kind, Scalar::default())?;
    }
    last_row_mut(mat)?
        .iter_mut()
        .enumerate()
        .for_each(|(i, byte)| *byte = mark_at(i));
    Ok(())
}

/// A pattern that no picture has: neighbouring values jump about.
const fn mark_at(i: usize) -> u8 {
    (i.wrapping_mul(167) ^ (i >> 3)) as u8
}

fn last_row_mut(mat: &mut Mat) -> Result<&mut [u8]> {
    let length = mat.cols() as usize * mat.elem_size()?;
    let bytes = mat.data_bytes_mut()?;
    let start = bytes.len().saturating_sub(length);
    Ok(&mut bytes[start..])
}

/// Whether the mark is still there: the picture was not decoded to its end.
fn marked(mat: &Mat) -> Result<bool> {
    let length = mat.cols() as usize * mat.elem_size()?;
    let bytes = mat.data_bytes()?;
    let last = &bytes[bytes.len().saturating_sub(length)..];
    Ok(last.iter().enumerate().all(|(i, byte)| *byte == mark_at(i)))
}

fn check((width, height): (u32, u32)) -> Result<()> {
    if width == 0 || height == 0 || u64::from(width) * u64::from(height) > MAX_PIXELS {
        bail!("the picture claims {width} x {height} pixels; at most {MAX_PIXELS} are decoded");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use opencv::core::Vector;
    use opencv::imgcodecs::imencode_def;
    use proptest::prelude::*;

    fn encoded(width: i32, height: i32) -> Vec<u8> {
        let colour = Scalar::new(10.0, 100.0, 200.0, 0.0);
        let mat = Mat::new_rows_cols_with_default(height, width, CV_8UC3, colour).unwrap();
        let mut out = Vector::new();
        imencode_def(".jpg", &mat, &mut out).unwrap();
        out.to_vec()
    }

    #[test]
    fn the_longer_side_stays_long_enough() {
        for (full, want) in [
            ((320, 240), 1),
            ((639, 480), 1),
            ((640, 480), 2),
            ((1280, 720), 4),
            ((1920, 1080), 4),
            ((480, 640), 2),
            ((4096, 3072), 8),
            ((160, 120), 1),
        ] {
            assert_eq!(reduction(full), want, "{full:?}");
        }
    }

    #[test]
    fn full_size_is_known_though_the_reduced_one_is_rounded_up() {
        for pixels in [Pixels::Colour, Pixels::Grey] {
            let mut decoder = Decoder::new(pixels);
            let decoded = decoder.decode(&Picture::Jpeg(encoded(643, 481))).unwrap();
            assert_eq!((decoded.full, decoded.reduction), ((643, 481), 2));
            assert_eq!((decoded.mat.cols(), decoded.mat.rows()), (322, 241));
            let channels = if pixels == Pixels::Grey { 1 } else { 3 };
            assert_eq!(decoded.mat.channels(), channels);
            let raw = Picture::Bgr {
                width: 643,
                height: 481,
                data: vec![77; 643 * 481 * 3],
            };
            let decoded = decoder.decode(&raw).unwrap();
            assert_eq!((decoded.mat.cols(), decoded.mat.rows()), (322, 241));
            assert_eq!(decoded.mat.channels(), channels);
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_refused_and_the_next_picture_works() {
        let mut decoder = Decoder::new(Pixels::Colour);
        let good = Picture::Jpeg(encoded(640, 480));
        decoder.decode(&good).unwrap();
        for (bad, part) in [
            (Picture::Jpeg(b"<html>".to_vec()), "not a JPEG"),
            (Picture::Jpeg(Vec::new()), "not a JPEG"),
            (Picture::Jpeg(jpeg::header(640, 480)), "damaged"),
            (Picture::Jpeg(jpeg::header(65535, 65535)), "at most"),
            (
                Picture::Bgr {
                    width: 10,
                    height: 10,
                    data: vec![0; 299],
                },
                "299 bytes",
            ),
            (
                Picture::Bgr {
                    width: u32::MAX,
                    height: u32::MAX,
                    data: Vec::new(),
                },
                "at most",
            ),
        ] {
            let why = decoder.decode(&bad).unwrap_err().to_string();
            assert!(why.contains(part), "{why}");
            decoder.decode(&good).unwrap();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_damaged_jpeg_is_decoded_or_refused(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..30),
            end in any::<prop::sample::Index>(),
        ) {
            let mut data = encoded(64, 48);
            for (at, value) in changes {
                let at = at.index(data.len());
                data[at] = value;
            }
            data.truncate(end.index(data.len()));
            if let Ok(decoded) = Decoder::new(Pixels::Colour).decode(&Picture::Jpeg(data)) {
                prop_assert!(!decoded.mat.empty());
            }
        }
    }
}
