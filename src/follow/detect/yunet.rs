//! YuNet, a small neural network that finds faces with their eyes (opencv_zoo, MIT licence).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use opencv::core::{
    BORDER_CONSTANT, BORDER_REPLICATE, CV_8UC3, CV_64FC1, Mat, Ptr, Scalar, Size, copy_make_border,
};
use opencv::imgproc::{INTER_LINEAR, resize, warp_affine};
use opencv::objdetect::FaceDetectorYN;
use opencv::prelude::*;

use super::decode::{Decoded, Decoder, Pixels};
use super::{Detector, Face, Look, Point, Scores, Square};
use crate::follow::camera::{Picture, opencv_runtime, raw};

/// A file of the model and what its scores mean.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// Name of the file in opencv_zoo.
    pub file: &'static str,
    scores: Scores,
    /// Whether it does not see faces of some sizes in the large input, which it sees in the small one: those of 70 to 85
    /// pixels in 320x240.
    blind_to_some: bool,
}

/// The versions of the model. OpenCV 4.8 and later run only the newer one, earlier versions only the
/// older one.
pub const MODELS: [Model; 2] = [
    Model {
        file: "face_detection_yunet_2023mar.onnx",
        scores: Scores {
            keep_part: 0.35,
            keep_coarse: 0.45,
            find_coarse: 0.65,
            keep_fine: 0.5,
            find_fine: 0.7,
            confirm: 0.6,
            sure: 0.75,
            weak: 0.6,
        },
        blind_to_some: false,
    },
    Model {
        file: "face_detection_yunet_2022mar.onnx",
        scores: Scores {
            keep_part: 0.6,
            keep_coarse: 0.7,
            find_coarse: 0.85,
            keep_fine: 0.7,
            find_fine: 0.85,
            confirm: 0.8,
            sure: 0.9,
            weak: 0.7,
        },
        blind_to_some: true,
    },
];

/// Boxes that overlap by more than this part are one face; the value of OpenCV's own example.
const OVERLAP: f32 = 0.3;
/// Most candidates that are looked at.
const CANDIDATES: i32 = 500;

/// Input sizes: 4:3, 16:9, upright 3:4 and 9:16, square. Sides are multiples of 32, which the network wants (240 is 7.5 of
/// them, and measured to work).
const SIZES: [(i32, i32); 5] = [(320, 240), (320, 192), (240, 320), (192, 320), (256, 256)];
/// The input of a look at a part.
const PART: (i32, i32) = (64, 64);
/// The longer side of what is decoded for a fine look and for a coarse one. A part is cut from either.
const FINE: u32 = raw::LOOKED_AT;
const COARSE: u32 = FINE / 2;
/// The same for a look at nothing but brightness.
const TINY: u32 = 80;

/// The input of the closer look at one face. It costs half of a look at 320x240 and tells as much: of an inclination 0.54
/// is left (0.70 at 320x320) with the newer model, 0.71 (0.25) with the older one; below this the newer one loses it (0.12
/// at 160). The network of the whole picture does it: one of its own would cost 4 MB.
const CLOSE: (i32, i32) = (192, 192);
/// How much of the box it shows at least, and the score that is enough there, where a face is known to be.
const CLOSE_MARGIN: f32 = 1.15;
const CLOSE_SCORE: f32 = 0.5;

/// The detector.
pub struct YuNet {
    path: PathBuf,
    nets: Nets,
    min_face: u32,
    decoder: Decoder,
    fitter: Fitter,
    cutter: Cutter,
    found: Mat,
}

/// Two networks of one model. A network is shaped for one size, and shaping it anew takes 0.4 ms: parts, which are looked
/// at most often, have one of their own; looks at the whole, coarse or fine, share the other one, for each would take
/// several megabytes.
struct Nets {
    model: Model,
    part: Ptr<FaceDetectorYN>,
    whole: Ptr<FaceDetectorYN>,
    /// The input that `whole` is shaped for.
    shape: (i32, i32),
}

/// Fits pictures into inputs, in the same memory again and again.
#[derive(Default)]
struct Fitter {
    scaled: Mat,
    padded: Mat,
}

/// Cuts parts of pictures out, in the same memory again and again.
struct Cutter {
    map: Mat,
    part: Mat,
}

