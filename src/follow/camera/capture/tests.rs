//! The thread's body against cameras that break on cue, on a clock that is turned by hand.

use std::collections::VecDeque;
use std::sync::Mutex;

use anyhow::anyhow;

use super::*;
use crate::base::clock::ManualClock;
use crate::base::slot::Taken;
use crate::base::stop::{Reason, lock};
use crate::config::Config;
use crate::follow::camera::Picture;

/// What a scripted camera does when it is asked.
#[derive(Clone, Copy)]
enum Act {
    Picture,
    /// Always the same one.
    Frozen,
    /// One that needs mending.
    Odd,
    /// So much time passes without a picture.
    Silence(Duration),
    Fail,
    /// Fails for ever.
    Gone,
    End,
    Stop,
}

struct Scripted {
    acts: VecDeque<Act>,
    live: bool,
    clock: Arc<ManualClock>,
    stop: Stop,
    number: u64,
}

impl Scripted {
    fn picture(&mut self, data: Vec<u8>) -> Grab {
        self.clock.advance(Duration::from_millis(33));
        self.number += 1;
        Grab::Frame(Frame {
            number: self.number - 1,
            captured: self.clock.now(),
            picture: Picture::Jpeg(data),
        })
    }
}

impl CameraSource for Scripted {
    fn grab(&mut self, _: &Stop) -> Result<Grab> {
        match self.acts.pop_front().unwrap_or(Act::Gone) {
            Act::Picture => Ok(self.picture(Vec::new())),
            Act::Frozen => Ok(self.picture(vec![1; 10])),
            Act::Odd => {
                let whole = jpeg::small(1);
                let cut = &whole[..whole.len() - 2];
                Ok(self.picture([b"\r\n", cut].concat()))
            }
            Act::Silence(time) => {
                self.clock.advance(time);
                Ok(Grab::Nothing)
            }
            Act::Fail => Err(anyhow!("scripted")),
            Act::Gone => {
                self.acts.clear();
                Err(anyhow!("unplugged"))
            }
            Act::End => Ok(Grab::End),
            Act::Stop => {
                self.stop.request(Reason::Duration);
                Ok(Grab::Nothing)
            }
        }
    }

    fn describe(&self) -> String {
        "scripted camera".to_owned()
    }

    fn is_live(&self) -> bool {
        self.live
    }
}

struct Run {
    stats: Arc<Stats>,
    slot: Arc<Slot<Frame>>,
    /// When each opening was tried, in milliseconds from the start.
    openings: Vec<u128>,
}

/// Runs with one script for each opening; None is an opening that fails. Stops after the last one.
fn run(live: bool, undecodable: u32, scripts: Vec<Option<Vec<Act>>>) -> Run {
    let clock = ManualClock::shared(Duration::from_secs(1000));
    let (stop, stats, slot) = (
        Stop::new(),
        Arc::new(Stats::default()),
        Arc::new(Slot::default()),
    );
    let feedback = Arc::new(CaptureFeedback::new(Arc::clone(&stats)));
    let openings = Arc::new(Mutex::new(Vec::new()));
    let start = clock.now();
    let open = {
        let (clock, stop, openings) = (Arc::clone(&clock), stop.clone(), Arc::clone(&openings));
        let feedback = Arc::clone(&feedback);
        let mut scripts = VecDeque::from(scripts);
        move || -> Result<Box<dyn CameraSource>> {
            lock(&openings).push(clock.now().since(start).as_millis());
            let Some(script) = scripts.pop_front() else {
                stop.request(Reason::Duration);
                return Err(anyhow!("over"));
            };
            let acts = script.ok_or_else(|| anyhow!("no such camera"))?;
            let feedback = Arc::clone(&feedback);
            let source = Scripted {
                acts: acts.into(),
                live,
                clock: Arc::clone(&clock),
                stop: stop.clone(),
                number: 0,
            };
            Ok(Box::new(Spoiled {
                source,
                feedback,
                undecodable,
            }))
        }
    };
    Capture {
        open: Box::new(open),
        camera: Config::default().camera,
        slot: Arc::clone(&slot),
        stats: Arc::clone(&stats),
        clock,
        stop,
        feedback,
        next_number: 0,
        beat: Beat::default(),
    }
    .run();
    let openings = lock(&openings).clone();
    Run {
        stats,
        slot,
        openings,
    }
}

/// A camera whose first so many pictures the detector reports as undecodable.
struct Spoiled {
    source: Scripted,
    feedback: Arc<CaptureFeedback>,
    undecodable: u32,
}

impl CameraSource for Spoiled {
    fn grab(&mut self, stop: &Stop) -> Result<Grab> {
        if self.undecodable > 0 {
            self.undecodable -= 1;
            self.feedback.undecodable();
        }
        self.source.grab(stop)
    }

    fn describe(&self) -> String {
        self.source.describe()
    }

    fn is_live(&self) -> bool {
        self.source.is_live()
    }
}

