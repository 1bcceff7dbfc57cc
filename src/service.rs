//! The service: which threads there are, what connects them, and in what order they end.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use log::{error, info};

use crate::base::clock::Clock;
use crate::base::slot::Slot;
use crate::base::stop::{Reason, Stop};
use crate::base::threads::Threads;
use crate::camera::capture::{Capture, CaptureFeedback};
use crate::camera::source::{Opener, SourceKind};
use crate::config::{Config, Protocol};
use crate::control::Follower;
use crate::control::pose::Pose;
use crate::health;
use crate::monitor::{Monitor, peak_rss_bytes};
use crate::say;
use crate::servo::drive::ServoLoop;
use crate::servo::simulated::SimulatedServos;
use crate::stats::Stats;
use crate::summary::Summary;
use crate::trace::Tracer;
use crate::vision::Vision;

/// The promise is a stop within a second; what is not done by then is named and left behind.
const STOP_WITHIN: Duration = Duration::from_millis(800);

/// Everything that a run needs from outside.
pub struct Service {
    /// The configuration, with the options applied.
    pub config: Config,
    /// What `camera.source` is.
    pub camera: SourceKind,
    /// Folder of ledger and state.
    pub data_dir: PathBuf,
    /// The trace.
    pub tracer: Arc<Tracer>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
    /// Stop by itself after this time.
    pub duration: Option<Duration>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// Why.
    pub reason: Reason,
    /// What it did.
    pub summary: Summary,
    /// Threads that would not end.
    pub stuck: Vec<String>,
}
