//! By how much a picture is shifted against the first one, from what stands in its middle.

use anyhow::Result;
use opencv::core::{Mat, Point, Rect, Size};
use opencv::imgproc::{TM_CCOEFF_NORMED, match_template_def};
use opencv::prelude::*;

use crate::base::parabola::extremum;

/// Windows that are looked at, one above the other in the middle column, as parts of the height from the middle: there a
/// turn of pan or tilt shifts everything alike, and one of them may have somebody in it.
const COLUMN: &[f64] = &[-0.28, 0.0, 0.28];
/// The same where the picture may turn: then only what lies side by side is shifted alike.
const MIDDLE: &[f64] = &[0.0];
/// A window is this part of the picture's width and height.
const WIDTH: f64 = 0.3;
const HEIGHT: f64 = 0.22;
/// Looked for so many pixels around where it was last, and if it is not there, so many around where it was first.
const NEAR: i32 = 8;
const FAR: i32 = 40;
/// A window that is found is at least so much like the first one, from -1 to 1.
const ALIKE: f64 = 0.75;
/// A window whose brightness varies by less than this (standard deviation, of 255) shows nothing.
const TEXTURE: f64 = 2.0;
/// Windows that are shifted alike differ by no more than this, in pixels.
const SAME: f64 = 1.5;

/// Compares pictures with the first one.
pub struct Comparer {
    windows: &'static [f64],
    /// The windows of the first picture, with where they are.
    first: Vec<(Rect, Mat)>,
    size: Size,
    last: [f64; 2],
}

/// Compares the halves of pictures with those of the first one, each by itself.
pub struct Sides {
    left: Comparer,
    right: Comparer,
}

impl Default for Sides {
    fn default() -> Self {
        Self {
            left: Comparer::new(MIDDLE),
            right: Comparer::new(MIDDLE),
        }
    }
}

impl Default for Comparer {
    fn default() -> Self {
        Self::new(COLUMN)
    }
}

impl Sides {
    /// Takes the next picture, in grey: by how many pixels its right half has gone right and down more than its left half.
    /// The middles of the halves are half of the picture's width apart.
    ///
    /// # Errors
    /// OpenCV refuses, for want of memory.
    pub fn see(&mut self, grey: &Mat) -> Result<Seen> {
        let half = grey.cols() / 2;
        if half == 0 {
            return Ok(Seen::Blank);
        }
        let part = |x: i32| -> Result<Mat> {
            Ok(Mat::roi(grey, Rect::new(x, 0, half, grey.rows()))?.try_clone()?)
        };
        let (left, right) = (self.left.see(&part(0)?)?, self.right.see(&part(half)?)?);
        Ok(match (left, right) {
            (Seen::Shifted(left), Seen::Shifted(right)) => {
                Seen::Shifted([right[0] - left[0], right[1] - left[1]])
            }
            (Seen::Blank, _) | (_, Seen::Blank) => Seen::Blank,
            _ => Seen::Unclear,
        })
    }
}

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// It is the first one, or shifted by so many pixels against that.
    Shifted([f64; 2]),
    /// Too little to be compared: a wall, darkness.
    Blank,
    /// It cannot be told.
    Unclear,
}

impl Comparer {
    fn new(windows: &'static [f64]) -> Self {
        Self {
            windows,
            first: Vec::new(),
            size: Size::default(),
            last: [0.0; 2],
        }
    }

    /// Takes the next picture, in grey.
    ///
    /// # Errors
    /// OpenCV refuses, for want of memory.
    pub fn see(&mut self, grey: &Mat) -> Result<Seen> {
        if self.first.is_empty() || grey.size()? != self.size {
            return self.begin(grey);
        }
        let last = self.last.map(|shift| shift.round() as i32);
        let near = self.compare(grey, last, NEAR)?;
        let found = match near {
            Some(found) => Some(found),
            None => self.compare(grey, [0, 0], FAR)?,
        };
        Ok(found.map_or(Seen::Unclear, |shift| {
            self.last = shift;
            Seen::Shifted(shift)
        }))
    }

    /// The shift on which most windows agree, no more than `around` pixels from `guess`.
    fn compare(&self, grey: &Mat, guess: [i32; 2], around: i32) -> Result<Option<[f64; 2]>> {
        let mut seen = Vec::new();
        for (window, first) in &self.first {
            if let Some(shift) = find(grey, *window, first, guess, around)? {
                seen.push(shift);
            }
        }
        let middle = |i: usize| {
            let mut values: Vec<f64> = seen.iter().map(|s| s[i]).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(0.0)
        };
        let shift = [middle(0), middle(1)];
        seen.retain(|s| (0..2).all(|i| (s[i] - shift[i]).abs() <= SAME));
        if seen.len() * 2 <= self.first.len() {
            return Ok(None);
        }
        let mean = |i: usize| seen.iter().map(|s| s[i]).sum::<f64>() / seen.len() as f64;
        Ok(Some([mean(0), mean(1)]))
    }

    fn begin(&mut self, grey: &Mat) -> Result<Seen> {
        let size = grey.size()?;
        let (width, height) = (
            (f64::from(size.width) * WIDTH) as i32,
            (f64::from(size.height) * HEIGHT) as i32,
        );
        self.first.clear();
        if width < 16 || height < 16 {
            return Ok(Seen::Blank);
        }
        for place in self.windows {
            let middle = f64::from(size.height) * (0.5 + place);
            let place = Rect::new(
                (size.width - width) / 2,
                middle as i32 - height / 2,
                width,
                height,
            );
            let window = Mat::roi(grey, place)?.try_clone()?;
            if deviation(&window)? >= TEXTURE {
                self.first.push((place, window));
            }
        }
        if self.first.is_empty() {
            return Ok(Seen::Blank);
        }
        (self.size, self.last) = (size, [0.0; 2]);
        Ok(Seen::Shifted(self.last))
    }
}

