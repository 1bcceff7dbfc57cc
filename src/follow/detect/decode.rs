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

use crate::config::MAX_PIXELS;
use crate::follow::camera::raw::{Developer, reduced};
use crate::follow::camera::{Picture, Raw, jpeg};

/// Which pixels a detector wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pixels {
    /// Blue, green, red.
    Colour,
    /// Brightness.
    Grey,
}

/// Decodes pictures into the same memory again and again, each at each size at most once.
#[derive(Debug, Default)]
pub struct Decoder {
    full: (u32, u32),
    plates: Vec<Plate>,
    developer: Developer,
}

/// One size and kind of pixels, in memory of its own.
#[derive(Debug)]
struct Plate {
    pixels: Pixels,
    reduction: u32,
    /// Whether it shows the present picture.
    exposed: bool,
    mat: Mat,
    coloured: Mat,
}

/// A decoded picture, reduced.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// The pixels.
    pub mat: &'a Mat,
    /// How much smaller `mat` is than the full picture: 1, 2, 4 or 8.
    pub reduction: u32,
}

/// How much a picture is reduced: the most of 1, 2, 4, 8 that leaves the longer side at this length or longer.
#[must_use]
pub fn reduction((width, height): (u32, u32), long_side: u32) -> u32 {
    [8, 4, 2]
        .into_iter()
        .find(|r| width.max(height) / r >= long_side)
        .unwrap_or(1)
}

impl Decoder {
    /// The next picture. Reads its size, and decodes nothing.
    ///
    /// # Errors
    /// It is no JPEG, would cost too much to decode, or has not the bytes it should have.
    pub fn show(&mut self, picture: &Picture) -> Result<(u32, u32)> {
        self.plates.iter_mut().for_each(|p| p.exposed = false);
        self.full = (0, 0);
        let full = match picture {
            Picture::Jpeg(data) => jpeg::limits::affordable(data)?.size,
            Picture::Raw(raw) => raw.layout().full(),
            Picture::Bgr { width, height, .. } => (*width, *height),
        };
        check(full)?;
        if let Picture::Bgr { data, .. } = picture
            && data.len() as u64 != u64::from(full.0) * u64::from(full.1) * 3
        {
            let (bytes, (width, height)) = (data.len(), full);
            bail!("the picture has {bytes} bytes, not 3 x {width} x {height}");
        }
        self.full = full;
        Ok(full)
    }

    /// The picture that was shown, with its longer side at this length or longer; a raw picture that has come smaller
    /// stays as small as it is.
    ///
    /// # Errors
    /// It is damaged beyond decoding.
    pub fn decode(
        &mut self,
        picture: &Picture,
        pixels: Pixels,
        long_side: u32,
    ) -> Result<Decoded<'_>> {
        let full = self.full;
        let mut reduction = reduction(full, long_side);
        if let Picture::Raw(raw) = picture {
            reduction = reduction.max(raw.layout().shrunk);
        }
        let fits = |p: &Plate| p.pixels == pixels && p.reduction == reduction;
        let at = match self.plates.iter().position(fits) {
            Some(at) => at,
            None => {
                self.plates.push(Plate {
                    pixels,
                    reduction,
                    exposed: false,
                    mat: Mat::default(),
                    coloured: Mat::default(),
                });
                self.plates.len() - 1
            }
        };
        let plate = &mut self.plates[at];
        if !plate.exposed {
            match picture {
                Picture::Jpeg(data) => plate.jpeg(full, data)?,
                Picture::Raw(raw) => plate.raw(raw, &mut self.developer)?,
                Picture::Bgr { data, .. } => plate.bgr(full, data)?,
            }
            plate.exposed = true;
        }
        Ok(Decoded {
            mat: &plate.mat,
            reduction,
        })
    }
}

