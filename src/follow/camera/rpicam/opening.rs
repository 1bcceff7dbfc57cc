//! Starting the program: for raw pictures, or for JPEGs where those cannot be had.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::frames::Frames;
use super::program::Program;
use super::request::{self, Request};
use super::split::Splitter;
use super::{PROGRAMS, Reader, RpicamSource};
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::Stop;
use crate::config;
use crate::follow::camera::raw::{Refusals, Standing};
use crate::follow::camera::{Picture, jpeg};
use crate::{say, say_info};

/// Time for the first picture: the program loads its tuning, finds the sensor and lets the exposure
/// settle, which takes a second, or three on a Zero.
const START: Duration = Duration::from_secs(8);
/// One read of JPEGs; as much as a pipe holds.
const BUFFER: usize = 64 << 10;
/// That no program is there.
fn not_installed() -> anyhow::Error {
    anyhow!(say!(
        "rpicam-vid, which reads the camera connector of a Raspberry Pi, is not installed: sudo apt install rpicam-apps",
        "Raspberry Pi のカメラコネクタを読む rpicam-vid がありません: sudo apt install rpicam-apps"
    ))
}

/// Why there is no first picture.
enum Failure {
    /// It cannot be had in this form, by what the program says or sends.
    Refused(anyhow::Error),
    /// The program has ended. That may be the reason, or another one.
    Ended(anyhow::Error),
    /// The form has nothing to do with it.
    Other(anyhow::Error),
}

impl Failure {
    fn into_error(self) -> anyhow::Error {
        match self {
            Self::Refused(why) | Self::Ended(why) | Self::Other(why) => why,
        }
    }
}

/// Whether these last words are about the command line: a version that does not know a codec or an option.
fn about_options(words: &str) -> bool {
    ["unrecogni", "Invalid mode", "invalid option"]
        .iter()
        .any(|w| words.contains(w))
}

impl RpicamSource {
    /// Starts the program and waits for the first picture. Raw ones are asked for unless `known` says that they are
    /// refused; an older version that knows no such thing is started again for JPEGs.
    ///
    /// The calling thread has to stay: the program ends with it.
    ///
    /// # Errors
    /// It is not installed, ends (no camera is connected, another program has it), or sends no picture in
    /// time; the message has its last words.
    pub fn open(
        camera: &config::Camera,
        clock: Arc<dyn Clock>,
        stop: &Stop,
        known: &Refusals,
    ) -> Result<Self> {
        Self::open_program(&PROGRAMS, camera, clock, stop, known)
    }

    pub(super) fn open_program(
        names: &[&'static str],
        camera: &config::Camera,
        clock: Arc<dyn Clock>,
        stop: &Stop,
        known: &Refusals,
    ) -> Result<Self> {
        let start = |request| Self::start(names, request, camera, &clock, stop);
        let jpegs = || start(request::jpeg(camera)).map_err(Failure::into_error);
        let Some(raw) = request::raw(camera) else {
            return jpegs();
        };
        match known.get() {
            Standing::Refused => jpegs(),
            Standing::Wanted => match start(raw) {
                Ok(source) => Ok(source),
                Err(Failure::Refused(why)) => without_raw(&why, known, jpegs()?),
                Err(Failure::Ended(why)) => {
                    known.set(Standing::Doubtful);
                    Err(why)
                }
                Err(Failure::Other(why)) => Err(why),
            },
            Standing::Doubtful => {
                // If it ends now as well, raw pictures were not the reason. If not, the camera may have come since.
                known.set(Standing::Wanted);
                drop(jpegs()?);
                match start(raw) {
                    Ok(source) => Ok(source),
                    Err(Failure::Refused(why) | Failure::Ended(why)) => {
                        without_raw(&why, known, jpegs()?)
                    }
                    Err(Failure::Other(why)) => Err(why),
                }
            }
        }
    }

    fn start(
        names: &[&'static str],
        request: Request,
        camera: &config::Camera,
        clock: &Arc<dyn Clock>,
        stop: &Stop,
    ) -> Result<Self, Failure> {
        let program = Program::start(names, &request.arguments, clock)
            .and_then(|program| program.ok_or_else(not_installed))
            .map_err(Failure::Other)?;
        let now = clock.now();
        let reader = match request.raw {
            Some(shape) => {
                // Two pictures, with rows filled up.
                program.widen(4 * (shape.width * shape.height) as usize);
                Reader::Raw(Frames::new(shape))
            }
            None => Reader::Jpeg {
                splitter: Splitter::default(),
                buffer: vec![0; BUFFER],
            },
        };
        let mut source = Self {
            program,
            reader,
            first: None,
            what: String::new(),
            fps: camera.fps,
            read: now,
            busy: now,
            damaged: 0,
            over: None,
            clock: Arc::clone(clock),
            number: 0,
        };
        let limit = START.max(Duration::from_secs_f64(camera.stall_seconds));
        source.wait_for_first(now + limit, limit, stop)?;
        source.what = match source.first.as_ref().map(|f| &f.1) {
            Some(Picture::Raw(raw)) => raw.layout().describe(),
            Some(Picture::Jpeg(data)) => match jpeg::size(data) {
                Some((width, height)) => format!("{width}x{height} MJPEG"),
                None => "MJPEG".to_owned(),
            },
            _ => String::new(),
        };
        Ok(source)
    }

    fn wait_for_first(
        &mut self,
        deadline: Monotime,
        limit: Duration,
        stop: &Stop,
    ) -> Result<(), Failure> {
        let begun = self.busy;
        while self.first.is_none() {
            if stop.requested() {
                let why = anyhow!("{}: stopped", self.program.name);
                return Err(Failure::Other(why));
            }
            if self.clock.now() >= deadline {
                let (name, limit) = (self.program.name, limit.as_secs_f64());
                let why = say!(
                    "{name} sends no picture within {limit:.0} s",
                    "{name}: {limit:.0} 秒以内に画像が来ません"
                );
                let why = anyhow!(self.program.with_last_words(why));
                let sends = matches!(self.reader, Reader::Raw(_)) && self.busy != begun;
                return Err(if sends {
                    Failure::Refused(why)
                } else {
                    Failure::Other(why)
                });
            }
            self.first = match self.newest() {
                Ok(newest) => newest,
                Err(why) if matches!(self.reader, Reader::Jpeg { .. }) => {
                    return Err(Failure::Other(why));
                }
                Err(why) => {
                    let words = self.over.as_deref();
                    return Err(match words {
                        Some(words) if !about_options(words) => Failure::Ended(why),
                        _ => Failure::Refused(why),
                    });
                }
            };
        }
        Ok(())
    }
}

/// Goes on with JPEGs, and says so once.
fn without_raw(
    why: &anyhow::Error,
    known: &Refusals,
    source: RpicamSource,
) -> Result<RpicamSource> {
    known.set(Standing::Refused);
    say_info!(
        "the camera's raw pictures cannot be had, so its JPEGs are taken, which costs more ({why:#})",
        "カメラの RAW 画像を取得できないため JPEG を使います。CPU 負荷が増えます ({why:#})"
    );
    Ok(source)
}
