//! Health: what the service manager is told.

use std::time::Duration;

use log::warn;
use sd_notify::NotifyState;

/// Time from [`starting`] to [`ready`] that is granted: opening the ledger waits for the disk, and an SD card
/// with much to do may take many seconds. Without it the unit's limit, which is made for a start that hangs,
/// would end a slow one again and again.
const START: Duration = Duration::from_secs(60);

/// The service is about to start; a slow start is not a hung one.
pub fn starting() {
    // Far below the largest, 71 minutes.
    let microseconds = u32::try_from(START.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(microseconds)]);
}

/// The service is ready; without a service manager nothing happens.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The service is about to end.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState]) {
    if let Err(e) = sd_notify::notify(state) {
        warn!("the service manager cannot be told ($NOTIFY_SOCKET): {e}");
    }
}
