//! The looker with a detector that sees exactly what it is told.

use std::time::Duration;

use super::*;
use crate::base::clock::Monotime;
use crate::config::Config;
use crate::follow::camera::Picture;
use crate::follow::detect::{Detector, Face, Look, Point, Scores};
use crate::follow::optics::Optics;
use crate::follow::pose::{Gaze, Pose};
use crate::follow::track::TrackedFace;

/// A camera, and a detector that misses nothing that it looks at and is large enough.
struct Scripted {
    faces: Vec<Face>,
    /// Brightness of the points.
    light: Vec<u8>,
    broken: bool,
    size: (u32, u32),
    /// Fine, coarse, parts, closer looks, glances.
    looks: [u32; 5],
}

impl Detector for Scripted {
    fn show(&mut self, _: &Picture) -> anyhow::Result<(u32, u32)> {
        Ok(self.size)
    }

    fn look(&mut self, _: &Picture, look: Look, found: &mut Vec<Face>) -> anyhow::Result<()> {
        anyhow::ensure!(!self.broken, "the picture is damaged");
        let kind = match look {
            Look::Fine => 0,
            Look::Coarse => 1,
            Look::Part(_) | Look::Nearby(_) => 2,
        };
        self.looks[kind] += 1;
        found.extend(self.faces.iter().filter(|f| shows(look, f)));
        Ok(())
    }

    fn lean(&mut self, _: &Picture, _: &Face) -> anyhow::Result<Option<f32>> {
        self.looks[3] += 1;
        Ok(Some(10.0))
    }

    fn brightness(&mut self, _: &Picture) -> anyhow::Result<(&[u8], usize)> {
        anyhow::ensure!(!self.broken, "the picture is damaged");
        self.looks[4] += 1;
        Ok((&self.light, 80))
    }

    fn scores(&self) -> Scores {
        Scores {
            keep_part: 0.35,
            keep_coarse: 0.45,
            find_coarse: 0.65,
            keep_fine: 0.5,
            find_fine: 0.7,
            confirm: 0.6,
            sure: 0.75,
            weak: 0.6,
        }
    }

    fn has_parts(&self) -> bool {
        true
    }

    fn sees_lean(&self) -> bool {
        false
    }

    fn min_face(&self) -> u32 {
        40
    }

    fn describe(&self) -> String {
        "scripted".to_owned()
    }
}

/// Whether a look shows a face.
fn shows(look: Look, face: &Face) -> bool {
    match look {
        Look::Fine => face.w > 30.0,
        Look::Coarse => face.w > 60.0,
        Look::Nearby(place) => {
            let at = face.centre();
            (at.x - place.x).abs() < 140.0 && (at.y - place.y).abs() < 100.0
        }
        Look::Part(square) => {
            let (at, half) = (face.centre(), square.side / 2.0);
            let within = |a: f32, b: f32, length: f32| (a - b).abs() + length / 2.0 <= half;
            within(at.x, square.centre.x, face.w) && within(at.y, square.centre.y, face.h)
        }
    }
}

fn face(x: f32, y: f32, w: f32) -> Face {
    let h = w * 1.25;
    Face {
        x: x - w / 2.0,
        y: y - h / 2.0,
        w,
        h,
        left_eye: Point { x: x - w / 5.0, y },
        right_eye: Point { x: x + w / 5.0, y },
        score: 0.9,
    }
}

struct Scene {
    detector: Scripted,
    looker: Looker,
    optics: Optics,
    /// Pictures so far, thirty a second.
    number: u32,
}

impl Scene {
    fn new() -> Self {
        let optics = Optics::new(&Config::default().camera);
        let detector = Scripted {
            faces: Vec::new(),
            light: vec![100; 4800],
            broken: false,
            size: (640, 480),
            looks: [0; 5],
        };
        Self {
            looker: Looker::new(&detector, optics, false),
            detector,
            optics,
            number: 0,
        }
    }

    fn see_at(&mut self, faces: &[Face], gaze: Gaze) -> anyhow::Result<Seen> {
        self.detector.faces = faces.to_vec();
        let at = Duration::from_secs_f64(50.0 + f64::from(self.number) / 30.0);
        self.number += 1;
        let picture = Picture::Jpeg(vec![0; 1000]);
        let at = Monotime::from_zero(at);
        self.looker.see(&mut self.detector, &picture, at, gaze)
    }

    fn see(&mut self, faces: &[Face]) -> Vec<TrackedFace> {
        self.see_at(faces, Gaze::Fixed).unwrap();
        self.looker.faces().to_vec()
    }

    /// The looks of each kind that a number of pictures took.
    fn count(&mut self, pictures: u32, mut each: impl FnMut(&mut Self, u32)) -> [u32; 5] {
        let before = self.detector.looks;
        (0..pictures).for_each(|n| each(self, n));
        std::array::from_fn(|n| self.detector.looks[n] - before[n])
    }
}

#[test]
fn a_still_face_costs_a_small_look_at_every_second_picture() {
    let mut scene = Scene::new();
    let it = face(320.0, 240.0, 100.0);
    let looks = scene.count(300, |scene, n| {
        let seen = scene.see(&[it]);
        assert_eq!(seen.len(), 1, "{n}");
        assert_eq!((seen[0].id, seen[0].followed), (1, n > 0), "{n}");
        assert!((seen[0].face.centre().x - 320.0).abs() < 1.0);
    });
    let [fine, coarse, parts, ..] = looks;
    assert!(fine <= 5 && coarse <= 8 && parts <= 150, "{looks:?}");
}