/// By how much a window has shifted, if it is found.
fn find(
    grey: &Mat,
    window: Rect,
    first: &Mat,
    guess: [i32; 2],
    around: i32,
) -> Result<Option<[f64; 2]>> {
    let left = (window.x + guess[0] - around).max(0);
    let top = (window.y + guess[1] - around).max(0);
    let right = (window.x + guess[0] + around + window.width).min(grey.cols());
    let bottom = (window.y + guess[1] + around + window.height).min(grey.rows());
    if right - left < window.width || bottom - top < window.height {
        return Ok(None);
    }
    let part = Mat::roi(grey, Rect::new(left, top, right - left, bottom - top))?;
    let mut like = Mat::default();
    match_template_def(&part, first, &mut like, TM_CCOEFF_NORMED)?;
    let (mut best, mut place) = (0.0, Point::default());
    opencv::core::min_max_loc(
        &like,
        None,
        Some(&mut best),
        None,
        Some(&mut place),
        &opencv::core::no_array(),
    )?;
    // What lies at the edge may be still better beyond it.
    let inside =
        place.x > 0 && place.y > 0 && place.x + 1 < like.cols() && place.y + 1 < like.rows();
    if best < ALIKE || !inside {
        return Ok(None);
    }
    let at = |dx: i32, dy: i32| -> Result<f64> {
        Ok(f64::from(*like.at_2d::<f32>(place.y + dy, place.x + dx)?))
    };
    let (x, y) = (
        extremum(at(-1, 0)?, best, at(1, 0)?),
        extremum(at(0, -1)?, best, at(0, 1)?),
    );
    Ok(Some([
        f64::from(left + place.x - window.x) + x,
        f64::from(top + place.y - window.y) + y,
    ]))
}

fn deviation(window: &Mat) -> Result<f64> {
    let (mut mean, mut deviation) = (Mat::default(), Mat::default());
    opencv::core::mean_std_dev_def(window, &mut mean, &mut deviation)?;
    Ok(*deviation.at::<f64>(0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::follow::camera::simulated::draw::Painter;
    use crate::follow::camera::{Picture, opencv_runtime};
    use crate::follow::detect::{Decoder, Pixels};
    use crate::follow::optics::Optics;
    use crate::follow::pose::Pose;

    fn grey(painter: &mut Painter, pose: Pose) -> Mat {
        let data = painter.picture(pose, None).unwrap();
        let (width, height) = (640, 480);
        let picture = Picture::Bgr {
            width,
            height,
            data,
        };
        let mut decoder = Decoder::default();
        decoder.show(&picture).unwrap();
        let decoded = decoder.decode(&picture, Pixels::Grey, 320).unwrap();
        decoded.mat.clone()
    }

    #[test]
    fn a_room_shifts_as_the_mount_turns() {
        opencv_runtime::prepare();
        let camera = Config::default().camera;
        let mut painter = Painter::new(Optics::new(&camera), 640, 480).unwrap();
        let focal = 160.0 / (camera.fov_degrees / 2.0).to_radians().tan();
        let mut comparer = Comparer::default();
        let first = grey(&mut painter, Pose::HOME);
        assert_eq!(comparer.see(&first).unwrap(), Seen::Shifted([0.0; 2]));
        for pan in [0.3, 1.0, 2.0, 3.0, 2.0, 0.0, -1.5, -3.0, 3.0] {
            let now = grey(&mut painter, Pose { pan, ..Pose::HOME });
            let seen = comparer.see(&now).unwrap();
            let Seen::Shifted([right, down]) = seen else {
                panic!("{pan}: {seen:?}");
            };
            let expected = -focal * pan.to_radians();
            assert!(
                (right - expected).abs() < 0.5 && down.abs() < 0.3,
                "{pan}: {right} {expected} {down}"
            );
        }
    }

    #[test]
    fn the_sides_tell_a_turn_from_a_shift() {
        opencv_runtime::prepare();
        let camera = Config::default().camera;
        let mut painter = Painter::new(Optics::new(&camera), 640, 480).unwrap();
        let mut sides = Sides::default();
        for (roll, pan) in [(0.0, 0.0), (2.0, 0.0), (-3.0, 0.0), (3.0, 1.0), (0.0, 2.0)] {
            let now = grey(
                &mut painter,
                Pose {
                    roll,
                    pan,
                    ..Pose::HOME
                },
            );
            let seen = sides.see(&now).unwrap();
            let Seen::Shifted([_, down]) = seen else {
                panic!("{roll} {pan}: {seen:?}");
            };
            // The mount turns clockwise, so what is seen on the right goes up.
            let expected = -160.0 * roll.to_radians();
            assert!(
                (down - expected).abs() < 1.0,
                "{roll} {pan}: {down} {expected}"
            );
        }
    }

    #[test]
    fn a_wall_shows_nothing() {
        let wall = Mat::new_rows_cols_with_default(240, 320, opencv::core::CV_8UC1, 90.0.into());
        assert_eq!(
            Comparer::default().see(&wall.unwrap()).unwrap(),
            Seen::Blank
        );
    }
}
