//! Measures by how much the camera is late and how wide it sees, with a few seconds of small movements.
//!
//! The pan axis goes a few degrees to and fro, slowly. How far the picture shifts meanwhile ([`shift`]), held against where
//! the axis stood ([`axes`]), gives both figures ([`fit`]). Nobody has to stand before the camera; what it needs is something to see.

pub mod axes;
pub mod direction;
pub mod fit;
pub mod shift;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use crate::base::beat::Beat;
use crate::base::clock::Clock;
use crate::base::stop::{Reason, Stop, lock};
use crate::base::threads::Threads;
use crate::config::Config;
use crate::follow::camera::{CameraSource, Env, Grab, Holder, source};
use crate::follow::control::Axis;
use crate::follow::detect::{Decoder, Pixels};
use crate::follow::pose::Pose;
use crate::follow::servo::SimulatedServos;
use crate::follow::servo::mount::configured;
use crate::say;
use opencv::prelude::MatTraitConst as _;

use axes::{Axes, Goals, TO_AND_FRO, ended, seconds};
use fit::{Found, Shift, Stand, Unclear};
use shift::{Comparer, Seen, Sides};

/// The first picture may take so long, on top of the stall time.
const START: Duration = Duration::from_secs(20);
/// Threads end within this.
const JOIN: Duration = Duration::from_secs(2);
/// Pictures are compared at this size or the next larger one that decoding gives: more pixels only take longer.
const LONG_SIDE: u32 = 320;

/// What was measured, and from how much.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Delay and field of view.
    pub found: Found,
    /// Pictures that were used.
    pub pictures: usize,
}

/// What the thread with the camera tells.
#[derive(Default)]
struct Looked {
    shifts: Vec<Shift>,
    pictures: usize,
    blank: bool,
    width: f64,
    failed: Option<anyhow::Error>,
}

/// Measures with the configured camera and servos. The torque is off when it returns, whatever happens.
///
/// # Errors
/// A device cannot be opened or used, the picture shows too little, or the order to stop came; the message says what to do.
pub fn calibrate(config: &Config, clock: &Arc<dyn Clock>, stop: &Stop) -> Result<Calibration> {
    let (looked, stands) = observe(config, Axis::Pan, TO_AND_FRO, clock, stop)?;
    let found = fit::fit(&looked.shifts, &stands, looked.width, config.camera.lens);
    found
        .map(|found| Calibration {
            found,
            pictures: looked.shifts.len(),
        })
        .map_err(|why| anyhow!(unclear(why, &looked)))
}

/// Moves one axis and looks at the pictures meanwhile. The torque is off when it returns, whatever happens.
fn observe(
    config: &Config,
    axis: Axis,
    goals: &Goals,
    clock: &Arc<dyn Clock>,
    stop: &Stop,
) -> Result<(Looked, Vec<Stand>)> {
    let ending = Stop::new();
    let both = ending.clone();
    stop.on_request(move || both.request(Reason::Duration));
    let mut threads = Threads::default();
    let done = move_and_look(config, axis, goals, clock, &ending, &mut threads);
    ending.request(Reason::Duration);
    threads.join(clock, JOIN);
    if stop.requested() {
        // Whatever failed by it.
        bail!(say!(
            "stopped before it was done; the servos are released",
            "中断しました。サーボのトルクを解放しました"
        ));
    }
    done
}

fn move_and_look(
    config: &Config,
    axis: Axis,
    goals: &Goals,
    clock: &Arc<dyn Clock>,
    ending: &Stop,
    threads: &mut Threads,
) -> Result<(Looked, Vec<Stand>)> {
    let kind = source::classify(&config.camera).map_err(|why| anyhow!(why))?;
    if kind.is_recording() {
        bail!(say!(
            "camera.source is a recording: it does not answer to the mount, so there is nothing to measure",
            "camera.source が録画ファイルのため、測定できません"
        ));
    }
    let mut servo = config.servo.clone();
    let Some(limits) =
        configured(&servo.axes).find_map(|(a, limits)| (a == axis).then(|| limits.clone()))
    else {
        bail!(say!(
            "the mount has no such axis (\"servo.axes\" of the configuration)",
            "設定の \"servo.axes\" にその軸がありません"
        ));
    };
    let mut pose: Arc<dyn Fn() -> Pose + Send + Sync> = Arc::new(|| Pose::HOME);
    if let Some(servos) = SimulatedServos::start_if_wanted(&mut servo, clock, ending, threads)? {
        let handle = servos.pose();
        pose = Arc::new(move || handle.now());
    }
    let mut mount = Axes::connect(&servo, &config.tracking, clock, ending)?;
    let looked = Arc::new(Mutex::new(Looked::default()));
    let camera = config.camera.clone();
    let env = Env::new(Arc::clone(clock), pose, ending);
    let (seen, order) = (Arc::clone(&looked), ending.clone());
    threads.start("camera", ending, move || {
        let holder = Holder::new(&camera, &order, &Beat::default());
        let opened = holder.open(move || source::open(&kind, &camera, &env));
        let watching = Watching::of(axis);
        if let Err(why) = opened.and_then(|source| look(source, watching, &seen, &order)) {
            lock(&seen).failed = Some(why);
        }
    })?;
    let patience = START + Duration::from_secs_f64(config.camera.stall_seconds);
    let begun = clock.now();
    while lock(&looked).pictures == 0 {
        check(&looked)?;
        if clock.wait(ending, Duration::from_millis(20)) {
            bail!(ended());
        }
        if clock.now().since(begun) > patience {
            bail!(say!(
                "the camera gives no picture: `facetap check` looks at it",
                "カメラから画像が来ません。`facetap check` で確認してください"
            ));
        }
    }
    if lock(&looked).blank {
        bail!(blank());
    }
    let stands = mount.play(axis, &limits, goals, &|| check(&looked));
    let released = mount.release();
    let stands = stands?;
    released?;
    let looked = std::mem::take(&mut *lock(&looked));
    if let Some(why) = &looked.failed {
        bail!("{why:#}");
    }
    Ok((looked, stands))
}

