//! The drawings of the simulated room: its walls and the visitor, each made once.

use anyhow::Result;
use opencv::core::{CV_8UC1, CV_8UC3, Mat, Point, Rect, Scalar, Size};
use opencv::imgproc::{self, LINE_AA};
use opencv::prelude::*;

/// Pixels of the room's picture for one degree.
pub const ROOM_SCALE: f64 = 4.0;
/// Half of the room's extent in degrees, to the sides and upwards.
pub const ROOM: (f64, f64) = (110.0, 80.0);

/// Size of the drawing of the face.
pub const FACE: (i32, i32) = (340, 500);
/// The middle between the eyes in it.
pub const EYES: (f64, f64) = (170.0, 168.0);
/// Height of the head in it.
pub const HEAD: f64 = 250.0;

fn grey(value: f64) -> Scalar {
    Scalar::new(value, value, value, 0.0)
}

/// Walls with patches, pictures and shelves: something to see moving, nothing like a face.
pub fn room() -> Result<Mat> {
    let size = (
        (2.0 * ROOM.0 * ROOM_SCALE) as i32,
        (2.0 * ROOM.1 * ROOM_SCALE) as i32,
    );
    let mut room = Mat::new_rows_cols_with_default(
        size.1,
        size.0,
        CV_8UC3,
        Scalar::new(150.0, 165.0, 170.0, 0.0),
    )?;
    // Always the same room.
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..160 {
        let (w, h) = (random.i32(12..70), random.i32(12..60));
        let (x, y) = (random.i32(0..size.0 - w), random.i32(0..size.1 - h));
        let mut tone = || f64::from(random.i32(100..200));
        let colour = Scalar::new(tone(), tone(), tone(), 0.0);
        imgproc::rectangle(&mut room, Rect::new(x, y, w, h), colour, -1, LINE_AA, 0)?;
        imgproc::rectangle(&mut room, Rect::new(x, y, w, h), grey(80.0), 1, LINE_AA, 0)?;
    }
    let mut soft = Mat::default();
    imgproc::gaussian_blur_def(&room, &mut soft, Size::new(3, 3), 0.8)?;
    Ok(soft)
}

