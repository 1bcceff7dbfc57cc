//! The trace: one JSON object a line for every frame and every tap (`--trace FILE`).

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::base::clock::Monotime;
use crate::base::stop::lock;
use crate::control::pose::Pose;
use crate::track::TrackedFace;

/// Somebody may be watching the file grow.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// A frame whose result is ready.
#[derive(Debug)]
pub struct FrameRecord {
    /// Number of the captured frame.
    pub frame: u64,
    /// When it was captured.
    pub captured: Monotime,
    /// When its result was ready.
    pub ready: Monotime,
    /// The faces in it.
    pub faces: Vec<TrackedFace>,
    /// The measured pose at that time; none without servos.
    pub measured: Option<Pose>,
}

/// What became of a tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Durable in the ledger.
    Counted,
    /// The card had been counted shortly before.
    Repeat,
    /// The card cannot identify anybody.
    Refused,
    /// It could not be read or not be stored.
    Failed,
}

impl Outcome {
    /// The word in trace and ledger.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Repeat => "repeat",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// A tap that has been dealt with.
#[derive(Debug)]
pub struct TapRecord<'a> {
    /// When the card answered.
    pub answered: Monotime,
    /// Upper-case hex; empty if the card could not be read.
    pub uid: &'a str,
    /// Name of the reader.
    pub reader: &'a str,
    /// What became of it.
    pub outcome: Outcome,
    /// From the card's answer until it was durable; none if nothing was stored.
    pub durable: Option<Duration>,
    /// From the card's answer until the feedback was given.
    pub feedback: Duration,
}

/// Writes the trace, or nothing where none was asked for.
#[derive(Debug, Default)]
pub struct Tracer {
    state: Option<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    out: BufWriter<File>,
    start: Monotime,
    /// Kept back until the command that used it was written, or the next frame came first.
    pending: Option<FrameRecord>,
    taps: u64,
    /// When what was written was last handed to the system.
    flushed: Monotime,
    /// A FIFO: a program waits at its other end, and nothing of it reaches a disk.
    at_once: bool,
    failed: bool,
}

impl Tracer {
    /// Writes to `file` from now on; `start` is the zero of its times.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(file: &Path, start: Monotime) -> Result<Self> {
        Self::write_to(file, File::create(file), start)
    }

    /// Goes on with a trace whose times began at `start`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append(file: &Path, start: Monotime) -> Result<Self> {
        Self::write_to(
            file,
            File::options().create(true).append(true).open(file),
            start,
        )
    }

    fn write_to(file: &Path, out: std::io::Result<File>, start: Monotime) -> Result<Self> {
        let out = out.with_context(|| format!("cannot write the trace to {}", file.display()))?;
        let at_once = out.metadata().is_ok_and(|m| m.file_type().is_fifo());
        Ok(Self {
            state: Some(Mutex::new(State {
                at_once,
                out: BufWriter::new(out),
                start,
                pending: None,
                taps: 0,
                flushed: start,
                failed: false,
            })),
        })
    }

    /// The result of a frame is ready. Its line is written when the first servo command that used it is
    /// reported, or without one when the next frame is ready first.
    pub fn frame(&self, record: FrameRecord) {
        self.with(|state| {
            state.write_pending(None);
            if record.ready.since(state.flushed) >= FLUSH_EVERY {
                state.flushed = record.ready;
                state.flush();
            }
            state.pending = Some(record);
        });
    }

    /// A servo command that used frame `frame` has been written to the bus.
    pub fn commanded(&self, frame: u64, at: Monotime, command: Pose) {
        self.with(|state| {
            if state.pending.as_ref().is_some_and(|p| p.frame == frame) {
                state.write_pending(Some((at, command)));
            }
        });
    }

    /// A tap has been dealt with.
    pub fn tap(&self, tap: &TapRecord) {
        self.with(|state| {
            state.taps += 1;
            let line = json!({
                "tap": state.taps,
                "t": seconds(tap.answered, state.start),
                "uid": tap.uid,
                "reader": tap.reader,
                "outcome": tap.outcome.word(),
                "durable_ms": tap.durable.map(milliseconds),
                "feedback_ms": milliseconds(tap.feedback),
            });
            state.write(&line);
            state.flush();
        });
    }

    /// Writes what is still kept back.
    pub fn finish(&self) {
        self.with(|state| {
            state.write_pending(None);
            state.flush();
        });
    }

    fn with(&self, act: impl FnOnce(&mut State)) {
        if let Some(state) = &self.state {
            act(&mut lock(state));
        }
    }
}

