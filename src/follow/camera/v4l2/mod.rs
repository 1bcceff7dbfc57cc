//! A V4L2 camera through OpenCV.

mod choice;
mod modes;
mod stamps;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use memchr::memmem::find;
use nix::libc;
use opencv::core::Mat;
use opencv::prelude::*;
use opencv::videoio::{
    CAP_PROP_CONVERT_RGB, CAP_PROP_FOURCC, CAP_PROP_FPS, CAP_PROP_FRAME_HEIGHT,
    CAP_PROP_FRAME_WIDTH, CAP_PROP_POS_MSEC, CAP_V4L2, VideoCapture, VideoWriter,
};

use super::raw::{Layout, Packing, Refusals, Standing};
use super::{CameraSource, Frame, Grab, Picture, Raw, devices, jpeg, opencv_runtime, plain};
use crate::base::clock::Clock;
use crate::base::stop::Stop;
use crate::config;
use crate::{say, say_info};
use stamps::Stamps;

/// A camera that the kernel knows.
pub struct V4l2Source {
    path: PathBuf,
    capture: VideoCapture,
    form: Form,
    known: Arc<Refusals>,
    width: f64,
    height: f64,
    fps: f64,
    picture: Mat,
    stamps: Stamps,
    clock: Arc<dyn Clock>,
    number: u64,
}

/// In which form pictures arrive.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    /// As the camera's JPEGs.
    Jpeg,
    /// Raw, as the camera takes them.
    Raw(Layout),
    /// Decoded by OpenCV: in a format that we do not read ourselves.
    Decoded,
}

/// Opens the camera that `"auto"` means at this moment.
///
/// # Errors
/// There is none, or it cannot be opened.
pub fn open_automatic(
    camera: &config::Camera,
    clock: Arc<dyn Clock>,
    known: &Arc<Refusals>,
) -> Result<V4l2Source> {
    let path = devices::automatic().ok_or_else(|| {
        anyhow!(say!(
            "no camera found; plug one in, or name it in camera.source (facetap devices lists them; \"rpicam\" is the connector of a Raspberry Pi)",
            "カメラが見つかりません。接続するか camera.source で指定してください (一覧: facetap devices。Raspberry Pi のカメラコネクタは \"rpicam\")"
        ))
    })?;
    V4l2Source::open(&path, camera, clock, known)
}

impl V4l2Source {
    /// Opens a device and asks it for what is cheapest of what it offers ([`choice::choose`]), else for MJPG in the
    /// configured size and rate; it may give something else.
    ///
    /// # Errors
    /// The device is absent, in use, not permitted, or not a camera.
    pub fn open(
        path: &Path,
        camera: &config::Camera,
        clock: Arc<dyn Clock>,
        known: &Arc<Refusals>,
    ) -> Result<Self> {
        opencv_runtime::prepare();
        let raw = {
            let device = check(path)?;
            choice::choose(&modes::of(&device, &choice::sizes(camera)), camera)
        };
        // One that gave no raw picture is tried without once, and then again: perhaps it was unplugged.
        let raw = raw.filter(|_| known.get() == Standing::Wanted);
        known.set(Standing::Wanted);
        let name = path.display();
        let mut capture = VideoCapture::from_file(path, CAP_V4L2)
            .with_context(|| format!("{name}: cannot be opened as a camera"))?;
        if !capture.is_opened()? {
            bail!(say!(
                "{name}: no camera answers there; it is another kind of device, or another program uses it",
                "{name}: カメラとして応答しません。別の種類のデバイスか、他のプログラムが使用中です"
            ));
        }
        let form = match raw {
            Some(layout) if take_raw(&mut capture, &layout, camera.fps)? => Form::Raw(layout),
            _ => take_jpegs(&mut capture, camera)?,
        };
        Ok(Self {
            path: path.to_owned(),
            form,
            known: Arc::clone(known),
            width: capture.get(CAP_PROP_FRAME_WIDTH)?,
            height: capture.get(CAP_PROP_FRAME_HEIGHT)?,
            fps: capture.get(CAP_PROP_FPS)?,
            capture,
            picture: Mat::default(),
            stamps: Stamps::default(),
            clock,
            number: 0,
        })
    }

    fn picture(&mut self) -> Result<Picture> {
        if !self.capture.retrieve(&mut self.picture, 0)? || self.picture.empty() {
            bail!("it gave an empty picture");
        }
        match self.form {
            Form::Decoded => opencv_runtime::bgr(&self.picture),
            Form::Raw(layout) => {
                let data = self.picture.data_bytes()?.to_vec();
                Ok(Picture::Raw(Raw::new(layout, data)?))
            }
            Form::Jpeg => {
                let data = self.picture.data_bytes()?;
                // Some put a header of their own before it.
                if find(data, &jpeg::BEGINNING).is_none() {
                    bail!("it gave a picture that is no JPEG");
                }
                Ok(Picture::Jpeg(data.to_vec()))
            }
        }
    }
}

impl Drop for V4l2Source {
    fn drop(&mut self) {
        if matches!(self.form, Form::Raw(_)) && self.number == 0 {
            // The bus may have no room for it, beside other devices.
            self.known.set(Standing::Doubtful);
            let name = self.path.display();
            say_info!(
                "{name}: no raw picture has come; the next time its JPEGs are asked for",
                "{name}: RAW 画像が来なかったため、次は JPEG で開きます"
            );
        }
    }
}