/// The face and the mask of what belongs to it.
pub fn face() -> Result<(Mat, Mat)> {
    let (middle, eyes) = (EYES.0, EYES.1);
    let mut face = Mat::new_rows_cols_with_default(
        FACE.1,
        FACE.0,
        CV_8UC3,
        Scalar::new(70.0, 60.0, 55.0, 0.0),
    )?;
    let mut mask = Mat::new_rows_cols_with_default(FACE.1, FACE.0, CV_8UC1, Scalar::default())?;
    // Shoulders and neck, hair, head: the outline is what the mask lets through.
    for image in [&mut face, &mut mask] {
        let outline = image.channels() == 1;
        let paint = |colour: [f64; 3]| if outline { [255.0; 3] } else { colour };
        dot(
            image,
            (middle, 400.0),
            (155.0, 92.0),
            paint([120.0, 80.0, 60.0]),
        )?;
        dot(
            image,
            (middle, 300.0),
            (38.0, 50.0),
            paint([105.0, 135.0, 180.0]),
        )?;
        dot(
            image,
            (middle, eyes - 28.0),
            (98.0, 118.0),
            paint([35.0, 40.0, 50.0]),
        )?;
        for side in [-1.0, 1.0] {
            dot(
                image,
                (middle + side * 88.0, eyes + 14.0),
                (13.0, 25.0),
                paint([115.0, 145.0, 190.0]),
            )?;
        }
        dot(
            image,
            (middle, eyes + 10.0),
            (86.0, 116.0),
            paint([130.0, 165.0, 210.0]),
        )?;
    }
    // Light falls from above: cheeks and forehead shine, the edge of the face is darker.
    for step in 0..12 {
        let part = f64::from(step) / 12.0;
        let tone = [
            125.0 + 30.0 * part,
            160.0 + 32.0 * part,
            205.0 + 28.0 * part,
        ];
        let axes = (82.0 * (1.0 - 0.55 * part), 111.0 * (1.0 - 0.5 * part));
        dot(&mut face, (middle, eyes + 8.0 - 14.0 * part), axes, tone)?;
    }
    let mut soft = Mat::default();
    imgproc::gaussian_blur_def(&face, &mut soft, Size::new(15, 15), 6.0)?;
    let mut face = soft;
    // Fringe.
    imgproc::ellipse(
        &mut face,
        Point::new(middle as i32, (eyes - 84.0) as i32),
        Size::new(84, 42),
        0.0,
        0.0,
        360.0,
        Scalar::new(35.0, 40.0, 50.0, 0.0),
        -1,
        LINE_AA,
        0,
    )?;
    for side in [-1.0, 1.0] {
        let x = middle + side * 36.0;
        dot(
            &mut face,
            (x, eyes - 2.0),
            (27.0, 17.0),
            [95.0, 125.0, 170.0],
        )?;
        dot(&mut face, (x, eyes), (18.0, 9.0), [225.0, 230.0, 235.0])?;
        dot(&mut face, (x, eyes), (8.5, 8.5), [50.0, 65.0, 85.0])?;
        dot(&mut face, (x, eyes), (4.5, 4.5), [15.0, 15.0, 15.0])?;
        dot(
            &mut face,
            (x + 3.0, eyes - 3.0),
            (1.8, 1.8),
            [250.0, 250.0, 250.0],
        )?;
        arc(
            &mut face,
            (x, eyes + 2.0),
            (21.0, 12.0),
            (190.0, 350.0),
            [45.0, 55.0, 75.0],
            3,
        )?;
        arc(
            &mut face,
            (x, eyes - 12.0),
            (27.0, 12.0),
            (205.0, 335.0),
            [40.0, 48.0, 60.0],
            7,
        )?;
        // Nostrils and the shadow beside the nose.
        dot(
            &mut face,
            (middle + side * 9.0, eyes + 52.0),
            (4.5, 3.0),
            [55.0, 75.0, 120.0],
        )?;
        arc(
            &mut face,
            (middle + side * 13.0, eyes + 47.0),
            (8.0, 9.0),
            (20.0, 120.0),
            [95.0, 125.0, 175.0],
            3,
        )?;
    }
    dot(
        &mut face,
        (middle, eyes + 24.0),
        (5.0, 24.0),
        [170.0, 205.0, 240.0],
    )?;
    dot(
        &mut face,
        (middle, eyes + 82.0),
        (31.0, 10.0),
        [85.0, 85.0, 170.0],
    )?;
    arc(
        &mut face,
        (middle, eyes + 78.0),
        (30.0, 6.0),
        (10.0, 170.0),
        [45.0, 45.0, 95.0],
        3,
    )?;
    arc(
        &mut face,
        (middle, eyes + 94.0),
        (18.0, 5.0),
        (20.0, 160.0),
        [105.0, 135.0, 185.0],
        3,
    )?;
    let mut soft = Mat::default();
    imgproc::gaussian_blur_def(&face, &mut soft, Size::new(5, 5), 1.4)?;
    Ok((soft, mask))
}

/// Fractions of a pixel that OpenCV's ellipses are given in: 1/16.
const SHIFT: i32 = 4;

fn fixed(value: f64) -> i32 {
    (value * f64::from(1 << SHIFT)).round() as i32
}

/// A filled ellipse.
fn dot(image: &mut Mat, middle: (f64, f64), axes: (f64, f64), colour: [f64; 3]) -> Result<()> {
    let [b, g, r] = colour;
    let colour = Scalar::new(b, g, r, 0.0);
    let middle = Point::new(fixed(middle.0), fixed(middle.1));
    let axes = Size::new(fixed(axes.0), fixed(axes.1));
    imgproc::ellipse(
        image, middle, axes, 0.0, 0.0, 360.0, colour, -1, LINE_AA, SHIFT,
    )?;
    Ok(())
}

/// A part of an ellipse's outline, between two angles in degrees.
fn arc(
    image: &mut Mat,
    middle: (f64, f64),
    axes: (f64, f64),
    angles: (f64, f64),
    colour: [f64; 3],
    thickness: i32,
) -> Result<()> {
    let middle = Point::new(fixed(middle.0), fixed(middle.1));
    let axes = Size::new(fixed(axes.0), fixed(axes.1));
    let [b, g, r] = colour;
    let colour = Scalar::new(b, g, r, 0.0);
    imgproc::ellipse(
        image, middle, axes, 0.0, angles.0, angles.1, colour, thickness, LINE_AA, SHIFT,
    )?;
    Ok(())
}
