//! YuNet, a small neural network that finds faces with their eyes (opencv_zoo, MIT licence).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use opencv::core::{
    BORDER_CONSTANT, BORDER_REPLICATE, CV_8UC3, Mat, Ptr, Scalar, Size, copy_make_border,
};
use opencv::imgproc::{INTER_LINEAR, resize, warp_affine};
use opencv::objdetect::FaceDetectorYN;
use opencv::prelude::*;

use super::decode::{Decoder, Pixels};
use super::lean::Lean;
use super::{Detection, Detector, Face, Point, clip};
use crate::follow::camera::{Picture, opencv_runtime};

/// A file of the model and the score from which on its faces are believed.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// Name of the file in opencv_zoo.
    pub file: &'static str,
    /// Lowest score.
    threshold: f32,
}

/// The versions of the model. OpenCV 4.8 and later run only the newer one, earlier versions only the
/// older one.
pub const MODELS: [Model; 2] = [
    Model {
        file: "face_detection_yunet_2023mar.onnx",
        threshold: 0.7,
    },
    Model {
        file: "face_detection_yunet_2022mar.onnx",
        threshold: 0.8,
    },
];

/// Boxes that overlap by more than this part are one face; the value of OpenCV's own example.
const OVERLAP: f32 = 0.3;
/// Most candidates that are looked at.
const CANDIDATES: i32 = 500;

/// Input sizes: 4:3, 16:9, upright 3:4 and 9:16, square. The network is shaped for one size, and shaping
/// it anew costs far more than a detection, so each size that occurs keeps its own. Sides are multiples
/// of 32, which the network wants (240 is 7.5 of them, and measured to work).
const SIZES: [(i32, i32); 5] = [(320, 240), (320, 192), (240, 320), (192, 320), (256, 256)];

/// How much of the box the closer look at one face shows at least, and the score that is enough there,
/// where a face is known to be. It uses the network of the whole picture: one of its own, shaped for a
/// face, would cost 4 MB.
const CLOSE_MARGIN: f64 = 1.15;
const CLOSE_THRESHOLD: f32 = 0.5;
/// A face this wide in the input, in pixels, needs no closer look.
const LARGE: f32 = 160.0;

/// The detector.
pub struct YuNet {
    nets: Nets,
    lean: Lean,
    close: Mat,
    min_face: f32,
    decoder: Decoder,
    fitter: Fitter,
    found: Mat,
}

/// The networks of one model file, by input size; each is made when it is first wanted.
struct Nets {
    path: PathBuf,
    model: Model,
    shaped: Vec<((i32, i32), Ptr<FaceDetectorYN>)>,
}

/// Fits pictures into inputs, in the same memory again and again.
#[derive(Default)]
struct Fitter {
    scaled: Mat,
    padded: Mat,
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
            nets: Nets {
                path: path.to_owned(),
                model,
                shaped: Vec::new(),
            },
            lean: Lean::default(),
            close: Mat::default(),
            min_face: min_face as f32,
            decoder: Decoder::new(Pixels::Colour),
            fitter: Fitter::default(),
            found: Mat::default(),
        };
        let (width, height) = SIZES[0];
        let grey = Scalar::new(128.0, 128.0, 128.0, 0.0);
        let trial = Mat::new_rows_cols_with_default(height, width, CV_8UC3, grey)?;
        yunet
            .nets
            .of(SIZES[0])?
            .detect(&trial, &mut yunet.found)
            .map_err(|e| anyhow!("it loads but does not run ({})", first_line(&e.message)))?;
        Ok(yunet)
    }
}