/// Asks for what OpenCV is to hand over as it comes. Whether it does. The order matters: each of these makes OpenCV
/// negotiate anew and forget the conversion.
fn ask(
    capture: &mut VideoCapture,
    format: f64,
    (width, height): (u32, u32),
    fps: f64,
) -> Result<bool> {
    capture.set(CAP_PROP_FOURCC, format)?;
    capture.set(CAP_PROP_FRAME_WIDTH, f64::from(width))?;
    capture.set(CAP_PROP_FRAME_HEIGHT, f64::from(height))?;
    capture.set(CAP_PROP_FPS, fps)?;
    capture.set(CAP_PROP_CONVERT_RGB, 0.0)?;
    Ok(capture.get(CAP_PROP_FOURCC)? == format && capture.get(CAP_PROP_CONVERT_RGB)? == 0.0)
}

/// Asks for raw pictures. False if others would come.
fn take_raw(capture: &mut VideoCapture, layout: &Layout, fps: f64) -> Result<bool> {
    let format = match layout.packing {
        Packing::Yuyv => VideoWriter::fourcc('Y', 'U', 'Y', 'V')?,
        Packing::Grey => VideoWriter::fourcc('G', 'R', 'E', 'Y')?,
        Packing::I420(_) => return Ok(false),
    };
    let size = (layout.width, layout.height);
    Ok(ask(capture, f64::from(format), size, fps)?
        && capture.get(CAP_PROP_FRAME_WIDTH)? == f64::from(size.0)
        && capture.get(CAP_PROP_FRAME_HEIGHT)? == f64::from(size.1))
}

/// Asks for JPEGs, or whatever the camera has instead.
fn take_jpegs(capture: &mut VideoCapture, camera: &config::Camera) -> Result<Form> {
    let mjpg = f64::from(VideoWriter::fourcc('M', 'J', 'P', 'G')?);
    if ask(capture, mjpg, (camera.width, camera.height), camera.fps)? {
        return Ok(Form::Jpeg);
    }
    capture.set(CAP_PROP_CONVERT_RGB, 1.0)?;
    Ok(Form::Decoded)
}

impl CameraSource for V4l2Source {
    fn grab(&mut self, _stop: &Stop) -> Result<Grab> {
        let name = self.path.display().to_string();
        let before = self.clock.now();
        if !self.capture.grab().with_context(|| name.clone())? {
            // OpenCV says "no" both to a time-out of select(), after its full length, and to a device
            // that is gone, at once.
            let waited = self.clock.now().since(before);
            if waited >= Duration::from_secs(opencv_runtime::SELECT_TIMEOUT_SECONDS).mul_f64(0.9) {
                return Ok(Grab::Nothing);
            }
            bail!(say!(
                "{name}: reading failed; the camera may have been unplugged",
                "{name}: 読み取りに失敗しました。カメラが外れた可能性があります"
            ));
        }
        let stamp = self.capture.get(CAP_PROP_POS_MSEC)?;
        let Some(captured) = self.stamps.judge(stamp, self.clock.now()) else {
            return Ok(Grab::Nothing);
        };
        let picture = self.picture().with_context(|| name)?;
        let number = self.number;
        self.number += 1;
        Ok(Grab::Frame(Frame {
            number,
            captured,
            picture,
        }))
    }

    fn describe(&self) -> String {
        let Self {
            width, height, fps, ..
        } = self;
        let what = match self.form {
            Form::Raw(layout) => layout.describe(),
            Form::Jpeg => format!("{width}x{height} MJPG"),
            Form::Decoded => format!("{width}x{height} decoded"),
        };
        format!("{}: {what} at {fps}/s", self.path.display())
    }

    fn is_live(&self) -> bool {
        true
    }
}

/// Opens the device to learn the error, which OpenCV does not report, and what it offers.
fn check(path: &Path) -> Result<File> {
    let name = path.display();
    // Without O_NONBLOCK a serial line that was named by mistake would wait for a carrier.
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    match opened.and_then(|file| Ok((file.metadata()?, file))) {
        Ok((about, file)) if about.file_type().is_char_device() => Ok(file),
        Ok(_) => bail!(say!(
            "{name} is not a camera",
            "{name} はカメラではありません"
        )),
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => bail!(say!(
            "{name}: not permitted; add the user of the service to the group \"video\"",
            "{name}: カメラを開く権限がありません。サービスのユーザーを video グループに追加してください"
        )),
        Err(e) => {
            let why = plain(&e);
            bail!(say!(
                "{name}: the camera is not there ({why})",
                "{name}: カメラがありません ({why})"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;
    use crate::config::Config;

    fn refusal(path: &str) -> String {
        let clock = Arc::new(SystemClock);
        let known = Arc::default();
        let opened = V4l2Source::open(Path::new(path), &Config::default().camera, clock, &known);
        format!("{:#}", opened.err().unwrap())
    }

    #[test]
    fn an_absent_camera_is_not_called_an_error() {
        let why = refusal("/dev/video-none");
        assert!(
            why.contains("/dev/video-none") && why.contains("not there"),
            "{why}"
        );
        assert!(!why.contains("error"), "{why}");
    }

    #[test]
    fn another_device_is_no_camera() {
        let why = refusal("/dev/null");
        assert!(why.contains("/dev/null: no camera answers"), "{why}");
    }

    #[test]
    fn without_any_camera_auto_says_what_to_do() {
        if devices::automatic().is_some() {
            eprintln!("SKIPPED: this machine has a camera");
            return;
        }
        let opened = open_automatic(
            &Config::default().camera,
            Arc::new(SystemClock),
            &Arc::default(),
        );
        let why = opened.err().unwrap().to_string();
        assert!(
            why.contains("no camera found") && why.contains("camera.source"),
            "{why}"
        );
    }
}
