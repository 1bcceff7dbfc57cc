//! The window, for who has not said `--no-display`.

use std::sync::Arc;

use anyhow::Result;

use super::{Service, Shared};
use crate::base::beat::Beat;
use crate::base::threads::Threads;
use crate::follow::optics::Optics;
use crate::show::board::Sources;
use crate::show::window::Window;

impl Service {
    /// The window's thread, which ends at once where there is no display.
    pub(super) fn start_window(&self, threads: &mut Threads, shared: &Shared) -> Result<()> {
        let named = |name| std::env::var(name).ok().filter(|v| !v.is_empty());
        let window = Window {
            display: named("DISPLAY"),
            wayland: named("WAYLAND_DISPLAY").is_some(),
            sources: Sources {
                follower: Arc::clone(&shared.follower),
                last_tap: Arc::clone(&shared.last_tap),
                latest: Arc::clone(&shared.latest),
                card_status: Arc::clone(&shared.card_status),
                optics: Optics::new(&self.config.camera),
                dead_zone_degrees: self.config.tracking.dead_zone_degrees,
                camera: self.camera.is_some(),
                servos: self.config.servo.enabled,
            },
            preview: Arc::clone(&shared.preview),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
        };
        // Not watched: whatever hangs it, nobody is followed and no tap recorded by it.
        self.start_loop(threads, "window", &Beat::default(), move || window.run())
    }
}
