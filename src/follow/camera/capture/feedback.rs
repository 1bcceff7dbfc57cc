//! What the detector finds out about pictures that the camera could not know.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::base::clock::Monotime;
use crate::base::stats::Stats;
use crate::follow::pose::Pose;

/// Tells the capture thread of pictures that cannot be decoded, and from where the camera looks.
pub struct CaptureFeedback {
    stats: Arc<Stats>,
    in_a_row: AtomicU32,
    views: Views,
}

/// From where a picture with this time stamp may have been taken, least and greatest angles; none without servos.
type Views = Arc<dyn Fn(Monotime) -> Option<(Pose, Pose)> + Send + Sync>;

impl fmt::Debug for CaptureFeedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureFeedback")
            .field("in_a_row", &self.in_a_row)
            .finish_non_exhaustive()
    }
}

impl CaptureFeedback {
    /// Counts undecodable pictures among the camera's faults of `stats`.
    #[must_use]
    pub fn new(stats: Arc<Stats>) -> Self {
        Self {
            stats,
            in_a_row: AtomicU32::new(0),
            views: Arc::new(|_| None),
        }
    }

    /// For a camera on a mount that moves.
    #[must_use]
    pub fn on_a_mount(mut self, views: Views) -> Self {
        self.views = views;
        self
    }

    /// From where a picture with this time stamp may have been taken; none without servos.
    #[must_use]
    pub fn views(&self, stamp: Monotime) -> Option<(Pose, Pose)> {
        (self.views)(stamp)
    }

    /// A picture could not be decoded. Returns how many in a row that makes, so that only the first is
    /// logged.
    pub fn undecodable(&self) -> u32 {
        self.stats.camera_faults.increment();
        self.in_a_row
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1)
    }

    /// A picture was decoded.
    pub fn decoded(&self) {
        self.in_a_row.store(0, Ordering::Relaxed);
    }

    /// Undecodable pictures in a row.
    #[must_use]
    pub fn in_a_row(&self) -> u32 {
        self.in_a_row.load(Ordering::Relaxed)
    }
}
