//! The camera: pictures of the people, with noise, some of them lost, all of them late.

use fastrand::Rng;

use super::random::{normal, source};
use super::scenario::Scenario;
use crate::config;
use crate::follow::detect::Face;
use crate::follow::optics::Optics;
use crate::follow::pose::Pose;
use crate::follow::view;

/// Pictures a second.
const RATE: u64 = 30;
/// The part of them that is lost.
const LOST: f64 = 0.05;
/// Standard deviation of what the detector says of a box or an eye, in pixels.
const NOISE: f64 = 1.0;
/// The delay of a picture differs from the camera's by up to this, in ms.
const JITTER: i64 = 20;
/// What the detector takes, in ms; the program knows of this part.
const DETECTION: u64 = 10;

/// What became of one picture. Times are in ms.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    /// Its number.
    pub frame: u64,
    /// When the light fell in.
    pub exposed: u64,
    /// When it arrived at the program, which is all that is known of its time.
    pub arrived: u64,
    /// When the detector was done with it.
    pub ready: u64,
    /// The faces that are in it, with the number of their person.
    pub faces: Vec<(usize, Face)>,
}

/// A camera that looks at a scenario.
pub(super) struct Camera {
    scenario: &'static Scenario,
    optics: Optics,
    delay: i64,
    /// When the first picture is made.
    phase: u64,
    frame: u64,
    /// The picture before.
    last: Option<(u64, u64)>,
    lost: Rng,
    jitter: Rng,
    noise: Rng,
}

impl Camera {
    pub fn new(
        scenario: &'static Scenario,
        config: &config::Camera,
        delay_ms: u32,
        seed: u64,
    ) -> Self {
        let source = |purpose| source(seed, scenario.name, delay_ms, purpose);
        Self {
            scenario,
            optics: Optics::new(config),
            delay: i64::from(delay_ms),
            phase: source("phase").u64(0..1000 / RATE),
            frame: 0,
            last: None,
            lost: source("lost"),
            jitter: source("jitter"),
            noise: source("noise"),
        }
    }

    /// The picture that is made in this millisecond by a camera at `pose`, if one is and is not lost.
    pub fn look(&mut self, ms: u64, pose: Pose) -> Option<Picture> {
        if ms != self.phase + self.frame * 1000 / RATE {
            return None;
        }
        let frame = self.frame;
        self.frame += 1;
        let faces = self.faces(ms as f64 / 1e3, pose);
        // Everything is drawn for every picture: chance is the same for each law.
        let late = (self.delay + self.jitter.i64(-JITTER..=JITTER)).max(0);
        if self.lost.f64() < LOST {
            return None;
        }
        // Pictures do not overtake each other, and the detector takes one at a time.
        let (arrived_before, ready_before) = self.last.unwrap_or((0, 0));
        let arrived = (ms + late.unsigned_abs()).max(arrived_before);
        let ready = arrived.max(ready_before) + DETECTION;
        self.last = Some((arrived, ready));
        Some(Picture {
            frame,
            exposed: ms,
            arrived,
            ready,
            faces,
        })
    }

    fn faces(&mut self, seconds: f64, pose: Pose) -> Vec<(usize, Face)> {
        let mut seen: Vec<(usize, Face)> = Vec::new();
        for (number, person) in self.scenario.people.iter().enumerate() {
            let shaken: [f32; 8] =
                std::array::from_fn(|_| (normal(&mut self.noise) * NOISE) as f32);
            let Some(room) = (person.place)(seconds).filter(|_| !(person.hidden)(seconds)) else {
                continue;
            };
            if let Some(face) = view::face(&self.optics, pose, room, person.size) {
                seen.push((number, shake(face, shaken)));
            }
        }
        let all = seen.clone();
        // Who is nearer, and so is larger, hides whom they stand before.
        seen.retain(|(_, face)| {
            let before = |other: &Face| other.area() > face.area() && covers(other, face);
            !all.iter().any(|(_, other)| before(other))
        });
        seen
    }
}

fn covers(other: &Face, face: &Face) -> bool {
    let middle = face.aim();
    (other.x..other.x + other.w).contains(&middle.x)
        && (other.y..other.y + other.h).contains(&middle.y)
}

fn shake(mut face: Face, by: [f32; 8]) -> Face {
    let places = [
        &mut face.x,
        &mut face.y,
        &mut face.w,
        &mut face.h,
        &mut face.left_eye.x,
        &mut face.left_eye.y,
        &mut face.right_eye.x,
        &mut face.right_eye.y,
    ];
    for (place, by) in places.into_iter().zip(by) {
        *place += by;
    }
    face
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn pictures(scenario: &str, delay: u32, pose: Pose) -> Vec<Picture> {
        let scenario = Scenario::parse(scenario).unwrap();
        let mut camera = Camera::new(scenario, &Config::default().camera, delay, 1);
        (0..20_000).filter_map(|ms| camera.look(ms, pose)).collect()
    }

    #[test]
    fn thirty_a_second_are_made_and_one_in_twenty_is_lost() {
        let made = pictures("still", 100, Pose::HOME);
        let part = made.len() as f64 / 600.0;
        assert!((part - 0.95).abs() < 0.03, "{part}");
        assert!(made.windows(2).all(|w| {
            (33..=34).contains(&((w[1].exposed - w[0].exposed) / (w[1].frame - w[0].frame)))
        }));
    }

    #[test]
    fn they_are_as_late_as_the_camera_is_and_in_order() {
        for delay in [0, 100, 500] {
            let made = pictures("still", delay, Pose::HOME);
            let late: Vec<u64> = made.iter().map(|p| p.arrived - p.exposed).collect();
            let delay = u64::from(delay);
            assert!(
                late.iter().all(|l| *l + 20 >= delay && *l <= delay + 20),
                "{delay}"
            );
            let mean = late.iter().sum::<u64>() as f64 / late.len() as f64;
            let expected = if delay == 0 { 5.0 } else { delay as f64 };
            assert!((mean - expected).abs() < 3.0, "{delay}: {mean}");
            assert!(
                made.windows(2)
                    .all(|w| w[0].arrived <= w[1].arrived && w[0].ready + DETECTION <= w[1].ready)
            );
        }
    }

    #[test]
    fn a_face_is_where_it_stands_up_to_a_pixel_or_so() {
        let pose = Pose {
            pan: 12.0,
            tilt: -6.0,
            roll: 0.0,
        };
        let made = pictures("still", 0, pose);
        let off: Vec<f64> = made
            .iter()
            .map(|p| f64::from(p.faces[0].1.left_eye.x) - 295.0)
            .collect();
        let square = off.iter().map(|o| o * o).sum::<f64>() / off.len() as f64;
        assert!((square.sqrt() - 1.0).abs() < 0.1, "{square}");
    }

    #[test]
    fn the_nearer_one_hides_the_other_for_less_than_half_a_second() {
        let made = pictures("crossing", 0, Pose::HOME);
        let hidden = |p: &&Picture| !p.faces.iter().any(|(who, _)| *who == 0);
        let meetings = made
            .iter()
            .filter(|p| (2500..3500).contains(&p.exposed))
            .filter(hidden);
        let count = meetings.count();
        assert!((8..=15).contains(&count), "{count}");
        assert!(made.iter().all(|p| !p.faces.is_empty()));
    }
}
