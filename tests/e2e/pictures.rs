//! The pictures that cameras send, as far as the binary can see them: for a release too, whose OpenCV is another one.

use serde_json::{Value, json};

use crate::harness::{Scene, Tool, free_port, shared, wait_until};
use crate::odd_pictures;
use crate::servos::Servos;

/// The middle of the drawn face in pixels of a picture of 640 x 480.
const FACE: (f64, f64) = (355.0, 247.0);
/// Each picture of the clip stands so long: 0.8 s.
const RATE: u32 = 10;
const TIMES: usize = 8;

/// The frame's one face is where the drawn one is.
fn sees_the_face(line: &Value) -> bool {
    let face = |key: &str| line["faces"][0][key].as_f64().unwrap_or(-1e3);
    let (x, y) = (face("x") + face("w") / 2.0, face("y") + face("h") / 2.0);
    (x - FACE.0).abs() < 40.0 && (y - FACE.1).abs() < 50.0
}

#[test]
fn every_picture_that_cameras_send_is_seen() {
    let Some(models) = shared("models") else {
        return;
    };
    let pictures = odd_pictures::all();
    let often = pictures.iter().flat_map(|(_, p)| [p.as_slice(); TIMES]);
    let scene = Scene::new();
    let file = scene.path("odd.avi");
    std::fs::write(&file, clip(often, RATE)).unwrap();
    let scene = scene
        .set("camera.enabled", json!(true))
        .set("camera.source", json!(file))
        .set("camera.repeat", json!(false))
        .set("detector.model_dir", json!(models));
    let (status, _) = scene.run(&[]).end();
    assert_eq!(status.code(), Some(0), "{}", scene.log());
    let log = scene.log();
    assert!(!log.contains("cannot be used"), "{log}");
    assert!(!log.contains("camera: error"), "{log}");
    let trace = scene.trace();
    for (n, (name, _)) in pictures.iter().enumerate() {
        let its = |line: &&Value| line["frame"].as_u64().unwrap() as usize / TIMES == n;
        let lines: Vec<&Value> = trace.iter().filter(its).collect();
        // A busy machine leaves pictures out, but hardly so many in a row.
        assert!(!lines.is_empty(), "{name} was never looked at");
        assert!(lines.iter().any(|l| sees_the_face(l)), "{name}: {lines:?}");
    }
}

#[test]
fn a_frozen_picture_is_noticed_and_not_followed() {
    let Some(models) = shared("models") else {
        return;
    };
    let scene = Scene::new();
    let file = scene.path("still.avi");
    let still = odd_pictures::picture("aside");
    std::fs::write(&file, clip([still.as_slice()].into_iter(), 25)).unwrap();
    let port = free_port();
    let args = [port.to_string(), file.to_str().unwrap().to_owned()];
    let _server = Tool::start("mjpeg_server.py", &[&args[0], &args[1]]);
    let link = scene.path("servos");
    let servos = Servos::start(&link, &scene.path("servos.jsonl"), &[])
        .expect("python3 is needed (scripts/setup.sh test)");
    wait_until("the servos' port", || link.exists(), String::new);
    let scene = scene
        .set("servo.enabled", json!(true))
        .set("servo.port", json!(link))
        .set("camera.enabled", json!(true))
        .set("camera.source", json!(format!("http://127.0.0.1:{port}/")))
        .set("detector.model_dir", json!(models));
    let running = scene.run(&[]);
    running.wait_for_log("the same picture, byte for byte, for");
    // And once more, after it was opened again.
    wait_until(
        "a second time",
        || scene.log().matches("[CAMERA_REINIT]").count() >= 2,
        || scene.log(),
    );
    let (status, _) = running.stop();
    assert_eq!(status.code(), Some(0));
    // The face is 20 degrees aside, 228 steps: the mount goes there once and no farther, though the face seems to be as far
    // aside as before.
    let farthest = servos.goals("1").iter().map(|g| (g - 2048).abs()).max();
    assert!(
        (100..300).contains(&farthest.unwrap_or(0)),
        "{farthest:?} steps"
    );
}

/// An MJPEG AVI file with these pictures, so many a second.
fn clip<'a>(pictures: impl Iterator<Item = &'a [u8]>, rate: u32) -> Vec<u8> {
    let chunk = |id: &[u8; 4], content: &[u8]| {
        let size = u32::try_from(content.len()).unwrap().to_le_bytes();
        let padding = &[0][..content.len() % 2];
        [id.as_slice(), &size, content, padding].concat()
    };
    let list = |kind: &[u8], content: &[u8]| chunk(b"LIST", &[kind, content].concat());
    let mut strh = b"vidsMJPG".to_vec();
    strh.resize(20, 0);
    strh.extend(1u32.to_le_bytes());
    strh.extend(rate.to_le_bytes());
    strh.resize(56, 0);
    let mut strf = 40u32.to_le_bytes().to_vec();
    strf.extend(640u32.to_le_bytes());
    strf.extend(480u32.to_le_bytes());
    strf.extend([1, 0, 24, 0]);
    strf.extend(b"MJPG");
    strf.resize(40, 0);
    let stream = [chunk(b"strh", &strh), chunk(b"strf", &strf)].concat();
    let avih = chunk(b"avih", &(1_000_000 / rate).to_le_bytes());
    let head = list(b"hdrl", &[avih, list(b"strl", &stream)].concat());
    let data: Vec<u8> = pictures.flat_map(|p| chunk(b"00dc", p)).collect();
    chunk(
        b"RIFF",
        &[b"AVI ", head.as_slice(), &list(b"movi", &data)].concat(),
    )
}
