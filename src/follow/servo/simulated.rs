//! Servos that do not exist, at the far end of a pseudo-terminal.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;

use crate::base::clock::{Clock, Monotime};
use crate::base::stop::{Stop, lock};
use crate::base::threads::Threads;
use crate::config;
use crate::follow::control::{Axis, Each};
use crate::follow::pose::Pose;

use super::SIMULATED;
use super::model::Model;
use super::mount::configured;
use super::port::{self, Pair};
use super::protocol::sts;
use super::steps::{self, Mounting, Steps};
use super::wire::Wire as _;

/// How long the thread waits for bytes before it looks at the order to stop.
const LOOK: Duration = Duration::from_millis(50);
/// After the order to stop the servos answer on for this long, so that they can be released.
const AFTER_STOP: Duration = Duration::from_millis(300);
/// More than any frame; what is longer is noise.
const MOST_BYTES: usize = 1024;

type Axes = Each<Option<(Mounting, Model)>>;

/// Simulated servos in a thread of their own.
pub struct SimulatedServos {
    path: PathBuf,
    pose: PoseHandle,
}

/// Tells where the simulated servos are at this moment. Clones tell the same.
#[derive(Clone)]
pub struct PoseHandle {
    axes: Arc<Mutex<Axes>>,
    clock: Arc<dyn Clock>,
}

impl SimulatedServos {
    /// Starts one servo for each axis of the configuration. They stand straight ahead, torque off.
    ///
    /// # Errors
    /// The system gives no pseudo-terminal or no thread.
    pub fn start(
        axes: &config::Axes,
        clock: Arc<dyn Clock>,
        stop: &Stop,
        threads: &mut Threads,
    ) -> Result<Self> {
        let pair = port::pair()?;
        let path = pair.path.clone();
        let now = clock.now();
        let mut servos: Axes = Each::default();
        for (axis, config) in configured(axes) {
            let mounting = Mounting::new(config, steps::STS);
            let Steps(centre) = mounting.steps(0.0);
            let model = Model::new(config.id, f64::from(centre), now);
            servos[axis] = Some((mounting, model));
        }
        let axes = Arc::new(Mutex::new(servos));
        let pose = PoseHandle {
            axes: Arc::clone(&axes),
            clock: Arc::clone(&clock),
        };
        let ordered = stop.clone();
        threads.start("simulated servos", stop, move || {
            serve(pair, &axes, clock.as_ref(), &ordered);
        })?;
        Ok(Self { path, pose })
    }

    /// Starts them where this configuration asks for them, and puts their port into its place.
    ///
    /// # Errors
    /// As of [`start`](Self::start).
    pub fn start_if_wanted(
        config: &mut config::Servo,
        clock: &Arc<dyn Clock>,
        stop: &Stop,
        threads: &mut Threads,
    ) -> Result<Option<Self>> {
        if config.port != SIMULATED {
            return Ok(None);
        }
        let servos = Self::start(&config.axes, Arc::clone(clock), stop, threads)?;
        config.port = servos.path().to_string_lossy().into_owned();
        // They speak nothing else.
        config.protocol = config::Protocol::Sts;
        Ok(Some(servos))
    }

    /// The serial port at which they answer.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A handle to their pose.
    #[must_use]
    pub fn pose(&self) -> PoseHandle {
        self.pose.clone()
    }
}

impl PoseHandle {
    /// Where the mount is now.
    #[must_use]
    pub fn now(&self) -> Pose {
        let now = self.clock.now();
        let mut axes = lock(&self.axes);
        Each::new(|axis| {
            axes[axis].as_mut().map_or(0.0, |(mounting, model)| {
                model.advance(now);
                mounting.degrees(Steps(model.position().round() as i32))
            })
        })
        .into()
    }
}

#[cfg(test)]
impl PoseHandle {
    /// Torque of the axes that exist, in the order of [`Axis::ALL`].
    pub(super) fn torque(&self) -> Vec<bool> {
        let axes = lock(&self.axes);
        axes.iter()
            .filter_map(|(_, servo)| servo.as_ref().map(|(_, model)| model.holds()))
            .collect()
    }

    /// Cuts the power of an axis for a moment: its settings are gone.
    pub(super) fn blink(&self, axis: Axis) {
        let now = self.clock.now();
        if let Some((_, model)) = lock(&self.axes)[axis].as_mut() {
            let id = model.id();
            *model = Model::new(id, model.position(), now);
        }
    }
}

fn serve(mut pair: Pair, axes: &Mutex<Axes>, clock: &dyn Clock, stop: &Stop) {
    let mut bytes = Vec::new();
    let mut ending: Option<Monotime> = None;
    loop {
        let now = clock.now();
        if stop.requested() && now >= *ending.get_or_insert(now + AFTER_STOP) {
            return;
        }
        let mut chunk = [0; 256];
        match pair.far.receive(&mut chunk, LOOK) {
            // Released, and nothing more is said to them.
            Ok(0) if stop.requested() && !holds(axes) => return,
            Ok(n) => bytes.extend(&chunk[..n]),
            // The near end is kept open by `pair`, so this does not happen; if it did, there would be
            // nobody left to answer.
            Err(_) => return,
        }
        for reply in answers(&mut bytes, axes, clock.now()) {
            // The other end is closed: as on a wire, the reply is lost.
            let _ = pair.far.send(&reply);
        }
    }
}

fn holds(axes: &Mutex<Axes>) -> bool {
    let axes = lock(axes);
    axes.iter()
        .any(|(_, servo)| servo.as_ref().is_some_and(|(_, model)| model.holds()))
}

/// Takes the complete frames off the front of `bytes` and returns the replies to them.
fn answers(bytes: &mut Vec<u8>, axes: &Mutex<Axes>, now: Monotime) -> Vec<Vec<u8>> {
    let mut replies = Vec::new();
    while let Some(frame) = sts::find(bytes, |_, _| true) {
        let mut axes = lock(axes);
        for axis in Axis::ALL {
            if let Some((_, model)) = axes[axis].as_mut() {
                replies.extend(model.answer(now, frame.id, frame.kind, frame.parameters));
            }
        }
        let end = frame.end;
        drop(axes);
        bytes.drain(..end);
    }
    if bytes.len() > MOST_BYTES {
        bytes.drain(..bytes.len() - MOST_BYTES / 2);
    }
    replies
}