/// How pictures are compared, by the axis that moves.
enum Watching {
    Whole(Comparer),
    /// A turn of the picture shifts its sides up and down, and its middle not at all.
    Sides(Sides),
}

impl Watching {
    fn of(axis: Axis) -> Self {
        match axis {
            Axis::Roll => Self::Sides(Sides::default()),
            Axis::Pan | Axis::Tilt => Self::Whole(Comparer::default()),
        }
    }

    fn see(&mut self, grey: &opencv::core::Mat) -> Result<Seen> {
        match self {
            Self::Whole(comparer) => comparer.see(grey),
            Self::Sides(sides) => sides.see(grey),
        }
    }
}

/// Compares pictures until the order to stop.
fn look(
    mut source: Box<dyn CameraSource>,
    mut watching: Watching,
    seen: &Mutex<Looked>,
    stop: &Stop,
) -> Result<()> {
    let mut decoder = Decoder::default();
    while !stop.requested() {
        let frame = match source.grab(stop)? {
            Grab::Frame(frame) => frame,
            Grab::Nothing => continue,
            Grab::End => return Ok(()),
        };
        // A picture that is damaged is one fewer.
        let shown = decoder.show(&frame.picture);
        let Ok(decoded) =
            shown.and_then(|_| decoder.decode(&frame.picture, Pixels::Grey, LONG_SIDE))
        else {
            continue;
        };
        let shown = watching.see(decoded.mat)?;
        let mut seen = lock(seen);
        seen.pictures += 1;
        seen.width = f64::from(decoded.mat.cols());
        seen.blank = shown == Seen::Blank;
        if let Seen::Shifted(pixels) = shown {
            seen.shifts.push(Shift {
                at: seconds(frame.captured),
                pixels,
            });
        }
    }
    Ok(())
}

fn check(looked: &Mutex<Looked>) -> Result<()> {
    match lock(looked).failed.take() {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

fn blank() -> String {
    say!(
        "the picture shows too little to measure by (darkness, a bare wall): switch the light on, or let the camera look at \
         something with edges, and try again",
        "画像に目印が少なく測定できません（暗い、無地の壁など）。照明を点けるか、物が写る向きにして再実行してください"
    )
}

fn unclear(why: Unclear, looked: &Looked) -> String {
    let (used, all) = (looked.shifts.len(), looked.pictures);
    match why {
        Unclear::FewPictures if all >= 2 * used.max(8) => blank(),
        Unclear::FewPictures => say!(
            "only {all} pictures came in all that time: look at the camera (facetap check) and its rate",
            "画像が {all} 枚しか来ませんでした。カメラを確認してください (facetap check)"
        ),
        Unclear::HardlyMoved => say!(
            "the pan axis has hardly moved: look at its power, its gears, and \"servo.axes.pan\"",
            "パン軸がほとんど動きませんでした。電源、ギア、\"servo.axes.pan\" を確認してください"
        ),
        Unclear::NoAnswer => say!(
            "what the camera shows does not move with the pan axis: somebody moves before it, it shows too little, or it is not \
             on this mount; try again with a still room before it",
            "カメラの画像がパン軸の動きと一致しません（前で人が動いている、目印が少ない、別のマウントのカメラなど）。\
             静かな状態で再実行してください"
        ),
        Unclear::WrongWay => say!(
            "the picture moves the wrong way: the pan axis turns left where it should turn right; change \
             \"servo.axes.pan.invert\" and try again",
            "画像が逆向きに動きます。\"servo.axes.pan.invert\" を変更して再実行してください"
        ),
        Unclear::TooLate => say!(
            "the camera is later than a second: nothing can be followed with it; choose a faster stream or format",
            "カメラの遅延が1秒を超えています。より速いストリームまたは形式を選んでください"
        ),
        Unclear::NoLens => say!(
            "the picture moves by an amount that no lens of this kind explains: look at \"camera.lens\" and the angles of the pan axis",
            "画像の動きがレンズと一致しません。\"camera.lens\" とパン軸の角度を確認してください"
        ),
    }
}