#[test]
fn while_the_mount_turns_the_face_is_where_it_should_be() {
    let mut scene = Scene::new();
    let optics = scene.optics;
    // A face that stands at 40 degrees; the mount turns to it at 150 degrees a second, and rolls.
    let mut pan = 15.0f64;
    let looks = scene.count(60, |scene, n| {
        let speed = if n > 30 && pan < 40.0 { 150.0 } else { 0.0 };
        pan += speed / 30.0;
        let pose = Pose {
            pan,
            tilt: 0.0,
            roll: pan / 10.0,
        };
        let room = Pose {
            pan: 40.0,
            tilt: 4.0,
            roll: 0.0,
        };
        let seen = crate::follow::view::face(&optics, pose, room, 80.0).unwrap();
        scene.see_at(&[seen], Gaze::Known { pose, speed }).unwrap();
        let shown = scene.looker.faces();
        assert_eq!(shown.len(), 1, "{n}");
        assert_eq!(shown[0].id, 1);
        assert!(
            shown[0].face.overlap(&seen) > 0.8,
            "{n}: {shown:?} {seen:?}"
        );
    });
    assert!(
        looks[0] + looks[1] <= 4,
        "small looks are enough: {looks:?}"
    );
}

#[test]
fn half_a_second_behind_a_pillar_and_the_number_is_the_same() {
    let mut scene = Scene::new();
    let walker = |n: u32| face(100.0 + 5.0 * n as f32, 240.0, 90.0);
    for n in 0..100 {
        let hidden = (40..55).contains(&n);
        let faces = [walker(n)];
        let seen = scene.see(if hidden { &[] } else { &faces });
        if !hidden {
            assert_eq!(seen.len(), 1, "{n}");
            assert_eq!(seen[0].id, 1, "{n}");
        } else if n > 42 {
            assert_eq!(seen, [], "{n}");
        }
    }
}

#[test]
fn who_comes_back_is_found_in_the_first_picture() {
    for away in [2, 5, 10, 14] {
        let mut scene = Scene::new();
        (0..40).for_each(|_| drop(scene.see(&[face(300.0, 240.0, 60.0)])));
        (0..away).for_each(|_| drop(scene.see(&[])));
        // Elsewhere, and no smaller than what a fine look shows.
        let seen = scene.see(&[face(500.0, 150.0, 50.0)]);
        assert_eq!(seen.len(), 1, "after {away} pictures");
    }
}

#[test]
fn twenty_faces_are_all_shown() {
    let mut scene = Scene::new();
    let faces: Vec<Face> = (0u8..20)
        .map(|n| {
            let (row, column) = (f32::from(n / 5), f32::from(n % 5));
            face(70.0 + 120.0 * column, 60.0 + 110.0 * row, 50.0 + row)
        })
        .collect();
    for n in 0..200 {
        let seen = scene.see(&faces);
        assert_eq!(seen.len(), 20, "{n}");
        assert!(seen.iter().filter(|f| f.followed).count() <= 1);
    }
    assert!(scene.detector.looks[0] <= 110, "{:?}", scene.detector.looks);
}

#[test]
fn an_empty_room_is_hardly_looked_at_until_something_moves() {
    let mut scene = Scene::new();
    scene.count(120, |scene, _| drop(scene.see(&[])));
    let looks = scene.count(300, |scene, _| drop(scene.see(&[])));
    assert!(
        looks[0] <= 3 && looks[1] <= 4 && looks[4] <= 151,
        "{looks:?}"
    );
    // Somebody steps in; it shows in the points as well.
    let mut waited = 0;
    scene.detector.light[1000..1100].fill(200);
    while scene.see(&[face(300.0, 240.0, 60.0)]).is_empty() {
        waited += 1;
    }
    assert!(waited <= 1, "{waited}");
}

#[test]
fn what_shows_once_is_not_followed_and_does_not_draw_from_who_is() {
    let mut scene = Scene::new();
    let it = face(200.0, 240.0, 80.0);
    for n in 0..300 {
        let flash = Face {
            score: 0.85,
            ..face(480.0, 240.0, 140.0)
        };
        let faces = [it, flash];
        let seen = scene.see(if n % 31 == 0 { &faces } else { &faces[..1] });
        let followed = seen.iter().find(|f| f.followed).map(|f| f.id);
        assert!(n == 0 || followed == Some(1), "{n}: {seen:?}");
    }
}

#[test]
fn a_damaged_picture_is_told_and_the_next_one_is_looked_at() {
    let mut scene = Scene::new();
    let it = face(200.0, 240.0, 80.0);
    (0..50).for_each(|_| drop(scene.see(&[it])));
    scene.detector.broken = true;
    let told: Vec<bool> = (0..20)
        .map(|_| scene.see_at(&[it], Gaze::Fixed).is_err())
        .collect();
    let first = told.iter().position(|e| *e).unwrap();
    assert!(first <= 1 && told[first..].iter().all(|e| *e), "{told:?}");
    assert_eq!(scene.looker.faces(), []);
    scene.detector.broken = false;
    assert_eq!(scene.see(&[it]).len(), 1);
}

#[test]
fn pictures_of_another_size_begin_anew() {
    let mut scene = Scene::new();
    (0..50).for_each(|_| drop(scene.see(&[face(500.0, 400.0, 80.0)])));
    scene.detector.size = (320, 240);
    let seen = scene.see(&[face(200.0, 100.0, 60.0)]);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].id, 2);
}

#[test]
fn impossible_boxes_are_no_faces() {
    let mut scene = Scene::new();
    let good = face(300.0, 240.0, 80.0);
    let bad = [
        Face {
            w: f32::NAN,
            ..good
        },
        Face { w: -5.0, ..good },
        Face {
            x: f32::INFINITY,
            ..good
        },
        Face { h: 2000.0, ..good },
        face(-900.0, 240.0, 80.0),
    ];
    for _ in 0..60 {
        assert_eq!(scene.see(&bad), []);
    }
}