impl Plate {
    fn jpeg(&mut self, full: (u32, u32), data: &[u8]) -> Result<()> {
        let flags = match (self.pixels, self.reduction) {
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
        mark(&mut self.mat, reduced(full, self.reduction)?, kind)?;
        // Orientation is left alone: boxes are in pixels of the picture as it was sent.
        let decoded = imdecode_to(&data, flags | IMREAD_IGNORE_ORIENTATION, &mut self.mat)?;
        if decoded.empty() || self.mat.empty() || marked(&self.mat)? {
            bail!("the JPEG picture is damaged");
        }
        Ok(())
    }

    fn raw(&mut self, raw: &Raw, developer: &mut Developer) -> Result<()> {
        let times = (self.reduction / raw.layout().shrunk).max(1);
        match self.pixels {
            Pixels::Colour => developer.colour(raw, times, &mut self.mat),
            Pixels::Grey => developer.grey(raw, times, &mut self.mat),
        }
    }

    fn bgr(&mut self, full: (u32, u32), data: &[u8]) -> Result<()> {
        let (width, height) = (i32::try_from(full.0)?, i32::try_from(full.1)?);
        let whole = Mat::new_rows_cols_with_bytes::<Vec3b>(height, width, data)?;
        let size = reduced(full, self.reduction)?;
        let coloured = match self.pixels {
            Pixels::Colour => &mut self.mat,
            Pixels::Grey => &mut self.coloured,
        };
        if self.reduction == 1 {
            whole.copy_to(coloured)?;
        } else {
            resize(&whole, coloured, size, 0.0, 0.0, INTER_AREA)?;
        }
        if self.pixels == Pixels::Grey {
            cvt_color_def(&self.coloured, &mut self.mat, COLOR_BGR2GRAY)?;
        }
        Ok(())
    }
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

    use crate::follow::camera::raw::{Layout, Packing, Range};

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
            assert_eq!(reduction(full, 320), want, "{full:?}");
        }
    }

    fn decode<'a>(decoder: &'a mut Decoder, picture: &Picture) -> Result<Decoded<'a>> {
        decoder.show(picture)?;
        decoder.decode(picture, Pixels::Colour, 320)
    }

    #[test]
    fn full_size_is_known_though_the_reduced_one_is_rounded_up() {
        let mut decoder = Decoder::default();
        let raw = Picture::Bgr {
            width: 643,
            height: 481,
            data: vec![77; 643 * 481 * 3],
        };
        for picture in [Picture::Jpeg(encoded(643, 481)), raw] {
            assert_eq!(decoder.show(&picture).unwrap(), (643, 481));
            for (pixels, channels) in [(Pixels::Colour, 3), (Pixels::Grey, 1)] {
                for (long_side, size, reduction) in [
                    (320, (322, 241), 2),
                    (160, (161, 121), 4),
                    (80, (81, 61), 8),
                ] {
                    let decoded = decoder.decode(&picture, pixels, long_side).unwrap();
                    assert_eq!(decoded.reduction, reduction);
                    assert_eq!((decoded.mat.cols(), decoded.mat.rows()), size);
                    assert_eq!(decoded.mat.channels(), channels);
                }
            }
        }
    }

    fn raw(full: (u32, u32), shrunk: u32, level: u8) -> Picture {
        let (width, height) = (full.0 / shrunk, full.1 / shrunk);
        let layout = Layout {
            packing: Packing::I420(Range::Full),
            width,
            height,
            stride: width + 64,
            shrunk,
        };
        let mut data = vec![128; usize::try_from(layout.bytes()).unwrap()];
        data[..layout.stride as usize * height as usize].fill(level);
        Picture::Raw(Raw::new(layout, data).unwrap())
    }

    #[test]
    fn a_raw_picture_counts_as_the_full_one_and_is_never_enlarged() {
        let mut decoder = Decoder::default();
        for (shrunk, wanted) in [
            (
                1,
                [
                    (320, (320, 240), 2),
                    (160, (160, 120), 4),
                    (80, (80, 60), 8),
                ],
            ),
            (
                2,
                [
                    (320, (320, 240), 2),
                    (160, (160, 120), 4),
                    (80, (80, 60), 8),
                ],
            ),
            (
                4,
                [
                    (320, (160, 120), 4),
                    (160, (160, 120), 4),
                    (80, (80, 60), 8),
                ],
            ),
        ] {
            let picture = raw((640, 480), shrunk, 99);
            assert_eq!(decoder.show(&picture).unwrap(), (640, 480));
            for (long_side, size, reduction) in wanted {
                for (pixels, channels) in [(Pixels::Colour, 3), (Pixels::Grey, 1)] {
                    let decoded = decoder.decode(&picture, pixels, long_side).unwrap();
                    assert_eq!(decoded.reduction, reduction);
                    assert_eq!((decoded.mat.cols(), decoded.mat.rows()), size);
                    assert_eq!(decoded.mat.channels(), channels);
                    let bytes = decoded.mat.data_bytes().unwrap();
                    assert!(bytes.iter().all(|b| *b == 99));
                }
            }
        }
        let other = raw((640, 480), 2, 7);
        decoder.show(&other).unwrap();
        let decoded = decoder.decode(&other, Pixels::Grey, 80).unwrap();
        assert_eq!(decoded.mat.data_bytes().unwrap()[0], 7);
    }

    #[test]
    fn each_picture_is_decoded_anew() {
        let mut decoder = Decoder::default();
        for level in [20u8, 200] {
            let picture = Picture::Bgr {
                width: 640,
                height: 480,
                data: vec![level; 640 * 480 * 3],
            };
            decoder.show(&picture).unwrap();
            for _ in 0..2 {
                let decoded = decoder.decode(&picture, Pixels::Grey, 80).unwrap();
                assert_eq!(decoded.mat.data_bytes().unwrap()[0], level);
            }
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_refused_and_the_next_picture_works() {
        let mut decoder = Decoder::default();
        let good = Picture::Jpeg(encoded(640, 480));
        decode(&mut decoder, &good).unwrap();
        for (bad, part) in [
            (Picture::Jpeg(b"<html>".to_vec()), "not a JPEG"),
            (Picture::Jpeg(Vec::new()), "not a JPEG"),
            (Picture::Jpeg(jpeg::header(640, 480)), "damaged"),
            (Picture::Jpeg(jpeg::header(65535, 65535)), "damaged"),
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
            let why = decode(&mut decoder, &bad).unwrap_err().to_string();
            assert!(why.contains(part), "{why}");
            decode(&mut decoder, &good).unwrap();
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
            if let Ok(decoded) = decode(&mut Decoder::default(), &Picture::Jpeg(data)) {
                prop_assert!(!decoded.mat.empty());
            }
        }
    }
}
