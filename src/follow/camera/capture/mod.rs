//! The capture thread: always grabs the newest picture into the mailbox, and keeps the camera alive.

mod feedback;
mod health;
mod repeats;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use log::warn;

use super::featureless::featureless;
use super::{CameraSource, Frame, Grab, Picture, jpeg};
use crate::base::backoff::Backoff;
use crate::base::beat::Beat;
use crate::base::clock::Clock;
use crate::base::names::NoAddress;
use crate::base::slot::Slot;
use crate::base::stats::Stats;
use crate::base::stop::Stop;
use crate::config;
use crate::{say, say_info, say_warn};

pub use feedback::CaptureFeedback;
use health::{CaptureVerdict, Fault, Health};
use repeats::Repeats;

/// Longest pause before a name that could not be looked up is tried again: name servers come back with the network, and
/// a camera is to be back within half a minute of that. Trying costs a packet.
const NAME_AGAIN: Duration = Duration::from_secs(10);

/// Opens the camera, at the start and after every fault.
pub type Opener = Box<dyn FnMut() -> Result<Box<dyn CameraSource>> + Send>;

/// What the capture thread works with.
pub struct Capture {
    /// Opens the camera; usually a call of [`open`](super::open).
    pub open: Opener,
    /// Limits of errors and silence.
    pub camera: config::Camera,
    /// Where pictures go. Closed when no more will come.
    pub slot: Arc<Slot<Frame>>,
    /// Faults, re-initialisations and dropped pictures are counted here.
    pub stats: Arc<Stats>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
    /// What the detector says about the pictures.
    pub feedback: Arc<CaptureFeedback>,
    /// The number of the next picture of a camera.
    pub next_number: u64,
    /// The sign of life.
    pub beat: Beat,
}

/// Why the camera is no longer read.
enum Left {
    /// The order to stop.
    Stopped,
    /// The clip is over.
    Ended,
    /// It is to be opened anew. `mended` if it had worked well since it was opened.
    Faulty {
        fault: Fault,
        last: Option<String>,
        mended: bool,
        /// It may be in order.
        in_doubt: bool,
    },
}

impl Capture {
    /// Runs until the order to stop or the end of the clip. After a panic it opens the camera anew.
    pub fn run(&mut self) {
        self.keep_alive();
        self.slot.close();
    }

    fn keep_alive(&mut self) {
        let mut backoff = Backoff::device();
        let mut repeats = Repeats::default();
        let mut waiting_for = None;
        while !self.stop.requested() {
            self.beat.turn();
            match (self.open)() {
                // The order to stop may be what ended the opening.
                Err(_) if self.stop.requested() => return,
                Err(e) => {
                    self.tell_waiting(&mut waiting_for, &format!("{e:#}"));
                    let mut pause = backoff.pause();
                    if e.is::<NoAddress>() {
                        pause = pause.min(NAME_AGAIN);
                    }
                    if self.pause(pause) {
                        return;
                    }
                }
                Ok(mut source) => {
                    waiting_for = None;
                    let what = source.describe();
                    say_info!("camera opened: {what}", "カメラを開きました: {what}");
                    match self.read(source.as_mut(), &mut repeats) {
                        Left::Stopped | Left::Ended => return,
                        Left::Faulty {
                            fault,
                            last,
                            mended,
                            in_doubt,
                        } => {
                            if mended || in_doubt {
                                backoff.reset();
                            }
                            // A source that is perhaps in order is disturbed as little as can be.
                            let pause = if in_doubt {
                                Duration::ZERO
                            } else {
                                backoff.pause()
                            };
                            self.tell_reinit(&what, fault, last.as_deref(), pause);
                            // Closed before the pause: the driver needs the time to let the device go.
                            drop(source);
                            if self.pause(pause) {
                                return;
                            }
                        }
                    }
                }
            }
        }
    }

    fn pause(&self, pause: Duration) -> bool {
        self.beat.wait(self.clock.as_ref(), &self.stop, pause)
    }

