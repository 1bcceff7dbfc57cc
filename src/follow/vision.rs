//! Vision: the thread between camera and servos. It takes the newest picture, has the looker find the faces and keep
//! their identities, and tells the follower where the followed one is.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::base::backoff::Backoff;
use crate::base::beat::Beat;
use crate::base::clock::Clock;
use crate::base::limited::{Limited, NotDone};
use crate::base::presence::Presence;
use crate::base::residency;
use crate::base::slot::{Slot, Taken};
use crate::base::stats::Stats;
use crate::base::stop::{Reason, Stop, lock};
use crate::config;
use crate::follow::camera::Frame;
use crate::follow::camera::capture::CaptureFeedback;
use crate::follow::control::{Follower, Observation};
use crate::follow::detect::{self, Detector};
use crate::follow::look::{Looker, Plan, Seen};
use crate::follow::optics::Optics;
use crate::follow::preview::{Preview, Shown};
use crate::follow::trace::{FrameRecord, FrameTrace};
use crate::{say, say_error, say_info, say_warn};

/// How long a wait for a picture lasts before the order to stop is looked at again.
const WAIT: Duration = Duration::from_millis(100);
/// After so many pictures the service works as it will go on to.
const SETTLED: u32 = 60;
/// How long opening the detector is waited for: its models come from an SD card.
const OPENING: Duration = Duration::from_secs(20);

/// The thread's parts.
pub struct Vision {
    /// Which detector, and the smallest face.
    pub config: config::Detector,
    /// The lens.
    pub optics: Optics,
    /// Whether an axis turns the camera after the head that is followed.
    pub rolls: bool,
    /// Where models may lie besides the usual folders.
    pub data_dir: PathBuf,
    /// Where the pictures come from.
    pub slot: Arc<Slot<Frame>>,
    /// Tells the capture thread whether its pictures are of any use.
    pub feedback: Arc<CaptureFeedback>,
    /// Receives the position of the face.
    pub follower: Arc<Mutex<Follower>>,
    /// Told who is in view.
    pub presence: Arc<Presence>,
    /// The trace.
    pub trace: Arc<FrameTrace>,
    /// Where those who look get their pictures.
    pub preview: Arc<Preview>,
    /// The counters.
    pub stats: Arc<Stats>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ends the thread; given by it when a clip has ended.
    pub stop: Stop,
    /// The sign of life.
    pub beat: Beat,
    /// Where the detector is opened.
    pub models: Limited<Box<dyn Detector>>,
}

fn stuck(why: NotDone) -> anyhow::Error {
    match why {
        NotDone::Hangs => anyhow!(say!(
            "its models cannot be read in time: the disk that they lie on does not answer (detector.model_dir, data_dir); \
             dmesg | tail names what is stuck",
            "モデルを時間内に読めません。ディスクが応答していません (detector.model_dir, data_dir)。dmesg | tail で停止箇所を確認できます"
        )),
        why => why.into(),
    }
}

impl Vision {
    /// Works until the stop, or until a clip that is not repeated has ended: that gives the order to stop.
    pub fn run(&self) {
        let Some(mut detector) = self.open_detector() else {
            return;
        };
        say_info!("detector: {}", "顔検出器: {}", detector.describe());
        // Reading the models has needed much code that is not needed again.
        residency::drop_code();
        let mut looker = Looker::new(detector.as_ref(), self.optics, self.rolls);
        let mut on_target = false;
        let mut pictures = 0;
        while !self.stop.requested() {
            self.beat.turn();
            let frame = match self.slot.take(WAIT) {
                Taken::Item(frame) => frame,
                Taken::Nothing => continue,
                Taken::Closed => {
                    self.stop.request(Reason::EndOfClip);
                    return;
                }
            };
            let gaze = lock(&self.follower).gaze(frame.captured);
            let seen = looker.see(detector.as_mut(), &frame.picture, frame.captured, gaze);
            match &seen {
                // What was not decoded may be damaged all the same.
                Ok(seen) if seen.plan == Plan::Skip => {}
                Ok(_) => self.feedback.decoded(),
                Err(e) => self.unusable(frame.number, e),
            }
            let seen = seen.ok();
            self.follow(&frame, seen, &looker, &mut on_target);
            if let Some(seen) = seen {
                self.preview.offer(|| Shown {
                    number: frame.number,
                    captured: frame.captured,
                    size: seen.size,
                    picture: frame.picture,
                    faces: looker.faces().to_vec(),
                });
            }
            if pictures < SETTLED {
                pictures += 1;
                if pictures == SETTLED {
                    // So has every kind of look when it was taken first.
                    residency::drop_code();
                }
            }
        }
    }

    /// Opens the detector, again and again if need be: its files may lie on a disk that is not there yet,
    /// and the card loop is not to end because of them.
    fn open_detector(&self) -> Option<Box<dyn Detector>> {
        let mut backoff = Backoff::device();
        let mut told = String::new();
        loop {
            match self.try_to_open() {
                Ok(detector) => return Some(detector),
                Err(_) if self.stop.requested() => return None,
                Err(e) => {
                    let why = format!("{e:#}");
                    if why != told {
                        say_error!("no face detector: {why}", "顔検出器を開けません: {why}");
                        told = why;
                    }
                }
            }
            if self
                .beat
                .wait(self.clock.as_ref(), &self.stop, backoff.pause())
            {
                return None;
            }
        }
    }

    /// Reads the models at a thread of its own: their disk may hang. What took longer than the limit is taken at the
    /// next call.
    fn try_to_open(&self) -> Result<Box<dyn Detector>> {
        let (config, data_dir) = (self.config.clone(), self.data_dir.clone());
        let opened = self
            .models
            .open(OPENING, move || detect::open(&config, &data_dir));
        opened.map_err(stuck)??;
        self.models.take(OPENING).map_err(stuck)
    }

    /// Counts a picture that could not be used, and says so at the first of a row.
    fn unusable(&self, number: u64, e: &anyhow::Error) {
        if self.feedback.undecodable() == 1 {
            say_warn!(
                "picture {number} of the camera cannot be used: {e:#}",
                "カメラの画像 {number} は使えません: {e:#}"
            );
        }
    }

    /// Hands the result of a picture on; `seen` is none where it could not be used.
    fn follow(&self, frame: &Frame, seen: Option<Seen>, looker: &Looker, on_target: &mut bool) {
        let ready = self.clock.now();
        let faces = looker.faces();
        self.presence
            .update(ready, faces.iter().map(|f| (f.id, f.face.area())));
        let followed = faces.iter().find(|f| f.followed);
        self.stats.frames.increment();
        if !faces.is_empty() {
            self.stats.frames_with_face.increment();
        }
        let looked = seen.is_some_and(|seen| seen.looked());
        let mut follower = lock(&self.follower);
        match followed {
            // Where a face should be is no news: the follower predicts for itself.
            Some(face) if face.predicted => {}
            _ if seen.is_some() && !looked => *on_target = false,
            face => {
                let (width, height) = seen.map_or((0, 0), |seen| seen.size);
                *on_target = follower.observe(Observation {
                    frame: frame.number,
                    captured: frame.captured,
                    now: ready,
                    width,
                    height,
                    face: face.map(|f| f.face),
                });
            }
        }
        if *on_target {
            self.stats.frames_on_target.increment();
        }
        // Written to the trace before the follower is free again: the servo thread may use this frame in
        // its very next tick, and reports that to the same trace.
        self.trace.frame(&FrameRecord {
            frame: frame.number,
            captured: frame.captured,
            ready,
            faces,
            measured: follower.measured(),
        });
    }
}
