//! What OpenCV makes of the pictures that cameras send, mended. Both versions that are in use have to be tried: this one here,
//! that of the release by `tests/e2e/pictures.rs`.

use opencv::core::{CV_8UC1, CV_8UC3, Mat, Scalar};
use opencv::imgcodecs::{
    IMREAD_IGNORE_ORIENTATION, IMREAD_REDUCED_COLOR_2, IMREAD_REDUCED_GRAYSCALE_2, imdecode_to,
};
use opencv::prelude::*;

use super::extent::mend;
use super::size;

#[path = "../../../../tests/common/odd_pictures.rs"]
mod odd_pictures;

/// The picture at half its size over magenta, which none of them has.
fn decoded(jpeg: &[u8], flags: i32) -> Mat {
    let (width, height) = size(jpeg).unwrap();
    let half = |side: u32| i32::try_from(side.div_ceil(2)).unwrap();
    let kind = if flags == IMREAD_REDUCED_COLOR_2 {
        CV_8UC3
    } else {
        CV_8UC1
    };
    let magenta = Scalar::new(255.0, 0.0, 255.0, 0.0);
    let mut mat =
        Mat::new_rows_cols_with_default(half(height), half(width), kind, magenta).unwrap();
    let pixels = mat.data();
    imdecode_to(&jpeg, flags | IMREAD_IGNORE_ORIENTATION, &mut mat).unwrap();
    assert_eq!(pixels, mat.data(), "the size is another one");
    mat
}

/// Mean difference of the rows of two pictures of one size, from 0 to 255.
fn apart(a: &Mat, b: &Mat, rows: std::ops::Range<usize>) -> f64 {
    let length = usize::try_from(a.cols() * a.channels()).unwrap();
    let range = rows.start * length..rows.end * length;
    let count = range.len();
    let (a, b) = (a.data_bytes().unwrap(), b.data_bytes().unwrap());
    let pairs = a[range.clone()].iter().zip(&b[range]);
    pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / count as f64
}

#[test]
fn every_picture_that_cameras_send_can_be_seen_to_its_last_row() {
    for flags in [IMREAD_REDUCED_COLOR_2, IMREAD_REDUCED_GRAYSCALE_2] {
        for (name, mut jpeg) in odd_pictures::all() {
            mend(&mut jpeg);
            let seen = decoded(&jpeg, flags);
            let kin = name.split(' ').next().unwrap();
            // Those without colour are held against each other.
            let like = match kin {
                "odd-size" => "odd-size",
                kin if kin.contains("grey") => "grey",
                _ => "444",
            };
            let want = decoded(&odd_pictures::picture(like), flags);
            let cut = if name.contains("10 %") { 60 } else { 8 };
            let rows = usize::try_from(seen.rows()).unwrap();
            let off = apart(&seen, &want, 0..rows - cut);
            assert!(off < 4.0, "{name}: {off}");
            // What is missing is grey or black, not what was there before.
            let last = seen.data_bytes().unwrap();
            let row = &last[last.len() - usize::try_from(seen.cols() * seen.channels()).unwrap()..];
            assert!(!row.chunks(3).all(|p| p == [255, 0, 255]), "{name}");
            assert!(
                flags == IMREAD_REDUCED_COLOR_2 || row.iter().any(|p| *p != 255),
                "{name}"
            );
        }
    }
}

#[test]
fn a_progressive_picture_gets_no_better_by_an_end_marker_in_a_table() {
    // Cut anywhere behind the first scan, also within the tables between two scans.
    let whole = odd_pictures::picture("progressive");
    let want = decoded(&odd_pictures::picture("444"), IMREAD_REDUCED_GRAYSCALE_2);
    for end in (whole.len() / 3..whole.len()).step_by(7) {
        let mut cut = whole[..end].to_vec();
        mend(&mut cut);
        let seen = decoded(&cut, IMREAD_REDUCED_GRAYSCALE_2);
        let off = apart(&seen, &want, 0..usize::try_from(seen.rows()).unwrap());
        assert!(off < 12.0, "{end}: {off}");
    }
}
