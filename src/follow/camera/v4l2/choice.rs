//! In which of the forms that a camera offers its pictures are taken.

use super::modes::Mode;
use crate::config;
use crate::follow::camera::raw::{Layout, MOST_PIXELS, Packing, shrinkage};

/// A rate that is lower by less than this is the same: 29.97 for 30.
const SAME_RATE: f64 = 0.5;

/// The sizes that a choice is made of: the one that is looked at, and the configured one.
pub fn sizes(camera: &config::Camera) -> [(u32, u32); 2] {
    let full = (camera.width, camera.height);
    let shrunk = shrinkage(full).unwrap_or(1);
    [(full.0 / shrunk, full.1 / shrunk), full]
}

/// The raw pictures to ask for; none for the JPEGs of the configured size.
///
/// Raw ones of the size that is looked at come first, for they need no decoding; YUYV before grey, for colours help to
/// find faces. They have the shape of the configured size, and so its view, and never come more slowly than that. Where
/// the camera has no JPEGs of the configured size, raw ones of that size are taken as they are.
pub fn choose(modes: &[Mode], camera: &config::Camera) -> Option<Layout> {
    let [looked_at, full] = sizes(camera);
    let of = |format: &[u8; 4], size: (u32, u32)| {
        let same = |m: &&Mode| m.format == *format && (m.width, m.height) == size;
        modes.iter().find(same)
    };
    let jpegs = of(b"MJPG", full);
    let enough = match jpegs.and_then(|m| m.fastest) {
        Some(fastest) => camera.fps.min(fastest),
        None => camera.fps,
    };
    let raw = |size: (u32, u32)| {
        let formats = [(b"YUYV", Packing::Yuyv), (b"GREY", Packing::Grey)];
        let (_, packing) = formats.into_iter().find(|(format, _)| {
            of(format, size).is_some_and(|m| m.fastest.is_some_and(|f| f >= enough - SAME_RATE))
        })?;
        let (width, height) = size;
        let pixel = if packing == Packing::Yuyv { 2 } else { 1 };
        // OpenCV fills rows up to four bytes.
        width.is_multiple_of(4).then_some(Layout {
            packing,
            width,
            height,
            stride: pixel * width,
            shrunk: full.0 / width,
        })
    };
    let small = looked_at.0 * looked_at.1 <= MOST_PIXELS;
    let first = if small { raw(looked_at) } else { None };
    first.or_else(|| if jpegs.is_none() { raw(full) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// Modes as `v4l2-ctl --list-formats-ext` lists them: a format, then sizes with their highest rate.
    fn modes(list: &str) -> Vec<Mode> {
        let mut format = *b"    ";
        let mut modes = Vec::new();
        for word in list.split_whitespace() {
            match word.split_once('@') {
                None => format = word.as_bytes().try_into().unwrap(),
                Some((size, rate)) => {
                    let (width, height) = size.split_once('x').unwrap();
                    modes.push(Mode {
                        format,
                        width: width.parse().unwrap(),
                        height: height.parse().unwrap(),
                        fastest: rate.parse().ok(),
                    });
                }
            }
        }
        modes
    }

    fn chosen(list: &str, (width, height): (u32, u32), fps: f64) -> Option<String> {
        let camera = config::Camera {
            width,
            height,
            fps,
            ..Config::default().camera
        };
        choose(&modes(list), &camera).map(|layout| {
            assert_eq!(layout.full(), (width, height));
            layout.describe()
        })
    }

    /// An ordinary webcam: raw pictures at the full rate when small, at few a second when large.
    const WEBCAM: &str = "YUYV 640x480@30 160x120@30 320x180@30 320x240@30 352x288@30 640x360@30 800x600@20 \
        1280x720@10 1280x960@7.5 MJPG 640x480@30 160x120@30 320x240@30 640x360@30 800x600@30 1280x720@30 1280x960@30";
    /// One that has only large raw pictures.
    const HD: &str =
        "MJPG 1920x1080@30 1280x720@30 640x480@30 YUYV 1920x1080@5 1280x720@10 640x480@30";
    /// The kernel's test driver, which knows no JPEG.
    const VIVID: &str =
        "YUYV 320x180@60 640x360@60 640x480@60 1280x720@60 GREY 320x180@60 640x360@60 640x480@60";
    /// An infrared camera.
    const INFRARED: &str = "GREY 640x360@30 340x340@30";
    const MONOCHROME: &str = "GREY 640x400@60 320x200@60 MJPG 640x400@60";

    #[test]
    fn raw_pictures_of_the_size_that_is_looked_at_are_preferred() {
        for (list, size, fps, want) in [
            (WEBCAM, (640, 480), 30.0, Some("640x480 as 320x240 YUYV")),
            (WEBCAM, (640, 360), 30.0, Some("640x360 as 320x180 YUYV")),
            (WEBCAM, (1280, 960), 30.0, Some("1280x960 as 320x240 YUYV")),
            (WEBCAM, (1280, 720), 30.0, Some("1280x720 as 320x180 YUYV")),
            (WEBCAM, (320, 240), 30.0, Some("320x240 YUYV")),
            // The rate of 800x600 would be kept by 400x300, which it has not.
            (WEBCAM, (800, 600), 30.0, None),
            (
                MONOCHROME,
                (640, 400),
                60.0,
                Some("640x400 as 320x200 GREY"),
            ),
            (INFRARED, (640, 360), 30.0, Some("640x360 GREY")),
            (HD, (640, 480), 30.0, None),
            (HD, (1280, 720), 10.0, None),
            (VIVID, (640, 480), 30.0, Some("640x480 YUYV")),
            (VIVID, (640, 360), 30.0, Some("640x360 as 320x180 YUYV")),
            ("", (640, 480), 30.0, None),
            ("NV12 320x240@30", (640, 480), 30.0, None),
        ] {
            let got = chosen(list, size, fps);
            assert_eq!(got.as_deref(), want, "{size:?} of {list}");
        }
    }

    #[test]
    fn the_rate_is_never_lowered() {
        let list = |raw: &str, jpeg: &str| format!("YUYV 320x240@{raw} MJPG 640x480@{jpeg}");
        for (raw, jpeg, fps, want) in [
            ("30", "30", 30.0, true),
            ("29.97", "30", 30.0, true),
            ("25", "30", 30.0, false),
            ("25", "25", 30.0, true),
            ("30", "60", 60.0, false),
            ("30", "60", 15.0, true),
            // Who does not tell is not trusted with it.
            ("?", "30", 30.0, false),
        ] {
            let got = chosen(&list(raw, jpeg), (640, 480), fps);
            assert_eq!(got.is_some(), want, "{raw} for {fps} of {jpeg}");
        }
        assert_eq!(chosen("YUYV 640x480@15", (640, 480), 30.0), None);
    }

    #[test]
    fn large_or_odd_pictures_stay_jpegs() {
        let list = "YUYV 1366x768@30 854x480@30 MJPG 1366x768@30 854x480@30";
        assert_eq!(chosen(list, (1366, 768), 30.0), None);
        assert_eq!(chosen(list, (854, 480), 30.0), None);
        assert_eq!(chosen("GREY 642x480@30", (642, 480), 30.0), None);
        assert_eq!(chosen("GREY 641x481@30", (641, 481), 30.0), None);
    }
}
