//! An MJPEG AVI file as a camera, at its own rate.

pub mod header;
pub mod reader;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};

use super::pace::Pace;
use super::{CameraSource, Frame, Grab, Picture, plain};
use crate::base::clock::Clock;
use crate::base::stop::Stop;
use crate::config;
use crate::say_warn;

pub use header::Header;
use reader::{Reader, Step};

/// A clip that plays by the clock.
pub struct AviSource<R> {
    name: String,
    reader: Reader<R>,
    clock: Arc<dyn Clock>,
    /// Pictures a second.
    rate: f64,
    pace: Pace,
    repeat: bool,
    /// Position of the next picture in the file.
    position: u64,
    /// Pictures in the present pass.
    pictures: u64,
    /// Whether damage was already told of; once is enough for a clip that repeats.
    warned: bool,
}

impl AviSource<BufReader<File>> {
    /// Opens a clip.
    ///
    /// # Errors
    /// The file cannot be read, or is not an AVI file with Motion JPEG.
    pub fn open(path: &Path, camera: &config::Camera, clock: Arc<dyn Clock>) -> Result<Self> {
        let name = path.display().to_string();
        let file =
            File::open(path).map_err(|e| anyhow::anyhow!("cannot open {name}: {}", plain(&e)))?;
        Self::new(
            name,
            BufReader::with_capacity(64 << 10, file),
            camera,
            clock,
        )
    }
}

impl<R: Read + Seek + Send> AviSource<R> {
    fn new(name: String, file: R, camera: &config::Camera, clock: Arc<dyn Clock>) -> Result<Self> {
        let reader = Reader::new(file).with_context(|| name.clone())?;
        let rate = match reader.header().rate {
            rate if rate > 0.0 => rate,
            _ => {
                let fps = camera.fps;
                say_warn!(
                    "{name}: the clip does not say how fast it runs; it plays at camera.fps, {fps} pictures a second",
                    "カメラ: {name}: フレームレートの記録がありません。camera.fps の毎秒 {fps} 枚で再生します"
                );
                fps
            }
        };
        Ok(Self {
            rate,
            pace: Pace::new(rate),
            name,
            reader,
            clock,
            repeat: camera.repeat,
            position: 0,
            pictures: 0,
            warned: false,
        })
    }

    /// Tells of damage, in the first pass only.
    fn warn_once(&mut self, english: &str, japanese: &str) {
        if !std::mem::replace(&mut self.warned, true) {
            let (name, position) = (&self.name, self.position);
            say_warn!(
                "{name}: {english} (position {position}); playing what is there",
                "カメラ: {name}: {japanese} (位置 {position})。残りを再生します"
            );
        }
    }
}

impl<R: Read + Seek + Send> CameraSource for AviSource<R> {
    fn grab(&mut self, stop: &Stop) -> Result<Grab> {
        let step = self.reader.step().with_context(|| self.name.clone())?;
        let picture = match step {
            Step::Picture(data) => Some(data),
            Step::Dropped => None,
            Step::Damaged => {
                self.warn_once("the file is damaged", "ファイルが壊れています");
                None
            }
            Step::End { cut } => {
                if cut {
                    self.warn_once("the file is cut short", "ファイルが途中で切れています");
                }
                if self.pictures == 0 {
                    bail!("{}: not a single picture in the file", self.name);
                }
                if !self.repeat {
                    return Ok(Grab::End);
                }
                self.reader.rewind().with_context(|| self.name.clone())?;
                self.position = 0;
                self.pictures = 0;
                return Ok(Grab::Nothing);
            }
        };
        let number = self.position;
        self.position += 1;
        // A dropped picture takes its time too.
        let now = self.clock.now();
        let due = self.pace.due(now);
        if self.clock.wait(stop, due.since(now)) {
            return Ok(Grab::Nothing);
        }
        let Some(data) = picture else {
            return Ok(Grab::Nothing);
        };
        self.pictures += 1;
        Ok(Grab::Frame(Frame {
            number,
            captured: due,
            picture: Picture::Jpeg(data),
        }))
    }

    fn describe(&self) -> String {
        let Header { width, height, .. } = self.reader.header();
        let rate = self.rate;
        format!("{}: {width}x{height} MJPG at {rate:.1}/s", self.name)
    }

    fn is_live(&self) -> bool {
        false
    }
}

/// Whether the file is an AVI clip with at least one picture that [`AviSource`] can play.
///
/// # Errors
/// It is not; the message says what it is instead.
pub fn check(path: &Path) -> Result<()> {
    let file = File::open(path).map_err(|e| anyhow::anyhow!("cannot open it: {}", plain(&e)))?;
    let mut reader = Reader::new(BufReader::new(file))?;
    loop {
        match reader.step()? {
            Step::Picture(_) => return Ok(()),
            Step::Dropped | Step::Damaged => {}
            Step::End { .. } => bail!("not a single picture in the file"),
        }
    }
}

/// Every picture of a clip with its position, without waiting for the clock.
#[cfg(test)]
pub(crate) fn pictures(path: &Path) -> Result<Vec<(u64, Vec<u8>)>> {
    let mut reader = Reader::new(BufReader::new(File::open(path)?))?;
    let mut pictures = Vec::new();
    for position in 0.. {
        match reader.step()? {
            Step::Picture(data) => pictures.push((position, data)),
            Step::Dropped | Step::Damaged => {}
            Step::End { .. } => break,
        }
    }
    Ok(pictures)
}
