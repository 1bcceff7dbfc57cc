//! Haar cascades: the detector that needs no download, because Debian ships them (`opencv-data`).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use opencv::core::{Mat, Rect, Size, Vector};
use opencv::imgproc::{INTER_LINEAR, equalize_hist, resize};
use opencv::objdetect::{CASCADE_SCALE_IMAGE, CascadeClassifier};
use opencv::prelude::*;

use super::decode::{Decoder, Pixels};
use super::{Detector, Face, Look, Point, Scores};
use crate::follow::camera::{Picture, opencv_runtime, raw};

/// Where distributions and OpenCV's own installation put the cascades.
pub const FOLDERS: [&str; 3] = [
    "/usr/share/opencv4/haarcascades",
    "/usr/share/opencv/haarcascades",
    "/usr/local/share/opencv4/haarcascades",
];
const FACE: &str = "haarcascade_frontalface_default.xml";
const EYE: &str = "haarcascade_eye.xml";

/// Side of the window that the face cascade was trained with, in pixels: nothing smaller is found.
const FACE_WINDOW: i32 = 24;
/// Width that a face has at least when its eyes are searched. The window of the eye cascade is 20 pixels,
/// and an eye takes up a fifth to a third of the face.
const EYE_SEARCH: i32 = 120;

/// Growth of the window from pass to pass, and how many windows must agree on a face. Of 1.1 to 1.2 and 2
/// to 4, with three cascades, the best balance of finding, inventing and time on the development clips.
const GROWTH: f64 = 1.15;
const AGREEMENT: i32 = 2;

/// The longer side of what is looked at, and of what tells whether anything moves.
const LONG_SIDE: u32 = raw::LOOKED_AT;
const TINY: u32 = 80;
/// Whatever two windows agree on is a face; alone it has to be found twice, unless six agree.
const SCORES: Scores = Scores {
    keep_part: 0.3,
    keep_coarse: 0.3,
    find_coarse: 0.3,
    keep_fine: 0.3,
    find_fine: 0.3,
    confirm: 0.3,
    sure: 0.75,
    weak: 0.0,
};

/// Where the eyes are in a box of the face cascade, as parts of its side, when they are not found: the
/// middle of what the eye cascade finds on the development clips.
const EYES: [(f32, f32); 2] = [(0.31, 0.39), (0.69, 0.39)];

/// The detector.
pub struct Haar {
    folder: PathBuf,
    faces: CascadeClassifier,
    eyes: CascadeClassifier,
    min_face: u32,
    decoder: Decoder,
    even: Mat,
    enlarged: Mat,
    found: Vector<Rect>,
    found_eyes: Vector<Rect>,
    agreeing: Vector<i32>,
}

impl Haar {
    /// Loads the cascades from the first folder that has both.
    ///
    /// # Errors
    /// There are none, or they cannot be read.
    pub fn open(min_face: u32) -> Result<Self> {
        let folder = FOLDERS
            .iter()
            .map(Path::new)
            .find(|f| f.join(FACE).is_file() && f.join(EYE).is_file());
        match folder {
            Some(folder) => Self::load(folder, min_face),
            None => bail!(
                "no {FACE} in {}; install the package opencv-data",
                FOLDERS.join(", ")
            ),
        }
    }

    fn load(folder: &Path, min_face: u32) -> Result<Self> {
        opencv_runtime::prepare();
        let load = |file: &str| -> Result<CascadeClassifier> {
            let path = folder.join(file);
            let cascade = CascadeClassifier::new(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            if cascade.empty()? {
                bail!("{} is not a cascade", path.display());
            }
            Ok(cascade)
        };
        Ok(Self {
            faces: load(FACE)?,
            eyes: load(EYE)?,
            folder: folder.to_owned(),
            min_face,
            decoder: Decoder::default(),
            even: Mat::default(),
            enlarged: Mat::default(),
            found: Vector::new(),
            found_eyes: Vector::new(),
            agreeing: Vector::new(),
        })
    }

    /// The eyes within a face, in pixels of the reduced picture.
    fn find_eyes(&mut self, face: Rect) -> Result<[Point; 2]> {
        // Eyes lie in the upper part of the box; below it nostrils and corners of the mouth look alike.
        let upper = Rect::new(
            face.x,
            face.y + face.height / 6,
            face.width,
            face.height * 2 / 5,
        );
        let part = Mat::roi(&self.even, upper)?;
        let growth = (f64::from(EYE_SEARCH) / f64::from(face.width.max(1))).max(1.0);
        resize(
            &part,
            &mut self.enlarged,
            Size::default(),
            growth,
            growth,
            INTER_LINEAR,
        )?;
        let side = |part: f64| {
            let side = (f64::from(face.width) * growth * part) as i32;
            Size::new(side, side)
        };
        self.eyes.detect_multi_scale(
            &self.enlarged,
            &mut self.found_eyes,
            1.1,
            3,
            CASCADE_SCALE_IMAGE,
            side(0.17),
            side(0.45),
        )?;
        let middles: Vec<Point> = self
            .found_eyes
            .iter()
            .map(|e| {
                let middle =
                    |from: i32, length: i32| (f64::from(from) + f64::from(length) / 2.0) / growth;
                Point {
                    x: upper.x as f32 + middle(e.x, e.width) as f32,
                    y: upper.y as f32 + middle(e.y, e.height) as f32,
                }
            })
            .collect();
        let at = |(x, y): (f32, f32)| Point {
            x: face.x as f32 + x * face.width as f32,
            y: face.y as f32 + y * face.height as f32,
        };
        Ok(choose_eyes(EYES.map(at), &middles, face.width as f32))
    }
}

/// For each expected eye the found one that is nearest, if it is near; otherwise what is expected. One eye
/// alone is not trusted: the line between a found and an expected eye would lean at random.
fn choose_eyes(expected: [Point; 2], found: &[Point], width: f32) -> [Point; 2] {
    /// Farthest that an eye lies from where it is expected, as a part of the width of the face.
    const NEAR: f32 = 0.17;
    let nearest = |want: Point| {
        let distance = |p: &Point| (p.x - want.x).hypot(p.y - want.y);
        found
            .iter()
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))
            .filter(|p| distance(p) <= NEAR * width)
            .copied()
    };
    match expected.map(nearest) {
        [Some(left), Some(right)] if left.x < right.x => [left, right],
        _ => expected,
    }
}

