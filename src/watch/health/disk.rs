//! What the health thread has to do with disks. Each of them may stand still for as long as it likes: the calls are made
//! on threads of their own, are waited for only briefly, and are not made again before they have returned.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use log::debug;

use super::state::{self, State};
use crate::base::beat::Beat;
use crate::base::clock::{self, Monotime};
use crate::base::limited::{Limited, NotDone};
use crate::base::stop::Stop;
use crate::watch::crash;

/// How long a disk is waited for. Far below what the service manager allows, and with everything else that is waited for
/// still not taken for a sleep of the machine.
const PATIENCE: Duration = Duration::from_millis(500);
/// Time between two looks at the crash file and the time zone.
const LOOK: Duration = Duration::from_secs(5);
/// Every so many looks the time zone is read.
const ZONE: u32 = 60;

/// The calls.
#[derive(Debug)]
pub(super) struct Disk {
    /// `health.json`; none where none can be written.
    file: Option<Arc<PathBuf>>,
    writing: Limited<()>,
    /// Another disk than that of `health.json`, which mostly lies in memory.
    looking: Limited<()>,
    looked: Option<Monotime>,
    looks: u32,
}

impl Disk {
    pub fn new(file: Option<PathBuf>) -> Self {
        // What is written last is written after the order to stop.
        let on = |name| Limited::new(name, &Stop::new(), &Beat::default());
        Self {
            file: file.map(Arc::new),
            writing: on("health-file"),
            looking: on("crash-file"),
            looked: None,
            looks: 0,
        }
    }

    /// Writes `health.json`. False where the disk has not taken it yet: it is worth another attempt.
    pub fn write(&self, state: &State) -> bool {
        let Some(file) = self.file.clone() else {
            return true;
        };
        let state = state.clone();
        let done = self
            .writing
            .run(PATIENCE, move || state::write(&file, &state));
        match done {
            Ok(Ok(())) => true,
            // A full disk is none that hangs: it is asked again when the time has come.
            Ok(Err(e)) => {
                debug!("{e:#}");
                true
            }
            Err(why) => {
                debug!("health.json: {why}");
                !matches!(why, NotDone::Hangs)
            }
        }
    }

    /// Looks now and then whether the crash file is where it should be, and at the time zone.
    pub fn look_around(&mut self, now: Monotime) {
        if self.looked.is_some_and(|at| now.since(at) < LOOK) {
            return;
        }
        self.looked = Some(now);
        let zone = self.looks.is_multiple_of(ZONE);
        let done = self.looking.run(PATIENCE, move || {
            crash::look_after();
            if zone {
                clock::hold_zone();
            }
        });
        if done.is_ok() {
            self.looks = self.looks.wrapping_add(1);
        }
    }
}
