//! What the trace tells of a frame.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::base::clock::Monotime;
use crate::base::stop::lock;
use crate::base::trace::{State, TraceFile, milliseconds, rounded};
use crate::follow::pose::Pose;
use crate::follow::track::TrackedFace;

/// A frame whose result is ready.
#[derive(Debug, Clone, Copy)]
pub struct FrameRecord<'a> {
    /// Number of the captured frame.
    pub frame: u64,
    /// When it was captured.
    pub captured: Monotime,
    /// When its result was ready.
    pub ready: Monotime,
    /// The faces in it.
    pub faces: &'a [TrackedFace],
    /// The measured pose at that time; none without servos.
    pub measured: Option<Pose>,
}

/// What is kept back of a frame.
#[derive(Debug)]
struct Pending {
    frame: u64,
    captured: Monotime,
    ready: Monotime,
    faces: Vec<TrackedFace>,
    measured: Option<Pose>,
}

/// Writes a line for each frame.
#[derive(Debug, Default)]
pub struct FrameTrace {
    file: Arc<TraceFile>,
    /// Kept back until the command that used it was written, or the next frame came first.
    pending: Mutex<Option<Pending>>,
}

impl FrameTrace {
    /// Writes to `file` from now on.
    #[must_use]
    pub fn new(file: Arc<TraceFile>) -> Self {
        Self {
            file,
            pending: Mutex::default(),
        }
    }

    /// The result of a frame is ready. Its line is written when the first servo command that used it is
    /// reported, or without one when the next frame is ready first.
    pub fn frame(&self, record: &FrameRecord<'_>) {
        self.file.with(|file| {
            let ready = record.ready;
            let pending = Pending {
                frame: record.frame,
                captured: record.captured,
                ready,
                faces: record.faces.to_vec(),
                measured: record.measured,
            };
            if let Some(before) = lock(&self.pending).replace(pending) {
                file.write(&line(&before, None, file));
            }
            file.flush_in_time(ready);
        });
    }

    /// A servo command that used frame `frame` has been written to the bus.
    pub fn commanded(&self, frame: u64, at: Monotime, command: Pose) {
        self.file.with(|file| {
            if let Some(record) = lock(&self.pending).take_if(|p| p.frame == frame) {
                file.write(&line(&record, Some((at, command)), file));
            }
        });
    }

    /// Writes what is still kept back.
    pub fn finish(&self) {
        self.file.with(|file| {
            if let Some(record) = lock(&self.pending).take() {
                file.write(&line(&record, None, file));
            }
            file.flush();
        });
    }
}

fn line(record: &Pending, command: Option<(Monotime, Pose)>, file: &State) -> Value {
    let pose = |pick: fn(&Pose) -> f64| {
        record
            .measured
            .as_ref()
            .map_or(Value::Null, |p| rounded(pick(p), 2))
    };
    json!({
        "frame": record.frame,
        "t": file.seconds(record.captured),
        "age_ms": milliseconds(record.ready.since(record.captured)),
        "faces": record.faces.iter().map(face).collect::<Vec<_>>(),
        "pan": pose(|p| p.pan),
        "tilt": pose(|p| p.tilt),
        "roll": pose(|p| p.roll),
        "command": command.map(|(_, p)| json!({
            "pan": rounded(p.pan, 2), "tilt": rounded(p.tilt, 2), "roll": rounded(p.roll, 2),
        })),
        "command_age_ms": command.map(|(at, _)| milliseconds(at.since(record.captured))),
    })
}

fn face(tracked: &TrackedFace) -> Value {
    let f = &tracked.face;
    json!({
        "id": tracked.id,
        "x": rounded(f.x.into(), 1), "y": rounded(f.y.into(), 1),
        "w": rounded(f.w.into(), 1), "h": rounded(f.h.into(), 1),
        // A box that is predicted has none.
        "score": if tracked.predicted { Value::Null } else { rounded(f.score.into(), 3) },
        "followed": tracked.followed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::detect::{Face, Point};
    use std::time::Duration;

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn faces() -> Vec<TrackedFace> {
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
        vec![TrackedFace {
            id: 1,
            face,
            followed: true,
            predicted: false,
        }]
    }

    fn record(frame: u64, faces: &[TrackedFace]) -> FrameRecord<'_> {
        FrameRecord {
            frame,
            captured: at(1000 + frame * 10),
            ready: at(1005 + frame * 10),
            faces,
            measured: Some(Pose {
                pan: 1.0,
                tilt: 2.0,
                roll: 3.0,
            }),
        }
    }

    #[test]
    fn a_predicted_box_has_no_score() {
        let mut faces = faces();
        assert_eq!(face(&faces[0])["score"], 0.5);
        faces[0].predicted = true;
        assert_eq!(face(&faces[0])["score"], Value::Null);
    }

    #[test]
    fn a_frame_waits_for_its_command_and_a_superseded_one_has_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let trace = FrameTrace::new(Arc::new(TraceFile::create(file.path(), at(1000)).unwrap()));
        let faces = faces();
        trace.frame(&record(0, &faces));
        trace.commanded(
            0,
            at(1008),
            Pose {
                pan: 1.5,
                ..Pose::HOME
            },
        );
        trace.commanded(0, at(1028), Pose::HOME);
        trace.frame(&record(1, &faces));
        trace.frame(&record(2, &faces));
        trace.finish();
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
        assert_eq!(lines[2]["frame"], 2);
        assert_eq!(lines.len(), 3);
    }
}
