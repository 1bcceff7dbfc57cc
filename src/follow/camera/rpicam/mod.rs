//! The Raspberry Pi's camera connector, through `rpicam-vid`.
//!
//! V4L2 gives only raw pictures of that sensor; exposure, white balance and the image processor are the
//! business of libcamera, whose interface is C++ and changes with every release. Its program `rpicam-vid`
//! has had the same command line since 2021. It runs as our child and writes into a pipe: raw pictures of the size that
//! is looked at, so that neither side encodes or decodes, or else MJPEG.

mod announced;
pub mod frames;
pub mod list;
mod opening;
mod program;
mod request;
pub mod split;
mod tail;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use super::{CameraSource, Frame, Grab, Picture, plain};
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::Stop;
use crate::say;
use frames::Frames;
use program::{Output, Program};
use split::Splitter;

/// The program, and what it was called before Raspberry Pi OS 12.
pub const PROGRAMS: [&str; 2] = ["rpicam-vid", "libcamera-vid"];

/// Longest wait in one read, so that a stop is heard.
const READ: Duration = Duration::from_millis(100);
/// Most reads in one go: a program that writes faster than we read must not hide a stop.
const READS: usize = 16;
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

impl RpicamSource {
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