impl State {
    fn write_pending(&mut self, command: Option<(Monotime, Pose)>) {
        let Some(record) = self.pending.take() else {
            return;
        };
        let pose = |pick: fn(&Pose) -> f64| {
            record
                .measured
                .as_ref()
                .map_or(Value::Null, |p| rounded(pick(p), 2))
        };
        let line = json!({
            "frame": record.frame,
            "t": seconds(record.captured, self.start),
            "age_ms": milliseconds(record.ready.since(record.captured)),
            "faces": record.faces.iter().map(face).collect::<Vec<_>>(),
            "pan": pose(|p| p.pan),
            "tilt": pose(|p| p.tilt),
            "roll": pose(|p| p.roll),
            "command": command.map(|(_, p)| json!({
                "pan": rounded(p.pan, 2), "tilt": rounded(p.tilt, 2), "roll": rounded(p.roll, 2),
            })),
            "command_age_ms": command.map(|(at, _)| milliseconds(at.since(record.captured))),
        });
        self.write(&line);
    }

    fn write(&mut self, line: &Value) {
        if self.failed {
            return;
        }
        if let Err(e) = writeln!(self.out, "{line}") {
            self.give_up(&e);
        } else if self.at_once {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if !self.failed
            && let Err(e) = self.out.flush()
        {
            self.give_up(&e);
        }
    }

    /// A trace is a measuring tool; a full disk must not stop what it measures.
    fn give_up(&mut self, e: &std::io::Error) {
        self.failed = true;
        log::error!("the trace ends here, it cannot be written: {e}");
    }
}

fn face(tracked: &TrackedFace) -> Value {
    let f = &tracked.face;
    json!({
        "id": tracked.id,
        "x": rounded(f.x.into(), 1), "y": rounded(f.y.into(), 1),
        "w": rounded(f.w.into(), 1), "h": rounded(f.h.into(), 1),
        "score": rounded(f.score.into(), 3),
        "followed": tracked.followed,
    })
}

fn rounded(value: f64, digits: i32) -> Value {
    let unit = 10f64.powi(digits);
    json!((value * unit).round() / unit)
}

fn seconds(at: Monotime, start: Monotime) -> Value {
    rounded(at.seconds_since(start), 4)
}

fn milliseconds(d: Duration) -> Value {
    rounded(d.as_secs_f64() * 1e3, 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Face;
    use crate::detect::Point;

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn record(frame: u64) -> FrameRecord {
        let eye = Point { x: 10.0, y: 10.0 };
        let face = Face {
            x: 1.0,
            y: 2.0,
            w: 3.0,
            h: 4.0,
            left_eye: eye,
            right_eye: eye,
            score: 0.5,
        };
        FrameRecord {
            frame,
            captured: at(1000 + frame * 10),
            ready: at(1005 + frame * 10),
            faces: vec![TrackedFace {
                id: 1,
                face,
                followed: true,
            }],
            measured: Some(Pose {
                pan: 1.0,
                tilt: 2.0,
                roll: 3.0,
            }),
        }
    }

    #[test]
    fn a_frame_waits_for_its_command_and_a_superseded_one_has_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let tracer = Tracer::create(file.path(), at(1000)).unwrap();
        tracer.frame(record(0));
        tracer.commanded(
            0,
            at(1008),
            Pose {
                pan: 1.5,
                ..Pose::HOME
            },
        );
        tracer.commanded(0, at(1028), Pose::HOME);
        tracer.frame(record(1));
        tracer.frame(record(2));
        tracer.tap(&TapRecord {
            answered: at(2200),
            uid: "04A1",
            reader: "R",
            outcome: Outcome::Counted,
            durable: Some(Duration::from_micros(4100)),
            feedback: Duration::from_micros(4300),
        });
        tracer.finish();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(
            lines[0],
            json!({"frame": 0, "t": 0.0, "age_ms": 5.0,
                "faces": [{"id": 1, "x": 1.0, "y": 2.0, "w": 3.0, "h": 4.0, "score": 0.5, "followed": true}],
                "pan": 1.0, "tilt": 2.0, "roll": 3.0,
                "command": {"pan": 1.5, "tilt": 0.0, "roll": 0.0}, "command_age_ms": 8.0})
        );
        assert_eq!(lines[1]["frame"], 1);
        assert_eq!(lines[1]["command"], Value::Null);
        assert_eq!(
            lines[2],
            json!({"tap": 1, "t": 1.2, "uid": "04A1", "reader": "R", "outcome": "counted",
                "durable_ms": 4.1, "feedback_ms": 4.3})
        );
        assert_eq!(lines[3]["frame"], 2);
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn without_a_file_nothing_happens() {
        let tracer = Tracer::default();
        tracer.frame(record(0));
        tracer.finish();
    }
}
