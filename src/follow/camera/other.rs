//! Files and addresses that only FFmpeg can read, where OpenCV was built with it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use opencv::core::{Mat, Vector};
use opencv::prelude::*;
use opencv::videoio::{
    CAP_FFMPEG, CAP_PROP_FPS, CAP_PROP_FRAME_HEIGHT, CAP_PROP_FRAME_WIDTH,
    CAP_PROP_OPEN_TIMEOUT_MSEC, CAP_PROP_READ_TIMEOUT_MSEC, VideoCapture,
};

use super::pace::Pace;
use super::{CameraSource, Frame, Grab, http, opencv_runtime};
use crate::base::clock::Clock;
use crate::base::stop::Stop;

/// Time in which a server must answer. A read that waits longer than this is a failure; it cannot be
/// interrupted earlier.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Pictures that OpenCV decodes with FFmpeg.
pub struct OtherSource {
    /// The file or address, without a password.
    name: String,
    what: What,
    capture: VideoCapture,
    picture: Mat,
    clock: Arc<dyn Clock>,
    number: u64,
}

/// Where the pictures come from.
enum What {
    /// A file plays by the clock.
    File {
        pace: Pace,
        repeat: bool,
        path: String,
    },
    /// A server sends when it likes.
    Stream,
}

impl OtherSource {
    /// Opens a file.
    ///
    /// # Errors
    /// FFmpeg cannot read it.
    pub fn file(path: &Path, repeat: bool, clock: Arc<dyn Clock>) -> Result<Self> {
        let name = path.display().to_string();
        let path = path
            .canonicalize()
            .ok()
            // An absolute path cannot be taken for an address such as "concat:...".
            .and_then(|p| p.to_str().map(str::to_owned))
            .with_context(|| format!("{name}: cannot be opened"))?;
        let capture = open(&name, &path)?;
        let rate = capture.get(CAP_PROP_FPS)?;
        let what = What::File {
            pace: Pace::new(rate),
            repeat,
            path,
        };
        Ok(Self::new(name, what, capture, clock))
    }

    /// Opens an address.
    ///
    /// # Errors
    /// The server does not answer in time, or FFmpeg cannot read what it sends.
    pub fn stream(url: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        let name = http::url::redacted(url);
        let capture = open(&name, url)?;
        Ok(Self::new(name, What::Stream, capture, clock))
    }

    fn new(name: String, what: What, capture: VideoCapture, clock: Arc<dyn Clock>) -> Self {
        Self {
            name,
            what,
            capture,
            picture: Mat::default(),
            clock,
            number: 0,
        }
    }

    fn read(&mut self) -> Result<bool> {
        let read = self.capture.read(&mut self.picture);
        Ok(read.with_context(|| self.name.clone())? && !self.picture.empty())
    }
}

fn open(name: &str, place: &str) -> Result<VideoCapture> {
    opencv_runtime::prepare();
    let milliseconds = i32::try_from(TIMEOUT.as_millis()).unwrap_or(i32::MAX);
    let parameters = Vector::from_slice(&[
        CAP_PROP_OPEN_TIMEOUT_MSEC,
        milliseconds,
        CAP_PROP_READ_TIMEOUT_MSEC,
        milliseconds,
    ]);
    let capture = VideoCapture::from_file_with_params(place, CAP_FFMPEG, &parameters)
        .with_context(|| format!("{name}: cannot be opened"))?;
    if !capture.is_opened()? {
        bail!("{name}: FFmpeg finds no pictures in it");
    }
    Ok(capture)
}

impl CameraSource for OtherSource {
    fn grab(&mut self, stop: &Stop) -> Result<Grab> {
        if !self.read()? {
            let again = match &self.what {
                What::Stream => bail!("{}: the stream has ended or stands still", self.name),
                What::File { repeat: false, .. } if self.number > 0 => return Ok(Grab::End),
                What::File { path, .. } if self.number > 0 => open(&self.name, path)?,
                What::File { .. } => bail!("{}: not a single picture in the file", self.name),
            };
            self.capture = again;
            self.number = 0;
            return Ok(Grab::Nothing);
        }
        let mut captured = self.clock.now();
        if let What::File { pace, .. } = &mut self.what {
            let now = captured;
            captured = pace.due(now);
            if self.clock.wait(stop, captured.since(now)) {
                return Ok(Grab::Nothing);
            }
        }
        let picture = opencv_runtime::bgr(&self.picture).with_context(|| self.name.clone())?;
        let number = self.number;
        self.number += 1;
        Ok(Grab::Frame(Frame {
            number,
            captured,
            picture,
        }))
    }

    fn describe(&self) -> String {
        let get = |property| self.capture.get(property).unwrap_or(0.0);
        let (width, height) = (get(CAP_PROP_FRAME_WIDTH), get(CAP_PROP_FRAME_HEIGHT));
        format!("{}: {width}x{height} through FFmpeg", self.name)
    }

    fn is_live(&self) -> bool {
        matches!(self.what, What::Stream)
    }
}

/// Whether FFmpeg gets a picture out of a file.
///
/// # Errors
/// It does not.
pub fn check(path: &Path, clock: Arc<dyn Clock>) -> Result<()> {
    let mut source = OtherSource::file(path, false, clock)?;
    if !source.read()? {
        bail!("not a single picture in the file");
    }
    Ok(())
}
