//! The Raspberry Pi's camera connector, through `rpicam-vid`.
//!
//! V4L2 gives only raw pictures of that sensor; exposure, white balance and the image processor are the
//! business of libcamera, whose interface is C++ and changes with every release. Its program `rpicam-vid`
//! has had the same command line since 2021. It runs as our child and writes into a pipe: raw pictures of the size that
//! is looked at, so that neither side encodes or decodes, or else MJPEG.

mod announced;
pub mod frames;
pub mod list;
mod program;
mod request;
pub mod split;
mod tail;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use super::raw::{Refusals, Standing};
use super::{CameraSource, Frame, Grab, Picture, jpeg, plain};
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::Stop;
use crate::config;
use crate::{say, say_info};
use frames::Frames;
use program::{Output, Program};
use request::Request;
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
/// One read of JPEGs; as much as a pipe holds.
const BUFFER: usize = 64 << 10;
/// The pause after a picture, as a part of the time between two, and its limits. To write a picture takes a millisecond.
const PAUSE: f64 = 0.35;
const SHORTEST_PAUSE: f64 = 0.003;
const LONGEST_PAUSE: f64 = 0.03;

/// A running `rpicam-vid`.
pub struct RpicamSource {
    program: Program,
    reader: Reader,
    /// The picture that opening has waited for.
    first: Option<Taken>,
    /// What the pictures are, for people.
    what: String,
    fps: f64,
    /// When the last read ended. What lies ready at the next one may have arrived just after.
    read: Monotime,
    /// When bytes came last.
    busy: Monotime,
    /// Damaged pictures that were reported.
    damaged: u64,
    /// How the program has ended, once it has.
    over: Option<String>,
    clock: Arc<dyn Clock>,
    number: u64,
}

/// A picture, and when its first byte came.
type Taken = (Monotime, Picture);

/// What takes the stream apart.
enum Reader {
    Jpeg { splitter: Splitter, buffer: Vec<u8> },
    Raw(Frames),
}

impl Reader {
    fn room(&mut self) -> &mut [u8] {
        match self {
            Self::Jpeg { buffer, .. } => buffer,
            Self::Raw(frames) => frames.room(),
        }
    }

    /// So many bytes have come into the room. The newest picture that they complete.
    fn filled(&mut self, count: usize, arrived: Monotime) -> Result<Option<Taken>> {
        Ok(match self {
            Self::Jpeg { splitter, buffer } => {
                splitter.push(&buffer[..count], arrived);
                let whole = std::iter::from_fn(|| splitter.next_picture());
                whole.last().map(|p| (p.begun, Picture::Jpeg(p.jpeg)))
            }
            Self::Raw(frames) => frames
                .filled(count, arrived)?
                .map(|p| (p.begun, Picture::Raw(p.raw))),
        })
    }

    const fn damaged(&self) -> u64 {
        match self {
            Self::Jpeg { splitter, .. } => splitter.damaged(),
            Self::Raw(frames) => frames.damaged(),
        }
    }
}

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

    fn open_program(
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

    /// The newest picture that is complete; what lies in the pipe is read first, so that after a delay
    /// of ours the old ones are skipped.
    fn newest(&mut self) -> Result<Option<Taken>> {
        let mut newest = None;
        let mut timeout = READ;
        // From when on what is read now may have lain in the pipe.
        let mut since = self.read;
        for _ in 0..READS {
            let waited = self.program.wait(timeout);
            let now = self.clock.now();
            if matches!(waited, Ok(None | Some(true))) {
                // Before the room is used, for it may become another one.
                self.pause(now)?;
            }
            let read = match waited {
                Ok(Some(waited)) => self.program.read_ready(self.reader.room(), waited),
                Ok(None) => Ok(Output::Nothing),
                Err(e) => Err(e),
            };
            match read {
                Ok(Output::Bytes { count, waited }) => {
                    if waited {
                        since = now;
                    }
                    self.busy = now;
                    if let Some(picture) = self.reader.filled(count, since)? {
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
        let damaged = self.reader.damaged();
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

    /// Nothing has come since the last bytes until `now`: a picture may be over.
    fn pause(&mut self, now: Monotime) -> Result<()> {
        let Reader::Raw(frames) = &mut self.reader else {
            return Ok(());
        };
        let seconds = (PAUSE / self.fps).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        if now.since(self.busy) < Duration::from_secs_f64(seconds) {
            return Ok(());
        }
        let expected = self.program.announced().map(|said| frames.expect(said));
        expected
            .unwrap_or(Ok(()))
            .and_then(|()| frames.pause())
            .map_err(|why| anyhow!("{}: {why}", self.program.name))
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

impl CameraSource for RpicamSource {
    fn grab(&mut self, _stop: &Stop) -> Result<Grab> {
        let newest = match self.first.take() {
            Some(first) => Some(first),
            None => self.newest()?,
        };
        let Some((captured, picture)) = newest else {
            return Ok(Grab::Nothing);
        };
        let number = self.number;
        self.number += 1;
        Ok(Grab::Frame(Frame {
            number,
            captured,
            picture,
        }))
    }

    fn describe(&self) -> String {
        let (name, what, fps) = (self.program.name, &self.what, self.fps);
        format!("{name}: {what} at {fps}/s")
    }

    fn is_live(&self) -> bool {
        true
    }
}