impl YuNet {
    /// Loads a model and tries it: with the wrong version of OpenCV a model loads, and fails at the first
    /// picture.
    ///
    /// # Errors
    /// The file cannot be read, or does not work with this OpenCV.
    pub fn open(path: &Path, model: Model, min_face: u32) -> Result<Self> {
        opencv_runtime::prepare();
        let mut yunet = Self {
            path: path.to_owned(),
            nets: Nets {
                model,
                part: net(path, PART)?,
                whole: net(path, SIZES[0])?,
                shape: SIZES[0],
            },
            min_face,
            decoder: Decoder::default(),
            fitter: Fitter::default(),
            cutter: Cutter {
                map: Mat::new_rows_cols_with_default(2, 3, CV_64FC1, Scalar::default())?,
                part: Mat::default(),
            },
            found: Mat::default(),
        };
        for (width, height) in [SIZES[0], PART] {
            let grey = Scalar::new(128.0, 128.0, 128.0, 0.0);
            let trial = Mat::new_rows_cols_with_default(height, width, CV_8UC3, grey)?;
            let net = yunet.nets.of((width, height))?;
            net.detect(&trial, &mut yunet.found)
                .map_err(|e| anyhow!("it loads but does not run ({})", first_line(&e.message)))?;
        }
        Ok(yunet)
    }
}

impl Nets {
    fn of(&mut self, size: (i32, i32)) -> Result<&mut Ptr<FaceDetectorYN>> {
        if size == PART {
            return Ok(&mut self.part);
        }
        if self.shape != size {
            self.whole.set_input_size(Size::new(size.0, size.1))?;
            self.shape = size;
        }
        Ok(&mut self.whole)
    }

    /// Looks for faces of at least this score in an input of the given size; a row of `found` for each.
    fn look(
        &mut self,
        size: (i32, i32),
        threshold: f32,
        input: &Mat,
        found: &mut Mat,
    ) -> Result<()> {
        let net = self.of(size)?;
        net.set_score_threshold(threshold)
            .and_then(|()| net.detect(input, found))
            .map_err(|e| anyhow!("YuNet failed ({})", first_line(&e.message)))?;
        Ok(())
    }
}

/// A network for inputs of this size. The score that is enough is set with each look.
fn net(path: &Path, size: (i32, i32)) -> Result<Ptr<FaceDetectorYN>> {
    let path = path.to_str().context("the path is not UTF-8")?;
    let (input, threshold) = (Size::new(size.0, size.1), CLOSE_SCORE);
    FaceDetectorYN::create(path, "", input, threshold, OVERLAP, CANDIDATES, 0, 0)
        .map_err(|e| anyhow!("it does not load ({})", first_line(&e.message)))
}

/// OpenCV's messages run over several lines.
fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default().trim()
}

impl Fitter {
    /// The picture in the left top corner of an input of this size, as large as it fits, and how much
    /// larger it became by that.
    fn fit<'a>(&'a mut self, mat: &'a Mat, input: (i32, i32)) -> Result<(&'a Mat, f64)> {
        let (width, height) = (mat.cols(), mat.rows());
        let part = |a: i32, b: i32| f64::from(a) / f64::from(b.max(1));
        let scale = part(input.0, width).min(part(input.1, height));
        let side = |from: i32, most: i32| ((f64::from(from) * scale).round() as i32).clamp(1, most);
        let inner = (side(width, input.0), side(height, input.1));
        let fitted = if inner == (width, height) {
            mat
        } else {
            let size = Size::new(inner.0, inner.1);
            resize(mat, &mut self.scaled, size, 0.0, 0.0, INTER_LINEAR)?;
            &self.scaled
        };
        if inner == input {
            return Ok((fitted, scale));
        }
        let (bottom, right) = (input.1 - inner.1, input.0 - inner.0);
        let black = Scalar::default();
        copy_make_border(
            fitted,
            &mut self.padded,
            0,
            bottom,
            0,
            right,
            BORDER_CONSTANT,
            black,
        )?;
        Ok((&self.padded, scale))
    }
}

impl Cutter {
    /// The square of the full picture that fills the shorter side of an input of this size, and how many pixels of the
    /// full picture one of it is.
    fn cut(
        &mut self,
        from: &Decoded<'_>,
        centre: Point,
        side: f32,
        input: (i32, i32),
    ) -> Result<f32> {
        let reduction = from.reduction as f32;
        let scale = f64::from(input.0.min(input.1)) / f64::from((side / reduction).max(1.0));
        let shift = |centre: f32, length: i32| {
            f64::from(length) / 2.0 - scale * f64::from(centre / reduction)
        };
        for (row, shift) in [(0, shift(centre.x, input.0)), (1, shift(centre.y, input.1))] {
            *self.map.at_2d_mut::<f64>(row, row)? = scale;
            *self.map.at_2d_mut::<f64>(row, 2)? = shift;
        }
        warp_affine(
            from.mat,
            &mut self.part,
            &self.map,
            Size::new(input.0, input.1),
            INTER_LINEAR,
            BORDER_REPLICATE,
            Scalar::default(),
        )?;
        Ok(reduction / scale as f32)
    }
}