impl Nets {
    fn of(&mut self, size: (i32, i32)) -> Result<&mut Ptr<FaceDetectorYN>> {
        let at = match self.shaped.iter().position(|(s, _)| *s == size) {
            Some(at) => at,
            None => {
                let path = self.path.to_str().context("the path is not UTF-8")?;
                let (input, threshold) = (Size::new(size.0, size.1), self.model.threshold);
                let net =
                    FaceDetectorYN::create(path, "", input, threshold, OVERLAP, CANDIDATES, 0, 0)
                        .map_err(|e| anyhow!("it does not load ({})", first_line(&e.message)))?;
                self.shaped.push((size, net));
                self.shaped.len() - 1
            }
        };
        Ok(&mut self.shaped[at].1)
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

/// The input size that shows a picture of this shape largest.
fn input_size(width: i32, height: i32) -> (i32, i32) {
    let part = |a: i32, b: i32| f64::from(a) / f64::from(b.max(1));
    let scale = |size: &(i32, i32)| part(size.0, width).min(part(size.1, height));
    SIZES
        .into_iter()
        .max_by(|a, b| scale(a).total_cmp(&scale(b)))
        .unwrap_or(SIZES[0])
}

impl Detector for YuNet {
    fn detect(&mut self, picture: &Picture) -> Result<Detection> {
        let decoded = self.decoder.decode(picture)?;
        let size = input_size(decoded.mat.cols(), decoded.mat.rows());
        let (input, fit) = self.fitter.fit(decoded.mat, size)?;
        let threshold = self.nets.model.threshold;
        self.nets.look(size, threshold, input, &mut self.found)?;
        let scale = (f64::from(decoded.reduction) / fit) as f32;
        let mut faces = Vec::new();
        for row in 0..self.found.rows() {
            if let Some(face) = face(self.found.at_row::<f32>(row)?, scale)
                && face.w.max(face.h) >= self.min_face
                && let Some(face) = clip(face, decoded.full)
            {
                faces.push(face);
            }
        }
        let largest = faces
            .iter_mut()
            .max_by(|a, b| a.area().total_cmp(&b.area()));
        if let Some(face) = largest {
            if face.w / scale < LARGE && self.lean.wants_look(face) {
                let roll = look_closely(
                    (&mut self.nets, size),
                    decoded.mat,
                    (&mut self.close, &mut self.found),
                    face,
                    decoded.reduction as f32,
                )?;
                self.lean.looked(face, roll);
            }
            *face = self.lean.corrected(*face);
        }
        Ok(Detection {
            width: decoded.full.0,
            height: decoded.full.1,
            faces,
        })
    }

    fn describe(&self) -> String {
        let (width, height) = SIZES[0];
        let (path, version) = (self.nets.path.display(), opencv_runtime::version());
        format!("YuNet ({path}, input {width}x{height}, OpenCV {version})")
    }
}

/// The roll of a face in degrees, from a picture of it that fills the input of the given size; `reduction`
/// is how much smaller `mat` is than the full picture. None if it is not found again.
fn look_closely(
    (nets, size): (&mut Nets, (i32, i32)),
    mat: &Mat,
    (close, found): (&mut Mat, &mut Mat),
    face: &Face,
    reduction: f32,
) -> Result<Option<f32>> {
    let part = |pixels: f32| f64::from(pixels / reduction);
    let (width, height) = (part(face.w).max(1.0), part(face.h).max(1.0));
    let input = (f64::from(size.0), f64::from(size.1));
    let scale = (input.0 / width).min(input.1 / height) / CLOSE_MARGIN;
    let centre = face.centre();
    let map = Mat::from_slice_2d(&[
        [scale, 0.0, input.0 / 2.0 - scale * part(centre.x)],
        [0.0, scale, input.1 / 2.0 - scale * part(centre.y)],
    ])?;
    warp_affine(
        mat,
        close,
        &map,
        Size::new(size.0, size.1),
        INTER_LINEAR,
        BORDER_REPLICATE,
        Scalar::default(),
    )?;
    nets.look(size, CLOSE_THRESHOLD, close, found)?;
    let mut largest: Option<Face> = None;
    for row in 0..found.rows() {
        let seen = self::face(found.at_row::<f32>(row)?, 1.0);
        if let Some(seen) = seen
            && largest.is_none_or(|l| seen.area() > l.area())
        {
            largest = Some(seen);
        }
    }
    Ok(largest.map(|l| l.roll_degrees()))
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
