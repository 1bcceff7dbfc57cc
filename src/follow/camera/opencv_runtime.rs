//! Global settings and queries of OpenCV.

use std::sync::Once;

use anyhow::{Result, bail};
use opencv::core::Mat;
use opencv::prelude::*;
use opencv::{core, videoio};

use super::Picture;

/// Whole seconds after which a V4L2 read that brought nothing returns. Short, so that a stop is heard
/// and a stall is seen in time; OpenCV takes 10 s by itself, and only whole seconds.
pub const SELECT_TIMEOUT_SECONDS: u64 = 1;

/// Environment variables that OpenCV and its FFmpeg reader read once, at their first use: set them
/// before any thread is started.
#[must_use]
pub fn environment() -> [(&'static str, String); 3] {
    [
        (
            "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT",
            SELECT_TIMEOUT_SECONDS.to_string(),
        ),
        ("OPENCV_LOG_LEVEL", "SILENT".to_owned()),
        // AV_LOG_QUIET of libavutil/log.h.
        ("OPENCV_FFMPEG_LOGLEVEL", "-8".to_owned()),
    ]
}

static PREPARED: Once = Once::new();

/// Keeps OpenCV off standard error (what fails is reported by us, once) and on one thread (four buy
/// YuNet a factor of 1.6 only, and the servo tick wants the other cores). Every user of OpenCV calls it
/// before anything else; only the first call does something.
pub fn prepare() {
    PREPARED.call_once(|| {
        // Neither call can fail on a build that links; and a chatty OpenCV would be no reason to stop.
        let _ = core::set_log_level(core::LogLevel::LOG_LEVEL_SILENT);
        let _ = core::set_num_threads(1);
    });
}

/// OpenCV's version, such as "4.6.0".
#[must_use]
pub fn version() -> String {
    core::get_version_string().unwrap_or_else(|_| "of unknown version".to_owned())
}

/// Whether OpenCV was built with FFmpeg, and so reads other files and addresses than we do ourselves.
#[must_use]
pub fn has_ffmpeg() -> bool {
    prepare();
    videoio::has_backend(videoio::VideoCaptureAPIs::CAP_FFMPEG).unwrap_or(false)
}

/// The pixels of a matrix of blue, green and red.
///
/// # Errors
/// It has another layout.
pub fn bgr(mat: &Mat) -> Result<Picture> {
    let (width, height) = (u32::try_from(mat.cols())?, u32::try_from(mat.rows())?);
    let data = mat.data_bytes()?;
    if data.len() != width as usize * height as usize * 3 {
        bail!("it gave a picture of an unknown format");
    }
    Ok(Picture::Bgr {
        width,
        height,
        data: data.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_known() {
        prepare();
        assert!(version().starts_with("4."), "{}", version());
        assert_eq!(core::get_num_threads().unwrap(), 1);
    }

    #[test]
    fn the_select_timeout_is_a_whole_number_of_seconds() {
        let environment = environment();
        let (name, value) = &environment[0];
        assert_eq!(*name, "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT");
        assert_eq!(value.parse::<u64>(), Ok(1));
    }
}