/// The input size for a coarse look: half of that for a fine one.
const fn half((width, height): (i32, i32)) -> (i32, i32) {
    (width / 2, height / 2)
}

/// The input size that shows a picture of this shape largest.
fn input_size(width: i32, height: i32) -> (i32, i32) {
    let part = |a: i32, b: i32| f64::from(a) / f64::from(b.max(1));
    let scale = |size: &(i32, i32)| part(size.0, width).min(part(size.1, height));
    SIZES
        .into_iter()
        .max_by(|a, b| scale(a).total_cmp(&scale(b)))
        .unwrap_or(SIZES[0])
}

impl YuNet {
    /// A look at the whole picture in an input of this size.
    fn whole(
        &mut self,
        picture: &Picture,
        coarse: bool,
        keep: f32,
        found: &mut Vec<Face>,
    ) -> Result<()> {
        let long_side = if coarse { COARSE } else { FINE };
        let decoded = self.decoder.decode(picture, Pixels::Colour, long_side)?;
        let size = input_size(decoded.mat.cols(), decoded.mat.rows());
        let size = if coarse { half(size) } else { size };
        let (input, fit) = self.fitter.fit(decoded.mat, size)?;
        self.nets.look(size, keep, input, &mut self.found)?;
        let scale = (f64::from(decoded.reduction) / fit) as f32;
        for row in 0..self.found.rows() {
            found.extend(face(self.found.at_row::<f32>(row)?, scale));
        }
        Ok(())
    }

    fn part(&mut self, picture: &Picture, square: Square, found: &mut Vec<Face>) -> Result<()> {
        let long_side = if square.closer { FINE } else { COARSE };
        let decoded = self.decoder.decode(picture, Pixels::Colour, long_side)?;
        let scale = self
            .cutter
            .cut(&decoded, square.centre, square.side, PART)?;
        self.look_at_cut(
            PART,
            self.nets.model.scores.keep_part,
            square.centre,
            scale,
            found,
        )
    }

    fn nearby(&mut self, picture: &Picture, centre: Point, found: &mut Vec<Face>) -> Result<()> {
        let decoded = self.decoder.decode(picture, Pixels::Colour, FINE)?;
        let fine = input_size(decoded.mat.cols(), decoded.mat.rows());
        let part = |a: i32, b: i32| b as f32 / a.max(1) as f32;
        // Pixels of the full picture to one of a fine look's input.
        let scale = part(fine.0, decoded.mat.cols()).max(part(fine.1, decoded.mat.rows()))
            * decoded.reduction as f32;
        let size = half(fine);
        let side = size.0.min(size.1) as f32 * scale;
        let scale = self.cutter.cut(&decoded, centre, side, size)?;
        self.look_at_cut(size, self.nets.model.scores.keep_fine, centre, scale, found)
    }

    /// Looks at what was cut out around `centre` for an input of this size; one of its pixels is `scale` of the full picture.
    fn look_at_cut(
        &mut self,
        size: (i32, i32),
        keep: f32,
        centre: Point,
        scale: f32,
        found: &mut Vec<Face>,
    ) -> Result<()> {
        self.nets
            .look(size, keep, &self.cutter.part, &mut self.found)?;
        let corner = |centre: f32, length: i32| centre - length as f32 * scale / 2.0;
        let (left, top) = (corner(centre.x, size.0), corner(centre.y, size.1));
        for row in 0..self.found.rows() {
            let face = face(self.found.at_row::<f32>(row)?, scale);
            found.extend(face.map(|f| f.moved(left, top)));
        }
        Ok(())
    }
}

impl Detector for YuNet {
    fn show(&mut self, picture: &Picture) -> Result<(u32, u32)> {
        self.decoder.show(picture)
    }

    fn look(&mut self, picture: &Picture, look: Look, found: &mut Vec<Face>) -> Result<()> {
        let scores = self.nets.model.scores;
        match look {
            Look::Fine => {
                let before = found.len();
                self.whole(picture, false, scores.keep_fine, found)?;
                if self.nets.model.blind_to_some {
                    let seen = found.len();
                    self.whole(picture, true, scores.find_coarse, found)?;
                    for at in (seen..found.len()).rev() {
                        let known = |f: &Face| f.overlap(&found[at]) > OVERLAP;
                        if found[before..seen].iter().any(known) {
                            found.swap_remove(at);
                        }
                    }
                }
                Ok(())
            }
            Look::Coarse => self.whole(picture, true, scores.keep_coarse, found),
            Look::Part(square) => self.part(picture, square, found),
            Look::Nearby(place) => self.nearby(picture, place, found),
        }
    }