    /// Reads the open camera until it has to be left. `repeats` knows the last picture, also of before it was opened.
    fn read(&mut self, source: &mut dyn CameraSource, repeats: &mut Repeats) -> Left {
        let live = source.is_live();
        let mut health = Health::new(&self.camera, live, self.clock.now());
        let mut last = None;
        // What was undecodable before says nothing about the camera as it is now.
        self.feedback.decoded();
        loop {
            if self.stop.requested() {
                return Left::Stopped;
            }
            self.beat.turn();
            let answer = source.grab(&self.stop).map(mended);
            let now = self.clock.now();
            let verdict = match answer {
                Ok(Grab::Frame(mut frame)) => {
                    if live {
                        // A camera begins with 0 at every opening; its pictures are numbered through.
                        frame.number = self.next_number;
                        self.next_number += 1;
                    }
                    let again =
                        live && repeats.judge(&mut frame, |stamp| self.feedback.views(stamp));
                    if self.slot.put(frame).is_some() {
                        self.stats.frames_dropped.increment();
                    }
                    last = None;
                    let undecodable = self.feedback.in_a_row();
                    if again {
                        let verdict = health.again(undecodable, repeats.patience(), now);
                        let frozen = matches!(verdict, CaptureVerdict::Reopen(Fault::Frozen(_)));
                        if frozen && repeats.featureless(featureless) {
                            health.picture(undecodable, now)
                        } else {
                            verdict
                        }
                    } else {
                        health.picture(undecodable, now)
                    }
                }
                Ok(Grab::Nothing) => health.nothing(now),
                Ok(Grab::End) => return Left::Ended,
                Err(e) => {
                    self.stats.camera_faults.increment();
                    let why = format!("{e:#}");
                    if last.is_none() {
                        say_warn!("camera: error: {why}", "カメラの読み取りエラー: {why}");
                    }
                    last = Some(why);
                    health.failed(now)
                }
            };
            match verdict {
                CaptureVerdict::GoOn => {}
                CaptureVerdict::Pause(pause) => {
                    if self.pause(pause) {
                        return Left::Stopped;
                    }
                }
                CaptureVerdict::Reopen(fault) => {
                    let in_doubt = matches!(fault, Fault::Frozen(_)) && repeats.blamed();
                    return Left::Faulty {
                        fault,
                        last,
                        mended: health.mended(),
                        in_doubt,
                    };
                }
            }
        }
    }

    /// Tells why there is no camera, once for every reason.
    fn tell_waiting(&self, told: &mut Option<String>, why: &str) {
        if told.as_deref() == Some(why) {
            return;
        }
        say_warn!(
            "waiting for the camera: {why}",
            "カメラを待っています: {why}"
        );
        *told = Some(why.to_owned());
    }

    fn tell_reinit(&self, what: &str, fault: Fault, last: Option<&str>, pause: Duration) {
        self.stats.camera_reinits.increment();
        let times = self.stats.camera_reinits.get();
        let reason = match fault {
            Fault::Errors(n) => {
                let last = last.unwrap_or("?");
                say!(
                    "{n} errors in a row, the last one: {last}",
                    "エラーが{n}回連続しました。最後: {last}"
                )
            }
            Fault::Stall(silent) => say!(
                "no fresh picture for {silent:.1?}",
                "{silent:.1?} の間、新しい画像がありません"
            ),
            Fault::Frozen(time) => say!(
                "the same picture, byte for byte, for {time:.1?}",
                "{time:.1?} の間、まったく同じ画像が続いています"
            ),
            Fault::Undecodable(n) => say!(
                "{n} pictures in a row cannot be decoded",
                "画像を{n}回続けて復号できません"
            ),
        };
        warn!(
            "[CAMERA_REINIT] {}",
            say!(
                "{what}: {reason}; opening the camera again in {pause:?} (number {times})",
                "カメラを再初期化します: {what}: {reason}。{pause:?} 後に開き直します ({times}回目)"
            )
        );
    }
}

/// An encoded picture in the form that every decoder takes.
fn mended(mut grab: Grab) -> Grab {
    if let Grab::Frame(frame) = &mut grab
        && let Picture::Jpeg(data) = &mut frame.picture
    {
        jpeg::extent::mend(data);
    }
    grab
}