#[test]
fn a_camera_missing_at_the_start_is_waited_for_and_is_no_fault() {
    let run = run(
        true,
        0,
        vec![None, None, None, Some(vec![Act::Picture, Act::Stop])],
    );
    assert_eq!(run.openings, [0, 500, 1500, 3500]);
    assert_eq!(run.stats.camera_faults.get(), 0);
    assert_eq!(run.stats.camera_reinits.get(), 0);
    assert!(matches!(run.slot.take(Duration::ZERO), Taken::Item(f) if f.number == 0));
    assert!(matches!(run.slot.take(Duration::ZERO), Taken::Closed));
}

#[test]
fn ten_errors_in_a_row_open_it_anew_and_numbers_go_on() {
    let mut second = vec![Act::Fail; 9];
    second.extend([Act::Picture, Act::Picture, Act::Stop]);
    let run = run(
        true,
        0,
        vec![Some(vec![Act::Picture, Act::Gone]), Some(second)],
    );
    // One picture (33 ms), nine pauses of 20 ms, the first back-off.
    assert_eq!(run.openings, [0, 33 + 9 * 20 + 500]);
    assert_eq!(run.stats.camera_reinits.get(), 1);
    assert_eq!(run.stats.camera_faults.get(), 10 + 9);
    assert_eq!(run.stats.frames_dropped.get(), 2);
    assert!(matches!(run.slot.take(Duration::ZERO), Taken::Item(f) if f.number == 2));
}

#[test]
fn silence_opens_it_anew_with_growing_pauses() {
    let silent = || Some(vec![Act::Silence(Duration::from_secs(1)); 3]);
    let run = run(true, 0, vec![silent(), silent(), silent(), None]);
    assert_eq!(run.openings, [0, 3500, 7500, 12_500, 16_500]);
    assert_eq!(run.stats.camera_reinits.get(), 3);
    assert_eq!(run.stats.camera_faults.get(), 0);
}

#[test]
fn pauses_begin_anew_after_the_camera_has_worked() {
    let silent = vec![Act::Silence(Duration::from_secs(3))];
    let mut working = vec![Act::Picture; 100];
    working.extend(&silent);
    let run = run(
        true,
        0,
        vec![Some(silent.clone()), Some(silent), Some(working), None],
    );
    // 3 s and 0.5 s, 3 s and 1 s, then 3.3 s of pictures, 3 s and 0.5 s.
    assert_eq!(run.openings[..4], [0, 3500, 7500, 7500 + 3300 + 3500]);
}

#[test]
fn undecodable_pictures_open_a_camera_anew_but_not_a_file() {
    let pictures = || {
        let mut acts = vec![Act::Picture; 20];
        acts.push(Act::Stop);
        Some(acts)
    };
    let camera = run(true, 10, vec![pictures()]);
    assert_eq!(camera.stats.camera_reinits.get(), 1);
    assert_eq!(camera.stats.camera_faults.get(), 10);
    let file = run(false, 10, vec![pictures()]);
    assert_eq!(file.stats.camera_reinits.get(), 0);
    assert_eq!(file.stats.camera_faults.get(), 10);
}

#[test]
fn the_same_picture_again_and_again_opens_a_camera_anew_with_growing_patience_but_not_a_file() {
    let frozen = || Some(vec![Act::Frozen; 400]);
    let camera = run(true, 0, vec![frozen(), frozen(), frozen(), None]);
    // Three seconds, six, twelve: nothing has moved, so it may be a scene without noise. What was before counts.
    let (first, second, third) = (92 * 33, 182 * 33, 364 * 33);
    let openings = [0, first, first + second, first + second + third];
    assert_eq!(camera.openings[..4], openings);
    assert_eq!(camera.stats.camera_reinits.get(), 3);
    let mut acts = vec![Act::Frozen; 400];
    acts.push(Act::End);
    let file = run(false, 0, vec![Some(acts)]);
    assert_eq!(file.stats.camera_reinits.get(), 0);
}

#[test]
fn a_picture_is_handed_on_as_decoders_take_it() {
    let run = run(true, 0, vec![Some(vec![Act::Odd, Act::Stop])]);
    let whole = Picture::Jpeg(jpeg::small(1));
    assert!(matches!(run.slot.take(Duration::ZERO), Taken::Item(f) if f.picture == whole));
}

#[test]
fn the_end_of_a_clip_closes_the_mailbox_with_the_last_picture_in_it() {
    let run = run(
        false,
        0,
        vec![Some(vec![Act::Picture, Act::Picture, Act::End])],
    );
    assert_eq!(run.openings, [0]);
    assert!(matches!(run.slot.take(Duration::ZERO), Taken::Item(f) if f.number == 1));
    assert!(matches!(run.slot.take(Duration::ZERO), Taken::Closed));
}

#[test]
fn a_file_keeps_the_numbers_of_its_positions() {
    let run = run(
        false,
        0,
        vec![
            Some(vec![Act::Picture, Act::Gone]),
            Some(vec![Act::Picture, Act::Stop]),
        ],
    );
    assert!(matches!(run.slot.take(Duration::ZERO), Taken::Item(f) if f.number == 0));
}