    fn lean(&mut self, picture: &Picture, face: &Face) -> Result<Option<f32>> {
        let decoded = self.decoder.decode(picture, Pixels::Colour, FINE)?;
        let side = face.w.max(face.h) * CLOSE_MARGIN;
        self.cutter.cut(&decoded, face.centre(), side, CLOSE)?;
        self.nets
            .look(CLOSE, CLOSE_SCORE, &self.cutter.part, &mut self.found)?;
        let mut largest: Option<Face> = None;
        for row in 0..self.found.rows() {
            let seen = self::face(self.found.at_row::<f32>(row)?, 1.0);
            if let Some(seen) = seen
                && largest.is_none_or(|l| seen.area() > l.area())
            {
                largest = Some(seen);
            }
        }
        Ok(largest.map(|l| l.roll_degrees()))
    }

    fn brightness(&mut self, picture: &Picture) -> Result<(&[u8], usize)> {
        let decoded = self.decoder.decode(picture, Pixels::Grey, TINY)?;
        let width = usize::try_from(decoded.mat.cols())?;
        Ok((decoded.mat.data_bytes()?, width))
    }

    fn scores(&self) -> Scores {
        self.nets.model.scores
    }

    fn has_parts(&self) -> bool {
        true
    }

    fn sees_lean(&self) -> bool {
        false
    }

    fn min_face(&self) -> u32 {
        self.min_face
    }

    fn describe(&self) -> String {
        let (width, height) = SIZES[0];
        let (path, version) = (self.path.display(), opencv_runtime::version());
        format!("YuNet ({path}, input {width}x{height}, OpenCV {version})")
    }
}

/// A face from a row of the network's answer: box, then the visitor's right eye, left eye, nose and corners
/// of the mouth, then the score; 15 numbers in pixels of the input.
fn face(row: &[f32], scale: f32) -> Option<Face> {
    let &[x, y, w, h, x1, y1, x2, y2, _, _, _, _, _, _, score] = row else {
        return None;
    };
    if row.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let point = |x: f32, y: f32| Point {
        x: x * scale,
        y: y * scale,
    };
    let (a, b) = (point(x1, y1), point(x2, y2));
    let (left_eye, right_eye) = if a.x <= b.x { (a, b) } else { (b, a) };
    Some(Face {
        x: x * scale,
        y: y * scale,
        w: w * scale,
        h: h * scale,
        left_eye,
        right_eye,
        score: score.clamp(0.0, 1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_picture_gets_its_input() {
        for (picture, want) in [
            ((320, 240), (320, 240)),
            ((320, 180), (320, 192)),
            ((480, 270), (320, 192)),
            ((240, 320), (240, 320)),
            ((180, 320), (192, 320)),
            ((300, 300), (256, 256)),
        ] {
            assert_eq!(input_size(picture.0, picture.1), want, "{picture:?}");
        }
    }

    #[test]
    fn pictures_are_fitted_without_distortion() {
        let mat = Mat::new_rows_cols_with_default(270, 480, CV_8UC3, Scalar::all(255.0)).unwrap();
        let mut fitter = Fitter::default();
        let (input, scale) = fitter.fit(&mat, (320, 192)).unwrap();
        assert_eq!((input.cols(), input.rows()), (320, 192));
        assert!((scale - 320.0 / 480.0).abs() < 1e-9);
        let brightness = |row: i32| input.at_2d::<opencv::core::Vec3b>(row, 319).unwrap()[0];
        assert_eq!((brightness(179), brightness(180)), (255, 0), "padded below");
    }

    #[test]
    fn a_row_becomes_a_face_in_full_pixels() {
        let mut row = [0.0f32; 15];
        row[..8].copy_from_slice(&[10.0, 20.0, 30.0, 40.0, 15.0, 30.0, 33.0, 34.0]);
        row[14] = 0.9;
        let got = face(&row, 2.0).unwrap();
        assert_eq!((got.x, got.y, got.w, got.h), (20.0, 40.0, 60.0, 80.0));
        assert_eq!(got.left_eye, Point { x: 30.0, y: 60.0 });
        assert_eq!(got.right_eye, Point { x: 66.0, y: 68.0 });
        assert!(got.roll_degrees() > 0.0, "the right end is the lower one");
        row[3] = f32::NAN;
        assert_eq!(face(&row, 2.0), None);
        assert_eq!(face(&row[..14], 2.0), None);
    }
}
