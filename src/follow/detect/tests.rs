//! Both detectors on clips with known faces, and on the drawn one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::haar::Haar;
use super::*;
use crate::config::{self, DetectorKind};
use crate::follow::camera::raw::{Layout, Packing, Range};
use crate::follow::camera::{Raw, avi};

/// The folder of models and clips; None, loudly, where it is absent.
pub(crate) fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("FACETAP_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    if folder.join("models").is_dir() && folder.join("data/videos").is_dir() {
        Some(folder)
    } else {
        eprintln!(
            "SKIPPED: no models and clips in {}; set FACETAP_SHARED",
            folder.display()
        );
        None
    }
}

/// YuNet with the models of that folder.
pub(crate) fn yunet(shared: &Path) -> Box<dyn Detector> {
    let config = config::Detector {
        kind: DetectorKind::Yunet,
        model_dir: Some(shared.join("models")),
        min_face: 40,
    };
    open(&config, Path::new("/no/data")).unwrap()
}

/// A clip's picture as a camera gives it raw, half as large.
fn raw(jpeg: Vec<u8>) -> Picture {
    use opencv::core::{Mat, Size};
    use opencv::imgproc::{COLOR_BGR2YUV_I420, INTER_AREA, cvt_color_def, resize};
    use opencv::prelude::*;
    let (mut decoder, picture) = (Decoder::default(), Picture::Jpeg(jpeg));
    decoder.show(&picture).unwrap();
    let full = decoder.decode(&picture, Pixels::Colour, 640).unwrap();
    let (mut half, mut planes) = (Mat::default(), Mat::default());
    let size = Size::new(320, 240);
    resize(full.mat, &mut half, size, 0.0, 0.0, INTER_AREA).unwrap();
    cvt_color_def(&half, &mut planes, COLOR_BGR2YUV_I420).unwrap();
    let layout = Layout {
        packing: Packing::I420(Range::Limited),
        width: 320,
        height: 240,
        stride: 320,
        shrunk: 2,
    };
    Picture::Raw(Raw::new(layout, planes.data_bytes().unwrap().to_vec()).unwrap())
}

/// A face of the ground truth.
struct Known {
    x: f32,
    y: f32,
    w: f32,
    h: f32,
    /// Whether missing or finding it is neither right nor wrong.
    ignore: bool,
    /// Inclination in degrees, clockwise, where it is known.
    roll: Option<f32>,
}

/// The ground truth of a clip, by frame.
fn truth(file: &Path) -> HashMap<u64, Vec<Known>> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mut frames: HashMap<u64, Vec<Known>> = HashMap::new();
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |name: &str| {
            let at = columns.iter().position(|c| *c == name)?;
            fields[at].parse::<f32>().ok()
        };
        let value = |name: &str| number(name).unwrap();
        if number("x").is_none() {
            // Nobody is in view.
            continue;
        }
        let hidden = number("in_frame").is_some_and(|v| v < 0.6)
            || number("occluded").is_some_and(|v| v > 0.4);
        frames
            .entry(value("frame") as u64)
            .or_default()
            .push(Known {
                x: value("x"),
                y: value("y"),
                w: value("w"),
                h: value("h"),
                ignore: value("ignore") != 0.0 || hidden,
                // The ground truth counts counter-clockwise, as OpenCV's getRotationMatrix2D does.
                roll: number("roll_deg").map(|r| -r),
            });
    }
    frames
}

/// Whether a found face is the known one: the boxes overlap by half, or the found middle lies within the
/// known box. The detectors draw their boxes differently.
fn same(found: &Face, known: &Known) -> bool {
    let overlap = |a: f32, aw: f32, b: f32, bw: f32| ((a + aw).min(b + bw) - a.max(b)).max(0.0);
    let common =
        overlap(found.x, found.w, known.x, known.w) * overlap(found.y, found.h, known.y, known.h);
    let union = found.area() + known.w * known.h - common;
    let middle = found.centre();
    common >= 0.5 * union
        || ((known.x..known.x + known.w).contains(&middle.x)
            && (known.y..known.y + known.h).contains(&middle.y))
}

#[derive(Debug, Default)]
struct Result {
    known: u32,
    found: u32,
    wrong: u32,
    /// Known and found inclination in degrees.
    roll: Vec<(f32, f32)>,
}

impl Result {
    fn recall(&self) -> f32 {
        self.found as f32 / self.known.max(1) as f32
    }

    fn precision(&self) -> f32 {
        self.found as f32 / (self.found + self.wrong).max(1) as f32
    }
}

