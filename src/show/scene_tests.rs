//! What is drawn where, by its pixels.

use std::sync::Arc;
use std::time::Duration;

use opencv::core::{CV_8UC3, Mat, Scalar};

use super::board::Board;
use super::canvas::{Canvas, GREEN, WHITE, YELLOW};
use super::lettering::Lettering;
use super::scene::draw;
use crate::attend::last_tap::TapShown;
use crate::attend::notice::Event;
use crate::base::card_status::Server;
use crate::base::clock::Monotime;
use crate::base::stop::Stop;
use crate::follow::camera::Picture;
use crate::follow::control::{Each, Mode};
use crate::follow::detect::{Face, Point};
use crate::follow::pose::Pose;
use crate::follow::preview::Shown;
use crate::follow::track::TrackedFace;

/// Nobody in view, everything well.
pub fn board() -> Board {
    Board {
        shown: Some(Arc::new(Shown {
            number: 1,
            captured: Monotime::default(),
            size: (640, 480),
            picture: Picture::Jpeg(Vec::new()),
            faces: Vec::new(),
        })),
        dead_zone: (40.0, 30.0),
        camera: true,
        servos: true,
        mode: Mode::Resting,
        pose: Some(Pose::HOME),
        loads: Each::default(),
        tap: None,
        warnings: Vec::new(),
        server: Server::Up,
        waiting: 0,
        troubled: 0,
    }
}

fn face(id: u64, x: f32, followed: bool) -> TrackedFace {
    let eye = |x: f32| Point { x, y: 220.0 };
    TrackedFace {
        id,
        face: Face {
            x,
            y: 180.0,
            w: 100.0,
            h: 120.0,
            left_eye: eye(x + 30.0),
            right_eye: eye(x + 70.0),
            score: 0.9,
        },
        followed,
        predicted: false,
    }
}

fn with_faces(faces: Vec<TrackedFace>) -> Board {
    let board = board();
    let shown = Shown {
        faces,
        ..(**board.shown.as_ref().unwrap()).clone()
    };
    Board {
        shown: Some(Arc::new(shown)),
        ..board
    }
}

struct Drawn(Canvas);

impl Drawn {
    fn new(board: &Board, size: (u32, u32)) -> Self {
        let blue = Scalar::new(120.0, 20.0, 20.0, 0.0);
        let pixels = Mat::new_rows_cols_with_default(240, 320, CV_8UC3, blue).unwrap();
        let mut lettering = Lettering::new(Vec::new(), &Stop::new());
        let mut canvas = Canvas::default();
        canvas.clear(size).unwrap();
        let pixels = board.shown.is_some().then_some(&pixels);
        draw(board, pixels, &mut lettering, &mut canvas).unwrap();
        Self(canvas)
    }

    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let width = self.0.size().0 as usize;
        let at = (y * width + x) * 3;
        self.0.bytes().unwrap()[at..at + 3].try_into().unwrap()
    }

    /// Lines and letters are smooth, so their pixels are nearly of their colour.
    fn is(&self, (x, y): (usize, usize), colour: [u8; 3], within: u8) -> bool {
        let pixel = self.at(x, y);
        pixel
            .iter()
            .zip(colour)
            .all(|(a, b)| a.abs_diff(b) <= within)
    }

    fn assert(&self, x: usize, y: usize, colour: [u8; 3], what: &str) {
        let pixel = self.at(x, y);
        assert!(self.is((x, y), colour, 30), "{what} at {x}, {y}: {pixel:?}");
    }

    /// How many pixels of this colour, up to so much in each channel, there are in these rows.
    fn count(&self, colour: [u8; 3], within: u8, rows: std::ops::Range<usize>) -> usize {
        let width = self.0.size().0 as usize;
        rows.flat_map(|y| (0..width).map(move |x| (x, y)))
            .filter(|at| self.is(*at, colour, within))
            .count()
    }
}

#[test]
fn the_cross_hair_and_the_dead_zone_lie_around_the_middle() {
    let drawn = Drawn::new(&board(), (640, 480));
    drawn.assert(320, 240, WHITE, "drawn");
    drawn.assert(311, 240, WHITE, "an arm");
    for (x, y) in [(280, 230), (359, 230), (310, 210), (310, 269)] {
        drawn.assert(x, y, WHITE, "the zone's edge");
    }
    drawn.assert(290, 250, [120, 20, 20], "the picture between them");
}

#[test]
fn each_face_has_its_box_its_eyes_and_its_number() {
    let nobody = Drawn::new(&board(), (640, 480));
    assert_eq!(nobody.count(GREEN, 90, 100..400), 0);
    let drawn = Drawn::new(
        &with_faces(vec![face(7, 60.0, true), face(8, 400.0, false)]),
        (640, 480),
    );
    drawn.assert(60, 250, GREEN, "the box of the one that is followed");
    drawn.assert(400, 250, YELLOW, "drawn");
    drawn.assert(90, 220, GREEN, "an eye");
    drawn.assert(470, 220, YELLOW, "the eye of the other");
    assert!(
        drawn.count(GREEN, 90, 160..178) > 5,
        "the number above the box"
    );
}

#[test]
fn everything_scales_with_the_window_and_keeps_its_shape() {
    // Twice as large, in a window that is wider than the picture.
    let drawn = Drawn::new(&with_faces(vec![face(7, 60.0, true)]), (1480, 960));
    drawn.assert(100 + 120, 500, GREEN, "drawn");
    drawn.assert(100 + 640, 480, WHITE, "drawn");
    assert_eq!(drawn.at(50, 480), [0; 3], "black beside the picture");
    for size in [(1, 1), (7, 300), (300, 7), (160, 120)] {
        let _ = Drawn::new(
            &with_faces(vec![face(7, 60.0, true), face(1, -9e9, false)]),
            size,
        );
    }
}

#[test]
fn alarms_are_red_above_the_tap_at_the_bottom() {
    let tap = TapShown {
        at: Monotime::default(),
        card: "04A1B2C3".to_owned(),
        name: Some("山田".to_owned()),
        outcome: Event::Counted,
    };
    let red = [40, 40, 190];
    let quiet = Drawn::new(&board(), (640, 480));
    assert_eq!(quiet.at(600, 470), [120, 20, 20], "nothing to tell");
    assert_eq!(quiet.count(red, 0, 0..480), 0);
    let board = Board {
        tap: Some((tap, Duration::from_secs(3))),
        warnings: vec!["[HANDLE_LEAK_ALERT] 900".to_owned()],
        ..board()
    };
    let drawn = Drawn::new(&board, (640, 480));
    drawn.assert(600, 470, [40, 6, 6], "the band of the tap is dark");
    assert!(drawn.count(WHITE, 90, 456..480) > 20, "with letters");
    drawn.assert(600, 445, red, "drawn");
    assert!(drawn.count(WHITE, 90, 432..456) > 20);
    assert_eq!(drawn.count(red, 0, 0..431), 0);
}

#[test]
fn without_a_picture_it_says_so() {
    let drawn = Drawn::new(
        &Board {
            shown: None,
            ..board()
        },
        (640, 480),
    );
    assert_eq!(drawn.at(320, 400), [0; 3]);
    let lit: usize = (220..245)
        .flat_map(|y| (0..640).map(move |x| (x, y)))
        .filter(|(x, y)| drawn.at(*x, *y)[0] > 100)
        .count();
    assert!(lit > 100, "{lit} pixels of letters");
}
