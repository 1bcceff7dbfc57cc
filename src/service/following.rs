//! The following side: camera -> detect -> track -> control -> servo.

use std::sync::Arc;

use anyhow::Result;

use super::{HUNG, Service, Shared};
use crate::base::beat::Beat;
use crate::base::limited::Limited;
use crate::base::slot::Slot;
use crate::base::stop::lock;
use crate::base::threads::Threads;
use crate::follow::camera::Env;
use crate::follow::camera::capture::{Capture, CaptureFeedback};
use crate::follow::camera::held::Holder;
use crate::follow::camera::source::{self, SourceKind};
use crate::follow::delay::{Keeper, Kept};
use crate::follow::optics::Optics;
use crate::follow::pose::Pose;
use crate::follow::servo::{ServoLoop, SimulatedServos};
use crate::follow::vision::Vision;

/// Where the mount stands, for whoever looks through the simulated camera.
pub(super) type PoseNow = Arc<dyn Fn() -> Pose + Send + Sync>;

impl Service {
    /// The servo loop, and the simulated servos if they are asked for. Tells where the mount stands for
    /// the simulated camera.
    pub(super) fn start_servos(&self, threads: &mut Threads, shared: &Shared) -> Result<PoseNow> {
        let ahead: PoseNow = Arc::new(|| Pose::HOME);
        let mut config = self.config.servo.clone();
        if !config.enabled {
            return Ok(ahead);
        }
        let mut pose = ahead;
        let simulated =
            SimulatedServos::start_if_wanted(&mut config, &self.clock, &self.stop, threads)?;
        if let Some(servos) = simulated {
            let handle = servos.pose();
            pose = Arc::new(move || handle.now());
        }
        let beat = shared.beats.watch("servo", HUNG, &self.clock);
        let servo_loop = ServoLoop {
            beat: beat.clone(),
            port: Limited::new("servo-port", &self.stop, &beat),
            config,
            live: self.live.clone(),
            follower: Arc::clone(&shared.follower),
            trace: Arc::clone(&shared.frame_trace),
            stats: Arc::clone(&shared.stats),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
        };
        self.start_loop(threads, "servo", &beat, move || servo_loop.run())?;
        Ok(pose)
    }

    pub(super) fn start_camera(
        &self,
        threads: &mut Threads,
        shared: &Shared,
        kind: SourceKind,
        pose: PoseNow,
    ) -> Result<()> {
        let slot = Arc::new(Slot::default());
        let recording = kind.is_recording();
        let follower = Arc::clone(&shared.follower);
        let feedback = CaptureFeedback::new(Arc::clone(&shared.stats))
            .on_a_mount(Arc::new(move |stamp| lock(&follower).views(stamp)));
        let feedback = Arc::new(feedback);
        let env = Env::new(Arc::clone(&self.clock), pose, &self.stop);
        let camera = self.config.camera.clone();
        let beat = shared.beats.watch("camera", HUNG, &self.clock);
        let holder = Holder::new(&camera, &self.stop, &beat);
        let mut capture = Capture {
            beat: beat.clone(),
            next_number: 0,
            open: Box::new(move || {
                let (kind, camera, env) = (kind.clone(), camera.clone(), env.clone());
                holder.open(move || source::open(&kind, &camera, &env))
            }),
            camera: self.config.camera.clone(),
            slot: Arc::clone(&slot),
            stats: Arc::clone(&shared.stats),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
            feedback: Arc::clone(&feedback),
        };
        self.start_loop(threads, "camera", &beat, move || capture.run())?;

        let beat = shared.beats.watch("vision", HUNG, &self.clock);
        let vision = Vision {
            beat: beat.clone(),
            models: Limited::new("detector-models", &self.stop, &beat),
            config: self.config.detector.clone(),
            optics: Optics::new(&self.config.camera),
            rolls: self.config.servo.enabled && self.config.servo.axes.roll.is_some(),
            data_dir: self.data_dir.clone(),
            slot,
            feedback,
            follower: Arc::clone(&shared.follower),
            presence: Arc::clone(&shared.presence),
            trace: Arc::clone(&shared.frame_trace),
            preview: Arc::clone(&shared.preview),
            stats: Arc::clone(&shared.stats),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
        };
        self.start_loop(threads, "vision", &beat, move || vision.run())?;
        if recording || !self.config.servo.enabled {
            return Ok(());
        }
        let keeper = Keeper {
            kept: Kept::new(&self.data_dir, &self.config.camera),
            follower: Arc::clone(&shared.follower),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
        };
        // Not watched: where its disk hangs, all that is lost is a value that can be learned again.
        let beat = Beat::default();
        self.start_loop(threads, "camera-delay", &beat, move || keeper.run())
    }
}
