//! What `rpicam-vid` is asked for.

use super::frames::Shape;
use crate::config;
use crate::follow::camera::raw::{MOST_PIXELS, Range, shrinkage};

/// A command line, and the raw pictures that come of it; none for JPEGs.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub arguments: Vec<String>,
    pub raw: Option<Shape>,
}

/// JPEGs of the configured size. All of it is understood by every version since 2021.
pub fn jpeg(camera: &config::Camera) -> Request {
    Request {
        arguments: arguments(camera, "mjpeg", (camera.width, camera.height), ""),
        raw: None,
    }
}

/// Raw pictures of the size that is looked at: the image processor makes them smaller for nothing. None where that size
/// is odd, or where the raw pictures would be too large.
///
/// The mode of the sensor is chosen by the configured size all the same (`--mode`, since 2022), for it decides on the
/// field of view: some sensors read no more than their middle for small pictures.
pub fn raw(camera: &config::Camera) -> Option<Request> {
    let full = (camera.width, camera.height);
    let shrunk = shrinkage(full)?;
    let (width, height) = (full.0 / shrunk, full.1 / shrunk);
    if width * height > MOST_PIXELS {
        return None;
    }
    let mode = if shrunk == 1 {
        String::new()
    } else {
        format!(" --mode {}:{}", full.0, full.1)
    };
    Some(Request {
        arguments: arguments(camera, "yuv420", (width, height), &mode),
        raw: Some(Shape {
            width,
            height,
            shrunk,
            // As JPEG files have it; the program asks for it with this codec.
            range: Range::Full,
        }),
    })
}

fn arguments(
    camera: &config::Camera,
    codec: &str,
    (width, height): (u32, u32),
    mode: &str,
) -> Vec<String> {
    let fps = camera.fps;
    format!(
        "--codec {codec} --width {width} --height {height}{mode} --framerate {fps} --timeout 0 \
         --nopreview --flush --output -"
    )
    .split(' ')
    .map(str::to_owned)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn told(width: u32, height: u32) -> Option<String> {
        let camera = config::Camera {
            width,
            height,
            ..Config::default().camera
        };
        raw(&camera).map(|r| r.arguments.join(" "))
    }

    #[test]
    fn jpegs_are_asked_for_in_words_that_every_version_understands() {
        assert_eq!(
            jpeg(&Config::default().camera).arguments.join(" "),
            "--codec mjpeg --width 640 --height 480 --framerate 30 --timeout 0 --nopreview --flush --output -"
        );
    }

    #[test]
    fn raw_pictures_are_as_small_as_is_looked_at_and_of_the_same_view() {
        let rest = "--framerate 30 --timeout 0 --nopreview --flush --output -";
        for (full, want) in [
            ((640, 480), "--width 320 --height 240 --mode 640:480"),
            ((800, 600), "--width 400 --height 300 --mode 800:600"),
            ((1280, 720), "--width 320 --height 180 --mode 1280:720"),
            ((320, 240), "--width 320 --height 240"),
        ] {
            let want = format!("--codec yuv420 {want} {rest}");
            assert_eq!(told(full.0, full.1), Some(want));
        }
        // Odd halves: as it is; odd, or too large as it is: as JPEG.
        assert!(
            told(642, 362)
                .unwrap()
                .contains("--width 642 --height 362 --framerate")
        );
        assert_eq!(told(641, 480), None);
        assert_eq!(told(1366, 768), None);
    }
}
