//! A camera in a simulated room, looking from where the mount stands: the loop from picture to servo is
//! closed without any hardware.

pub mod draw;
pub mod path;
mod sprites;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::Env;
use super::pace::Pace;
use super::{CameraSource, Frame, Grab, Picture, opencv_runtime};
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::Stop;
use crate::config;
use crate::follow::optics::Optics;
use crate::follow::pose::Pose;
use draw::Painter;

/// A drawn visitor who wanders about.
pub struct SimulatedSource {
    painter: Painter,
    width: u32,
    height: u32,
    fps: f64,
    pace: Pace,
    clock: Arc<dyn Clock>,
    pose: Arc<dyn Fn() -> Pose + Send + Sync>,
    /// When the visitor came in.
    start: Option<Monotime>,
    number: u64,
}

impl SimulatedSource {
    /// A camera of the configured size, rate and lens.
    ///
    /// # Errors
    /// OpenCV refuses to draw, for want of memory.
    pub fn new(camera: &config::Camera, env: &Env) -> Result<Self> {
        opencv_runtime::prepare();
        let (width, height) = (camera.width, camera.height);
        let optics = Optics::new(camera);
        let painter = Painter::new(optics, i32::try_from(width)?, i32::try_from(height)?)
            .context("the simulated camera cannot draw")?;
        Ok(Self {
            painter,
            width,
            height,
            fps: camera.fps,
            pace: Pace::new(camera.fps),
            clock: Arc::clone(&env.clock),
            pose: Arc::clone(&env.pose),
            start: None,
            number: 0,
        })
    }
}

impl CameraSource for SimulatedSource {
    fn grab(&mut self, stop: &Stop) -> Result<Grab> {
        let now = self.clock.now();
        let due = self.pace.due(now);
        if self.clock.wait(stop, due.since(now)) {
            return Ok(Grab::Nothing);
        }
        // The light falls now: visitor and mount are where they are at this moment.
        let captured = self.clock.now();
        let start = *self.start.get_or_insert(captured);
        let visitor = path::visitor(captured.seconds_since(start));
        let data = self
            .painter
            .picture((self.pose)(), visitor)
            .context("the simulated camera cannot draw")?;
        let number = self.number;
        self.number += 1;
        Ok(Grab::Frame(Frame {
            number,
            captured,
            picture: Picture::Bgr {
                width: self.width,
                height: self.height,
                data,
            },
        }))
    }

    fn describe(&self) -> String {
        let Self {
            width, height, fps, ..
        } = self;
        format!("simulated camera: {width}x{height} at {fps}/s")
    }

    fn is_live(&self) -> bool {
        true
    }
}
