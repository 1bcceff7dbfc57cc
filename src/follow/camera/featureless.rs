//! Whether there is anything in a picture.

use anyhow::Result;
use opencv::core::{Mat, min_max_loc, no_array};
use opencv::imgcodecs::{IMREAD_IGNORE_ORIENTATION, IMREAD_REDUCED_GRAYSCALE_8, imdecode};

use super::{jpeg, raw};

/// Whether the picture is of one brightness all over: black, with the light off or the lens covered.
#[must_use]
pub fn featureless(picture: &[u8]) -> bool {
    spread(picture).is_ok_and(|spread| spread.is_some_and(|spread| spread <= f64::from(raw::FLAT)))
}

/// The difference between the brightest and the darkest place, seen at an eighth of the size.
fn spread(picture: &[u8]) -> Result<Option<f64>> {
    jpeg::limits::affordable(picture)?;
    let flags = IMREAD_REDUCED_GRAYSCALE_8 | IMREAD_IGNORE_ORIENTATION;
    let grey: Mat = imdecode(&picture, flags)?;
    if opencv::prelude::MatTraitConst::empty(&grey) {
        return Ok(None);
    }
    let (mut least, mut most) = (0.0, 0.0);
    min_max_loc(
        &grey,
        Some(&mut least),
        Some(&mut most),
        None,
        None,
        &no_array(),
    )?;
    Ok(Some(most - least))
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC3, Rect, Scalar, Vector};
    use opencv::imgcodecs::imencode_def;
    use opencv::imgproc::{FILLED, LINE_8, rectangle};
    use opencv::prelude::*;

    use super::*;

    fn encoded(grey: f64, spot: f64) -> Vec<u8> {
        let mut mat =
            Mat::new_rows_cols_with_default(480, 640, CV_8UC3, Scalar::all(grey)).unwrap();
        let place = Rect::new(300, 200, 60, 60);
        rectangle(&mut mat, place, Scalar::all(spot), FILLED, LINE_8, 0).unwrap();
        let mut out = Vector::new();
        assert!(imencode_def(".jpg", &mat, &mut out).unwrap());
        out.to_vec()
    }

    #[test]
    fn black_and_grey_show_nothing_and_a_face_does() {
        assert!(featureless(&encoded(0.0, 0.0)));
        assert!(featureless(&encoded(90.0, 95.0)));
        assert!(!featureless(&encoded(90.0, 140.0)));
        assert!(!featureless(b"no picture"));
        assert!(!featureless(&jpeg::header(640, 480)));
    }
}