impl Detector for Haar {
    fn show(&mut self, picture: &Picture) -> Result<(u32, u32)> {
        self.decoder.show(picture)
    }

    /// Every look is one at the whole picture: the cascades see small faces no better in a part.
    fn look(&mut self, picture: &Picture, _: Look, faces: &mut Vec<Face>) -> Result<()> {
        let reduction = {
            let decoded = self.decoder.decode(picture, Pixels::Grey, LONG_SIDE)?;
            equalize_hist(decoded.mat, &mut self.even)?;
            decoded.reduction
        };
        let least = i32::try_from(self.min_face / reduction)?.max(FACE_WINDOW);
        self.faces.detect_multi_scale2(
            &self.even,
            &mut self.found,
            &mut self.agreeing,
            GROWTH,
            AGREEMENT,
            CASCADE_SCALE_IMAGE,
            Size::new(least, least),
            Size::default(),
        )?;
        let scale = reduction as f32;
        let boxes: Vec<(Rect, i32)> = self.found.iter().zip(self.agreeing.iter()).collect();
        for (rect, agreeing) in boxes {
            let [left_eye, right_eye] = self.find_eyes(rect)?.map(|eye| Point {
                x: eye.x * scale,
                y: eye.y * scale,
            });
            faces.push(Face {
                x: rect.x as f32 * scale,
                y: rect.y as f32 * scale,
                w: rect.width as f32 * scale,
                h: rect.height as f32 * scale,
                left_eye,
                right_eye,
                score: score(agreeing),
            });
        }
        Ok(())
    }

    fn lean(&mut self, _: &Picture, face: &Face) -> Result<Option<f32>> {
        Ok(Some(face.roll_degrees()))
    }

    fn brightness(&mut self, picture: &Picture) -> Result<(&[u8], usize)> {
        let decoded = self.decoder.decode(picture, Pixels::Grey, TINY)?;
        let width = usize::try_from(decoded.mat.cols())?;
        Ok((decoded.mat.data_bytes()?, width))
    }

    fn scores(&self) -> Scores {
        SCORES
    }

    fn has_parts(&self) -> bool {
        false
    }

    fn sees_lean(&self) -> bool {
        true
    }

    fn min_face(&self) -> u32 {
        self.min_face
    }

    fn describe(&self) -> String {
        let (folder, version) = (self.folder.display(), opencv_runtime::version());
        format!("Haar cascades ({folder}, OpenCV {version})")
    }
}

/// A cascade knows no probability; the more windows agree, the surer it is: 0.4 at two, 0.9 at ten.
fn score(agreeing: i32) -> f32 {
    1.0 - 0.78f32.powi(agreeing.clamp(0, 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(x: f32, y: f32) -> Point {
        Point { x, y }
    }

    #[test]
    fn two_near_eyes_are_taken_and_one_alone_is_not() {
        let expected = [p(30.0, 40.0), p(70.0, 40.0)];
        let near = [p(72.0, 44.0), p(28.0, 36.0), p(50.0, 70.0)];
        assert_eq!(choose_eyes(expected, &near, 100.0), [near[1], near[0]]);
        assert_eq!(choose_eyes(expected, &near[..1], 100.0), expected);
        assert_eq!(choose_eyes(expected, &[], 100.0), expected);
        assert_eq!(choose_eyes(expected, &[p(50.0, 40.0)], 200.0), expected);
    }

    #[test]
    fn the_score_grows_with_agreement() {
        assert!((score(2) - 0.4).abs() < 0.02, "{}", score(2));
        assert!(score(10) > 0.9 && score(10_000) < 1.0 && score(-1) == 0.0);
    }
}