fn measure(detector: &mut dyn Detector, shared: &Path, clip: &str, every: u64) -> Result {
    let videos = shared.join("data/videos");
    let truth = truth(&videos.join(format!("{clip}.gt.csv")));
    let mut result = Result::default();
    for (number, jpeg) in avi::pictures(&videos.join(format!("{clip}.avi"))).unwrap() {
        if number % every != 0 {
            continue;
        }
        let found = detector.detect(&Picture::Jpeg(jpeg)).unwrap();
        assert_eq!((found.width, found.height), (640, 480));
        let nothing = Vec::new();
        let known = truth.get(&number).unwrap_or(&nothing);
        for k in known.iter().filter(|k| !k.ignore) {
            result.known += 1;
            if let Some(face) = found.faces.iter().find(|f| same(f, k)) {
                result.found += 1;
                if let Some(roll) = k.roll {
                    result.roll.push((roll, face.roll_degrees()));
                }
            }
        }
        let stray = |f: &&Face| !known.iter().any(|k| same(f, k));
        result.wrong += u32::try_from(found.faces.iter().filter(stray).count()).unwrap();
        for face in &found.faces {
            assert!(
                face.x >= 0.0
                    && face.y >= 0.0
                    && face.x + face.w <= 640.0
                    && face.y + face.h <= 480.0
            );
            assert!(
                face.w.max(face.h) >= 40.0 || face.x == 0.0 || face.y == 0.0,
                "{face:?}"
            );
        }
    }
    let (recall, precision) = (result.recall(), result.precision());
    eprintln!(
        "{clip}: {}: recall {recall:.3}, precision {precision:.3}, {} known",
        detector.describe(),
        result.known
    );
    result
}

#[test]
fn yunet_finds_the_faces_of_the_clips() {
    let Some(shared) = shared() else { return };
    let mut detector = yunet(&shared);
    for (clip, recall, precision) in [
        ("carphone", 0.95, 0.95),
        ("intel_head_pose_male", 0.95, 0.95),
        ("intel_walking_and_pause", 0.8, 0.9),
        ("pan_easy", 0.95, 0.95),
    ] {
        let result = measure(detector.as_mut(), &shared, clip, 3);
        assert!(
            result.recall() >= recall && result.precision() >= precision,
            "{clip}: {result:?}"
        );
    }
}

#[test]
fn roll_has_the_sign_of_the_ground_truth() {
    let Some(shared) = shared() else { return };
    let roll = measure(yunet(&shared).as_mut(), &shared, "pan_easy", 2).roll;
    let count = roll.len() as f32;
    let mean = |of: fn(&(f32, f32)) -> f32| roll.iter().map(of).sum::<f32>() / count;
    let (known, found) = (mean(|r| r.0), mean(|r| r.1));
    let sum = |of: &dyn Fn(f32, f32) -> f32| -> f32 {
        roll.iter().map(|(k, f)| of(k - known, f - found)).sum()
    };
    // The straight line through the pairs: 1 would be perfect, a negative one the wrong sign.
    let slope = sum(&|k, f| k * f) / sum(&|k, _| k * k);
    let scatter = (sum(&|k, f| (f - slope * k).powi(2)) / count).sqrt();
    eprintln!("pan_easy: {count} angles, slope {slope:.2}, scatter {scatter:.1} degrees");
    // Without the closer look the newer model is at 0.17. The older one shows small angles too small.
    assert!(
        count > 100.0 && (0.4..1.4).contains(&slope),
        "slope {slope}"
    );
    assert!(scatter < 2.5, "scatter {scatter} degrees");
}

#[test]
fn haar_finds_most_upright_faces_of_the_clips() {
    let Some(shared) = shared() else { return };
    let mut detector = match Haar::open(40) {
        Ok(detector) => detector,
        Err(e) => {
            eprintln!("SKIPPED: {e}");
            return;
        }
    };
    // The man in the car phone clip holds his head askew, which Haar does not see.
    for (clip, recall) in [
        ("carphone", 0.55),
        ("intel_head_pose_male", 0.9),
        ("intel_walking_and_pause", 0.6),
        ("pan_easy", 0.9),
    ] {
        let result = measure(&mut detector, &shared, clip, 6);
        assert!(
            result.recall() >= recall && result.precision() >= 0.8,
            "{clip}: {result:?}"
        );
    }
}

#[test]
fn faces_are_found_where_they_are_in_raw_pictures_of_half_the_size() {
    let Some(shared) = shared() else { return };
    let mut detector = yunet(&shared);
    let clip = shared.join("data/videos/carphone.avi");
    let (mut both, mut one) = (0, 0);
    for (_, jpeg) in avi::pictures(&clip).unwrap().into_iter().step_by(8) {
        let whole = detector.detect(&Picture::Jpeg(jpeg.clone())).unwrap();
        let half = detector.detect(&raw(jpeg)).unwrap();
        assert_eq!((half.width, half.height), (640, 480));
        match (whole.faces.as_slice(), half.faces.as_slice()) {
            ([a], [b]) => {
                assert!(a.overlap(b) > 0.85, "{a:?} {b:?}");
                both += 1;
            }
            (a, b) if a.len() == b.len() => {}
            _ => one += 1,
        }
    }
    assert!(both >= 10 && one <= 1, "{both} {one}");
}
