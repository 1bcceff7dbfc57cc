//! The Raspberry Pi's camera connector, through `rpicam-vid`.
//!
//! V4L2 gives only raw pictures of that sensor; exposure, white balance and the image processor are the
//! business of libcamera, whose interface is C++ and changes with every release. Its program `rpicam-vid`
//! has had the same command line since 2021. It runs as our child and writes MJPEG into a pipe.

pub mod list;
mod program;
pub mod split;
mod tail;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use super::received::Arrived;
use super::{CameraSource, Grab, jpeg, plain};
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::Stop;
use crate::config;
use crate::say;
use program::{Output, Program};
use split::Splitter;

/// The program, and what it was called before Raspberry Pi OS 12.
pub const PROGRAMS: [&str; 2] = ["rpicam-vid", "libcamera-vid"];

/// Time for the first picture: the program loads its tuning, finds the sensor and lets the exposure
/// settle, which takes a second, or three on a Zero.
const START: Duration = Duration::from_secs(8);
/// Longest wait in one read, so that a stop is heard.
const READ: Duration = Duration::from_millis(100);
/// Most reads in one go: a program that writes faster than we read must not hide a stop.
const READS: usize = 16;
/// One read; as much as a pipe holds.
const BUFFER: usize = 64 << 10;

/// A running `rpicam-vid`.
pub struct RpicamSource {
    program: Program,
    splitter: Splitter,
    buffer: Vec<u8>,
    /// The picture that opening has waited for.
    first: Option<Arrived>,
    /// Size of the first picture, for people.
    size: Option<(u32, u32)>,
    fps: f64,
    /// When the last read ended. What lies ready at the next one may have arrived just after.
    read: Monotime,
    /// Damaged pictures that were reported.
    damaged: u64,
    /// How the program has ended, once it has.
    over: Option<String>,
    clock: Arc<dyn Clock>,
    number: u64,
}

/// What the program is told. All of it is understood by every version since 2021.
fn arguments(camera: &config::Camera) -> Vec<String> {
    let (width, height, fps) = (camera.width, camera.height, camera.fps);
    format!(
        "--codec mjpeg --width {width} --height {height} --framerate {fps} --timeout 0 \
         --nopreview --flush --output -"
    )
    .split(' ')
    .map(str::to_owned)
    .collect()
}

/// That no program is there.
fn not_installed() -> anyhow::Error {
    anyhow!(say!(
        "rpicam-vid, which reads the camera connector of a Raspberry Pi, is not installed: sudo apt install rpicam-apps",
        "Raspberry Pi のカメラコネクタを読む rpicam-vid がありません: sudo apt install rpicam-apps"
    ))
}

impl RpicamSource {
    /// Starts the program and waits for the first picture.
    ///
    /// The calling thread has to stay: the program ends with it.
    ///
    /// # Errors
    /// It is not installed, ends (no camera is connected, another program has it), or sends no picture in
    /// time; the message has its last words.
    pub fn open(camera: &config::Camera, clock: Arc<dyn Clock>, stop: &Stop) -> Result<Self> {
        Self::open_program(&PROGRAMS, camera, clock, stop)
    }

    fn open_program(
        names: &[&'static str],
        camera: &config::Camera,
        clock: Arc<dyn Clock>,
        stop: &Stop,
    ) -> Result<Self> {
        let program =
            Program::start(names, &arguments(camera), &clock)?.ok_or_else(not_installed)?;
        let now = clock.now();
        let mut source = Self {
            program,
            splitter: Splitter::default(),
            buffer: vec![0; BUFFER],
            first: None,
            size: None,
            fps: camera.fps,
            read: now,
            damaged: 0,
            over: None,
            clock,
            number: 0,
        };
        let limit = START.max(Duration::from_secs_f64(camera.stall_seconds));
        let deadline = now + limit;
        while source.first.is_none() {
            if stop.requested() {
                bail!("{}: stopped", source.program.name);
            }
            if source.clock.now() >= deadline {
                let (name, limit) = (source.program.name, limit.as_secs_f64());
                let why = say!(
                    "{name} sends no picture within {limit:.0} s",
                    "{name}: {limit:.0} 秒以内に画像が来ません"
                );
                bail!(source.program.with_last_words(why));
            }
            source.first = source.newest()?;
        }
        source.size = source.first.as_ref().and_then(|f| jpeg::size(&f.jpeg));
        Ok(source)
    }

    /// The newest picture that is complete; what lies in the pipe is read first, so that after a delay
    /// of ours the old ones are skipped.
    fn newest(&mut self) -> Result<Option<Arrived>> {
        let mut newest = None;
        let mut timeout = READ;
        for _ in 0..READS {
            let read = self.program.read(&mut self.buffer, timeout);
            let now = self.clock.now();
            match read {
                Ok(Output::Bytes { count, waited }) => {
                    let arrived = if waited { now } else { self.read };
                    self.splitter.push(&self.buffer[..count], arrived);
                    while let Some(picture) = self.splitter.next_picture() {
                        newest = Some(picture);
                    }
                }
                Ok(Output::Nothing) => {
                    self.read = now;
                    break;
                }
                // A last picture is still handed out; the end is told at the next call.
                Ok(Output::Over) if newest.is_some() => break,
                Ok(Output::Over) => {
                    let over = match self.over.take() {
                        Some(over) => over,
                        None => self.program.ending(),
                    };
                    self.over = Some(over.clone());
                    bail!(over);
                }
                Err(e) => bail!("{}: {}", self.program.name, plain(&e)),
            }
            self.read = now;
            timeout = Duration::ZERO;
        }
        let damaged = self.splitter.damaged();
        if newest.is_none() && damaged > self.damaged {
            self.damaged = damaged;
            let name = self.program.name;
            bail!(say!(
                "{name}: a picture is damaged or cut short",
                "{name}: 画像が壊れているか途中で切れています"
            ));
        }
        self.damaged = damaged;
        Ok(newest)
    }
}

impl CameraSource for RpicamSource {
    fn grab(&mut self, _stop: &Stop) -> Result<Grab> {
        let newest = match self.first.take() {
            Some(first) => Some(first),
            None => self.newest()?,
        };
        let Some(picture) = newest else {
            return Ok(Grab::Nothing);
        };
        let number = self.number;
        self.number += 1;
        Ok(Grab::Frame(picture.frame(number)))
    }

    fn describe(&self) -> String {
        let (name, fps) = (self.program.name, self.fps);
        match self.size {
            Some((width, height)) => format!("{name}: {width}x{height} MJPEG at {fps}/s"),
            None => format!("{name}: MJPEG at {fps}/s"),
        }
    }

    fn is_live(&self) -> bool {
        true
    }
}
